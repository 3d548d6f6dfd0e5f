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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// accountOf waits for the Account of a member at a target.
func (p *place) accountOf(target, member string) *v1alpha1.Account {
	p.t.Helper()
	list := &v1alpha1.AccountList{}
	p.Eventually(func(g Gomega) {
		g.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace),
			client.MatchingFields{"spec.targetRef.name": target, "spec.memberRef.name": member})).To(Succeed())
		g.Expect(list.Items).To(HaveLen(1))
	}, patience, glance).Should(Succeed())
	return &list.Items[0]
}

// synced waits until a target counts so many accounts, all as declared.
func (p *place) synced(target *v1alpha1.ProvisioningTarget, number int32) {
	p.t.Helper()
	p.Eventually(func(g Gomega) {
		p.refresh(target)
		g.Expect(target.Status.Accounts).NotTo(BeNil())
		g.Expect(target.Status.Accounts.Desired).To(HaveValue(Equal(number)))
		g.Expect(target.Status.Accounts.Synced).To(HaveValue(Equal(number)))
		g.Expect(p.invariants(target)).To(Succeed())
	}, patience, glance).Should(Succeed())
}

func (s *fakeService) writes() int {
	total := 0
	for _, method := range []string{"Create", "Update", "Disable", "Delete", "Restore"} {
		total += s.count(method)
	}
	return total
}

// TestSyncPutsRight what somebody changed or deleted over there, tells of it, and
// writes nothing where nothing differs.
func TestSyncPutsRight(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	p.create(p.member("taro", func(m *v1alpha1.Member) { m.Spec.Phone = "03-1111-1111" }), p.member("hanako"), secret, target)
	p.synced(target, 2)
	p.syncNow(target, "1")
	p.synced(target, 2)
	p.Expect(service.writes()).To(Equal(2), "two creations")

	taro, found := service.byUserName("taro@" + p.namespace + ".example")
	p.Expect(found).To(BeTrue())
	taro.Properties["phone"] = "0120-000-000"
	service.add(taro)
	p.syncNow(target, "2")
	p.Eventually(func() string {
		account, _ := service.byUserName(taro.UserName)
		return account.Properties["phone"]
	}, patience, glance).Should(Equal("03-1111-1111"))
	account := p.accountOf("chat", "taro")
	p.Eventually(func() []v1alpha1.PropertyName { p.refresh(account); return account.Status.Drift }, patience, glance).Should(ConsistOf(v1alpha1.PropertyName("phone")))
	p.synced(target, 2)
	p.Expect(service.writes()).To(Equal(3))

	hanako, _ := service.byUserName("hanako@" + p.namespace + ".example")
	service.do(func() { delete(service.accounts, hanako.ExternalID) })
	// One that was made a short while ago may only not be seen yet.
	t.Cleanup(func() { offset.Store(0) })
	offset.Store(int64(time.Hour))
	p.syncNow(target, "3")
	p.Eventually(func() bool { _, there := service.byUserName(hanako.UserName); return there }, patience, glance).Should(BeTrue())
	p.synced(target, 2)

	before := service.writes()
	p.syncNow(target, "4")
	p.synced(target, 2)
	p.Expect(service.writes()).To(Equal(before))
}

// TestTruncatedListing is never read as "the rest is gone".
func TestTruncatedListing(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	p.create(p.member("taro"), p.member("hanako"), p.member("jiro"), secret, target)
	p.synced(target, 3)
	finds := service.count("Find")
	service.do(func() {
		service.listFailure = &provision.Error{Cause: provision.Unavailable, Message: "The answer was cut off."}
	})
	p.annotate(target, v1alpha1.SyncNowAnnotation, "1")
	p.Expect(p.waiting(target, v1alpha1.UnavailableReason)).To(ContainSubstring("nothing was concluded"))
	p.Consistently(func() int { return service.count("Find") }, time.Second, glance).Should(Equal(finds), "nobody looks again")
	p.Expect(service.accounts).To(HaveLen(3))
	service.do(func() { service.listFailure = nil })
	p.synced(target, 3)
}

// TestAccountThatWasThereBefore is a conflict until adoption is allowed; then it
// is nobody's unmanaged account any more.
func TestAccountThatWasThereBefore(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	theirs := service.add(provision.Account{UserName: "taro@" + p.namespace + ".example", DisplayName: "Taro", Active: true})
	p.create(secret, target, p.member("taro"), p.member("hanako"))
	message := p.stalled(target, v1alpha1.AccountsFailedReason)
	p.Expect(message).To(ContainSubstring("Accounts that are not as declared: 1."))
	p.Expect(target.Status.Accounts.Failed).To(HaveValue(BeEquivalentTo(1)))
	p.syncNow(target, "1")
	p.Eventually(p.unmanaged, patience, glance).Should(HaveLen(1))

	p.change(target, func() { target.Spec.Adoption = v1alpha1.AdoptByUserName })
	p.synced(target, 2)
	account := p.accountOf("chat", "taro")
	p.Expect(account.Status.ExternalID).To(Equal(theirs.ExternalID))
	p.Eventually(p.unmanaged, patience, glance).Should(BeEmpty())
	p.Eventually(func() *int32 { p.refresh(target); return target.Status.Accounts.Unmanaged }, patience, glance).Should(HaveValue(BeZero()))
}

