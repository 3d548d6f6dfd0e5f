/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

func TestAnswersToACreation(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, r resource){
		"201 with a body": nil,
		"200 with a body": func(w http.ResponseWriter, r resource) { answerWith(w, http.StatusOK, r) },
		"only the ID":     func(w http.ResponseWriter, r resource) { answerWith(w, http.StatusCreated, resource{"id": r["id"]}) },
		"nothing":         func(w http.ResponseWriter, _ resource) { w.WriteHeader(http.StatusCreated) },
		"a body without ID": func(w http.ResponseWriter, r resource) {
			answerWith(w, http.StatusCreated, resource{"userName": r["userName"]})
		},
		"an absolute address": func(w http.ResponseWriter, r resource) {
			w.Header().Set("Location", "https://x.example/Users/scim/Users/"+r.id())
			w.WriteHeader(201)
		},
		"a relative address": func(w http.ResponseWriter, r resource) {
			w.Header().Set("Location", "/Users/"+r.id())
			w.WriteHeader(http.StatusCreated)
		},
		"a strange address": func(w http.ResponseWriter, _ resource) {
			w.Header().Set("Location", "::")
			w.WriteHeader(http.StatusCreated)
		},
		"no external ID is kept": func(w http.ResponseWriter, r resource) {
			delete(r, "externalId")
			w.WriteHeader(http.StatusCreated)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			f.made = answer
			target := newTarget(t, address, nil)
			want := desired(t, target, 1)
			made, err := target.Create(t.Context(), want)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(made.ExternalID).To(Equal("1"))
			g.Expect(made.UserName).To(Equal(want.UserName))
			g.Expect(made.Properties).To(Equal(want.Properties))
			g.Expect(f.writes()).To(HaveLen(1))
			_, err = target.Create(t.Context(), want)
			g.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict))
		})
	}
}

func TestACreationThatCannotBeSeen(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.made = func(w http.ResponseWriter, _ resource) {
		f.kept[users] = nil
		w.WriteHeader(http.StatusCreated)
	}
	target := newTarget(t, address, nil)
	_, err := target.Create(t.Context(), desired(t, target, 1))
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
	g.Expect(err).To(MatchError(ContainSubstring("neither told its ID nor shows it")))
}

func TestWhatACreationSends(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, func(o *Options) { o.UserName = UserNameName })
	s := subject(1)
	s.Member.Suspended = true
	want, err := target.Desire(s)
	g.Expect(err).NotTo(HaveOccurred())
	made, err := target.Create(t.Context(), want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(made.Active).To(BeFalse())
	body, err := json.Marshal(f.writes()[0].body)
	g.Expect(err).NotTo(HaveOccurred())
	// The fake gave it the ID.
	g.Expect(body).To(MatchJSON(`{"schemas":["` + coreUser + `"],"id":"1","userName":"hanako-1","externalId":"` + s.ID + `","active":false,"displayName":"山田 花子",
		"name":{"familyName":"山田","givenName":"花子"},"emails":[{"type":"work","value":"hanako.1@acme.example","primary":true}]}`))
}

func made(t *testing.T, target *Target) (provision.Account, provision.Desired) {
	t.Helper()
	want := desired(t, target, 1)
	account, err := target.Create(t.Context(), want)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return *account, want
}

func TestPutKeepsWhatIsNotOurs(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, func(o *Options) { o.Updates = Put })
	account, want := made(t, target)
	f.kept[users][0]["nickName"] = "はな"
	f.kept[users][0]["x509"] = []any{json.Number("1.50")}
	f.kept[users][0]["groups"] = []any{map[string]any{"value": "g"}}
	f.kept[users][0]["meta"] = map[string]any{"location": "x"}
	f.kept[users][0]["emails"] = append(f.kept[users][0]["emails"].([]any), map[string]any{"type": "home", "value": "h@x.example"})
	delete(f.kept[users][0], "schemas")

	want.Properties["displayName"] = "X"
	after, err := target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after.DisplayName).To(Equal("X"))
	put := f.writes()[1]
	g.Expect(put.method).To(Equal(http.MethodPut))
	body, err := json.Marshal(put.body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(body).To(MatchJSON(`{"schemas":["` + coreUser + `"],"id":"1","userName":"hanako.1@acme.example","externalId":"` + want.CorrelationID + `","active":true,
		"displayName":"X","nickName":"はな","x509":[1.50],"name":{"familyName":"山田","givenName":"花子"},
		"emails":[{"type":"work","value":"hanako.1@acme.example","primary":true},{"type":"home","value":"h@x.example"}]}`))
	_, err = target.Update(t.Context(), *after, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.writes()).To(HaveLen(2), "nothing differs")
}

