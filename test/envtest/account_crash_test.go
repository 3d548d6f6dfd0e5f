/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// restartable is an operator of a cluster of its own, over a line that can be cut.
type restartable struct {
	*place
	line *proxy
	data string
	stop func()
}

func newRestartable(t *testing.T) *restartable {
	t.Helper()
	c := must(startCluster())
	t.Cleanup(c.stop)
	r := &restartable{line: newProxy(t, c.operator.Config()), data: t.TempDir()}
	r.start()
	t.Cleanup(func() { r.stop() })
	r.place = newNamespaceIn(t, c)
	r.settle()
	return r
}

func (r *restartable) start() { r.stop = startOperator(r.line.config, r.data) }

// crash ends the operator before it can write anything any more, and starts another.
func (r *restartable) crash() {
	r.line.cut()
	r.stop()
	r.line.mend()
	r.start()
}

// noDuplicates checks that a service has exactly one account for each member.
func (r *restartable) noDuplicates(service *fakeService, number int) {
	r.t.Helper()
	service.mu.Lock()
	defer service.mu.Unlock()
	names, marks := map[string]bool{}, map[string]bool{}
	for _, account := range service.accounts {
		names[account.UserName], marks[account.CorrelationID] = true, true
	}
	r.Expect(service.accounts).To(HaveLen(number))
	r.Expect(names).To(HaveLen(number))
	r.Expect(marks).To(HaveLen(number))
}

// TestCrashesNeitherDuplicateNorLoseAccounts: the operator ends after each kind
// of call, before anything of it is known here.
func TestCrashesNeitherDuplicateNorLoseAccounts(t *testing.T) {
	r := newRestartable(t)
	service, target, secret := r.newService(t, "chat")
	target.Spec.DeletionPolicy = v1alpha1.DeleteAccounts
	f := &faults{}
	service.inject(f)
	r.create(secret, target)
	r.current(target)

	// crashAfter lets the line be cut by the first call of a method that succeeds.
	crashAfter := func(method string, act func()) {
		t.Helper()
		var once sync.Once
		happened := make(chan struct{})
		f.set(func() {
			f.after = func(called, _ string) {
				if called == method {
					once.Do(func() {
						r.line.cut()
						close(happened)
					})
				}
			}
		})
		act()
		r.Eventually(happened, patience).Should(BeClosed(), method)
		r.crash()
		f.set(func() { f.after = nil })
	}

	taro := r.member("taro", silent)
	crashAfter("Create", func() { r.create(taro) })
	account := r.accountOf("chat", "taro")
	r.inState(account, v1alpha1.AccountActive)
	r.noDuplicates(service, 1)
	r.Expect(service.count("Create")).To(Equal(1))
	id := account.Status.ExternalID

	crashAfter("Update", func() { r.change(taro, func() { taro.Spec.Mail = "jiro@" + r.namespace + ".example" }) })
	r.Eventually(func() string { r.refresh(account); return account.Status.UserName }, patience, glance).Should(Equal(r.mailOf("jiro")))
	r.inState(account, v1alpha1.AccountActive)
	r.Expect(account.Status.ExternalID).To(Equal(id))

	// The member is gone before the operator knows of the account that it made.
	hanako := r.member("hanako", silent)
	f.set(func() { f.lag = 2 * time.Second })
	crashAfter("Create", func() { r.create(hanako) })
	r.remove(hanako)
	r.gone(hanako)
	r.Eventually(func() bool { _, found := service.byUserName(r.mailOf("hanako")); return found }, patience, glance).Should(BeFalse())
	f.set(func() { f.lag = 0 })

	crashAfter("Delete", func() { r.remove(taro) })
	r.gone(taro)
	r.inState(account, v1alpha1.AccountRemoved)
	r.noDuplicates(service, 0)
}

// TestKilledAgainAndAgain during 200 creations, by a service that finds what it
// made only later: there are exactly 200 accounts in the end.
func TestKilledAgainAndAgain(t *testing.T) {
	r := newRestartable(t)
	service, target, secret := r.newService(t, "chat")
	target.Spec.WritesPerSecond = 40
	service.inject(&faults{lag: time.Second})
	r.create(secret, target)
	r.current(target)
	const number = 200
	r.crowd(number, silent)
	kills := 0
	for service.count("Create") < number && kills < 20 {
		made := service.count("Create")
		r.Eventually(func() int { return service.count("Create") }, patience, glance).Should(BeNumerically(">=", min(made+number/8, number)))
		r.crash()
		kills++
	}
	r.Eventually(func(g Gomega) {
		r.refresh(target)
		g.Expect(target.Status.Accounts.Synced).To(HaveValue(BeEquivalentTo(number)))
	}, 3*patience, glance).Should(Succeed())
	r.noDuplicates(service, number)
	list := &v1alpha1.AccountList{}
	r.Expect(r.k8s.List(ctx, list, client.InNamespace(r.namespace))).To(Succeed())
	r.Expect(list.Items).To(HaveLen(number))
	seen := map[string]bool{}
	for i := range list.Items {
		r.Expect(r.invariants(&list.Items[i])).To(Succeed())
		seen[list.Items[i].Status.ExternalID] = true
	}
	r.Expect(seen).To(HaveLen(number))
	t.Logf("%d kills; %d calls of Create for %d accounts", kills, service.count("Create"), number)
}

// TestServiceThatFindsLate: what was just made and is not found yet is neither
// made again nor taken for gone.
func TestServiceThatFindsLate(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	f := &faults{lag: 4 * time.Second}
	service.inject(f)
	p.create(secret, target)
	p.current(target)
	taro := p.member("taro", silent)
	p.create(taro)
	account := p.accountOf("chat", "taro")
	p.inState(account, v1alpha1.AccountActive)
	p.change(taro, func() { taro.Spec.Phone = "03-1111-1111" })
	p.Expect(p.waiting(account, v1alpha1.PendingReason)).To(ContainSubstring("looked for again"))
	p.Expect(account.Status.Error).To(BeNil())
	p.there(service, p.mailOf("taro"), func(g Gomega, found provision.Account) {
		g.Expect(found.Properties).To(HaveKeyWithValue("phone", "03-1111-1111"))
	})
	p.inState(account, v1alpha1.AccountActive)
	p.Expect(service.count("Create")).To(Equal(1))
	p.Expect(complaints.about(p.namespace)).To(BeEmpty())
}

// TestCallsForOneAccountNeverOverlap, whatever changes meanwhile.
func TestCallsForOneAccountNeverOverlap(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	var under sync.Map
	var overlaps atomic.Int32
	f := &faults{}
	service.inject(f)
	p.create(secret, target)
	p.current(target)
	f.set(func() {
		f.before = func(_ context.Context, method, userName string) error {
			if method != "Find" {
				if _, busy := under.LoadOrStore(userName, true); busy {
					overlaps.Add(1)
				}
			}
			return nil
		}
		f.after = func(_, userName string) { under.Delete(userName) }
	})
	taro := p.member("taro", silent)
	p.create(taro)
	for i := range 30 {
		p.change(taro, func() { taro.Spec.Phone = fmt.Sprintf("03-0000-%04d", i) })
	}
	p.there(service, p.mailOf("taro"), func(g Gomega, found provision.Account) {
		g.Expect(found.Properties).To(HaveKeyWithValue("phone", "03-0000-0029"))
	})
	p.inState(p.accountOf("chat", "taro"), v1alpha1.AccountActive)
	p.Expect(overlaps.Load()).To(BeZero())
}
