/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// unguarded lets every deletion pass.
func unguarded(tenant *v1alpha1.Tenant) {
	tenant.Spec.DeletionGuard = &v1alpha1.DeletionGuard{Percent: ptrTo[int32](100)}
}

// members makes so many members and waits until they are live.
func (p *place) members(count int) []client.Object {
	p.t.Helper()
	var all []client.Object
	for i := range count {
		member := p.member(fmt.Sprintf("m%03d", i), func(m *v1alpha1.Member) { m.Spec.PasswordSetup = "None" })
		p.create(member)
		all = append(all, member)
	}
	for _, member := range all {
		p.current(member.(*v1alpha1.Member))
	}
	return all
}

// left lists the members that exist.
func (p *place) left() []v1alpha1.Member {
	p.t.Helper()
	list := &v1alpha1.MemberList{}
	p.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace))).To(Succeed())
	return list.Items
}

// heldMembers counts the members whose deletion waits for approval.
func (p *place) heldMembers() int {
	held := 0
	for _, member := range p.left() {
		stalled := meta.FindStatusCondition(member.Status.Conditions, v1alpha1.StalledCondition)
		if stalled == nil || stalled.Reason != v1alpha1.DeletionHeldReason {
			continue
		}
		held++
		p.Expect(p.kstatus(&member)).To(Equal(status.TerminatingStatus))
		p.Expect(stalled.Message).To(ContainSubstring("kubectl annotate tenant acme -n " + p.namespace + ` identity.tegata.dev/approve-deletions="$(date)" --overwrite`))
	}
	return held
}

// approve sets the annotation that approves what is held now.
func (p *place) approve(tenant *v1alpha1.Tenant, token string) {
	p.t.Helper()
	p.change(tenant, func() {
		metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, v1alpha1.ApproveDeletionsAnnotation, token)
	})
}

// heldNumber waits until the tenant, which stays Ready, tells of so many held deletions.
func (p *place) heldNumber(tenant *v1alpha1.Tenant, number int32) {
	p.t.Helper()
	p.Eventually(func(g Gomega) {
		p.refresh(tenant)
		g.Expect(tenant.Status.Deletions).NotTo(BeNil())
		g.Expect(tenant.Status.Deletions.Held).To(HaveValue(Equal(number)))
		ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ReadyCondition)
		g.Expect(ready.Reason == v1alpha1.DeletionHeldReason).To(Equal(number > 0))
		g.Expect(p.invariants(tenant)).To(Succeed())
	}, patience, glance).Should(Succeed())
}

// heldNothing waits until the tenant tells of no held deletion, nor of an approval.
func (p *place) heldNothing(tenant *v1alpha1.Tenant) {
	p.t.Helper()
	p.Eventually(func() *v1alpha1.DeletionStatus {
		p.refresh(tenant)
		return tenant.Status.Deletions
	}, patience, glance).Should(BeNil())
}

func (p *place) events(reason string) []string {
	list := &eventsv1.EventList{}
	p.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace))).To(Succeed())
	var notes []string
	for _, event := range list.Items {
		if event.Reason == reason {
			notes = append(notes, event.Regarding.Kind+": "+event.Note)
		}
	}
	return notes
}

// TestPruneIsHeld deletes half of a company, as a wrong overlay does.
func TestPruneIsHeld(t *testing.T) {
	p := newPlace(t)
	tenant := p.tenant()
	p.refresh(tenant)
	p.approve(tenant, "of before, which approves nothing")
	all := p.members(60)
	p.remove(all[:40]...)
	p.heldNumber(tenant, 20)
	p.Eventually(p.heldMembers, patience, glance).Should(Equal(20))
	p.Expect(p.left()).To(HaveLen(40))
	p.Expect(tenant.Status.Members).To(HaveValue(Equal(int32(40))))
	p.Eventually(func() []string { return p.events(v1alpha1.DeletionHeldReason) }, patience, glance).Should(ConsistOf(HavePrefix("Tenant: Live in the IdP.")))
	p.unchanged(tenant, glance*10)

	// The approval is for what is held at that moment.
	p.approve(tenant, "by hanako")
	p.Eventually(p.left, patience, glance).Should(HaveLen(20))
	p.heldNumber(tenant, 0)
	p.Expect(tenant.Status.Deletions.LastApproval).To(Equal("by hanako"))
	p.remove(all[59])
	p.Eventually(p.heldMembers, patience, glance).Should(Equal(1), "the next one is another case")

	// Taking the finalizer away and declaring the member again takes the deletion back.
	mistake := all[59].(*v1alpha1.Member)
	p.change(mistake, func() { mistake.Finalizers = nil })
	p.gone(mistake)
	again := p.member("m059", func(m *v1alpha1.Member) { m.Spec.PasswordSetup = "None" })
	p.create(again)
	p.current(again)
	p.heldNumber(tenant, 0)
	p.Expect(again.Status.ID).To(Equal(mistake.Status.ID))
}

