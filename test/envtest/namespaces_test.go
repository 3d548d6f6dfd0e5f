/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// TestNobodyJoinsATenantFromAnotherNamespace names the same server and slug in a
// namespace that the server does not admit, and then in one that it does.
func TestNobodyJoinsATenantFromAnotherNamespace(t *testing.T) {
	p := newPlace(t)
	holder := p.member("sato", temporary)
	p.create(holder)
	p.current(holder)
	password := p.temporaryPassword(holder)

	other := newNamespace(t)
	tenant := other.tenant()
	tenant.Spec.IdentityServerRef.Namespace = p.namespace
	tenant.Spec.Slug = "acme"
	other.create(tenant)
	other.stalled(tenant, v1alpha1.NotAdmittedReason)
	intruder, twin := other.member("mallory", temporary), other.member("sato", temporary)
	other.create(intruder, twin)
	for range 2 {
		other.waiting(intruder, v1alpha1.TenantNotReadyReason)
		other.waiting(twin, v1alpha1.TenantNotReadyReason)
		other.Expect(intruder.Status.ID).To(BeEmpty())
		p.current(holder)
		server := p.identityServer()
		p.change(server, func() { server.Spec.Tenants = &v1alpha1.AllowedTenants{From: v1alpha1.NamespacesAll} })
		other.stalled(tenant, v1alpha1.ConflictReason)
	}
	other.remove(twin)
	other.gone(twin)
	p.Expect(p.logIn(holder.Spec.Mail, password)).To(Equal(forcedChange))

	t.Run("and the slug is theirs with all that is declared for it once it is free", func(*testing.T) {
		first := p.tenant()
		p.remove(first)
		p.gone(first)
		other.current(tenant, intruder)
	})
	t.Run("events tell what failed", func(*testing.T) {
		events := &eventsv1.EventList{}
		p.Eventually(func(g Gomega) {
			g.Expect(p.k8s.List(ctx, events, client.InNamespace(other.namespace))).To(Succeed())
			var reasons []string
			for _, event := range events.Items {
				reasons = append(reasons, event.Regarding.Kind+" "+event.Reason)
			}
			g.Expect(reasons).To(ContainElements("Tenant "+v1alpha1.NotAdmittedReason, "Tenant "+v1alpha1.ConflictReason))
		}, patience, glance).Should(Succeed())
	})
}

// TestNobodySquatsFromANamespaceThatIsNotAdmitted claims a slug and a mail first,
// from a namespace that may bring no tenants to the server.
func TestNobodySquatsFromANamespaceThatIsNotAdmitted(t *testing.T) {
	p, other := newNamespace(t), newNamespace(t)
	tenant := other.tenant()
	tenant.Spec.IdentityServerRef.Namespace = p.namespace
	squatter := other.member("squatter", func(m *v1alpha1.Member) { m.Spec.Mail = "sato@" + p.namespace + ".example" })
	other.create(tenant, squatter)
	other.stalled(tenant, v1alpha1.ReferenceNotFoundReason)
	// Times of creation have whole seconds.
	later := squatter.CreationTimestamp.Add(time.Second)
	p.Eventually(func() bool { return time.Now().After(later) }, patience, glance).Should(BeTrue())
	p.settle()
	other.stalled(tenant, v1alpha1.NotAdmittedReason)
	member := p.member("sato")
	p.create(member)
	p.current(member)
	other.waiting(squatter, v1alpha1.TenantNotReadyReason)
}

// TestClaimantsWakeWhenTheOlderOneCannotBecomeLive takes the tenant from under
// the member that a younger one yielded to.
func TestClaimantsWakeWhenTheOlderOneCannotBecomeLive(t *testing.T) {
	p := newPlace(t)
	second := p.tenant()
	second.Name, second.Spec.Slug = "second", "second"
	p.create(second)
	p.current(second)
	older := p.member("older", func(m *v1alpha1.Member) { m.Spec.TenantRef.Name = "second" })
	p.create(older)
	p.current(older)
	younger := p.member("younger", func(m *v1alpha1.Member) { m.Spec.Mail = older.Spec.Mail })
	p.create(younger)
	p.stalled(younger, v1alpha1.ConflictReason)
	p.remove(second)
	p.stalled(older, v1alpha1.ReferenceNotFoundReason)
	p.Expect(older.Status.State).To(Equal(v1alpha1.MemberNotPublished))
	p.current(younger)
}
