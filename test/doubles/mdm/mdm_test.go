/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

// answered is what came back.
type answered struct {
	status int
	header http.Header
	body   map[string]any
}

// ask calls a service directly. headers are "Name: value".
func ask(t *testing.T, s *Server, method, path, body string, headers ...string) answered {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, Path+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+DefaultToken)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	a := answered{status: w.Code, header: w.Header()}
	if w.Body.Len() > 0 {
		NewWithT(t).Expect(json.Unmarshal(w.Body.Bytes(), &a.body)).To(Succeed())
	}
	return a
}

func newUser(change string) string {
	var user map[string]any
	_ = json.Unmarshal([]byte(`{"externalId":"e1","mail":"hanako@acme.example","familyName":"山田","givenName":"花子","role":"general","active":true}`), &user)
	if change != "" {
		var fields map[string]any
		if err := json.Unmarshal([]byte(change), &fields); err != nil {
			panic(err)
		}
		for name, value := range fields {
			user[name] = value
		}
	}
	encoded, _ := json.Marshal(user)
	return string(encoded)
}

func TestRefusesValues(t *testing.T) {
	for change, want := range map[string][]string{
		`{"mail":null}`:                         {"value_not_allowed", "mail"},
		`{"mail":""}`:                           {"value_not_allowed", "mail"},
		`{"mail":"hanako"}`:                     {"value_not_allowed", "mail"},
		`{"givenName":7}`:                       {"value_not_allowed", "givenName"},
		`{"role":"king"}`:                       {"value_not_allowed", "role"},
		`{"active":"true"}`:                     {"value_not_allowed", "active"},
		`{"active":null}`:                       {"value_not_allowed", "active"},
		`{"displayName":"` + long(1025) + `"}`:  {"value_not_allowed", "displayName"},
		`{"id":"7"}`:                            {"property_unknown", "id"},
		`{"shoeSize":"27"}`:                     {"property_unknown", "shoeSize"},
		`{"familyName":"髙橋"}`:                   {"character_not_allowed", "familyName"},
		`{"familyName":"𠮷田"}`:                   {"character_not_allowed", "familyName"},
		`{"phoneticFamilyName":"ヨシ\u0007ダ"}`:    {"character_not_allowed", "phoneticFamilyName"},
		`{"department":"<script>"}`:             {"character_not_allowed", "department"},
		`{"mail":"hanako+\u2460@acme.example"}`: {"character_not_allowed", "mail"},
	} {
		g := NewWithT(t)
		s := New(Options{})
		a := ask(t, s, http.MethodPost, "/users", newUser(change))
		g.Expect(a.status).To(Equal(http.StatusUnprocessableEntity), change)
		g.Expect([]any{a.body["code"], a.body["property"]}).To(HaveExactElements(want[0], want[1]), change)
		g.Expect(s.Users()).To(BeEmpty())
	}
}

func long(n int) string { return strings.Repeat("あ", n) }

func TestRefusesCalls(t *testing.T) {
	for name, test := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		code               string
	}{
		"no token":          {http.MethodGet, "/users", "", []string{"Authorization: "}, 401, "unauthorized"},
		"wrong token":       {http.MethodGet, "/users", "", []string{"Authorization: Bearer x"}, 401, "unauthorized"},
		"basic":             {http.MethodGet, "/users", "", []string{"Authorization: Basic " + DefaultToken}, 401, "unauthorized"},
		"path":              {http.MethodGet, "/people", "", nil, 404, "not_found"},
		"user":              {http.MethodGet, "/users/7", "", nil, 404, "user_not_found"},
		"method":            {http.MethodPut, "/users", "", nil, 404, "not_found"},
		"parameter":         {http.MethodGet, "/users?filter=a", "", nil, 400, "bad_request"},
		"limit":             {http.MethodGet, "/users?limit=0", "", nil, 400, "bad_request"},
		"limit twice":       {http.MethodGet, "/users?limit=1&limit=2", "", nil, 400, "bad_request"},
		"cursor":            {http.MethodGet, "/users?cursor=7", "", nil, 400, "cursor_expired"},
		"another's cursor":  {http.MethodGet, "/users?cursor=" + cursor("devices", 1), "", nil, 400, "cursor_expired"},
		"body":              {http.MethodGet, "/users", "{}", nil, 400, "bad_request"},
		"type":              {http.MethodPost, "/users", newUser(""), []string{"Content-Type: text/json"}, 400, "bad_request"},
		"no object":         {http.MethodPost, "/users", "[]", nil, 400, "bad_request"},
		"no JSON":           {http.MethodPost, "/users", "{", nil, 400, "bad_request"},
		"no Unicode":        {http.MethodPost, "/users", "{\"mail\":\"\xff\"}", nil, 400, "bad_request"},
		"mail of devices":   {http.MethodGet, "/devices?mail=a", "", nil, 400, "bad_request"},
		"service with mail": {http.MethodGet, "/service?mail=a", "", nil, 400, "bad_request"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			a := ask(t, New(Options{}), test.method, test.path, test.body, test.headers...)
			g.Expect(a.status).To(Equal(test.status))
			g.Expect(a.body).To(And(HaveKeyWithValue("code", test.code), HaveKeyWithValue("status", BeEquivalentTo(test.status))))
			g.Expect(a.header.Get("Content-Type")).To(Equal("application/problem+json"))
		})
	}
}

