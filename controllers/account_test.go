/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

func TestAccountNames(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("a.", 120) + "abc"
	seen := map[string]bool{}
	for _, pair := range [][2]string{
		{"chat", "taro"}, {"chat.t", "aro"}, {"chat-t", "aro"}, {"cha", "t.taro"}, {"chat", "taro.a"}, {"taro", "chat"},
		{long, long}, {long, "taro"}, {"chat", long}, {long, long[1:]}, {strings.Repeat("a", 244) + ".b", "c"},
	} {
		name := accountName(pair[0], pair[1])
		g.Expect(validation.IsDNS1123Subdomain(name)).To(BeEmpty(), name)
		g.Expect(seen[name]).To(BeFalse(), name)
		seen[name] = true
	}
	g.Expect(accountName("chat", "taro")).To(HavePrefix("chat.taro-"))
}

func TestSelected(t *testing.T) {
	labelled := &metav1.LabelSelector{MatchLabels: map[string]string{"dept": "sales"}}
	groups := []v1alpha1.GroupReference{{Name: "a"}, {Name: "b"}}
	in := func(names ...string) func(string) bool {
		return func(group string) bool { return strings.Contains(","+strings.Join(names, ",")+",", ","+group+",") }
	}
	for name, test := range map[string]struct {
		members *v1alpha1.TargetMembers
		labels  map[string]string
		in      func(string) bool
		want    bool
	}{
		"everybody":                  {nil, nil, in(), true},
		"an empty selector":          {&v1alpha1.TargetMembers{Selector: &metav1.LabelSelector{}}, nil, in(), true},
		"a label":                    {&v1alpha1.TargetMembers{Selector: labelled}, map[string]string{"dept": "sales"}, in(), true},
		"another label":              {&v1alpha1.TargetMembers{Selector: labelled}, map[string]string{"dept": "it"}, in(), false},
		"one of the groups":          {&v1alpha1.TargetMembers{Groups: groups}, nil, in("b", "z"), true},
		"none of the groups":         {&v1alpha1.TargetMembers{Groups: groups}, nil, in("z"), false},
		"a label and no group":       {&v1alpha1.TargetMembers{Selector: labelled, Groups: groups}, map[string]string{"dept": "sales"}, in(), false},
		"a group and no label":       {&v1alpha1.TargetMembers{Selector: labelled, Groups: groups}, nil, in("a"), false},
		"both":                       {&v1alpha1.TargetMembers{Selector: labelled, Groups: groups}, map[string]string{"dept": "sales"}, in("a"), true},
		"a selector that is no good": {&v1alpha1.TargetMembers{Selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Is"}}}}, nil, in(), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := selected(test.members, &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Labels: test.labels}}, test.in)
			g.Expect(got).To(Equal(test.want))
			g.Expect(err != nil).To(Equal(strings.Contains(name, "no good")))
		})
	}
}

func accountNumber(i int) types.NamespacedName {
	return types.NamespacedName{Namespace: "ns", Name: fmt.Sprintf("account-%d", i)}
}

func counting(total int, gone ...int) func() (removalCount, error) {
	return func() (removalCount, error) {
		counted := removalCount{total: total, gone: map[types.NamespacedName]bool{}}
		for _, i := range gone {
			counted.gone[accountNumber(i)] = true
		}
		return counted, nil
	}
}

func TestRemovalLedger(t *testing.T) {
	g := NewWithT(t)
	target := types.NamespacedName{Namespace: "ns", Name: "chat"}
	guard := directory.DeletionGuard{Percent: 10, Count: 3, Window: time.Hour}
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	ledger := newRemovalLedger()
	pass := func(i int, count func() (removalCount, error)) bool {
		passed, err := ledger.pass(target, accountNumber(i), guard, now, count)
		g.Expect(err).NotTo(HaveOccurred())
		return passed
	}
	g.Expect(pass(1, counting(20))).To(BeTrue())
	g.Expect(pass(2, counting(20))).To(BeTrue())
	g.Expect(pass(2, counting(20))).To(BeTrue(), "the same one again is no other")
	g.Expect(pass(3, counting(20))).To(BeTrue())
	g.Expect(pass(4, counting(20))).To(BeFalse())
	g.Expect(pass(3, counting(20))).To(BeTrue(), "who may go may be tried again")

	now = now.Add(2 * time.Second)
	g.Expect(pass(4, counting(20, 1, 2))).To(BeFalse(), "what the cache shows is not counted twice, and what it does not show yet is")
	ledger.returned(target, accountNumber(3))
	g.Expect(pass(4, counting(20, 1, 2))).To(BeTrue(), "who is back does not count")
	now = now.Add(time.Hour)
	g.Expect(pass(5, counting(20))).To(BeTrue(), "nor does who went before the window")
	now = now.Add(2 * time.Second)
	g.Expect(pass(6, counting(100, 11, 12, 13, 14, 15, 16, 17, 18))).To(BeTrue(), "ten of a hundred")
	g.Expect(pass(7, counting(100))).To(BeFalse())
	ledger.forget(target)
	g.Expect(pass(7, counting(20))).To(BeTrue())

	ledger.forget(target)
	_, err := ledger.pass(target, accountNumber(1), guard, now, func() (removalCount, error) { return removalCount{}, errors.New("no cache") })
	g.Expect(err).To(HaveOccurred())
}

