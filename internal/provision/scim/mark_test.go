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

// TestAMarkThatOnlyTheServiceSets: canaille's schema says so.
func TestAMarkThatOnlyTheServiceSets(t *testing.T) {
	for _, updates := range []string{Patch, Put} {
		g := NewWithT(t)
		f, address := newFake(t)
		f.schemas = schemasJSON(map[string]string{coreUser: `{"name":"externalId","type":"string","mutability":"readOnly"},` + simple("displayName")})
		target := newTarget(t, address, func(o *Options) { o.Updates = updates })
		_, err := target.Check(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		want := desired(t, target, 1)
		id := f.add(users, resource{"userName": want.UserName, "displayName": want.Properties["displayName"], "active": true})
		after, err := target.Update(t.Context(), provision.Account{ExternalID: id}, want)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(f.writes()).To(BeEmpty())
		g.Expect(provision.Differences(*after, want)).To(BeEmpty())
		want.Properties["displayName"] = "花"
		_, err = target.Update(t.Context(), *after, want)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(f.writes()).To(HaveLen(1))
	}
}

// TestServicesWithoutAMark: canaille has no externalId, and refuses a PATCH of it.
func TestServicesWithoutAMark(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		last := f.requests[len(f.requests)-1]
		delete(last.body, externalIDAttribute)
		operations, _ := last.body.get("Operations").([]any)
		for _, each := range operations {
			if o, _ := object(each); o.text("path") == externalIDAttribute {
				refuse(w, http.StatusBadRequest, "mutability", "no such thing")
				return true
			}
		}
		return false
	}
	target := newTarget(t, address, nil)
	account, want := made(t, target)
	differ := func() []provision.Change {
		found, err := target.Find(t.Context(), provision.Reference{ExternalID: account.ExternalID})
		g.Expect(err).NotTo(HaveOccurred())
		return provision.Differences(*found, want)
	}
	g.Expect(differ()).To(BeEmpty())
	want.Properties["displayName"] = "花"
	_, err := target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(methods(f.writes())).To(Equal([]string{"POST", "PATCH"}))

	for _, name := range []string{"花", "華"} {
		target = newTarget(t, address, nil) // nothing is known of the service
		want.Properties["displayName"] = name
		_, err = target.Update(t.Context(), account, want)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(differ()).To(BeEmpty())
		g.Expect(f.kept[users][0].text("displayName")).To(Equal(name))
	}
	g.Expect(methods(f.writes())).To(Equal([]string{"POST", "PATCH", "PATCH", "PATCH", "PATCH"}))
}

// refusingMark refuses every change that sets an externalId to another than the
// account has, which a PUT without one keeps.
func refusingMark(f *fake, scimType, detail string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch && r.Method != http.MethodPut {
			return false
		}
		body, kept := f.requests[len(f.requests)-1].body, f.kept[users][0].text(externalIDAttribute)
		operations, _ := body.get("Operations").([]any)
		sent := body.text(externalIDAttribute)
		marks := r.Method == http.MethodPut && sent != "" && sent != kept
		if r.Method == http.MethodPut && sent == "" && kept != "" {
			body[externalIDAttribute] = kept
		}
		for _, each := range operations {
			o, _ := object(each)
			marks = marks || o.text("path") == externalIDAttribute
		}
		if marks {
			refuse(w, http.StatusBadRequest, scimType, detail)
		}
		return marks
	}
}

