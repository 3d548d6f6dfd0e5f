/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

// saying is a target at a service that answers so to everything.
func saying(t *testing.T, status int, body string) *Target {
	t.Helper()
	return target(t, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})), nil)
}

const hana = `{"id":"1","externalId":null,"mail":"hanako@acme.example","role":"general","active":true}`

func list(target *Target) func(context.Context) error {
	return func(ctx context.Context) error {
		return target.List(ctx, func(provision.Account) error { return nil })
	}
}

// What does not keep the contract is never taken for an empty list, for a user
// who is gone, or for something done.
func TestAnswersThatAreNoneOfTheContract(t *testing.T) {
	current := provision.Account{ExternalID: "1"}
	find := func(reference provision.Reference) func(*Target) func(context.Context) error {
		return func(target *Target) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := target.Find(ctx, reference)
				return err
			}
		}
	}
	byID, byMail := find(provision.Reference{ExternalID: "1"}), find(provision.Reference{UserName: "taro@acme.example"})
	remove := func(target *Target) func(context.Context) error {
		return func(ctx context.Context) error { return target.Delete(ctx, current) }
	}
	disable := func(target *Target) func(context.Context) error {
		return func(ctx context.Context) error { return target.Disable(ctx, current) }
	}
	check := func(target *Target) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := target.Check(ctx)
			return err
		}
	}
	for name, test := range map[string]struct {
		status int
		body   string
		do     func(*Target) func(context.Context) error
		says   string
	}{
		"no list":                    {200, `{"total":0}`, list, "lacks users or their total"},
		"null":                       {200, `{"users":null,"total":0}`, list, "lacks users"},
		"no total":                   {200, `{"users":[]}`, list, "lacks users or their total"},
		"total too small":            {200, `{"users":[` + hana + `],"total":0}`, list, "total"},
		"ends early":                 {200, `{"users":[` + hana + `],"total":2}`, list, "ended after 1 of 2"},
		"the same twice":             {200, `{"users":[` + hana + `,` + hana + `],"total":2}`, list, "ended after 1 of 2"},
		"goes round":                 {200, `{"users":[` + hana + `],"total":2,"nextCursor":"a"}`, list, "without anything new"},
		"empty, and yet goes on":     {200, `{"users":[],"total":0,"nextCursor":"a"}`, list, "without anything new"},
		"more than fits in memory":   {200, `{"users":[` + hana + `],"total":1000001}`, list, "more than 1000000"},
		"odd cursor":                 {200, `{"users":[],"total":0,"nextCursor":7}`, list, "cursor"},
		"user without ID":            {200, `{"users":[{"mail":"a@b.example","role":"general","active":true}],"total":1}`, list, "lacks id"},
		"user without active":        {200, `{"users":[{"id":"1","mail":"a@b.example","role":"general"}],"total":1}`, list, "lacks id, mail, role or active"},
		"odd ID":                     {200, `{"users":[{"id":"../1","mail":"a@b.example","role":"general","active":true}],"total":1}`, list, "lacks id"},
		"odd name":                   {200, `{"users":[{"id":"1","mail":"a@b.example","role":"general","active":true,"familyName":7}],"total":1}`, list, "familyName of a user is no text"},
		"no users":                   {200, `{"users":[7],"total":1}`, list, "another form"},
		"another user":               {200, strings.Replace(hana, `"1"`, `"2"`, 1), byID, "another user"},
		"gone, says who?":            {404, ``, byID, "check spec.mdm.rest.url"},
		"gone, says no code":         {404, `{"status":404}`, byID, "check spec.mdm.rest.url"},
		"does not filter":            {200, `{"users":[` + hana + `],"total":1}`, byMail, "does not look users up by mail"},
		"some, and yet none":         {200, `{"users":[],"total":1}`, byMail, "none, and yet some"},
		"deleted, says no code":      {404, ``, remove, "check spec.mdm.rest.url"},
		"deleted, with an answer":    {200, `{}`, remove, "status 200, where the contract has 204"},
		"accepted":                   {202, ``, remove, "status 202"},
		"still active":               {200, hana, disable, "active still"},
		"no user":                    {200, ``, disable, "another form"},
		"odd service":                {200, `[]`, check, "says of itself"},
		"bad request":                {400, `{"code":"bad_request","detail":"Unknown parameter."}`, list, "(The service says: Unknown parameter.)"},
		"no reason":                  {422, ``, disable, "no reason"},
		"another's conflict":         {409, `{"code":"BUSY"}`, disable, "no reason that its contract has"},
		"failed":                     {500, `{"code":"internal"}`, disable, "failed with status 500"},
		"maintained, and says so":    {503, `{"code":"unavailable","title":"Maintenance until 05:00"}`, disable, "(The service says: Maintenance until 05:00)"},
		"refused by another service": {401, ``, disable, "refuses the token"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			err := test.do(saying(t, test.status, test.body))(t.Context())
			cause := provision.Unavailable
			if test.status == http.StatusUnauthorized {
				cause = provision.Unauthorized
			}
			e := refusal(t, err, cause)
			g.Expect(e.Message).To(ContainSubstring(test.says))
			g.Expect(e.Message).To(MatchRegexp(`^[A-Z].*[.)]$`))
		})
	}
}

