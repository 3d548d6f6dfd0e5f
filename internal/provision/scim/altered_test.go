/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// composing is a service that makes displayName itself, and keeps no locale, though
// its schema lists both, as django-scim2 does.
func composing(f *fake) {
	f.schemas = schemasJSON(map[string]string{coreUser: simple("displayName") + "," + simple("locale") + "," + complexOne("name", false, "familyName", "givenName")})
	alter := func(r resource) resource {
		name, _ := object(r.get("name"))
		r["displayName"] = name.text("givenName") + " " + name.text("familyName")
		delete(r, "locale")
		return r
	}
	f.made = func(w http.ResponseWriter, r resource) { answerWith(w, http.StatusCreated, alter(r)) }
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			f.kept[users][0] = alter(f.requests[len(f.requests)-1].body)
			answerWith(w, http.StatusOK, f.kept[users][0])
		}
		return r.Method == http.MethodPut
	}
}

func TestServicesThatKeepValuesOtherwise(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	composing(f)
	target := newTarget(t, address, func(o *Options) { o.Updates = Put })
	_, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	account, want := made(t, target)
	differ := func() []provision.Change {
		found, err := target.Find(t.Context(), provision.Reference{ExternalID: account.ExternalID})
		g.Expect(err).NotTo(HaveOccurred())
		return provision.Differences(*found, want)
	}
	g.Expect(differ()).To(BeEmpty())
	g.Expect(f.kept[users][0].text("displayName")).To(Equal("花子 山田"))
	findings, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(findings.Remarks).To(ContainElement(ContainSubstring("in some accounts: displayName, locale. They are sent again when they change.")))

	// Somebody changes it there.
	f.kept[users][0]["displayName"] = "by hand"
	g.Expect(differ()).To(Equal([]provision.Change{{Property: "displayName", From: "by hand", To: "山田 花子"}}))
	_, err = target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(differ()).To(BeEmpty())

	// The member changes.
	want.Properties["name.givenName"], want.Properties["displayName"], want.Properties["locale"] = "花", "山田 花", "en"
	g.Expect(differ()).To(HaveLen(3))
	_, err = target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(differ()).To(BeEmpty())

	// The service keeps it after all.
	f.kept[users][0]["displayName"] = "山田 花"
	g.Expect(differ()).To(BeEmpty())
	f.kept[users][0]["displayName"] = "花 山田"
	g.Expect(differ()).To(HaveLen(1))

	// A new target sends it once more.
	target = newTarget(t, address, func(o *Options) { o.Updates = Put })
	_, err = target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(differ()).To(HaveLen(2))
	_, err = target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(differ()).To(BeEmpty())
	g.Expect(target.Delete(t.Context(), account)).To(Succeed())
	g.Expect(target.altered.properties()).To(BeEmpty())
}

// TestWhatIsNotLearnt: a value that another answer than that of the write shows
// may be an old one, and what should be gone is to go.
func TestWhatIsNotLearnt(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, nil)
	account, want := made(t, target)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusNoContent)
		}
		return r.Method == http.MethodPatch
	}
	want.Properties["displayName"] = "花"
	after, err := target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provision.Differences(*after, want)).To(HaveLen(1))

	all := &alterations{}
	all.learn(resource{}, resource{"id": "1", "displayName": "x"}, []path{mustPath("displayName")})
	g.Expect(all.properties()).To(BeEmpty())
	for n := range maxAltered + 1 {
		all.learn(resource{"displayName": "a"}, resource{"id": fmt.Sprint(n)}, []path{mustPath("displayName")})
	}
	g.Expect(all.accounts).To(HaveLen(maxAltered))
	g.Expect(all.count).To(Equal(maxAltered))
	// Those that are known are still kept up to date.
	all.learn(resource{"displayName": "b"}, resource{"id": "0"}, []path{mustPath("displayName")})
	g.Expect(all.original("0", "displayName", "")).To(Equal("b"))
	all.forget("0")
	g.Expect(all.original("0", "displayName", "")).To(BeEmpty())
	g.Expect(all.count).To(Equal(maxAltered - 1))
}

// ignoring is a service that answers changes with the account as it was.
func ignoring(f *fake) {
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		change := r.Method == http.MethodPatch || r.Method == http.MethodPut
		if change {
			answerWith(w, http.StatusOK, f.kept[users][0])
		}
		return change
	}
}

