/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"fmt"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
	"tegata.dev/tegata/internal/provision/scim"
	"tegata.dev/tegata/test/doubles/scimmy"
)

const (
	scimToken  = "the-scim-service's-token"
	enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// startSCIM runs a service until the test ends, and returns its address.
func startSCIM(t *testing.T, patch bool) string {
	t.Helper()
	return scimmy.Start(t, scimmy.Options{Folder: ".", Token: scimToken, NoPatch: !patch}).URL
}

// newSCIM is a target that keeps accounts in the service at an address.
func newSCIM(t *testing.T, address string, change func(*scim.Options)) *scim.Target {
	t.Helper()
	o := scim.Options{
		URL: address, Authentication: scim.Authentication{Bearer: scimToken}, Budget: provision.NewBudget(1000),
		HTTP: client.New(client.Options{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}),
		Attributes: []provision.Attribute{
			{Name: enterprise + ":department", Attribute: "department"},
			{Name: enterprise + ":employeeNumber", Attribute: "employeeNumber"},
			{Name: `addresses[type eq "work"].locality`, Value: "東京"},
			{Name: `addresses[type eq "work"].country`, Value: "JP"},
		},
	}
	t.Cleanup(o.HTTP.Close)
	if change != nil {
		change(&o)
	}
	target, err := scim.New(o)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return target
}

func scimSubject(n int) directory.Subject {
	return directory.Subject{
		ID: fmt.Sprintf("0b1f1f3e-8f0c-4a53-9a3c-%012d", n),
		Member: directory.Member{
			Tenant: "acme", Name: fmt.Sprintf("hanako-%d", n), Mail: fmt.Sprintf("hanako.%d@acme.example", n), Role: directory.RoleStaff,
			Person:   directory.PersonName{Family: "髙橋", Given: "花子", PhoneticFamily: "タカハシ", PhoneticGiven: "ハナコ"},
			TimeZone: "Asia/Tokyo", Language: "ja", Phone: "+81312345678",
			Attributes: map[string]string{"department": "営業部 \"東\" \\ 1", "employeeNumber": "00042"},
		},
	}
}

// TestSCIM: the life of accounts and groups in a service that others wrote.
func TestSCIM(t *testing.T) {
	for name, test := range map[string]struct {
		patch   bool
		updates string
	}{
		"PATCH, as the service says": {true, ""},
		"PUT, as the service says":   {false, ""},
		"PUT, as declared":           {true, scim.Put},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := newSCIM(t, startSCIM(t, test.patch), func(o *scim.Options) { o.Updates = test.updates })
			t.Run("users", func(t *testing.T) { liveUser(t, target) })
			t.Run("groups", func(t *testing.T) { liveGroup(t, target) })
			t.Run("list", func(t *testing.T) { listUsers(t, target) })
		})
	}
}

func liveUser(t *testing.T, target *scim.Target) {
	g := NewWithT(t)
	ctx := t.Context()
	findings, err := target.Check(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(findings.Remarks).To(BeEmpty())

	subject := scimSubject(1)
	desired, err := target.Desire(subject)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(desired.Properties).To(Equal(provision.Properties{
		"name.familyName": "髙橋", "name.givenName": "花子", "displayName": "髙橋 花子",
		`emails[type eq "work"].value`: "hanako.1@acme.example", `phoneNumbers[type eq "work"].value`: "+81312345678",
		"preferredLanguage": "ja", "locale": "ja", "timezone": "Asia/Tokyo",
		enterprise + ":department": "営業部 \"東\" \\ 1", enterprise + ":employeeNumber": "00042",
		`addresses[type eq "work"].locality`: "東京", `addresses[type eq "work"].country`: "JP",
	}))
	_, err = target.Find(ctx, provision.Reference{CorrelationID: desired.CorrelationID})
	g.Expect(provision.IsNotFound(err)).To(BeTrue())
	made, err := target.Create(ctx, desired)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provision.Differences(*made, desired)).To(BeEmpty())
	_, err = target.Create(ctx, desired)
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict))

	for _, reference := range []provision.Reference{{ExternalID: made.ExternalID}, {CorrelationID: subject.ID}, {UserName: "hanako.1@acme.example"}} {
		found, err := target.Find(ctx, reference)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found).To(Equal(made))
	}

	// Everything changes; a mail address that changes stays the primary one.
	subject.Member.Mail = "hanako.yamada@acme.example"
	subject.Member.Person = directory.PersonName{Family: "山田", Given: "花"}
	subject.Member.Phone, subject.Member.Language = "", "en"
	subject.Member.Attributes = map[string]string{"department": "開発部"}
	changed, err := target.Desire(subject)
	g.Expect(err).NotTo(HaveOccurred())
	after, err := target.Update(ctx, *made, changed)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provision.Differences(*after, changed)).To(BeEmpty())
	again, err := target.Update(ctx, *after, changed)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(after))

	g.Expect(target.Disable(ctx, *after)).To(Succeed())
	g.Expect(target.Disable(ctx, *after)).To(Succeed())
	found, err := target.Find(ctx, provision.Reference{ExternalID: made.ExternalID})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.Active).To(BeFalse())
	g.Expect(found.Properties).To(Equal(after.Properties))
	back, err := target.Update(ctx, *found, changed)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(back.Active).To(BeTrue())

	g.Expect(target.Delete(ctx, *back)).To(Succeed())
	g.Expect(target.Delete(ctx, *back)).To(Succeed())
	_, err = target.Find(ctx, provision.Reference{ExternalID: made.ExternalID})
	g.Expect(provision.IsNotFound(err)).To(BeTrue())
}

