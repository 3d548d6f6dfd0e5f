/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want refusal
	}{
		"standard":          {`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"uniqueness","detail":"is taken","status":"409"}`, refusal{"uniqueness", "is taken"}},
		"SCIM 1.1":          {`{"Errors":[{"description":"is taken","code":409}]}`, refusal{"", "is taken"}},
		"a list":            {`[{"detail":"is taken"}]`, refusal{"", "is taken"}},
		"a gateway's":       {`{"message":"no route"}`, refusal{"", "no route"}},
		"OAuth's":           {`{"error":"invalid_token","error_description":"expired"}`, refusal{"", "expired"}},
		"lines and control": {`{"detail":"a\n\n b\u0000\u202ec\t"}`, refusal{"", "a b c"}},
		"no code":           {`{"scimType":"<b>","detail":"x"}`, refusal{"", "x"}},
		"a long code":       {`{"scimType":"` + strings.Repeat("a", 65) + `"}`, refusal{}},
		"a number":          {`{"detail":12}`, refusal{"", "12"}},
		"an object":         {`{"detail":{"a":1},"scimType":[]}`, refusal{}},
		"nothing":           {``, refusal{}},
		"null":              {`null`, refusal{}},
		"no JSON":           {`<html>`, refusal{}},
		"empty lists":       {`{"Errors":[]}`, refusal{}},
		"a list of nothing": {`[null]`, refusal{}},
		"long":              {`{"detail":"` + strings.Repeat("山", 400) + `"}`, refusal{"", strings.Repeat("山", maxDetail) + "…"}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(parseRefusal([]byte(test.body))).To(Equal(test.want))
		})
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add(409, []byte(`{"scimType":"uniqueness","detail":"taken"}`))
	f.Add(400, []byte(`{"Errors":[{"description":"x"}]}`))
	f.Add(500, []byte(`[{"detail":"`+fakeToken+`"}]`))
	target := &Target{options: Options{Authentication: Authentication{Bearer: fakeToken}}}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		err := target.failure(request{method: http.MethodPost, path: users}, answer{status: status, body: body})
		if (err == nil) != (status >= 200 && status < 300) {
			t.Fatalf("status %d is %v", status, err)
		}
		if err == nil {
			return
		}
		text := err.Error()
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\x00") || utf8.RuneCountInString(text) > 1000 || strings.Contains(text, fakeToken) {
			t.Errorf("status %d, %q: %q cannot stand in a status", status, body, text)
		}
	})
}

func TestCauses(t *testing.T) {
	for name, test := range map[string]struct {
		status         int
		scimType       string
		cause          provision.Cause
		code, contains string
	}{
		"uniqueness":          {409, "uniqueness", provision.Conflict, "uniqueness", "another account with the same"},
		"uniqueness as 400":   {400, "uniqueness", provision.Conflict, "uniqueness", "another account with the same"},
		"conflict":            {409, "", provision.Conflict, "409", "another account with the same"},
		"invalid value":       {400, "invalidValue", provision.Invalid, "invalidValue", "does not take one of the values"},
		"mutability":          {400, "mutability", provision.Invalid, "mutability", "does not let one of the values be changed"},
		"no target":           {400, "noTarget", provision.Invalid, "noTarget", "spec.scim.updates"},
		"just bad":            {400, "", provision.Invalid, "400", "status 400"},
		"unauthorized":        {401, "", provision.Unauthorized, "401", "put them into the Secret"},
		"forbidden":           {403, "", provision.Forbidden, "403", "permission to manage users"},
		"payment":             {402, "", provision.LicenseLimit, "402", "payment"},
		"a licence in prose":  {400, "", provision.Invalid, "400", "says: no seats left"},
		"wrong address":       {404, "", provision.Unavailable, "404", "check spec.scim.url"},
		"no POST":             {405, "", provision.Invalid, "405", "does not take POST of users"},
		"too large":           {413, "", provision.Invalid, "413", "larger"},
		"too often":           {429, "", provision.Throttled, "429", "writesPerSecond"},
		"failed":              {500, "", provision.Unavailable, "500", "status 500"},
		"not now":             {503, "", provision.Unavailable, "503", "status 503"},
		"something of itself": {422, "quotaExceeded", provision.Invalid, "quotaExceeded", "status 422"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			target := newTarget(t, address, nil)
			f.fault = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				w.Header().Set("Retry-After", "7")
				w.Header().Set("X-Request-Id", "5f7a-1")
				refuse(w, test.status, test.scimType, "no seats left for "+fakeToken)
				return true
			}
			_, err := target.Create(t.Context(), desired(t, target, 1))
			g.Expect(err).To(BeAssignableToTypeOf(&provision.Error{}))
			refused := err.(*provision.Error) //nolint:errorlint // just asserted
			g.Expect(refused.Cause).To(Equal(test.cause))
			g.Expect(refused.Code).To(Equal(test.code))
			g.Expect(refused.Message).To(ContainSubstring(test.contains))
			g.Expect(refused.Message).To(HaveSuffix("(The service says: no seats left for (hidden))"))
			g.Expect(refused.RetryAfter).To(Equal(7 * time.Second))
			g.Expect(refused.RequestID).To(Equal("5f7a-1"))
		})
	}
}

