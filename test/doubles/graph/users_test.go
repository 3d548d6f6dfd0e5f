/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestCreateRefuses(t *testing.T) {
	w := newWorld(t, Options{Domains: []Domain{{Name: "acme.onmicrosoft.com", Initial: true, Default: true}, {Name: "acme.example"}, {Name: "new.example", Unverified: true}}})
	w.create("taken", map[string]any{"mail": "taken@acme.example", "onPremisesImmutableId": "aa"})
	for name, test := range map[string]struct {
		change map[string]any
		target string
	}{
		"no password":               {map[string]any{"passwordProfile": absent}, ""},
		"no name":                   {map[string]any{"displayName": absent}, ""},
		"no nickname":               {map[string]any{"mailNickname": absent}, ""},
		"no state":                  {map[string]any{"accountEnabled": absent}, ""},
		"null name":                 {map[string]any{"displayName": nil}, "displayName"},
		"unknown property":          {map[string]any{"nickName": "x"}, ""},
		"misspelt case":             {map[string]any{"Department": "x"}, ""},
		"read-only property":        {map[string]any{"proxyAddresses": []string{"SMTP:a@acme.example"}}, ""},
		"text for a flag":           {map[string]any{"accountEnabled": "true"}, ""},
		"number for a text":         {map[string]any{"department": 7}, ""},
		"text for a list":           {map[string]any{"businessPhones": "1"}, ""},
		"two business phones":       {map[string]any{"businessPhones": []string{"1", "2"}}, "businessPhones"},
		"empty text":                {map[string]any{"department": ""}, "department"},
		"long department":           {map[string]any{"department": strings.Repeat("x", 65)}, "department"},
		"long name":                 {map[string]any{"displayName": strings.Repeat("あ", 257)}, "displayName"},
		"long employee ID":          {map[string]any{"employeeId": "12345678901234567"}, "employeeId"},
		"unknown country":           {map[string]any{"usageLocation": "jpn"}, "usageLocation"},
		"dollar in the ID":          {map[string]any{"onPremisesImmutableId": "a$b"}, "onPremisesImmutableId"},
		"underscore in the ID":      {map[string]any{"onPremisesImmutableId": "a_b"}, "onPremisesImmutableId"},
		"accents":                   {map[string]any{"userPrincipalName": "josé@acme.example"}, "userPrincipalName"},
		"dot before @":              {map[string]any{"userPrincipalName": "jose.@acme.example"}, "userPrincipalName"},
		"plus":                      {map[string]any{"userPrincipalName": "jose+1@acme.example"}, "userPrincipalName"},
		"long local part":           {map[string]any{"userPrincipalName": strings.Repeat("x", 65) + "@acme.example"}, "userPrincipalName"},
		"unknown domain":            {map[string]any{"userPrincipalName": "jose@other.example"}, "userPrincipalName"},
		"unverified domain":         {map[string]any{"userPrincipalName": "jose@new.example"}, "userPrincipalName"},
		"user name taken":           {map[string]any{"userPrincipalName": "TAKEN@acme.example"}, "userPrincipalName"},
		"mail taken":                {map[string]any{"mail": "Taken@acme.example"}, "proxyAddresses"},
		"ID taken":                  {map[string]any{"onPremisesImmutableId": "aa"}, "onPremisesImmutableId"},
		"accents in mail":           {map[string]any{"mail": "josé@acme.example"}, "mail"},
		"short password":            {map[string]any{"passwordProfile": map[string]any{"password": "Aa1!"}}, "password"},
		"simple password":           {map[string]any{"passwordProfile": map[string]any{"password": "abcdefgh1"}}, "password"},
		"password beyond ASCII":     {map[string]any{"passwordProfile": map[string]any{"password": "Abcdefgh1あ"}}, "password"},
		"unknown part of an object": {map[string]any{"employeeOrgData": map[string]any{"floor": "1"}}, ""},
		"unknown user type":         {map[string]any{"userType": "Robot"}, "userType"},
	} {
		t.Run(name, func(*testing.T) {
			code, target := w.fails(http.StatusBadRequest, http.MethodPost, "/users", person("new", test.change))
			w.Expect(code).To(Equal("Request_BadRequest"))
			w.Expect(target).To(Equal(test.target))
		})
	}
	w.Expect(w.Users()).To(HaveLen(1))
}