// TestAPermissionThatStaysIsNoticed: nobody keeps a role for a service that takes
// a demotion, and does nothing.
func TestAPermissionThatStaysIsNoticed(t *testing.T) {
	for name, attribute := range map[string]provision.Attribute{
		"by default":  {},
		"an element":  {Name: `roles[type eq "x"].value`, Field: role},
		"elsewhere":   {Name: "userType", Field: role},
		"by somebody": {Name: `entitlements[primary eq true].value`, Attribute: "may"},
	} {
		for _, updates := range []string{Patch, Put} {
			t.Run(name+" "+updates, func(t *testing.T) {
				g := NewWithT(t)
				f, address := newFake(t)
				f.schemas = schemasJSON(map[string]string{coreUser: simple("displayName") + "," + simple("userType") + "," +
					complexOne("roles", true, "value", "primary", "type") + "," + complexOne("entitlements", true, "value", "primary")})
				target := newTarget(t, address, func(o *Options) {
					o.Updates, o.Roles = updates, map[directory.Role]string{directory.RoleStaff: "user", directory.RoleSuperAdmin: "admin"}
					if attribute.Name != "" {
						o.Attributes = []provision.Attribute{attribute}
					}
				})
				_, err := target.Check(t.Context())
				g.Expect(err).NotTo(HaveOccurred())
				admin := subject(1)
				admin.Member.Role, admin.Member.Attributes = directory.RoleSuperAdmin, map[string]string{"may": "everything"}
				want, err := target.Desire(admin)
				g.Expect(err).NotTo(HaveOccurred())
				account, err := target.Create(t.Context(), want)
				g.Expect(err).NotTo(HaveOccurred())
				ignoring(f)
				admin.Member.Role, admin.Member.Attributes = directory.RoleStaff, map[string]string{"may": "little"}
				want, err = target.Desire(admin)
				g.Expect(err).NotTo(HaveOccurred())
				after, err := target.Update(t.Context(), *account, want)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(provision.Differences(*after, want)).NotTo(BeEmpty())
				found, err := target.Find(t.Context(), provision.Reference{ExternalID: account.ExternalID})
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(provision.Differences(*found, want)).NotTo(BeEmpty())
			})
		}
	}
}

// TestLearnsWhatWasSent: what a PATCH does not name may follow from what it names,
// or be changed by somebody meanwhile.
func TestLearnsWhatWasSent(t *testing.T) {
	for updates, notLearnt := range map[string]int{Patch: 1, Put: 0} {
		g := NewWithT(t)
		f, address := newFake(t)
		f.schemas = schemasJSON(map[string]string{coreUser: simple("displayName") + "," + complexOne("name", false, "familyName", "givenName")})
		target := newTarget(t, address, func(o *Options) { o.Updates = updates })
		_, err := target.Check(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		account, want := made(t, target)
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			change := r.Method == http.MethodPatch || r.Method == http.MethodPut
			if change {
				f.kept[users][0]["displayName"] = "by hand"
				f.kept[users][0]["name"] = map[string]any{"familyName": "山田", "givenName": "HANA"}
				answerWith(w, http.StatusOK, f.kept[users][0])
			}
			return change
		}
		want.Properties["name.givenName"] = "hana"
		after, err := target.Update(t.Context(), account, want)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(provision.Differences(*after, want)).To(HaveLen(notLearnt))
		found, err := target.Find(t.Context(), provision.Reference{ExternalID: account.ExternalID})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(provision.Differences(*found, want)).To(HaveLen(notLearnt))
	}
}

// upperCase is a service that keeps displayName in capital letters.
func upperCase(f *fake) {
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		change := r.Method == http.MethodPatch || r.Method == http.MethodPut
		if change {
			last, current := f.requests[len(f.requests)-1].body, f.kept[users][0]
			if r.Method == http.MethodPut {
				f.kept[users][0], current = last, last
			} else {
				f.patch(httptest.NewRecorder(), current, last)
			}
			current["displayName"] = strings.ToUpper(current.text("displayName"))
			answerWith(w, http.StatusOK, current)
		}
		return change
	}
}

// TestForgetsWhatIsKeptAsSent: the member takes over what the service made of it.
func TestForgetsWhatIsKeptAsSent(t *testing.T) {
	for _, updates := range []string{Patch, Put} {
		for name, given := range map[string]string{"nothing to send": "花子", "another change": "花"} {
			t.Run(updates+" "+name, func(t *testing.T) {
				g := NewWithT(t)
				f, address := newFake(t)
				target := newTarget(t, address, func(o *Options) { o.Updates = updates })
				account, want := made(t, target)
				upperCase(f)
				want.Properties["displayName"] = "kept"
				after, err := target.Update(t.Context(), account, want)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(provision.Differences(*after, want)).To(BeEmpty())

				// Another change of the account teaches nothing.
				g.Expect(target.Disable(t.Context(), account)).To(Succeed())
				g.Expect(target.altered.count).To(Equal(1))

				want.Properties["displayName"], want.Properties["name.givenName"] = "KEPT", given
				for range 2 {
					after, err = target.Update(t.Context(), account, want)
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(provision.Differences(*after, want)).To(BeEmpty())
				}
				g.Expect(target.altered.count).To(BeZero())
				g.Expect(target.altered.properties()).To(BeEmpty())
			})
		}
	}
}

func TestLongValuesAreNotLearnt(t *testing.T) {
	g := NewWithT(t)
	all, at := &alterations{}, []path{mustPath("displayName")}
	long := strings.Repeat("x", maxAlteredValue)
	all.learn(resource{"displayName": long}, resource{"id": "1", "displayName": long[1:]}, at)
	g.Expect(all.count).To(Equal(1))
	for _, values := range [][2]string{{long + "x", "a"}, {"a", long + "x"}} {
		all.learn(resource{"displayName": "a"}, resource{"id": "1", "displayName": "b"}, at)
		all.learn(resource{"displayName": values[0]}, resource{"id": "1", "displayName": values[1]}, at)
		g.Expect(all.count).To(BeZero())
		g.Expect(all.original("1", "displayName", values[1])).To(Equal(values[1]))
	}
}
