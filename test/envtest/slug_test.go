/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/api/v1alpha1"
	tegatastatus "tegata.dev/tegata/internal/status"
)

// TestTwoTenantsWithOneSlugInOneNamespace declares people, groups and apps for
// both: those of the one that has to wait are nobody else's.
func TestTwoTenantsWithOneSlugInOneNamespace(t *testing.T) {
	p := newPlace(t)
	holder := p.member("sato", temporary)
	p.create(holder)
	p.current(holder)

	second := p.tenant()
	second.Name, second.Spec.Slug = "second", "acme"
	inSecond := v1alpha1.TenantReference{Name: "second"}
	person, group, app, link := p.member("suzuki", temporary), p.group("sales", administrator("suzuki")), p.samlApp("wiki"), p.linkApp("handbook")
	person.Spec.TenantRef, group.Spec.TenantRef, app.Spec.TenantRef, link.Spec.TenantRef = inSecond, inSecond, inSecond, inSecond
	theirs := []tegatastatus.Object{person, group, app, link}
	p.create(second, person, group, app, link)
	p.stalled(second, v1alpha1.ConflictReason)
	for _, object := range theirs {
		p.waiting(object, v1alpha1.TenantNotReadyReason)
	}
	p.Expect(person.Status.ID).To(BeEmpty())
	p.Expect(person.Status.State).To(Equal(v1alpha1.MemberNotPublished))
	first := p.tenant()
	p.Eventually(func() *int32 { p.refresh(first); return first.Status.Members }, patience, glance).Should(HaveValue(BeEquivalentTo(1)))

	// Whom the holder does not have cannot be deleted from it either.
	leaving := p.member("leaving")
	leaving.Spec.TenantRef = inSecond
	p.create(leaving)
	p.waiting(leaving, v1alpha1.TenantNotReadyReason)
	p.remove(leaving)
	p.gone(leaving)
	p.current(first, holder)
	p.Expect(p.logIn(holder.Spec.Mail, p.temporaryPassword(holder))).To(Equal(forcedChange))

	t.Run("the slug and all that waits for it is the second's once it is free", func(*testing.T) {
		p.remove(first)
		p.gone(first)
		p.current(second)
		p.current(theirs...)
		p.stalled(holder, v1alpha1.ReferenceNotFoundReason)
		p.Expect(holder.Status.State).To(Equal(v1alpha1.MemberNotPublished))
		p.Expect(p.logIn(person.Spec.Mail, p.temporaryPassword(person))).To(Equal(forcedChange))
	})
	t.Run("and the first's again, which comes back as it was", func(*testing.T) {
		id := holder.Status.ID
		again := p.tenant()
		p.create(again)
		p.stalled(again, v1alpha1.ConflictReason)
		p.waiting(holder, v1alpha1.TenantNotReadyReason)
		p.remove(second)
		p.gone(second)
		p.current(again, holder)
		p.Expect(holder.Status.ID).To(Equal(id))
		p.stalled(person, v1alpha1.ReferenceNotFoundReason)
		p.Expect(p.logIn(person.Spec.Mail, p.temporaryPassword(person))).To(Equal(refusedLogIn))
	})
}