// TestWidenedGuardLetsGo is a clean-up that was meant.
func TestWidenedGuardLetsGo(t *testing.T) {
	p := newPlace(t)
	all := p.members(22)
	p.remove(all...)
	p.Eventually(p.heldMembers, patience, glance).Should(Equal(2))
	tenant := p.tenant()
	p.change(tenant, func() { unguarded(tenant) })
	p.gone(all...)
	p.heldNothing(tenant)
}

func TestLastAdminIsHeld(t *testing.T) {
	p := newPlace(t)
	superAdmin := func(m *v1alpha1.Member) { m.Spec.Role = "SuperAdmin" }
	admin, other := p.member("admin", superAdmin), p.member("sato")
	p.create(admin, other)
	p.current(admin, other)
	p.remove(admin)
	p.Eventually(p.heldMembers, patience, glance).Should(Equal(1))
	p.refresh(admin)
	p.Expect(meta.FindStatusCondition(admin.Status.Conditions, v1alpha1.StalledCondition).Message).To(ContainSubstring("the last SuperAdmin"))
	successor := p.member("successor", superAdmin)
	p.create(successor)
	p.gone(admin)
	p.remove(successor, other)
	p.gone(successor, other)
}

func TestTenantOfManyIsHeld(t *testing.T) {
	p := newPlace(t)
	tenant := p.tenant()
	all := p.members(21)
	p.remove(tenant)
	p.Eventually(func(g Gomega) {
		p.refresh(tenant)
		stalled := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.StalledCondition)
		g.Expect(stalled).NotTo(BeNil())
		g.Expect(stalled.Reason).To(Equal(v1alpha1.DeletionHeldReason))
		g.Expect(stalled.Message).To(ContainSubstring("kubectl annotate tenant acme -n " + p.namespace))
		g.Expect(p.kstatus(tenant)).To(Equal(status.TerminatingStatus))
		g.Expect(tenant.Status.Deletions.Held).To(HaveValue(Equal(int32(1))))
	}, patience, glance).Should(Succeed())
	p.Eventually(func() []string { return p.events(v1alpha1.DeletionHeldReason) }, patience, glance).Should(HaveLen(1))
	p.approve(tenant, "yes")
	p.gone(tenant)
	p.stalled(all[20].(*v1alpha1.Member), v1alpha1.ReferenceNotFoundReason)
}

// TestNamespaceOfManyEndsOnceApproved has its IdentityServer elsewhere, which goes on.
func TestNamespaceOfManyEndsOnceApproved(t *testing.T) {
	home := newNamespace(t)
	server := home.identityServer()
	server.Spec.Tenants = &v1alpha1.AllowedTenants{From: v1alpha1.NamespacesAll}
	home.create(server)
	home.current(server)
	p := newNamespace(t)
	tenant := p.tenant()
	tenant.Spec.Slug = p.namespace
	tenant.Spec.IdentityServerRef.Namespace = home.namespace
	p.create(tenant)
	p.current(tenant)
	all := p.members(30)
	p.end()
	for i := range everyKindOfOurs {
		p.empty(everyKindOfOurs[len(everyKindOfOurs)-1-i])
	}
	p.Eventually(p.heldMembers, patience, glance).Should(Equal(10))
	p.Eventually(func() string {
		p.refresh(tenant)
		return meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ReadyCondition).Reason
	}, patience, glance).Should(Equal(v1alpha1.DeletionHeldReason))
	// Annotations are still taken in a namespace that ends.
	p.approve(tenant, "yes")
	p.gone(append(all, tenant)...)
}

// TestServerTakesItsTenantsAlong: a server that is deleted asks nobody.
func TestServerTakesItsTenantsAlong(t *testing.T) {
	p := newPlace(t)
	tenant, server := p.tenant(), p.identityServer()
	all := p.members(21)
	p.remove(server)
	p.gone(server)
	p.remove(append(all, tenant)...)
	p.gone(append(all, tenant)...)
}

// TestUnadmittedTenantGoesOfflineUnasked: the server's owner decides.
func TestUnadmittedTenantGoesOfflineUnasked(t *testing.T) {
	home := newNamespace(t)
	server := home.identityServer()
	server.Spec.Tenants = &v1alpha1.AllowedTenants{From: v1alpha1.NamespacesAll}
	home.create(server)
	p := newNamespace(t)
	tenant := p.tenant()
	tenant.Spec.Slug = p.namespace
	tenant.Spec.IdentityServerRef.Namespace = home.namespace
	p.create(tenant)
	p.current(tenant)
	all := p.members(21)
	home.change(server, func() { server.Spec.Tenants = nil })
	message := p.stalled(tenant, v1alpha1.NotAdmittedReason)
	p.Expect(strings.ToLower(message)).To(ContainSubstring("does not admit"))
	p.remove(append(all, tenant)...)
	p.gone(append(all, tenant)...)
}