// TestRotatedSecret resumes the accounts that waited, without a restart.
func TestRotatedSecret(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	p.create(secret, target)
	p.current(target)
	service.do(func() { service.token = "renewed" })
	p.create(p.member("taro"))
	p.stalled(target, v1alpha1.AuthenticationFailedReason)
	account := p.accountOf("chat", "taro")
	p.Eventually(func() []metav1.Condition { p.refresh(account); return account.Status.Conditions }, patience, glance).
		Should(ContainElement(And(HaveField("Type", "Synced"), HaveField("Reason", v1alpha1.AuthenticationFailedReason))))
	p.change(secret, func() { secret.Data["token"] = []byte("renewed") })
	p.synced(target, 1)
	p.current(account)
}

// TestSuspendedTargetLeavesAccountsAlone until it is resumed.
func TestSuspendedTargetLeavesAccountsAlone(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	p.create(p.member("taro"), secret, target)
	p.synced(target, 1)
	p.annotate(target, v1alpha1.SuspendedAnnotation, "true")
	p.Eventually(func() []metav1.Condition { p.refresh(target); return target.Status.Conditions }, patience, glance).
		Should(ContainElement(And(HaveField("Type", "Ready"), HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.SuspendedReason))))
	p.create(p.member("hanako"))
	hanako := p.accountOf("chat", "hanako")
	p.Expect(p.stalled(target, v1alpha1.SuspendedReason)).To(ContainSubstring("1 accounts wait"))
	p.Consistently(func() int { return service.count("Create") }, time.Second, glance).Should(Equal(1))
	p.refresh(hanako)
	p.Expect(hanako.Status.ExternalID).To(BeEmpty())
	p.change(target, func() { delete(target.Annotations, v1alpha1.SuspendedAnnotation) })
	p.synced(target, 2)
}

// TestMembersOfGroupsInAService follow accounts and groups.
func TestMembersOfGroupsInAService(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	target.Spec.Groups = &v1alpha1.TargetGroups{Selector: &metav1.LabelSelector{}}
	sales := p.group("sales", administrator("taro"))
	p.create(p.member("taro"), p.member("hanako"), sales, secret, target)
	members := func() []string {
		service.mu.Lock()
		defer service.mu.Unlock()
		for _, group := range service.groups {
			return group.Members
		}
		return nil
	}
	p.synced(target, 2)
	ids := map[string]string{}
	for _, name := range []string{"taro", "hanako"} {
		account, _ := service.byUserName(name + "@" + p.namespace + ".example")
		ids[name] = account.ExternalID
	}
	p.Eventually(members, patience, glance).Should(ConsistOf(ids["taro"]))
	p.change(sales, func() { sales.Spec.Members = append(sales.Spec.Members, administrator("hanako")) })
	p.Eventually(members, patience, glance).Should(ConsistOf(ids["taro"], ids["hanako"]))
}

// TestDevicesOfAnMDM are counted, and shown at the Accounts of their owners (O14).
func TestDevicesOfAnMDM(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "mdm")
	target.Spec.MDM, target.Spec.SCIM = &v1alpha1.MDM{SCIM: target.Spec.SCIM}, nil
	p.create(p.member("taro"), secret, target)
	p.synced(target, 1)
	account := p.accountOf("mdm", "taro")
	p.refresh(account)
	service.do(func() {
		service.devices = []provision.Device{
			{ID: "d1", Name: "iPhone", Platform: "iOS", Compliant: ptrTo(true), Owner: provision.Reference{ExternalID: account.Status.ExternalID}},
			{ID: "d2", Compliant: ptrTo(false)},
		}
	})
	p.syncNow(target, "1")
	p.refresh(target)
	p.Expect(target.Status.Devices).To(Equal(&v1alpha1.DeviceCounts{Managed: ptrTo(int32(2)), Compliant: ptrTo(int32(1))}))
	p.refresh(account)
	p.Expect(account.Status.Devices).To(Equal([]v1alpha1.Device{{ID: "d1", Name: "iPhone", Platform: "iOS", Compliant: ptrTo(true)}}))
	p.current(account)
}

// TestDeletedTargetLetsItsAccountsGo, and says how many stay over there.
func TestDeletedTargetLetsItsAccountsGo(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	p.create(p.member("taro"), p.member("hanako"), secret, target)
	p.synced(target, 2)
	writes := service.writes()
	p.remove(target)
	p.gone(target)
	p.Eventually(func() []v1alpha1.Account {
		list := &v1alpha1.AccountList{}
		p.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace))).To(Succeed())
		return list.Items
	}, patience, glance).Should(BeEmpty())
	p.Expect(service.writes()).To(Equal(writes))
	p.Eventually(func() []string {
		list := &eventsv1.EventList{}
		p.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace))).To(Succeed())
		var notes []string
		for _, event := range list.Items {
			if event.Regarding.Kind == "ProvisioningTarget" {
				notes = append(notes, event.Note)
			}
		}
		return notes
	}, patience, glance).Should(ContainElement(ContainSubstring("2 accounts stay in the service as they are")))
	p.Expect(p.events(v1alpha1.ReferenceNotFoundReason)).NotTo(ContainElement(HavePrefix("Account: ")), "one event tells of all")
	// The same target, made again, finds its accounts.
	target.ResourceVersion, target.Finalizers = "", nil
	p.create(target)
	p.synced(target, 2)
	p.Expect(service.count("Create")).To(Equal(2))
}