func liveGroup(t *testing.T, target *scim.Target) {
	g := NewWithT(t)
	ctx := t.Context()
	var members []string
	for n := range 3 {
		desired, err := target.Desire(scimSubject(100 + n))
		g.Expect(err).NotTo(HaveOccurred())
		made, err := target.Create(ctx, desired)
		g.Expect(err).NotTo(HaveOccurred())
		members = append(members, made.ExternalID)
	}
	made, err := target.CreateGroup(ctx, provision.Group{CorrelationID: "acme/sales", DisplayName: "営業部", Members: members[:2]})
	g.Expect(err).NotTo(HaveOccurred())
	current := theGroup(g, t, target)
	g.Expect(current.ExternalID).To(Equal(made.ExternalID))
	g.Expect(current.CorrelationID).To(Equal("acme/sales"))
	g.Expect(current.Members).To(ConsistOf(members[:2]))
	_, err = target.CreateGroup(ctx, provision.Group{CorrelationID: "acme/other", DisplayName: "営業部"})
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict))

	desired := current
	desired.DisplayName, desired.Members = "営業一部", members[1:]
	g.Expect(target.UpdateGroup(ctx, current, desired)).To(Succeed())
	current = theGroup(g, t, target)
	g.Expect(current.DisplayName).To(Equal("営業一部"))
	g.Expect(current.Members).To(ConsistOf(members[1:]))

	desired.Members = nil
	g.Expect(target.UpdateGroup(ctx, current, desired)).To(Succeed())
	current = theGroup(g, t, target)
	g.Expect(current.Members).To(BeEmpty())
	g.Expect(target.DeleteGroup(ctx, current)).To(Succeed())
	g.Expect(target.DeleteGroup(ctx, current)).To(Succeed())
	for _, member := range members {
		g.Expect(target.Delete(ctx, provision.Account{ExternalID: member})).To(Succeed())
	}
}

// theGroup is the only group of the service.
func theGroup(g *WithT, t *testing.T, target *scim.Target) provision.Group {
	t.Helper()
	var all []provision.Group
	g.Expect(target.ListGroups(t.Context(), func(group provision.Group) error {
		all = append(all, group)
		return nil
	})).To(Succeed())
	g.Expect(all).To(HaveLen(1))
	return all[0]
}

// listUsers needs three pages of what the service gives at once.
func listUsers(t *testing.T, target *scim.Target) {
	g := NewWithT(t)
	want := map[string]bool{}
	for n := range 120 {
		desired, err := target.Desire(scimSubject(1000 + n))
		g.Expect(err).NotTo(HaveOccurred())
		_, err = target.Create(t.Context(), desired)
		g.Expect(err).NotTo(HaveOccurred())
		want[desired.CorrelationID] = true
	}
	got := map[string]bool{}
	g.Expect(target.List(t.Context(), func(a provision.Account) error {
		got[a.CorrelationID] = true
		return nil
	})).To(Succeed())
	g.Expect(got).To(Equal(want))
}

func TestSCIMRefusesAWrongToken(t *testing.T) {
	g := NewWithT(t)
	target := newSCIM(t, startSCIM(t, true), func(o *scim.Options) { o.Authentication.Bearer = "another-token" })
	_, err := target.Check(t.Context())
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Unauthorized))
	g.Expect(err).To(MatchError(ContainSubstring("put them into the Secret that spec.scim.authentication names")))
	g.Expect(err.Error()).NotTo(ContainSubstring("another-token"))
}