// A service that alters what it is given would be changed every night for nothing.
func TestAlteredValuesAreRefused(t *testing.T) {
	g := NewWithT(t)
	made := target(t, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
		_, _ = w.Write([]byte(`{"id":"1","externalId":"` + hanako().ID + `","mail":"hanako.yamada@acme.example","familyName":"山田","givenName":"花子",` +
			`"phoneticFamilyName":"ﾔﾏﾀﾞ","phoneticGivenName":"ハナコ","displayName":"山田 花子","role":"general","active":true}`))
	})), nil)
	desired, err := made.Desire(hanako())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = made.Create(t.Context(), desired)
	e := refusal(t, err, provision.Invalid)
	g.Expect(e.Property).To(Equal("phoneticFamilyName"))
	g.Expect(e.Message).To(ContainSubstring("keeps another value"))
}

func TestSeveralUsersWithOneMail(t *testing.T) {
	made := saying(t, 200, `{"users":[`+hana+`,`+strings.Replace(hana, `"1"`, `"2"`, 1)+`],"total":2}`)
	_, err := made.Find(t.Context(), provision.Reference{UserName: "hanako@acme.example"})
	e := refusal(t, err, provision.Conflict)
	NewWithT(t).Expect(e.Message).To(ContainSubstring("several users"))
}

// The service repeats the token, breaks lines and says more than anybody reads.
func TestWhatServicesSayIsBounded(t *testing.T) {
	g := NewWithT(t)
	made := saying(t, 409, `{"code":"device_enrolled","detail":"token mdm-token\n\u0000`+strings.Repeat("長", 5000)+`","devices":["a","b\n","c","d","e","f","g"]}`)
	e := refusal(t, made.Delete(t.Context(), provision.Account{ExternalID: "1"}), provision.DeviceEnrolled)
	g.Expect(e.Message).To(And(ContainSubstring("namely a, b, c, d, e:"), ContainSubstring("The service says: token (hidden) 長"), Not(ContainSubstring("mdm-token")), Not(ContainSubstring("\n"))))
	g.Expect(utf8.RuneCountInString(e.Message)).To(BeNumerically("<", 800))
}

func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		hana, `{"users":[` + hana + `],"total":1,"nextCursor":null}`, `{"devices":[{"id":"1","name":"a","platform":"iOS","managed":true,"compliant":null}],"total":1}`,
		`{"status":422,"code":"character_not_allowed","property":"givenName","character":"①"}`, `{"code":"device_enrolled","devices":[null,""]}`, `[]`, `{"id":{}}`, `7`,
	} {
		f.Add([]byte(seed))
	}
	t := &Target{mapping: standard, without: func(text string) string { return text }}
	f.Fuzz(func(test *testing.T, body []byte) {
		if u, err := t.parseUser(body); err == nil {
			if a := t.account(u); a.ExternalID == "" || a.UserName == "" {
				test.Errorf("%+v", a)
			}
		}
		for _, list := range []listing{users, devices} {
			if p, err := parsePage(body, list); err == nil && p.total < len(p.items) {
				test.Errorf("%+v", p)
			}
		}
		if d, err := parseDevice(body); err == nil && (d.ID == "" || d.Managed == nil) {
			test.Errorf("%+v", d)
		}
		p := parseProblem(body)
		if _, message := p.cause(); !utf8.ValidString(message) || utf8.RuneCountInString(message) > 1500 || strings.ContainsAny(message, "\n\x00") {
			test.Errorf("%q", message)
		}
	})
}
