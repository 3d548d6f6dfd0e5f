/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

// refusing answers calls of some methods with a status.
func refusing(status int, methods ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		for _, method := range methods {
			if r.Method == method {
				refuse(w, status, "", "Not Implemented")
				return true
			}
		}
		return false
	}
}

func methods(all []sent) []string {
	var names []string
	for _, s := range all {
		names = append(names, s.method)
	}
	return names
}

// TestServicesWithoutPatch: django-scim2 says that it takes PATCH, and answers 501
// to most of what is in one; others have no ServiceProviderConfig to say it in.
func TestServicesWithoutPatch(t *testing.T) {
	for _, status := range []int{http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		g := NewWithT(t)
		f, address := newFake(t)
		f.fault = refusing(status, http.MethodPatch)
		target := newTarget(t, address, nil)
		account, want := made(t, target)
		want.Properties["displayName"] = "花"
		after, err := target.Update(t.Context(), account, want)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(after.DisplayName).To(Equal("花"))
		// Once is enough, until the service is asked anew what it takes.
		g.Expect(target.Disable(t.Context(), account)).To(Succeed())
		_, err = target.Check(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		_, err = target.Update(t.Context(), account, want)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(methods(f.writes())).To(Equal([]string{"POST", "PATCH", "PUT", "PUT", "PATCH", "PUT"}))
	}
}

func TestGroupsOfServicesWithoutPatch(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.fault = refusing(http.StatusNotImplemented, http.MethodPatch)
	target := newTarget(t, address, nil)
	want := provision.Group{CorrelationID: "acme/sales", DisplayName: "営業部", Members: ids(0, 250)}
	made, err := target.CreateGroup(t.Context(), want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(made.Members).To(Equal(want.Members))
	g.Expect(listed(t, target)[0].Members).To(Equal(want.Members))
	want.Members = ids(100, 300)
	g.Expect(target.UpdateGroup(t.Context(), *made, want)).To(Succeed())
	g.Expect(listed(t, target)[0].Members).To(Equal(want.Members))
}

func TestServicesThatTakeNoChange(t *testing.T) {
	for name, test := range map[string]struct {
		updates string
		refused []string
		want    string
		asked   []string
	}{
		"neither way":         {"", []string{http.MethodPatch, http.MethodPut}, "PATCH of users; set spec.scim.updates", []string{"POST", "PATCH", "PUT"}},
		"not as it is set":    {Patch, []string{http.MethodPatch}, "PATCH of users; set spec.scim.updates", []string{"POST", "PATCH"}},
		"PUT fails otherwise": {"", []string{http.MethodPatch}, "failed with status 500", []string{"POST", "PATCH", "PUT"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			f.fault = func(w http.ResponseWriter, r *http.Request) bool {
				return refusing(http.StatusNotImplemented, test.refused...)(w, r) || refusing(http.StatusInternalServerError, http.MethodPut)(w, r)
			}
			target := newTarget(t, address, func(o *Options) { o.Updates = test.updates })
			account, want := made(t, target)
			want.Properties["displayName"] = "花"
			_, err := target.Update(t.Context(), account, want)
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
			g.Expect(methods(f.writes())).To(Equal(test.asked))
		})
	}
}

func TestServicesThatTakeNoDelete(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, nil)
	account, _ := made(t, target)
	f.fault = refusing(http.StatusMethodNotAllowed, http.MethodDelete, http.MethodPost)
	err := target.Delete(t.Context(), account)
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
	g.Expect(err).To(MatchError(ContainSubstring("does not take DELETE of users; set deletionPolicy to Disable")))
	g.Expect(target.DeleteGroup(t.Context(), provision.Group{ExternalID: "g"})).To(MatchError(ContainSubstring("DELETE of groups; delete it there")))
	_, err = target.Create(t.Context(), desired(t, target, 2))
	g.Expect(err).To(MatchError(ContainSubstring("POST of users; check spec.scim.url")))
}
