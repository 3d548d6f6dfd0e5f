/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/api/v1alpha1"
)

// TestTwoTargetsOfOneService: the older one works, and the newer one does nothing
// there until the service is its own.
func TestTwoTargetsOfOneService(t *testing.T) {
	p := newPlace(t)
	service, chat, secret := p.newService(t, "chat")
	second := chat.DeepCopy()
	second.Name = "second"
	address := strings.Replace(string(chat.Spec.SCIM.URL), "https://chat", "https://Chat", 1) + "/"
	second.Spec.SCIM.URL = v1alpha1.TargetURL(address)
	fakeServices.Store(address, service)
	t.Cleanup(func() { fakeServices.Delete(address) })
	p.create(secret, chat, p.member("taro"))
	p.synced(chat, 1)
	calls := func() int {
		return service.count("Check") + service.count("Find") + service.count("Create") + service.count("Update")
	}
	before := calls()

	p.create(second)
	said := p.stalled(second, v1alpha1.ConflictReason)
	p.Expect(said).To(And(ContainSubstring(`ProvisioningTarget "chat" of this tenant, which is older`), ContainSubstring("delete that one")))
	health, _ := p.healthOf(second)
	p.Expect(health).To(Equal(degraded))
	theirs := p.accountOf("second", "taro")
	p.Expect(p.waiting(theirs, v1alpha1.ConflictReason)).To(ContainSubstring(`ProvisioningTarget "second" cannot be used now`))
	p.unchanged(second, time.Second)
	p.Expect(calls()).To(Equal(before), "nothing was asked for the newer one")
	p.current(chat)

	t.Run("unless somebody says that it is another's", func(*testing.T) {
		p.annotate(second, v1alpha1.AnotherServiceAnnotation, "true")
		p.current(second)
		p.annotate(second, v1alpha1.AnotherServiceAnnotation, "no")
		p.stalled(second, v1alpha1.ConflictReason)
	})
	t.Run("or the older one leads elsewhere, until it comes back", func(t *testing.T) {
		_, other, otherSecret := p.newService(t, "other")
		good := chat.Spec.DeepCopy()
		p.create(otherSecret)
		p.change(chat, func() { chat.Spec.SCIM = other.Spec.SCIM })
		p.current(second)
		p.change(chat, func() { chat.Spec = *good })
		p.stalled(second, v1alpha1.ConflictReason)
		p.current(chat)
	})
	t.Run("and takes the accounts over once the older one is gone", func(*testing.T) {
		p.remove(chat)
		p.gone(chat)
		p.current(second)
		p.synced(second, 1)
		p.Expect(service.accounts).To(HaveLen(1))
		p.Expect(service.count("Create")).To(Equal(1))
	})
}

// TestTwoTargetsOfOneDirectory: Intune in it is another service than its users.
func TestTwoTargetsOfOneDirectory(t *testing.T) {
	p := newPlace(t)
	_, entra, secret := p.newEntra()
	entra.Spec.EntraID.Federation = nil
	second := entra.DeepCopy()
	second.Name, second.Spec.EntraID.TenantID = "second", v1alpha1.GUID(strings.ToUpper(string(entra.Spec.EntraID.TenantID)))
	intune := &v1alpha1.ProvisioningTarget{ObjectMeta: p.meta("intune"), Spec: v1alpha1.ProvisioningTargetSpec{
		TenantRef: v1alpha1.TenantReference{Name: "acme"},
		MDM:       &v1alpha1.MDM{Intune: &v1alpha1.Intune{TargetRef: v1alpha1.ProvisioningTargetReference{Name: "entra"}}},
	}}
	another := intune.DeepCopy()
	another.Name = "intune-again"
	p.create(secret, entra)
	p.current(entra)
	p.create(intune)
	p.current(intune)
	p.create(second, another)
	p.Expect(p.stalled(second, v1alpha1.ConflictReason)).To(And(ContainSubstring(`"entra"`), Not(ContainSubstring("annotate"))))
	p.Expect(p.stalled(another, v1alpha1.ConflictReason)).To(ContainSubstring(`"intune"`))
	p.annotate(second, v1alpha1.AnotherServiceAnnotation, "true")
	p.unchanged(second, time.Second)
	p.remove(intune)
	p.gone(intune)
	p.current(another)
}

// TestPlanTellsOfTwoTargetsOfOneService before the second is there.
func TestPlanTellsOfTwoTargetsOfOneService(t *testing.T) {
	p := newPlace(t)
	_, chat, secret := p.newService(t, "chat")
	second := chat.DeepCopy()
	second.Name = "a-second"
	p.create(secret, chat, p.member("taro"))
	p.synced(chat, 1)
	// Times of creation are whole seconds, and of those made in one the name decides.
	p.Eventually(time.Now, patience, glance).Should(BeTemporally(">=", chat.CreationTimestamp.Add(time.Second)))
	l := p.newPipeline()
	for _, arguments := range [][]string{nil, {"--offline-targets"}} {
		l.declare(second)
		made, _ := l.planned(arguments...)
		p.Expect(made.Problems).To(ConsistOf(And(HaveField("Name", "a-second"), HaveField("Reason", v1alpha1.ConflictReason))))
	}
}