func TestRemovalLedgerUnderManyHands(t *testing.T) {
	g := NewWithT(t)
	ledger, guard := newRemovalLedger(), directory.DefaultDeletionGuard()
	var passed atomic.Int32
	var asking sync.WaitGroup
	for i := range 500 {
		asking.Go(func() {
			ok, err := ledger.pass(types.NamespacedName{Name: "chat"}, accountNumber(i), guard, time.Now(), counting(150))
			if err == nil && ok {
				passed.Add(1)
			}
		})
	}
	asking.Wait()
	g.Expect(passed.Load()).To(BeEquivalentTo(20))
}

func TestLateAccounts(t *testing.T) {
	g := NewWithT(t)
	now, lag := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC), 5*time.Minute
	late := lateAccounts{}
	late.begin(now)
	late.begin(now.Add(time.Hour))
	g.Expect(late.unseen(accountNumber(1), now.Add(time.Minute), lag)).To(Equal(4*time.Minute), "what a former process made")
	late.note(accountNumber(1), now.Add(2*time.Minute), lag)
	late.note(accountNumber(2), now, 0)
	g.Expect(late.unseen(accountNumber(1), now.Add(6*time.Minute), lag)).To(Equal(time.Minute))
	g.Expect(late.unseen(accountNumber(2), now.Add(6*time.Minute), lag)).To(Equal(-time.Minute))
	late.note(accountNumber(3), now.Add(3*time.Hour), lag)
	g.Expect(late.made).To(HaveLen(1), "nothing is kept for ever")
}

// attemptAt is an attempt at an account, without anything around it.
func attemptAt(fields v1alpha1.AccountStatus) *accountAttempt {
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	k := &accounts{
		targets: newLiveTargets(func() time.Time { return now }, func(types.NamespacedName) {}), queue: testQueue(1), ledger: newRemovalLedger(),
		clock: func() time.Time { return now },
	}
	name := types.NamespacedName{Namespace: "a", Name: "t.1.1"}
	return &accountAttempt{
		accounts: k, name: name, live: liveTarget{name: targetNamed("a", "t"), reason: "Suspended", message: "It is suspended."},
		account: &v1alpha1.Account{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name.Name}, Status: fields},
		target:  &v1alpha1.ProvisioningTarget{},
	}
}

func TestFailures(t *testing.T) {
	for cause, want := range map[provision.Cause]struct {
		verdict status.Verdict
		reason  string
		state   v1alpha1.AccountState
		// settles: it is not tried again by itself; retries: nextTry is told.
		settles, retries, told bool
	}{
		provision.Unauthorized:     {verdict: status.Waits, reason: v1alpha1.AuthenticationFailedReason, state: v1alpha1.AccountPending},
		provision.Throttled:        {verdict: status.Waits, reason: v1alpha1.ThrottledReason, state: v1alpha1.AccountPending},
		provision.Unavailable:      {verdict: status.Retries, reason: "Unavailable", state: v1alpha1.AccountPending, retries: true, told: true},
		provision.NotFound:         {verdict: status.Retries, reason: "NotFound", state: v1alpha1.AccountPending, retries: true, told: true},
		provision.Conflict:         {verdict: status.UserMustAct, reason: "Conflict", state: v1alpha1.AccountFailed, settles: true, told: true},
		provision.Invalid:          {verdict: status.UserMustAct, reason: "Invalid", state: v1alpha1.AccountFailed, settles: true, told: true},
		provision.LicenseLimit:     {verdict: status.UserMustAct, reason: "LicenseLimit", state: v1alpha1.AccountFailed, settles: true, told: true},
		provision.DeviceEnrolled:   {verdict: status.UserMustAct, reason: "DeviceEnrolled", state: v1alpha1.AccountFailed, settles: true, told: true},
		provision.Protected:        {verdict: status.UserMustAct, reason: "Protected", state: v1alpha1.AccountFailed, settles: true, told: true},
		provision.Forbidden:        {verdict: status.UserMustAct, reason: "Forbidden", state: v1alpha1.AccountFailed, settles: true, told: true},
		provision.ManagedElsewhere: {verdict: status.UserMustAct, reason: "ManagedElsewhere", state: v1alpha1.AccountFailed, settles: true, told: true},
	} {
		t.Run(string(cause), func(t *testing.T) {
			g := NewWithT(t)
			a := attemptAt(v1alpha1.AccountStatus{State: v1alpha1.AccountPending})
			a.queue.Add(queued("a", "t", creation, 1))
			outcome := a.failed(&provision.Error{Cause: cause, Message: "Do something."}, "digest", status.NewReport(v1alpha1.SyncedCondition))
			g.Expect(outcome.Verdict).To(Equal(want.verdict))
			g.Expect(outcome.Reason).To(Equal(want.reason))
			g.Expect(a.account.Status.State).To(Equal(want.state))
			g.Expect(a.settled.get(a.name) != "").To(Equal(want.settles))
			g.Expect(a.account.Status.Error != nil).To(Equal(want.told))
			if want.told {
				g.Expect(a.account.Status.Error.NextTry.IsZero()).To(Equal(!want.retries))
				g.Expect(failedOutcome(*a.account.Status.Error).Message).To(Equal(outcome.Message))
			}
			paused := want.verdict == status.Waits
			g.Expect(take(a.queue) == nil).To(Equal(paused), "the lane")
		})
	}
}