func TestMessagesNameTheFieldThatWasWritten(t *testing.T) {
	for written, want := range map[string]string{"": "spec.scim", "spec.mdm.scim": "spec.mdm.scim"} {
		g := NewWithT(t)
		f, address := newFake(t)
		target := newTarget(t, address, func(o *Options) { o.Field, o.Updates = written, Patch })
		f.configuration = `{"patch":{"supported":false}}`
		findings, err := target.Check(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(findings.Remarks).To(ContainElement(ContainSubstring("set " + want + ".updates to PUT")))
		for status, contains := range map[int]string{401: want + ".authentication names", 404: "check " + want + ".url", 405: "check " + want + ".url"} {
			f.fault = func(w http.ResponseWriter, _ *http.Request) bool {
				refuse(w, status, "", "")
				return true
			}
			_, err := target.Create(t.Context(), desired(t, target, 1))
			g.Expect(err).To(MatchError(ContainSubstring(contains)))
		}

		o := Options{Field: written, HTTP: target.options.HTTP, URL: "not an address", Authentication: Authentication{OAuth: &OAuth{ClientID: "a", ClientSecret: "b", TokenURL: "neither"}}}
		_, err = New(o)
		g.Expect(err).To(MatchError(HaveSuffix("correct " + want + ".url")))
		o.URL = address
		_, err = New(o)
		g.Expect(err).To(MatchError(HaveSuffix("correct " + want + ".authentication.oauth.tokenURL")))
		o.Authentication.OAuth.TokenURL = address + "/token"
		target, err = New(o)
		g.Expect(err).NotTo(HaveOccurred())
		for code, contains := range map[string]string{"invalid_scope": ".scopes", "invalid_client": ".clientSecretRef names"} {
			f.fault = func(w http.ResponseWriter, _ *http.Request) bool {
				answerWith(w, http.StatusBadRequest, map[string]string{"error": code})
				return true
			}
			_, err = target.Find(t.Context(), provision.Reference{ExternalID: "1"})
			g.Expect(err).To(MatchError(ContainSubstring(want + ".authentication.oauth" + contains)))
		}
	}
}

func TestWhereAValueIsCorrected(t *testing.T) {
	g := NewWithT(t)
	_, address := newFake(t)
	target := newTarget(t, address, nil)
	for contains, q := range map[string]request{
		"users are looked up":  {method: http.MethodGet, path: users},
		"groups are looked up": {method: http.MethodGet, path: groups},
		"the Group's":          {method: http.MethodPost, path: groups},
		"in the Member":        {method: http.MethodPatch, path: users, id: "1"},
	} {
		g.Expect(target.failure(q, answer{status: 400, body: []byte(`{"scimType":"invalidValue"}`)})).To(MatchError(ContainSubstring(contains)))
	}
}

func TestADeletionThatIsRefused(t *testing.T) {
	for cause, roles := range map[provision.Cause]map[directory.Role]string{provision.Conflict: nil, provision.DeviceEnrolled: {directory.RoleStaff: "general"}} {
		g := NewWithT(t)
		f, address := newFake(t)
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodDelete {
				refuse(w, http.StatusConflict, "", "a device is enrolled")
			}
			return r.Method == http.MethodDelete
		}
		err := newTarget(t, address, func(o *Options) { o.Roles = roles }).Delete(t.Context(), provision.Account{ExternalID: "1"})
		g.Expect(provision.CauseOf(err)).To(Equal(cause))
		g.Expect(err).To(MatchError(ContainSubstring("such as an enrolled device")))
	}
}

func TestAnswersThatAreNoSCIM(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"HTML": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>"))
		},
		"an empty list": func(w http.ResponseWriter) { answerWith(w, 200, []any{}) },
		"nothing":       func(w http.ResponseWriter) { w.WriteHeader(200) },
		"null":          func(w http.ResponseWriter) { answerWith(w, 200, nil) },
		"half a list": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", scimJSON)
			_, _ = w.Write([]byte(`{"totalResults":1,"Resources":[{"id":"1"`))
		},
		"no total":     func(w http.ResponseWriter) { answerWith(w, 200, map[string]any{"Resources": []any{}}) },
		"a bad total":  func(w http.ResponseWriter) { answerWith(w, 200, map[string]any{"totalResults": -1}) },
		"a huge total": func(w http.ResponseWriter) { answerWith(w, 200, map[string]any{"totalResults": 1e12}) },
		"no list":      func(w http.ResponseWriter) { answerWith(w, 200, map[string]any{"totalResults": 0, "Resources": "x"}) },
		"no ID": func(w http.ResponseWriter) {
			answerWith(w, 200, map[string]any{"totalResults": 1, "Resources": []any{map[string]any{"userName": "a"}}})
		},
		"a bad ID": func(w http.ResponseWriter) {
			answerWith(w, 200, map[string]any{"totalResults": 1, "Resources": []any{map[string]any{"id": ".."}}})
		},
		"no resource": func(w http.ResponseWriter) {
			answerWith(w, 200, map[string]any{"totalResults": 1, "Resources": []any{nil}})
		},
		"less than said": func(w http.ResponseWriter) { answerWith(w, 200, map[string]any{"totalResults": 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			target := newTarget(t, address, nil)
			f.fault = func(w http.ResponseWriter, r *http.Request) bool {
				answers := strings.HasSuffix(r.URL.Path, users)
				if answers {
					answer(w)
				}
				return answers
			}
			visit := func(provision.Account) error { return nil }
			g.Expect(provision.CauseOf(target.List(t.Context(), visit))).To(Equal(provision.Unavailable))
			g.Expect(target.List(t.Context(), visit)).NotTo(Succeed())
			_, err := target.Find(t.Context(), provision.Reference{CorrelationID: subject(1).ID})
			g.Expect(err).To(HaveOccurred())
			g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable), "nothing is known of the account")
			if name != "less than said" {
				_, err = target.Check(t.Context())
				g.Expect(err).To(HaveOccurred())
			}
		})
	}
}
