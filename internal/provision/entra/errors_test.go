/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"errors"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
	"tegata.dev/tegata/test/doubles/graph"
)

func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		status   int
		body     string
		cause    provision.Cause
		property string
		says     string
	}{
		"user name taken": {400, `{"error":{"code":"Request_BadRequest","message":"Another object with the same value for property userPrincipalName already exists.",
			"details":[{"code":"ObjectConflict","message":"Another object...","target":"userPrincipalName"}],"innerError":{"request-id":"r1"}}}`,
			provision.Conflict, "userPrincipalName", "ByUserName"},
		"mail taken": {400, `{"error":{"code":"Request_BadRequest","details":[{"code":"ObjectConflict","target":"proxyAddresses"},{"code":"ConflictingObjects","target":"User_1"}],"innerError":{"request-id":"r1"}}}`,
			provision.Conflict, "proxyAddresses", "mail address"},
		"details as object": {400, `{"error":{"code":"Request_BadRequest","message":{"lang":"en","value":"Taken."},"details":{"code":"ObjectConflict","target":"onPremisesImmutableId"},"innererror":{"request-id":"r1"}}}`,
			provision.Conflict, "onPremisesImmutableId", "immutable ID"},
		"conflict in words": {400, `{"error":{"code":"Request_BadRequest","message":"Another object with the same value for property employeeId already exists.","innerError":{"request-id":"r1"}}}`,
			provision.Conflict, "", "employeeId"},
		"issuer taken":   {409, `{"error":{"code":"Request_MultipleObjectsWithSameKeyValue","message":"Domain already exists.","innerError":{"request-id":"r1"}}}`, provision.Conflict, "", "unique values"},
		"conflict, else": {409, `{"error":{"code":"Other","innerError":{"request-id":"r1"}}}`, provision.Conflict, "", ""},
		"synced from AD": {400, `{"error":{"code":"Request_BadRequest","message":"Unable to update the specified properties for objects that have originated within an external service.","innerError":{"request-id":"r1"}}}`,
			provision.ManagedElsewhere, "", "Active Directory"},
		"mastered on premises": {400, `{"error":{"code":"Request_BadRequest","message":"Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.","innerError":{"request-id":"r1"}}}`,
			provision.ManagedElsewhere, "", "Active Directory"},
		"no immutable ID":       {400, `{"error":{"code":"Request_BadRequest","message":"SourceAnchor is a required property for creation of a federated user.","innerError":{"request-id":"r1"}}}`, provision.Invalid, "onPremisesImmutableId", "federated domain"},
		"domain not verified":   {400, `{"error":{"code":"Request_BadRequest","message":"The domain portion of the userPrincipalName property is invalid.","innerError":{"request-id":"r1"}}}`, provision.Invalid, "userPrincipalName", "verified"},
		"no usage location":     {400, `{"error":{"code":"Request_BadRequest","message":"License assignment cannot be done for user with invalid usage location.","innerError":{"request-id":"r1"}}}`, provision.Invalid, "usageLocation", "usageLocation"},
		"value":                 {400, `{"error":{"code":"Request_BadRequest","message":"Invalid value specified for property 'mobilePhone' of resource 'User'.","details":[{"code":"InvalidValue","target":"mobilePhone"}],"innerError":{"request-id":"r1"}}}`, provision.Invalid, "mobilePhone", "Invalid value"},
		"no licence":            {400, `{"error":{"code":"Request_BadRequest","message":"Subscription with SKU x does not have any available licenses.","innerError":{"request-id":"r1"}}}`, provision.LicenseLimit, "", "licences"},
		"quota":                 {403, `{"error":{"code":"Directory_QuotaExceeded","message":"The directory object quota limit for the Tenant has been exceeded.","innerError":{"request-id":"r1"}}}`, provision.LicenseLimit, "", "quota"},
		"expired page":          {400, `{"error":{"code":"Directory_ExpiredPageToken","innerError":{"request-id":"r1"}}}`, provision.Unavailable, "", "again"},
		"concurrency":           {409, `{"error":{"code":"Directory_ConcurrencyViolation","innerError":{"request-id":"r1"}}}`, provision.Unavailable, "", "again"},
		"token":                 {401, `{"error":{"code":"InvalidAuthenticationToken","innerError":{"request-id":"r1"}}}`, provision.Unauthorized, "", "app registration"},
		"permission":            {403, `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation.","innerError":{"request-id":"r1"}}}`, provision.Forbidden, "", "Some.Permission"},
		"gone":                  {404, `{"error":{"code":"Request_ResourceNotFound","innerError":{"request-id":"r1"}}}`, provision.NotFound, "", "no such"},
		"failed dependency":     {424, `{"error":{"code":"FailedDependency","innerError":{"request-id":"r1"}}}`, provision.Unavailable, "", "depends"},
		"throttled":             {429, `{"error":{"code":"TooManyRequests","innerError":{"request-id":"r1"}}}`, provision.Throttled, "", "throttles"},
		"server":                {500, `{"error":{"code":"Service_InternalServerError","innerError":{"request-id":"r1"}}}`, provision.Unavailable, "", "500"},
		"locked":                {423, `{"error":{"code":"x","innerError":{"request-id":"r1"}}}`, provision.Unavailable, "", "423"},
		"error is a word":       {403, `{"error":"forbidden"}`, provision.Forbidden, "", "Some.Permission"},
		"a proxy's 401":         {401, ``, provision.Unavailable, "", "proxy"},
		"a proxy's 403":         {403, `{"blocked":true}`, provision.Unavailable, "", "proxy"},
		"nothing":               {503, ``, provision.Unavailable, "", "503"},
		"error of another kind": {400, `{"error":["x"]}`, provision.Invalid, "", "change it"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p := parseProblem([]byte(test.body))
			e := p.failure(test.status, "Some.Permission")
			g.Expect(e.Cause).To(Equal(test.cause))
			g.Expect(e.Property).To(Equal(test.property))
			g.Expect(e.Message).To(And(ContainSubstring(test.says), HaveSuffix(".")))
			if strings.Contains(test.body, "r1") {
				g.Expect(e.RequestID).To(Equal("r1"))
			}
		})
	}
}