func TestUserLife(t *testing.T) {
	w := newWorld(t, Options{})
	id := w.create("hanako", map[string]any{
		"givenName": "花子", "department": nil, "onPremisesExtensionAttributes": map[string]any{"extensionAttribute1": "a"}, "mail": "hanako@acme.example",
	})
	user := w.expect(http.StatusOK, http.MethodGet, "/users/"+id, nil)
	w.Expect(user).To(HaveKeyWithValue("givenName", "花子"))
	w.Expect(user).NotTo(HaveKey("onPremisesImmutableId"), "it has to be selected")
	user = w.expect(http.StatusOK, http.MethodGet, "/users/HANAKO@acme.example?$select=onPremisesImmutableId,passwordProfile,proxyAddresses,onPremisesExtensionAttributes", nil)
	w.Expect(user).To(HaveKeyWithValue("passwordProfile", BeNil()))
	w.Expect(user).To(HaveKeyWithValue("proxyAddresses", ConsistOf("SMTP:hanako@acme.example")))

	w.expect(http.StatusNoContent, http.MethodPatch, "/users/"+id, map[string]any{
		"onPremisesImmutableId": "ab", "mail": "h.yamada@acme.example", "onPremisesExtensionAttributes": map[string]any{"extensionAttribute2": "b"},
	})
	w.Expect(w.User(id)).To(HaveKeyWithValue("proxyAddresses", ConsistOf("SMTP:h.yamada@acme.example")))
	w.Expect(w.User(id)["onPremisesExtensionAttributes"]).To(Equal(map[string]any{"extensionAttribute1": "a", "extensionAttribute2": "b"}))
	_, target := w.fails(http.StatusBadRequest, http.MethodPatch, "/users/"+id, map[string]any{"onPremisesImmutableId": ""})
	w.Expect(target).To(Equal("onPremisesImmutableId"))
	w.expect(http.StatusNoContent, http.MethodPatch, "/users/"+id, map[string]any{"onPremisesImmutableId": nil})
	w.fails(http.StatusForbidden, http.MethodPatch, "/users/"+id, map[string]any{"passwordProfile": map[string]any{"password": "Other-Horse-7"}})
	w.Expect(w.expect(http.StatusOK, http.MethodPost, "/users/"+id+"/revokeSignInSessions", nil)).To(HaveKeyWithValue("value", true))

	w.expect(http.StatusNoContent, http.MethodDelete, "/users/"+id, nil)
	code, _ := w.fails(http.StatusNotFound, http.MethodGet, "/users/"+id, nil)
	w.Expect(code).To(Equal("Request_ResourceNotFound"))
	w.fails(http.StatusNotFound, http.MethodDelete, "/users/"+id, nil)
	deleted := w.expect(http.StatusOK, http.MethodGet, "/directory/deletedItems/microsoft.graph.user?$filter=id eq '"+id+"'&$select=userPrincipalName,deletedDateTime", nil)["value"].([]any)
	w.Expect(deleted).To(HaveLen(1))
	w.Expect(deleted[0]).To(HaveKeyWithValue("userPrincipalName", strings.ReplaceAll(id, "-", "")+"hanako@acme.example"), "the name is free")

	w.expect(http.StatusOK, http.MethodPost, "/directory/deletedItems/"+id+"/restore", nil)
	w.Expect(w.User(id)).To(HaveKeyWithValue("userPrincipalName", "hanako@acme.example"))

	w.DeleteUser(id)
	other := w.create("hanako", nil)
	_, target = w.fails(http.StatusBadRequest, http.MethodPost, "/directory/deletedItems/"+id+"/restore", nil)
	w.Expect(target).To(Equal("userPrincipalName"))
	w.expect(http.StatusOK, http.MethodPost, "/directory/deletedItems/"+id+"/restore", map[string]any{"newUserPrincipalName": "hanako2@acme.example"})
	w.expect(http.StatusNoContent, http.MethodDelete, "/users/"+other, nil)
	w.expect(http.StatusNoContent, http.MethodDelete, "/directory/deletedItems/"+other, nil)
	w.fails(http.StatusNotFound, http.MethodPost, "/directory/deletedItems/"+other+"/restore", nil)

	w.DeleteUser(id)
	w.clock = w.clock.Add(deletedKept)
	w.token = w.newToken()
	w.fails(http.StatusNotFound, http.MethodGet, "/directory/deletedItems/"+id, nil)
	w.Expect(w.Deleted()).To(BeEmpty())
}

func TestDeletedImmutableIDBlocks(t *testing.T) {
	w := newWorld(t, Options{})
	w.DeleteUser(w.create("hanako", map[string]any{"onPremisesImmutableId": "ab"}))
	_, target := w.fails(http.StatusBadRequest, http.MethodPost, "/users", person("hanako", map[string]any{"onPremisesImmutableId": "ab"}))
	w.Expect(target).To(Equal("onPremisesImmutableId"))
}

