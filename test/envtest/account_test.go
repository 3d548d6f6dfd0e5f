/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// mailOf is the mail of a member of this place.
func (p *place) mailOf(member string) string { return member + "@" + p.namespace + ".example" }

// there waits until a service's account is as told.
func (p *place) there(service *fakeService, userName string, matches func(g Gomega, account provision.Account)) {
	p.t.Helper()
	p.Eventually(func(g Gomega) {
		account, found := service.byUserName(userName)
		g.Expect(found).To(BeTrue(), "%s is not there", userName)
		matches(g, account)
	}, patience, glance).Should(Succeed())
}

func active(g Gomega, account provision.Account) { g.Expect(account.Active).To(BeTrue()) }

func inactive(g Gomega, account provision.Account) { g.Expect(account.Active).To(BeFalse()) }

// inState waits until an Account is in a state, and Current.
func (p *place) inState(account *v1alpha1.Account, state v1alpha1.AccountState) {
	p.t.Helper()
	p.Eventually(func(g Gomega) {
		p.refresh(account)
		g.Expect(account.Status.State).To(Equal(state))
		g.Expect(p.invariants(account)).To(Succeed())
	}, patience, glance).Should(Succeed())
}

// TestLifeOfAnAccount goes through everything that may happen to a member.
func TestLifeOfAnAccount(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	target.Spec.Members = &v1alpha1.TargetMembers{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"chat": "yes"}}}
	taro := p.member("taro")
	p.create(secret, target, taro)
	p.current(target, taro)
	p.Expect(service.count("Create")).To(BeZero(), "nobody is selected")

	p.change(taro, func() { taro.Labels = map[string]string{"chat": "yes"} })
	account := p.accountOf("chat", "taro")
	p.inState(account, v1alpha1.AccountActive)
	p.refresh(taro)
	p.Expect(account.Status.CorrelationID).To(Equal(taro.Status.ID))
	p.Expect(account.Finalizers).To(ConsistOf(v1alpha1.ProvisionedFinalizer))
	id := account.Status.ExternalID
	p.unchanged(account, time.Second)

	p.change(taro, func() { taro.Spec.Name.Given, taro.Spec.Mail = "次郎", "jiro@"+p.namespace+".example" })
	p.there(service, p.mailOf("jiro"), func(g Gomega, found provision.Account) {
		g.Expect(found.ExternalID).To(Equal(id))
		g.Expect(found.DisplayName).To(Equal("山田 次郎"))
	})
	p.inState(account, v1alpha1.AccountActive)
	p.Expect(account.Status.UserName).To(Equal(p.mailOf("jiro")))

	p.change(taro, func() { taro.Spec.Suspended = ptrTo(true) })
	p.there(service, p.mailOf("jiro"), inactive)
	p.inState(account, v1alpha1.AccountDisabled)
	p.Expect(account.Status.RemovedAt.IsZero()).To(BeTrue())
	p.change(taro, func() { taro.Spec.Suspended = nil })
	p.there(service, p.mailOf("jiro"), active)
	p.inState(account, v1alpha1.AccountActive)

	p.change(taro, func() { taro.Labels = nil })
	p.there(service, p.mailOf("jiro"), inactive)
	p.inState(account, v1alpha1.AccountDisabled)
	p.Expect(account.Status.RemovedAt.IsZero()).To(BeFalse())
	p.change(taro, func() { taro.Labels = map[string]string{"chat": "yes"} })
	p.there(service, p.mailOf("jiro"), active)
	p.inState(account, v1alpha1.AccountActive)
	p.Expect(account.Status.RemovedAt.IsZero()).To(BeTrue())
	p.Expect(account.Status.ExternalID).To(Equal(id))

	p.change(target, func() { target.Spec.DeletionPolicy = v1alpha1.DeleteAccounts })
	p.current(target)
	p.remove(taro)
	p.gone(taro)
	p.Eventually(func() bool { _, found := service.byUserName(p.mailOf("jiro")); return found }, patience, glance).Should(BeFalse())
	p.inState(account, v1alpha1.AccountRemoved)
	p.Expect(service.count("Create")).To(Equal(1))

	again := p.member("taro", func(m *v1alpha1.Member) { m.Labels = map[string]string{"chat": "yes"} })
	p.create(again)
	p.there(service, p.mailOf("taro"), active)
	p.inState(account, v1alpha1.AccountActive)
	p.Expect(service.accounts).To(HaveLen(1))
}