func TestPatchIsCarriedOutWholeOrNotAtAll(t *testing.T) {
	g := NewWithT(t)
	s := New(Options{Licenses: 1})
	id := ask(t, s, http.MethodPost, "/users", newUser("")).body["id"].(string)
	before := s.Users()
	for body, code := range map[string]string{
		`{"familyName":"佐藤","givenName":"①"}`:      "character_not_allowed",
		`{"familyName":"佐藤","externalId":"e2"}`:    "value_not_allowed",
		`{"familyName":"佐藤","externalId":null}`:    "value_not_allowed",
		`{"familyName":"佐藤","mail":"T@a.example"}`: "mail_already_used",
		`{}`: "bad_request",
	} {
		other := s.AddUser("t@a.example", map[string]any{"active": false})
		g.Expect(ask(t, s, http.MethodPatch, "/users/"+id, body).body).To(HaveKeyWithValue("code", code))
		s.DeleteUser(other)
		g.Expect(s.Users()).To(Equal(before))
	}
	a := ask(t, s, http.MethodPatch, "/users/"+id, `{"familyName":"佐藤","displayName":null,"externalId":"e1","active":true}`)
	g.Expect(a.status).To(Equal(http.StatusOK))
	g.Expect(a.body).To(And(HaveKeyWithValue("familyName", "佐藤"), HaveKeyWithValue("givenName", "花子")))
}

func TestLicensesAreOfActiveUsers(t *testing.T) {
	g := NewWithT(t)
	s := New(Options{Licenses: 1})
	ask(t, s, http.MethodPost, "/users", newUser(""))
	jiro := newUser(`{"externalId":"e2","mail":"jiro@acme.example"}`)
	g.Expect(ask(t, s, http.MethodPost, "/users", jiro).body).To(HaveKeyWithValue("code", "user_license_exhausted"))
	made := ask(t, s, http.MethodPost, "/users", strings.Replace(jiro, `"active":true`, `"active":false`, 1))
	g.Expect(made.status).To(Equal(http.StatusCreated))
	path := "/users/" + made.body["id"].(string)
	g.Expect(ask(t, s, http.MethodPatch, path, `{"active":true}`).body).To(HaveKeyWithValue("code", "user_license_exhausted"))
	g.Expect(ask(t, s, http.MethodGet, "/service", "").body).To(HaveKeyWithValue("licenses", And(HaveKeyWithValue("total", 1.0), HaveKeyWithValue("used", 1.0))))
	s.SetLicenses(2)
	g.Expect(ask(t, s, http.MethodPatch, path, `{"active":true}`).status).To(Equal(http.StatusOK))
}

// Users come and go while somebody reads: whoever stays is on one page.
func TestPagesWhileUsersComeAndGo(t *testing.T) {
	g := NewWithT(t)
	s := New(Options{PageSize: 2})
	var ids []string
	for n := range 6 {
		ids = append(ids, s.AddUser(fmt.Sprintf("u%d@acme.example", n), nil))
	}
	first := ask(t, s, http.MethodGet, "/users?limit=1000", "")
	g.Expect(first.body["users"]).To(HaveLen(2))
	g.Expect(first.body["total"]).To(Equal(6.0))
	s.DeleteUser(ids[0])
	s.DeleteUser(ids[2])
	s.AddUser("new@acme.example", nil)
	var rest []any
	for next := first.body["nextCursor"]; next != nil; {
		page := ask(t, s, http.MethodGet, "/users?cursor="+next.(string), "")
		for _, user := range page.body["users"].([]any) {
			rest = append(rest, user.(map[string]any)["mail"])
		}
		next = page.body["nextCursor"]
	}
	g.Expect(rest).To(HaveExactElements("u3@acme.example", "u4@acme.example", "u5@acme.example", "new@acme.example"))
	g.Expect(ask(t, s, http.MethodGet, "/users?mail=U4@ACME.example", "").body).To(And(HaveKeyWithValue("total", 1.0), Not(HaveKey("nextCursor"))))
}

// Only what is enrolled by Android, and now, keeps a user from being deleted.
func TestDevicesThatKeepUsers(t *testing.T) {
	for platform, want := range map[string]int{"Android 16": http.StatusConflict, "iOS 26": http.StatusNoContent} {
		g := NewWithT(t)
		s := New(Options{})
		id := s.AddUser("a@acme.example", nil)
		s.AddDevice(Device{Name: "old", Platform: "Android 9", OwnerID: id})
		s.AddDevice(Device{Name: "new", Platform: platform, Managed: true, OwnerID: id})
		a := ask(t, s, http.MethodDelete, "/users/"+id, "")
		g.Expect(a.status).To(Equal(want))
		if want == http.StatusConflict {
			g.Expect(a.body).To(HaveKeyWithValue("devices", HaveExactElements("new")))
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	g := NewWithT(t)
	s := New(Options{Licenses: 5})
	server := httptest.NewServer(s)
	defer server.Close()
	var group sync.WaitGroup
	for n := range 10 {
		group.Go(func() {
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				r, _ := http.NewRequestWithContext(t.Context(), method, server.URL+Path+"/users", nil)
				if method == http.MethodPost {
					r.Body = io.NopCloser(strings.NewReader(newUser(fmt.Sprintf(`{"externalId":"e%d","mail":"u%d@acme.example"}`, n, n))))
					r.Header.Set("Content-Type", "application/json")
				}
				r.Header.Set("Authorization", "Bearer "+DefaultToken)
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
	group.Wait()
	g.Expect(s.Users()).To(HaveLen(5))
}