func TestWhatCannotBeFoundYetIsNoFailure(t *testing.T) {
	late := &provision.Error{Cause: provision.NotFound, Message: "Not yet."}
	for name, test := range map[string]struct {
		since, lag, wait time.Duration
		cause            provision.Cause
	}{
		"made just now":                    {since: 0, lag: 5 * time.Minute, wait: firstRetry},
		"a few seconds ago":                {since: 4 * time.Second, lag: 5 * time.Minute, wait: 4 * time.Second},
		"minutes ago":                      {since: 4 * time.Minute, lag: 5 * time.Minute, wait: replicationRetry},
		"too long ago":                     {since: 5 * time.Minute, lag: 5 * time.Minute},
		"a service that finds all at once": {since: 0, lag: 0},
		"another failure":                  {since: 0, lag: 5 * time.Minute, cause: provision.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			a := attemptAt(v1alpha1.AccountStatus{State: v1alpha1.AccountActive, ExternalID: "1"})
			a.queue.Add(queued("a", "t", creation, 1))
			a.lag = test.lag
			a.made.note(a.name, a.clock().Add(-test.since), a.lag)
			failure, report := *late, status.NewReport(v1alpha1.SyncedCondition)
			failure.Cause = cmp.Or(test.cause, failure.Cause)
			outcome := a.failed(&failure, "digest", report)
			result, err := report.Result()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result.RequeueAfter).To(Equal(test.wait))
			g.Expect(a.settled.get(a.name)).To(BeEmpty())
			if test.wait == 0 {
				g.Expect(outcome.Err).To(HaveOccurred())
				g.Expect(a.account.Status.Error).NotTo(BeNil())
				return
			}
			g.Expect(outcome).To(Equal(waits(v1alpha1.PendingReason, "Not yet.")), "nothing to log")
			g.Expect(a.account.Status.Error).To(BeNil())
			g.Expect(a.account.Status.State).To(Equal(v1alpha1.AccountActive))
		})
	}
}

// TestWhatAFormerProcessMadeIsNotGone: nobody here saw when that was.
func TestWhatAFormerProcessMadeIsNotGone(t *testing.T) {
	g := NewWithT(t)
	a := attemptAt(v1alpha1.AccountStatus{State: v1alpha1.AccountActive, ExternalID: "1", CorrelationID: "m"})
	a.live.service, a.lag = directoryOf{}, 5*time.Minute
	a.made.begin(a.clock().Add(-time.Minute))
	_, linked, err := a.find(t.Context(), "m")
	g.Expect(linked).To(BeTrue())
	g.Expect(err).To(MatchError(ContainSubstring("looked for again")))
	g.Expect(a.notYet(asFailure(err))).To(Equal(replicationRetry))

	later := a.clock().Add(5 * time.Minute)
	a.clock = func() time.Time { return later }
	found, linked, err := a.find(t.Context(), "m")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(linked).To(BeFalse())
	g.Expect(found).To(BeNil())
}

func TestAConflictThatMayBeItsOwn(t *testing.T) {
	g := NewWithT(t)
	conflict := &provision.Error{Cause: provision.Conflict, Message: "Taken."}
	a := attemptAt(v1alpha1.AccountStatus{})
	a.unseen, a.lag = true, time.Minute
	report := status.NewReport(v1alpha1.SyncedCondition)
	g.Expect(a.failed(conflict, "digest", report).Verdict).To(Equal(status.UserMustAct))
	g.Expect(a.settled.get(a.name)).To(BeEmpty())
	g.Expect(a.account.Status.Error.NextTry.IsZero()).To(BeFalse())
	result, err := report.Result()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.RequeueAfter).To(Equal(replicationRetry))

	later := a.clock().Add(2 * time.Minute)
	a.clock = func() time.Time { return later }
	a.failed(conflict, "digest", status.NewReport(v1alpha1.SyncedCondition))
	g.Expect(a.settled.get(a.name)).To(Equal("digest"))
	g.Expect(a.account.Status.Error.NextTry.IsZero()).To(BeTrue())
	g.Expect(a.account.Status.Error.Since.Time).To(Equal(later.Add(-2 * time.Minute)))
}

