/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	. "github.com/onsi/gomega"
)

func (w *world) all(path string) (names []string, pages int) {
	w.t.Helper()
	for path != "" {
		body := w.expect(http.StatusOK, http.MethodGet, path, nil)
		pages++
		for _, item := range body["value"].([]any) {
			names = append(names, item.(map[string]any)["userPrincipalName"].(string))
		}
		path, _ = body["@odata.nextLink"].(string)
	}
	return names, pages
}

func TestPages(t *testing.T) {
	w := newWorld(t, Options{})
	var want []string
	for n := range 250 {
		name := fmt.Sprintf("member%03d@acme.example", n)
		w.AddUser(name, nil)
		want = append(want, name)
	}
	names, pages := w.all("/users")
	w.Expect(names).To(Equal(want))
	w.Expect(pages).To(Equal(3))
	names, pages = w.all("/users?$select=userPrincipalName&$top=50")
	w.Expect(names).To(Equal(want))
	w.Expect(pages).To(Equal(5))
	names, pages = w.all("/users?$top=999")
	w.Expect(names).To(Equal(want))
	w.Expect(pages).To(Equal(1))
}

func TestFilters(t *testing.T) {
	w := newWorld(t, Options{})
	w.AddUser("o'neil@acme.example", map[string]any{"department": "A and B", "onPremisesImmutableId": "ab"})
	w.AddUser("hanako@acme.example", map[string]any{"department": "A and B", "accountEnabled": false})
	for filter, want := range map[string]int{
		"userPrincipalName eq 'O''Neil@acme.example'":        1,
		"department eq 'A and B'":                            2,
		"department eq 'A and B' and accountEnabled eq true": 1,
		"onPremisesImmutableId eq 'ab'":                      1,
		"onPremisesImmutableId eq 'ac'":                      0,
	} {
		names, _ := w.all("/users?$filter=" + url.QueryEscape(filter))
		w.Expect(names).To(HaveLen(want), filter)
	}
	for _, path := range []string{
		"/users?$filter=startswith(displayName,'a')", "/users?$filter=department ne 'a'", "/users?$filter=mobilePhone eq '1'", "/users?$filter=department eq 'a", "/users?$filter=department eq a",
		"/users?$filter=accountEnabled eq 'true'", "/users?$filter=nonsense eq 'a'", "/users?$filter=department eq 'a' or department eq 'b'", "/users?$filter=",
		"/users?$select=nonsense", "/users?$select=", "/users?$top=0", "/users?$top=1000", "/users?$top=x", "/users?$orderby=displayName", "/users?$count=true", "/users?top=1",
		"/users?$skiptoken=x", "/users?$top=1&$top=2", "/nonsense",
	} {
		w.fails(http.StatusBadRequest, http.MethodGet, path, nil)
	}
	w.fails(http.StatusMethodNotAllowed, http.MethodPut, "/users", map[string]any{})
}

func TestBodies(t *testing.T) {
	w := newWorld(t, Options{})
	w.fails(http.StatusBadRequest, http.MethodPost, "/users", []string{"a"})
	w.fails(http.StatusUnsupportedMediaType, http.MethodPost, "/users", nil)
}

func TestOtherReads(t *testing.T) {
	w := newWorld(t, Options{})
	w.AddDevice(map[string]any{"deviceName": "mac", "userId": "u1", "complianceState": "compliant", "azureADDeviceId": "d1"})
	w.AddDevice(map[string]any{"deviceName": "pc", "userId": "u2", "complianceState": "noncompliant"})
	w.Expect(w.expect(http.StatusOK, http.MethodGet, "/deviceManagement/managedDevices", nil)["value"]).To(HaveLen(2))
	found := w.expect(http.StatusOK, http.MethodGet, "/deviceManagement/managedDevices?$filter=azureADDeviceId eq 'd1'&$select=deviceName,complianceState", nil)["value"].([]any)
	w.Expect(found).To(ConsistOf(And(HaveKeyWithValue("deviceName", "mac"), Not(HaveKey("userId")))))
	w.expect(http.StatusOK, http.MethodGet, "/deviceManagement/managedDevices/"+found[0].(map[string]any)["id"].(string), nil)
	w.fails(http.StatusNotFound, http.MethodGet, "/deviceManagement/managedDevices/x", nil)

	organization := w.expect(http.StatusOK, http.MethodGet, "/organization", nil)["value"].([]any)[0].(map[string]any)
	w.Expect(organization).To(HaveKeyWithValue("id", DefaultTenantID))
	w.Expect(organization["verifiedDomains"]).To(HaveLen(2))

	app := w.expect(http.StatusOK, http.MethodGet, "/applications(appId='"+DefaultClientID+"')?$select=passwordCredentials", nil)
	w.Expect(app["passwordCredentials"]).To(ConsistOf(And(HaveKeyWithValue("hint", "sec"), HaveKeyWithValue("secretText", BeNil()), HaveKey("endDateTime"))))
	w.fails(http.StatusNotFound, http.MethodGet, "/applications(appId='"+DefaultTenantID+"')", nil)

	w.Expect(w.expect(http.StatusOK, http.MethodGet, "/domains", nil)["value"]).To(HaveLen(2))
	w.Expect(w.expect(http.StatusOK, http.MethodGet, "/domains/ACME.example", nil)).To(HaveKeyWithValue("isVerified", true))
	w.fails(http.StatusNotFound, http.MethodGet, "/domains/other.example", nil)
}