func FuzzProblem(f *testing.F) {
	f.Add(400, []byte(`{"error":{"code":"Request_BadRequest","message":"m","details":[{"code":"ObjectConflict","target":"userPrincipalName"}],"innerError":{"request-id":"r"}}}`))
	f.Add(409, []byte(`{"error":{"message":{"value":"m"},"details":{"code":"ConflictingObjects"}}}`))
	f.Add(403, []byte(`{"error":"x"}`))
	f.Add(400, []byte(`{"error":"invalid_client","error_codes":[7000215,"x",1e9],"error_description":"AADSTS50196: x"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, e := range []*provision.Error{parseProblem(body).failure(status, "p"), parseTokenProblem(body).failure(status)} {
			if e.Cause == "" || e.Message == "" || !utf8.ValidString(e.Message) || strings.ContainsAny(e.Message, "\r\n\x00") || len(e.Message) > 8*maxText {
				t.Errorf("%q", e.Message)
			}
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"value":[{"id":"1","userPrincipalName":"a@b","accountEnabled":true,"businessPhones":["1"],"employeeOrgData":{"division":"x"}}],"@odata.nextLink":"https://graph.microsoft.com/v1.0/users?$skiptoken=x"}`))
	f.Add([]byte(`{"value":[]}`))
	f.Add([]byte(`{"value":null}`))
	f.Add([]byte(`{"responses":[{"id":"1","status":200,"headers":{"Retry-After":"1"},"body":{}},{"id":"2","status":404,"body":null}]}`))
	target, err := New(testOptions())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		users, next, err := parsePage(body)
		if err != nil && (users != nil || next != "") {
			t.Error("a page that cannot be read has users")
		}
		for _, u := range users {
			if found := target.account(u); found != nil && found.ExternalID == "" {
				t.Error("an account without an ID")
			}
		}
		if parts, err := parseBatch(body, 2); err == nil {
			for _, p := range parts {
				if p.status == 0 {
					t.Error("a request without an answer")
				}
			}
		}
		_, _, _ = parseToken(body)
		_, _ = target.one(body, nil)
		_, _ = parseFederation(body)
	})
}

// What Desire allows, Graph takes.
func FuzzDesire(f *testing.F) {
	f.Add("taro.yamada@mail.example", "山田", "太郎", "+81 90 1234 5678", "営業部")
	f.Add("o'hara#1@x", " ", "𠮷", "", "a\tb")
	f.Add("a..b@x", "\u200b", "é", "\x00", "<script>")
	tenant := graph.New(graph.Options{Limits: graph.Unlimited})
	server := httptest.NewServer(tenant)
	f.Cleanup(server.Close)
	options := testOptions()
	options.Endpoints = Endpoints{Login: server.URL, Graph: server.URL}
	options.TenantID, options.ClientID = graph.DefaultTenantID, graph.DefaultClientID
	options.HTTP = client.New(client.Options{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	options.Attributes = []provision.Attribute{{Name: "department", Attribute: "text"}, {Name: "employeeId", Attribute: "text"}, {Name: "otherMails", Field: "mail"}}
	target, err := New(options)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, mail, family, given, phone, text string) {
		subject := taro()
		subject.ID = uuid.NewString()
		subject.Member.Mail, subject.Member.Person.Family, subject.Member.Person.Given, subject.Member.Phone = mail, family, given, phone
		subject.Member.Attributes["text"] = text
		desired, err := target.Desire(subject)
		if err != nil {
			if e, ok := errors.AsType[*provision.Error](err); !ok || e.Cause != provision.Invalid || e.Property == "" || !utf8.ValidString(e.Message) {
				t.Errorf("%v", err)
			}
			return
		}
		if _, err := target.Create(t.Context(), desired); provision.CauseOf(err) != provision.Conflict && err != nil {
			t.Errorf("%+v: %v", desired, err)
		}
	})
}