func TestPatchSendsWhatDiffers(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, nil)
	account, want := made(t, target)
	want.UserName, want.Active = "other", false
	want.Properties["name.givenName"] = ""
	after, err := target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provision.Differences(*after, want)).To(BeEmpty())
	body, err := json.Marshal(f.writes()[1].body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(body).To(MatchJSON(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
		{"op":"replace","path":"userName","value":"other"},{"op":"remove","path":"name.givenName"},{"op":"replace","path":"active","value":false}]}`))

	want.Active = true
	_, err = target.Update(t.Context(), *after, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.writes()[2].body["Operations"]).To(HaveLen(1))
	g.Expect(target.Disable(t.Context(), *after)).To(Succeed())
	g.Expect(target.Disable(t.Context(), *after)).To(Succeed())
	g.Expect(f.writes()).To(HaveLen(4))

	back, err := target.Restore(t.Context(), *after)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(back.Active).To(BeFalse())
	g.Expect(target.Delete(t.Context(), *after)).To(Succeed())
	g.Expect(target.Delete(t.Context(), *after)).To(Succeed())
	_, err = target.Restore(t.Context(), *after)
	g.Expect(provision.IsNotFound(err)).To(BeTrue())
	_, err = target.Update(t.Context(), *after, want)
	g.Expect(provision.IsNotFound(err)).To(BeTrue())
	g.Expect(provision.IsNotFound(target.Disable(t.Context(), *after))).To(BeTrue())
}

func TestVersions(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.etag = true
	f.configuration = `{"etag":{"supported":true},"patch":{"supported":true}}`
	target := newTarget(t, address, nil)
	account, want := made(t, target)
	want.Properties["displayName"] = "X"
	_, err := target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.writes()[1].version).To(HavePrefix(`W/"`))

	// Somebody is faster, once.
	faster := func(times int) {
		f.fault = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch && times > 0 {
				times--
				f.kept[users][0]["nickName"] = f.kept[users][0].text("nickName") + "x"
			}
			return false
		}
	}
	faster(1)
	want.Properties["displayName"] = "Y"
	after, err := target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after.DisplayName).To(Equal("Y"))
	g.Expect(f.kept[users][0].text("nickName")).To(Equal("x"))
	faster(2)
	want.Properties["displayName"] = "Z"
	_, err = target.Update(t.Context(), account, want)
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
}

func TestVersionsInHeaders(t *testing.T) {
	g := NewWithT(t)
	r := resource{"id": "1"}
	answer{header: http.Header{"Etag": {`"a"`}}}.keepVersion(r)
	g.Expect(r.version()).To(Equal(`"a"`))
	answer{header: http.Header{"Etag": {`"b"`}}}.keepVersion(r)
	g.Expect(r.version()).To(Equal(`"a"`))
}

func TestAnExternalIDThatCannotChange(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, nil)
	account, want := made(t, target)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		refused := r.Method == http.MethodPatch
		if refused {
			refuse(w, http.StatusBadRequest, "mutability", "Attribute externalId is immutable")
		}
		return refused
	}
	f.kept[users][0]["externalId"] = "00u1"
	want.Properties["displayName"] = "X"
	_, err := target.Update(t.Context(), account, want)
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
	g.Expect(err).To(MatchError(ContainSubstring("does not let the externalId of an account be changed after it was made")))
	refused, ok := err.(*provision.Error) //nolint:errorlint // it is not wrapped
	g.Expect(ok).To(BeTrue())
	g.Expect(refused.Property).To(Equal("externalId"))
}

func TestNamesTheOnlyPropertyThatIsRefused(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, nil)
	account, want := made(t, target)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		refused := r.Method == http.MethodPatch
		if refused {
			refuse(w, http.StatusBadRequest, "invalidValue", "髙 cannot be kept")
		}
		return refused
	}
	want.Properties["name.familyName"] = "髙橋"
	_, err := target.Update(t.Context(), account, want)
	refused, ok := err.(*provision.Error) //nolint:errorlint // it is not wrapped
	g.Expect(ok).To(BeTrue())
	g.Expect(refused.Property).To(Equal("name.familyName"))
	g.Expect(refused.Message).To(HaveSuffix("(The service says: 髙 cannot be kept)"))
}

func TestAnotherAccountThanWasAskedFor(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/scim/Users/1" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"2","userName":"somebody"}`)
		return true
	}
	_, err := newTarget(t, address, nil).Find(t.Context(), provision.Reference{ExternalID: "1"})
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
}

func TestServicesWithoutTypes(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	id := f.add(users, resource{"userName": "hanako.1@acme.example", "externalId": subject(1).ID, "displayName": "山田 花子",
		"name": map[string]any{"familyName": "山田", "givenName": "花子"}, "emails": []any{map[string]any{"value": "old@acme.example", "primary": true}}})
	target := newTarget(t, address, nil)
	found, err := target.Find(t.Context(), provision.Reference{ExternalID: id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.Active).To(BeTrue(), "a service need not tell")
	want := desired(t, target, 1)
	g.Expect(provision.Differences(*found, want)).To(Equal([]provision.Change{{Property: `emails[type eq "work"].value`, From: "old@acme.example", To: "hanako.1@acme.example"}}))
	_, err = target.Update(t.Context(), *found, want)
	g.Expect(err).NotTo(HaveOccurred())
	operations, err := json.Marshal(f.writes()[0].body["Operations"])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(operations).To(MatchJSON(`[{"op":"replace","path":"emails[value eq \"old@acme.example\"].value","value":"hanako.1@acme.example"}]`))
}