func TestWhenTheTargetIsAway(t *testing.T) {
	subject := directory.Subject{ID: "1", Member: directory.Member{Name: "taro", Mail: "taro@acme.example"}}
	known := attemptAt(v1alpha1.AccountStatus{})
	known.owner.subject = &subject
	digest := known.digest(provision.Desired{})
	NewWithT(t).Expect(len(digest)).To(BeNumerically("<=", 64), "as long as the API takes")
	changed := subject
	changed.Member.Mail = "jiro@acme.example"
	labelled := subject
	labelled.Member.Labels = map[string]string{"a": "b"}
	now := metav1.Now()
	for name, test := range map[string]struct {
		fields  v1alpha1.AccountStatus
		subject *directory.Subject
		pending bool
		want    status.Verdict
	}{
		"as declared":         {v1alpha1.AccountStatus{Digest: digest}, &subject, false, status.Done},
		"labels are not told": {v1alpha1.AccountStatus{Digest: digest}, &labelled, false, status.Done},
		"changed meanwhile":   {v1alpha1.AccountStatus{Digest: digest}, &changed, false, status.Waits},
		"failed before":       {v1alpha1.AccountStatus{Digest: digest, Error: &v1alpha1.AccountError{}}, &subject, false, status.Waits},
		"not made yet":        {v1alpha1.AccountStatus{}, &subject, false, status.Waits},
		"to be taken away":    {v1alpha1.AccountStatus{Digest: digest}, nil, false, status.Waits},
		"taken away":          {v1alpha1.AccountStatus{RemovedAt: now}, nil, false, status.Done},
		"to be given back":    {v1alpha1.AccountStatus{Digest: digest, RemovedAt: now}, &subject, false, status.Waits},
		"not live yet":        {v1alpha1.AccountStatus{RemovedAt: now}, nil, true, status.Waits},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			a := attemptAt(test.fields)
			a.owner.subject, a.pending = test.subject, test.pending
			outcome := a.targetAway()
			g.Expect(outcome.Verdict).To(Equal(test.want))
			if test.want == status.Waits {
				g.Expect(outcome.Reason).To(Equal("Suspended"))
				g.Expect(outcome.Message).To(ContainSubstring("It is suspended."))
			}
		})
	}
}

func TestDigestsTellWhatAServiceIsTold(t *testing.T) {
	g := NewWithT(t)
	a := attemptAt(v1alpha1.AccountStatus{})
	a.owner.subject = &directory.Subject{ID: "1", Member: directory.Member{Name: "taro", Mail: "taro@acme.example"}}
	desired := provision.Desired{CorrelationID: "1", UserName: "taro", Active: true, Properties: provision.Properties{"a": "1"}}
	first := a.digest(desired)
	g.Expect(a.digest(desired)).To(Equal(first))
	desired.Properties = provision.Properties{"a": "2"}
	g.Expect(a.digest(desired)).NotTo(Equal(first))
	desired.Properties = provision.Properties{"a": "1"}
	a.target.Generation = 2
	g.Expect(a.digest(desired)).NotTo(Equal(first), "another spec may mean other rules")
}

func TestFailureOf(t *testing.T) {
	failed := &v1alpha1.Account{
		Spec: v1alpha1.AccountSpec{
			TargetRef: v1alpha1.ProvisioningTargetReference{Name: "chat"}, MemberRef: &v1alpha1.MemberReference{Name: "taro"},
		},
		Status: v1alpha1.AccountStatus{State: v1alpha1.AccountFailed, Error: &v1alpha1.AccountError{Cause: "Conflict", Message: "Taken."}},
	}
	NewWithT(t).Expect(failureOf(failed)).To(HaveValue(Equal(v1alpha1.ProvisioningFailure{Target: "chat", Cause: "Conflict", Message: "Taken."})))
	for name, change := range map[string]func(*v1alpha1.Account){
		"one that passes by itself": func(a *v1alpha1.Account) { a.Status.State = v1alpha1.AccountActive },
		"no failure":                func(a *v1alpha1.Account) { a.Status.Error = nil },
		"nobody's":                  func(a *v1alpha1.Account) { a.Spec.MemberRef = nil },
	} {
		other := failed.DeepCopy()
		change(other)
		NewWithT(t).Expect(failureOf(other)).To(BeNil(), name)
	}
}