// TestASuspensionNeedsNoMark: whatever the service says of the mark, and has there.
func TestASuspensionNeedsNoMark(t *testing.T) {
	readOnly := schemasJSON(map[string]string{coreUser: `{"name":"externalId","type":"string","mutability":"readOnly"},` + simple("displayName")})
	for name, test := range map[string]struct{ schemas, mark, scimType, detail string }{
		"only the service may set it":   {readOnly, "svc-1", "mutability", "no"},
		"the service has its own":       {"", "svc-1", "mutability", "no"},
		"it says so in its own words":   {"", "svc-1", "", "externalId cannot be set"},
		"it has none":                   {"", "", "invalidPath", "no"},
		"it has none, in its own words": {"", "", "invalidValue", "unknown: ExternalID"},
	} {
		for _, updates := range []string{Patch, Put} {
			t.Run(name+" "+updates, func(t *testing.T) {
				g := NewWithT(t)
				f, address := newFake(t)
				f.schemas = test.schemas
				f.fault = refusingMark(f, test.scimType, test.detail)
				target := newTarget(t, address, func(o *Options) { o.Updates = updates })
				_, err := target.Check(t.Context())
				g.Expect(err).NotTo(HaveOccurred())
				want := desired(t, target, 1)
				kept := resource{"userName": want.UserName, "displayName": want.Properties["displayName"], "active": true}
				if test.mark != "" {
					kept[externalIDAttribute] = test.mark
				}
				id := f.add(users, kept)
				want.Active = false
				after, err := target.Update(t.Context(), provision.Account{ExternalID: id}, want)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(provision.Differences(*after, want)).To(BeEmpty())
				g.Expect(f.kept[users][0].active()).To(BeFalse())
				g.Expect(f.kept[users][0].text(externalIDAttribute)).To(Equal(test.mark))

				// It is not tried again, and not forgotten.
				once := len(f.writes())
				want.Active = true
				after, err = target.Update(t.Context(), *after, want)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(provision.Differences(*after, want)).To(BeEmpty())
				g.Expect(f.writes()).To(HaveLen(once + 1))
			})
		}
	}
}

// TestAnAccountOfAnotherMember is not taken for this one's: it is suspended, and
// that the mark stays is an error each time.
func TestAnAccountOfAnotherMember(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.fault = refusingMark(f, "mutability", "no")
	target := newTarget(t, address, nil)
	want := desired(t, target, 1)
	id := f.add(users, resource{"userName": want.UserName, externalIDAttribute: subject(2).ID, "active": true})
	want.Active = false
	for range 2 {
		_, err := target.Update(t.Context(), provision.Account{ExternalID: id}, want)
		g.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
		g.Expect(f.kept[users][0].active()).To(BeFalse())
	}
	found, err := target.Find(t.Context(), provision.Reference{ExternalID: id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.CorrelationID).To(Equal(subject(2).ID))

	// Nor where the service says that it took the mark.
	ignoring(f)
	after, err := target.Update(t.Context(), *found, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after.CorrelationID).To(Equal(subject(2).ID))
}

// TestARefusalForAnotherReason teaches nothing about the mark.
func TestARefusalForAnotherReason(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, nil)
	want := desired(t, target, 1)
	id := f.add(users, resource{"userName": want.UserName, "active": true})
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			refuse(w, http.StatusBadRequest, "invalidPath", "phoneNumbers")
		}
		return r.Method == http.MethodPatch
	}
	_, err := target.Update(t.Context(), provision.Account{ExternalID: id}, want)
	g.Expect(err).To(MatchError(ContainSubstring("phoneNumbers")))
	g.Expect(target.altered.properties()).To(BeEmpty())
	f.fault = nil
	after, err := target.Update(t.Context(), provision.Account{ExternalID: id}, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provision.Differences(*after, want)).To(BeEmpty())
	g.Expect(f.kept[users][0].text(externalIDAttribute)).To(Equal(want.CorrelationID))
}

// TestWithoutPatchAndMark: what comes in the place of a PATCH that the service does
// not take is a PUT each time.
func TestWithoutPatchAndMark(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	mark := refusingMark(f, "mutability", "no")
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		return refusing(http.StatusNotImplemented, http.MethodPatch)(w, r) || mark(w, r)
	}
	target := newTarget(t, address, nil)
	want := desired(t, target, 1)
	id := f.add(users, resource{"userName": want.UserName, "active": true})
	want.Active = false
	after, err := target.Update(t.Context(), provision.Account{ExternalID: id}, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provision.Differences(*after, want)).To(BeEmpty())
	want.Active = true
	_, err = target.Update(t.Context(), *after, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(methods(f.writes())).To(Equal([]string{"PATCH", "PUT", "PUT", "PUT"}))
}
