/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// crowd makes many members at once.
func (p *place) crowd(number int, change ...func(*v1alpha1.Member)) {
	p.t.Helper()
	var making errgroup.Group
	making.SetLimit(16)
	for i := range number {
		making.Go(func() error { return p.k8s.Create(ctx, p.member(fmt.Sprintf("m%04d", i), change...)) })
	}
	p.Expect(making.Wait()).To(Succeed())
}

func silent(member *v1alpha1.Member) { member.Spec.PasswordSetup = "None" }

// TestThrottledService is asked again when it says so, by nobody before.
func TestThrottledService(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	f := &faults{}
	service.inject(f)
	p.create(secret, target)
	p.current(target)
	var refusedAt, early atomic.Int64
	const wait = 3 * time.Second
	f.set(func() {
		f.before = func(_ context.Context, method, _ string) error {
			now := time.Now().UnixNano()
			if refusedAt.CompareAndSwap(0, now) {
				return &provision.Error{Cause: provision.Throttled, Message: "Too many calls.", RetryAfter: wait}
			}
			if time.Duration(now-refusedAt.Load()) < wait-50*time.Millisecond {
				early.Add(1)
			}
			return nil
		}
	})
	p.crowd(20, silent)
	p.Eventually(func(g Gomega) {
		p.refresh(target)
		g.Expect(target.Status.ThrottledUntil.IsZero()).To(BeFalse())
	}, patience, glance).Should(Succeed())
	p.synced(target, 20)
	p.Expect(early.Load()).To(BeZero(), "nobody asks while the service wants to be left alone")
	p.Expect(service.accounts).To(HaveLen(20))
}

// TestServiceWithoutAnswers: it delays nobody but itself, and what it missed is
// made up for when it answers again.
func TestServiceWithoutAnswers(t *testing.T) {
	p := newPlace(t)
	dead, deadTarget, deadSecret := p.newService(t, "dead")
	alive, aliveTarget, aliveSecret := p.newService(t, "alive")
	f := &faults{}
	dead.inject(f)
	p.create(deadSecret, deadTarget, aliveSecret, aliveTarget)
	p.current(deadTarget, aliveTarget)
	f.set(func() { f.before = hanging(2 * time.Second) })
	p.crowd(40, silent)
	p.synced(aliveTarget, 40)
	p.Expect(alive.accounts).To(HaveLen(40))
	p.Expect(dead.count("Create")).To(BeZero())
	failing := func() int {
		list := &v1alpha1.AccountList{}
		p.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace), client.MatchingFields{"spec.targetRef.name": "dead"})).To(Succeed())
		failed := 0
		for _, account := range list.Items {
			if account.Status.Error != nil && account.Status.Error.Cause == "Unavailable" && !account.Status.Error.NextTry.IsZero() {
				failed++
			}
		}
		return failed
	}
	p.Eventually(failing, patience, glance).Should(BeNumerically(">=", 2))

	late := p.member("late")
	p.create(late)
	p.there(alive, p.mailOf("late"), active)
	p.Expect(dead.count("Create")).To(BeZero(), "nobody waited for the other service to answer")

	f.set(func() { f.before = nil })
	p.synced(deadTarget, 41)
	p.Expect(dead.accounts).To(HaveLen(41))
}

// TestLeaverOvertakesCreations: 500 accounts are being made at the pace that the
// service takes, and somebody who leaves does not wait for them.
func TestLeaverOvertakesCreations(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	target.Spec.WritesPerSecond = 20
	taro, jiro := p.member("taro"), p.member("jiro")
	p.create(secret, target, taro, jiro)
	p.synced(target, 2)

	p.crowd(500, silent)
	p.Eventually(func() int { return service.count("Create") }, patience, glance).Should(BeNumerically(">", 20))
	began := time.Now()
	p.remove(taro)
	p.there(service, p.mailOf("taro"), inactive)
	left := time.Since(began)
	p.change(jiro, func() { jiro.Spec.Suspended = ptrTo(true) })
	p.there(service, p.mailOf("jiro"), inactive)
	made := service.count("Create")
	p.Expect(made).To(BeNumerically("<", 450), "they overtook the others")
	p.Eventually(func(g Gomega) {
		p.refresh(target)
		g.Expect(target.Status.Progress).NotTo(BeNil())
		g.Expect(*target.Status.Progress.Waiting).To(BeNumerically(">", 10))
	}, patience, glance).Should(Succeed())
	t.Logf("the leaver was kept out after %s, with %d of 500 accounts made", left.Round(time.Millisecond), made)

	p.change(target, func() { target.Spec.WritesPerSecond = 1000 })
	p.Eventually(func() int { return service.count("Create") }, 2*patience, glance).Should(Equal(502))
	p.synced(target, 501)
}

