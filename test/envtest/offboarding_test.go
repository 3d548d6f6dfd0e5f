/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// receipts lists the place's Offboardings.
func (p *place) receipts() []v1alpha1.Offboarding {
	p.t.Helper()
	list := &v1alpha1.OffboardingList{}
	p.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace))).To(Succeed())
	return list.Items
}

// receiptOf waits for the one complete receipt of the place.
func (p *place) receiptOf(member string) *v1alpha1.Offboarding {
	p.t.Helper()
	var found v1alpha1.Offboarding
	p.Eventually(func(g Gomega) {
		all := p.receipts()
		g.Expect(all).To(HaveLen(1))
		found = all[0]
		g.Expect(found.Spec.MemberRef.Name).To(Equal(member))
		g.Expect(meta.IsStatusConditionTrue(found.Status.Conditions, v1alpha1.ReadyCondition)).To(BeTrue(), "%+v", found.Status)
		g.Expect(found.Status.CompletedAt.IsZero()).To(BeFalse())
	}, patience, glance).Should(Succeed())
	return &found
}

func TestOffboardingTellsWhoLeft(t *testing.T) {
	p := newPlace(t)
	member := p.member("sato", temporary)
	p.create(member)
	p.current(member)
	asked := time.Now().Add(-2 * time.Second)
	p.remove(member)
	p.gone(member)
	receipt := p.receiptOf("sato")
	p.Expect(receipt.Spec.MemberID).To(Equal(member.Status.ID))
	p.Expect(receipt.Spec.Mail).To(Equal(member.Spec.Mail))
	p.Expect(receipt.Spec.DisplayName).To(Equal("山田 太郎"))
	p.Expect(receipt.Status.SignInBlockedAt.Time).To(BeTemporally(">", asked))
	p.Expect(receipt.Spec.RequestedAt.Time).To(BeTemporally(">", asked))
	p.Expect(receipt.OwnerReferences).To(BeEmpty())
	p.unchanged(receipt, glance*10)

	// It is a record, and outlives the tenant.
	receipt.Spec.Mail = "somebody@else.example"
	p.Expect(p.k8s.Update(ctx, receipt)).To(MatchError(ContainSubstring("an Offboarding is a record and does not change")))
	tenant := p.tenant()
	p.remove(tenant)
	p.gone(tenant)
	p.Expect(p.receipts()).To(HaveLen(1))

	// Whoever cleans up may delete it.
	p.remove(receipt)
	p.gone(receipt)
}

// TestOffboardingWaitsForTheGuard has no second receipt for a deletion that is
// held, approved and asked for several times.
func TestOffboardingWaitsForTheGuard(t *testing.T) {
	p := newPlace(t, func(tenant *v1alpha1.Tenant) {
		tenant.Spec.DeletionGuard = &v1alpha1.DeletionGuard{Percent: ptrTo[int32](0), Count: ptrTo[int32](0)}
	})
	member := p.members(1)[0].(*v1alpha1.Member)
	p.remove(member)
	p.Eventually(p.heldMembers, patience, glance).Should(Equal(1))
	p.Expect(p.receipts()).To(HaveLen(1))
	receipt := p.receipts()[0]
	p.stalled(&receipt, v1alpha1.DeletionHeldReason)
	p.Expect(receipt.Status.SignInBlockedAt.IsZero()).To(BeTrue())
	tenant := p.tenant()
	p.refresh(tenant)
	p.approve(tenant, "yes")
	p.gone(member)
	p.Expect(p.receiptOf(member.Name).Status.SignInBlockedAt.IsZero()).To(BeFalse())
}

// TestOffboardingHindersNothing meets a quota that admits no receipt.
func TestOffboardingHindersNothing(t *testing.T) {
	p := newPlace(t)
	member := p.members(1)[0]
	quota := &corev1.ResourceQuota{ObjectMeta: p.meta("none"), Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{"count/offboardings.identity.tegata.dev": resource.MustParse("0")},
	}}
	p.create(quota)
	// No controller of quotas runs here.
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{"count/offboardings.identity.tegata.dev": resource.MustParse("0")}}
	p.Expect(p.k8s.Status().Update(ctx, quota)).To(Succeed())
	probe := func() error {
		return p.k8s.Create(ctx, &v1alpha1.Offboarding{ObjectMeta: p.meta("probe"), Spec: v1alpha1.OffboardingSpec{
			TenantRef: v1alpha1.TenantReference{Name: "acme"}, MemberRef: v1alpha1.MemberReference{Name: "m000"}, RequestedAt: metav1.Now(),
		}}, client.DryRunAll)
	}
	p.Eventually(probe, patience, glance).Should(MatchError(ContainSubstring("exceeded quota")))
	p.remove(member)
	p.gone(member)
	p.Expect(p.receipts()).To(BeEmpty())
}
