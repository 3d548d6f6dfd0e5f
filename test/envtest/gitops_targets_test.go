/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// becomes waits until Argo CD shows an object so, and returns the message.
func (p *place) becomes(object client.Object, health string) string {
	p.t.Helper()
	var message string
	p.Eventually(func() (now string) {
		p.refresh(object)
		now, message = p.healthOf(object)
		return now
	}, patience, glance).Should(Equal(health))
	return message
}

// TestGitOpsOfTargets: what Argo CD shows of accounts in other services, and what
// can be clicked there.
func TestGitOpsOfTargets(t *testing.T) {
	p := newPlace(t, func(tenant *v1alpha1.Tenant) {
		tenant.Spec.DeletionGuard = &v1alpha1.DeletionGuard{Percent: ptrTo[int32](0), Count: ptrTo[int32](0)}
	})
	service, target, secret := p.newService(t, "chat")
	service.add(provision.Account{UserName: "alice@service.example", Active: true})
	target.Spec.Members = &v1alpha1.TargetMembers{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"chat": "yes"}}}
	selected := func(m *v1alpha1.Member) { m.Labels = map[string]string{"chat": "yes"} }
	taro, hanako, jiro := p.member("taro", silent, selected), p.member("hanako", silent, selected), p.member("jiro", silent)
	p.create(target, taro, hanako, jiro)
	p.Expect(p.becomes(target, degraded)).To(ContainSubstring(`"chat"`), "the Secret is missing")
	p.create(secret)
	p.synced(target, 2)
	p.becomes(target, healthy)
	ofTaro, ofHanako := p.accountOf("chat", "taro"), p.accountOf("chat", "hanako")
	p.becomes(ofTaro, healthy)
	p.Expect(p.offered(ofTaro)).To(BeEmpty())
	p.Eventually(p.unmanaged, patience, glance).Should(HaveLen(1))
	p.becomes(&p.unmanaged()[0], healthy)

	p.Expect(p.offered(target)).To(Equal([]string{"suspend", "sync-now"}))
	p.action(target, "sync-now")
	p.Eventually(func(g Gomega) {
		p.refresh(target)
		g.Expect(target.Status.LastSyncRequest).To(Equal(target.Annotations[v1alpha1.SyncNowAnnotation]))
	}, patience, glance).Should(Succeed())

	p.action(target, "suspend")
	p.becomes(target, suspended)
	p.Expect(p.offered(target)).To(Equal([]string{"resume"}))
	p.change(hanako, func() { hanako.Spec.Phone = "+81-3-1234-5678" })
	p.Expect(p.becomes(target, degraded)).To(ContainSubstring("1 accounts wait"))
	p.action(target, "resume")
	p.becomes(target, healthy)

	// The guard holds everything here. One account is let go, then the rest.
	for _, member := range []*v1alpha1.Member{taro, hanako} {
		p.change(member, func() { member.Labels = nil })
	}
	p.Expect(p.becomes(ofTaro, degraded)).To(ContainSubstring("The deletion guard holds"))
	p.becomes(ofHanako, degraded)
	p.becomes(target, degraded)
	p.action(ofTaro, "approve-deletions")
	p.inState(ofTaro, v1alpha1.AccountDisabled)
	p.becomes(ofTaro, healthy)
	p.refresh(ofHanako)
	p.Expect(ofHanako.Status.State).To(Equal(v1alpha1.AccountHeld))
	p.Expect(p.offered(target)).To(ContainElement("approve-deletions"))
	p.action(target, "approve-deletions")
	p.inState(ofHanako, v1alpha1.AccountDisabled)
	p.becomes(target, healthy)

	tenant := p.tenant()
	p.Expect(p.offered(tenant)).To(BeEmpty())
	p.remove(jiro)
	p.heldNumber(tenant, 1)
	p.becomes(tenant, healthy)
	receipt := &p.receipts()[0]
	p.becomes(receipt, degraded)
	p.Expect(p.offered(tenant)).To(Equal([]string{"approve-deletions"}))
	p.action(tenant, "approve-deletions")
	p.gone(jiro)
	p.becomes(receipt, healthy)
}