func TestReplication(t *testing.T) {
	w := newWorld(t, Options{ReplicationDelay: 30 * time.Second})
	id := w.create("hanako", map[string]any{"onPremisesImmutableId": "ab"})
	unseen := func() {
		w.fails(http.StatusNotFound, http.MethodGet, "/users/"+id, nil)
		w.fails(http.StatusNotFound, http.MethodGet, "/users/hanako@acme.example", nil)
		w.fails(http.StatusNotFound, http.MethodPatch, "/users/"+id, map[string]any{"department": "x"})
		w.Expect(w.expect(http.StatusOK, http.MethodGet, "/users?$filter=onPremisesImmutableId eq 'ab'", nil)["value"]).To(BeEmpty())
	}
	unseen()
	w.fails(http.StatusBadRequest, http.MethodPost, "/users", person("hanako", nil))
	w.clock = w.clock.Add(29 * time.Second)
	unseen()
	w.clock = w.clock.Add(time.Second)
	w.expect(http.StatusNoContent, http.MethodPatch, "/users/"+id, map[string]any{"department": "x"})
	w.Expect(w.expect(http.StatusOK, http.MethodGet, "/users/"+id+"?$select=department", nil)).To(HaveKeyWithValue("department", BeNil()))
	w.clock = w.clock.Add(30 * time.Second)
	w.Expect(w.expect(http.StatusOK, http.MethodGet, "/users/"+id+"?$select=department", nil)).To(HaveKeyWithValue("department", "x"))
	w.expect(http.StatusNoContent, http.MethodDelete, "/users/"+id, nil)
	w.expect(http.StatusOK, http.MethodGet, "/users/"+id, nil)
	w.Expect(w.expect(http.StatusOK, http.MethodGet, "/directory/deletedItems/microsoft.graph.user", nil)["value"]).To(BeEmpty())
	w.fails(http.StatusNotFound, http.MethodPatch, "/users/"+id, map[string]any{"department": "y"})
	w.clock = w.clock.Add(30 * time.Second)
	w.Expect(w.expect(http.StatusOK, http.MethodGet, "/directory/deletedItems/microsoft.graph.user", nil)["value"]).To(HaveLen(1))
}

func TestAdministratorsAreProtected(t *testing.T) {
	w := newWorld(t, Options{})
	id := w.create("hanako", nil)
	assignment := w.expect(http.StatusCreated, http.MethodPost, "/roleManagement/directory/roleAssignments",
		map[string]any{"principalId": id, "roleDefinitionId": UserAdministrator, "directoryScopeId": "/"})["id"].(string)
	w.fails(http.StatusBadRequest, http.MethodPost, "/roleManagement/directory/roleAssignments", map[string]any{"principalId": id, "roleDefinitionId": UserAdministrator, "directoryScopeId": "/"})
	w.fails(http.StatusNotFound, http.MethodPost, "/roleManagement/directory/roleAssignments", map[string]any{"principalId": id, "roleDefinitionId": DefaultTenantID, "directoryScopeId": "/"})
	w.fails(http.StatusForbidden, http.MethodPatch, "/users/"+id, map[string]any{"accountEnabled": false})
	w.fails(http.StatusForbidden, http.MethodDelete, "/users/"+id, nil)
	w.expect(http.StatusNoContent, http.MethodPatch, "/users/"+id, map[string]any{"department": "x"})
	found := w.expect(http.StatusOK, http.MethodGet, "/roleManagement/directory/roleAssignments?$filter=principalId eq '"+id+"' and roleDefinitionId eq '"+UserAdministrator+"'", nil)["value"]
	w.Expect(found).To(HaveLen(1))
	w.expect(http.StatusNoContent, http.MethodDelete, "/roleManagement/directory/roleAssignments/"+assignment, nil)
	w.expect(http.StatusNoContent, http.MethodDelete, "/users/"+id, nil)

	admin := w.create("jiro", nil)
	w.AssignRole(admin, GlobalAdministrator)
	w.SetApp(App{ClientID: DefaultClientID, Secrets: []Secret{{Value: "secret"}}, Permissions: AllPermissions(), Roles: []string{GlobalAdministrator}})
	w.expect(http.StatusNoContent, http.MethodDelete, "/users/"+admin, nil)
}

func TestSyncedUsersAreElsewheres(t *testing.T) {
	w := newWorld(t, Options{})
	id := w.AddUser("ad@acme.example", nil)
	w.SyncFromActiveDirectory(id)
	w.fails(http.StatusBadRequest, http.MethodPatch, "/users/"+id, map[string]any{"department": "x"})
}