// TestAccountsLinger for an hour after their accounts went, and then go.
func TestAccountsLinger(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	target.Spec.DeletionPolicy = v1alpha1.RetainAccounts
	taro := p.member("taro")
	p.create(secret, target, taro)
	account := p.accountOf("chat", "taro")
	p.inState(account, v1alpha1.AccountActive)
	p.remove(taro)
	p.gone(taro)
	p.inState(account, v1alpha1.AccountRetained)
	p.there(service, p.mailOf("taro"), active)
	p.moveClock(59 * time.Minute)
	p.annotate(account, v1alpha1.ApproveDeletionsAnnotation, "look")
	p.unchanged(account, time.Second)
	p.moveClock(61 * time.Minute)
	p.annotate(account, v1alpha1.ApproveDeletionsAnnotation, "look again")
	p.gone(account)
	p.there(service, p.mailOf("taro"), active)
}

// TestAccountObjectDeletedByHand: it is made anew and finds its account again.
func TestAccountObjectDeletedByHand(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	p.create(secret, target, p.member("taro"))
	account := p.accountOf("chat", "taro")
	p.inState(account, v1alpha1.AccountActive)
	id, uid := account.Status.ExternalID, account.UID
	p.remove(account)
	p.Eventually(func() bool { return p.accountOf("chat", "taro").UID != uid }, patience, glance).Should(BeTrue())
	account = p.accountOf("chat", "taro")
	p.inState(account, v1alpha1.AccountActive)
	p.Expect(account.Status.ExternalID).To(Equal(id))
	p.Expect(service.writes()).To(Equal(1))
}

// TestTargetDeletedWhileAccountsExist leaves them there as they are.
func TestTargetDeletedWhileAccountsExist(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	p.create(secret, target, p.member("taro"), p.member("hanako"))
	p.synced(target, 2)
	one, other := p.accountOf("chat", "taro"), p.accountOf("chat", "hanako")
	p.remove(target)
	p.gone(target, one, other)
	p.Expect(service.writes()).To(Equal(2))
	for _, member := range []string{"taro", "hanako"} {
		p.there(service, p.mailOf(member), active)
	}

	// The same target made again finds them.
	target = target.DeepCopy()
	target.ObjectMeta = p.meta("chat")
	p.create(target)
	p.synced(target, 2)
	p.Expect(service.writes()).To(Equal(2))
}

// TestFailuresThatAPersonEnds (O7.4): each is told apart, on the Account and on
// the Member, is not tried in a loop, and ends with its cause.
func TestFailuresThatAPersonEnds(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	f := &faults{}
	service.inject(f)
	p.create(secret, target)
	p.current(target)
	for i, test := range []struct {
		cause  provision.Cause
		method string
	}{
		{provision.Conflict, "Create"}, {provision.Invalid, "Create"}, {provision.LicenseLimit, "Create"},
		{provision.Forbidden, "Create"}, {provision.Protected, "Create"},
	} {
		t.Run(string(test.cause), func(t *testing.T) {
			p := &place{WithT: NewWithT(t), cluster: p.cluster, t: t, namespace: p.namespace, url: p.url}
			f.set(func() {
				f.before = failing(test.method, provision.Error{Cause: test.cause, Message: "Do something about it.", RequestID: "r-1"})
			})
			name := "member" + string(rune('a'+i))
			member := p.member(name)
			p.create(member)
			account := p.accountOf("chat", name)
			p.Expect(p.stalled(account, string(test.cause))).To(Equal("Do something about it."))
			p.Expect(account.Status.State).To(Equal(v1alpha1.AccountFailed))
			p.Expect(account.Status.Error).To(HaveValue(And(HaveField("Cause", string(test.cause)), HaveField("RequestID", "r-1"))))
			p.Expect(account.Status.Error.NextTry.IsZero()).To(BeTrue())
			p.Eventually(func() []v1alpha1.ProvisioningFailure { p.refresh(member); return member.Status.ProvisioningFailures }, patience, glance).
				Should(ConsistOf(v1alpha1.ProvisioningFailure{Target: "chat", Cause: string(test.cause), Message: "Do something about it."}))
			p.current(member)
			calls := service.count("Find")
			p.unchanged(account, time.Second)
			p.Expect(service.count("Find")).To(Equal(calls), "it is not tried in a loop")

			f.set(func() { f.before = nil })
			p.syncNow(target, name)
			p.inState(account, v1alpha1.AccountActive)
			p.Eventually(func() []v1alpha1.ProvisioningFailure { p.refresh(member); return member.Status.ProvisioningFailures }, patience, glance).Should(BeEmpty())
		})
	}
}