// TestGuardOfATarget (X3): too many removals at once wait for approval, and go on
// from where they were.
func TestGuardOfATarget(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	target.Spec.Members = &v1alpha1.TargetMembers{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"chat": "yes"}}}
	p.create(secret, target)
	p.crowd(40, silent, func(m *v1alpha1.Member) { m.Labels = map[string]string{"chat": "yes"} })
	p.synced(target, 40)
	enabled := func() int {
		service.mu.Lock()
		defer service.mu.Unlock()
		n := 0
		for _, account := range service.accounts {
			if account.Active {
				n++
			}
		}
		return n
	}
	held := func() []v1alpha1.Account {
		list := &v1alpha1.AccountList{}
		p.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace), client.MatchingFields{"status.state": "Held"})).To(Succeed())
		return list.Items
	}

	// A bad overlay: the selector fits nobody any more.
	p.change(target, func() { target.Spec.Members.Selector.MatchLabels["chat"] = "maybe" })
	p.Eventually(held, patience, glance).Should(HaveLen(20))
	p.Expect(enabled()).To(Equal(20), "as many as the guard lets go")
	account := held()[0]
	p.Expect(p.stalled(&account, v1alpha1.DeletionHeldReason)).To(ContainSubstring("kubectl annotate provisioningtarget chat"))
	p.Consistently(enabled, time.Second, glance).Should(Equal(20))
	p.moveClock(3 * time.Hour)
	p.syncNow(target, "later")
	p.Consistently(enabled, time.Second, glance).Should(Equal(20), "what is held stays so when the window is over")

	// Half of it was meant, and half of it a mistake.
	back := held()[:8]
	for i := range back {
		member := p.member(back[i].Spec.MemberRef.Name)
		p.change(member, func() { member.Labels = map[string]string{"chat": "maybe"} })
	}
	p.Eventually(held, patience, glance).Should(HaveLen(12))
	p.annotate(target, v1alpha1.ApproveDeletionsAnnotation, "the boss, today")
	p.Eventually(held, patience, glance).Should(BeEmpty())
	p.Eventually(enabled, patience, glance).Should(Equal(8))
	p.Eventually(func() string { p.refresh(target); return target.Status.LastApproval }, patience, glance).Should(Equal("the boss, today"))
	for i := range back {
		p.inState(&back[i], v1alpha1.AccountActive)
	}
	offset.Store(0)
}

// TestApprovalCountsOnce: it does not let the account go at another time.
func TestApprovalCountsOnce(t *testing.T) {
	p := newPlace(t, func(tenant *v1alpha1.Tenant) {
		tenant.Spec.DeletionGuard = &v1alpha1.DeletionGuard{Percent: ptrTo(int32(0)), Count: ptrTo(int32(0))}
	})
	service, target, secret := p.newService(t, "chat")
	target.Spec.Members = &v1alpha1.TargetMembers{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"chat": "yes"}}}
	taro := p.member("taro", func(m *v1alpha1.Member) { m.Labels = map[string]string{"chat": "yes"} })
	p.create(secret, target, taro)
	account := p.accountOf("chat", "taro")
	p.inState(account, v1alpha1.AccountActive)
	unselect := func() { p.change(taro, func() { taro.Labels = nil }) }
	selectAgain := func() { p.change(taro, func() { taro.Labels = map[string]string{"chat": "yes"} }) }
	unselect()
	p.stalled(account, v1alpha1.DeletionHeldReason)
	p.annotate(target, v1alpha1.ApproveDeletionsAnnotation, "1")
	p.inState(account, v1alpha1.AccountDisabled)
	selectAgain()
	p.inState(account, v1alpha1.AccountActive)
	p.Eventually(func() map[string]string { p.refresh(account); return account.Annotations }, patience, glance).ShouldNot(HaveKey(v1alpha1.ApproveDeletionsAnnotation))
	unselect()
	p.stalled(account, v1alpha1.DeletionHeldReason)
	p.there(service, p.mailOf("taro"), active)
}

// TestLeaversAreExempt: whom the directory's guard let go is not held again.
func TestLeaversAreExempt(t *testing.T) {
	p := newPlace(t, func(tenant *v1alpha1.Tenant) {
		tenant.Spec.DeletionGuard = &v1alpha1.DeletionGuard{Percent: ptrTo(int32(0)), Count: ptrTo(int32(0))}
	})
	service, target, secret := p.newService(t, "chat")
	taro, hanako := p.member("taro"), p.member("hanako")
	p.create(secret, target, taro, hanako)
	p.synced(target, 2)
	account := p.accountOf("chat", "taro")
	p.remove(taro)
	p.Eventually(p.heldMembers, patience, glance).Should(Equal(1))
	p.there(service, p.mailOf("taro"), active)
	tenant := p.tenant()
	p.annotate(tenant, v1alpha1.ApproveDeletionsAnnotation, "1")
	p.gone(taro)
	p.inState(account, v1alpha1.AccountDisabled)
	p.there(service, p.mailOf("taro"), inactive)
	p.there(service, p.mailOf("hanako"), active)
}