// TestValuesThatAServiceRefuses are told without a call; a suspension gets
// through beside them.
func TestValuesThatAServiceRefuses(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	f := &faults{desire: func(subject directory.Subject) error {
		if subject.Member.Phone == "" {
			return nil
		}
		return &provision.Error{Cause: provision.Invalid, Property: "phone", Message: "The phone number has a character that the service does not take; change it."}
	}}
	service.inject(f)
	taro := p.member("taro")
	p.create(secret, target, taro)
	account := p.accountOf("chat", "taro")
	p.inState(account, v1alpha1.AccountActive)
	p.change(taro, func() { taro.Spec.Phone = "#1" })
	p.Expect(p.stalled(account, "Invalid")).To(ContainSubstring("phone number"))
	p.there(service, p.mailOf("taro"), active)
	p.change(taro, func() { taro.Spec.Suspended = ptrTo(true) })
	p.there(service, p.mailOf("taro"), inactive)
	p.stalled(account, "Invalid")
	p.change(taro, func() { taro.Spec.Suspended, taro.Spec.Phone = nil, "" })
	p.there(service, p.mailOf("taro"), active)
	p.inState(account, v1alpha1.AccountActive)
}

// TestRemovalThatFails (O7.4): a device is enrolled, so the account cannot go yet.
func TestRemovalThatFails(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	target.Spec.DeletionPolicy = v1alpha1.DeleteAccounts
	f := &faults{before: failing("Delete", provision.Error{Cause: provision.DeviceEnrolled, Message: "A device is enrolled; wipe it first."})}
	service.inject(f)
	taro := p.member("taro")
	p.create(secret, target, taro)
	account := p.accountOf("chat", "taro")
	p.inState(account, v1alpha1.AccountActive)
	p.remove(taro)
	p.gone(taro)
	p.Expect(p.stalled(account, "DeviceEnrolled")).To(Equal("A device is enrolled; wipe it first."))
	calls := service.count("Find")
	p.unchanged(account, time.Second)
	p.Expect(service.count("Find")).To(Equal(calls))
	f.set(func() { f.before = nil })
	p.syncNow(target, "1")
	p.inState(account, v1alpha1.AccountRemoved)
}

// TestNamespaceWithAccountsEnds: nobody loses an account by it, and nothing stays.
func TestNamespaceWithAccountsEnds(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	taro, hanako := p.member("taro", silent), p.member("hanako", silent)
	p.create(secret, target, taro, hanako)
	p.synced(target, 2)
	one, other := p.accountOf("chat", "taro"), p.accountOf("chat", "hanako")
	p.end()
	p.empty(&v1alpha1.Member{})
	p.gone(taro, hanako)
	p.Expect(p.waiting(one, v1alpha1.PendingReason)).To(ContainSubstring("stays as it is"))
	p.empty(&v1alpha1.Account{})
	p.gone(one, other)
	p.empty(&v1alpha1.ProvisioningTarget{})
	p.gone(target)
	for _, member := range []string{"taro", "hanako"} {
		p.there(service, p.mailOf(member), active)
	}
	p.Expect(service.writes()).To(Equal(2))
}
