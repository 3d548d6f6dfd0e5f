/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/status"
)

// account is one of hanako's in a service.
func account(target string, state v1alpha1.AccountState, externalID string, removedAt time.Time) *v1alpha1.Account {
	return &v1alpha1.Account{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "hanako-" + target},
		Spec: v1alpha1.AccountSpec{
			TargetRef: v1alpha1.ProvisioningTargetReference{Name: target}, MemberRef: &v1alpha1.MemberReference{Name: "hanako"},
		},
		Status: v1alpha1.AccountStatus{State: state, ExternalID: externalID, UserName: externalID, RemovedAt: metav1.NewTime(removedAt)},
	}
}

func told(name string, outcome v1alpha1.AccountState, externalID, message string, at time.Time) v1alpha1.OffboardingTarget {
	return v1alpha1.OffboardingTarget{Name: name, Outcome: outcome, ExternalID: externalID, UserName: externalID, Message: message, At: metav1.NewTime(at)}
}

func TestOutcomes(t *testing.T) {
	never := time.Time{}
	failed := account("entra", v1alpha1.AccountFailed, "1", never)
	failed.Status.Error = &v1alpha1.AccountError{Cause: "Forbidden", Message: "Grant it."}
	mended := failed.DeepCopy()
	mended.Status.RemovedAt, mended.Status.State = metav1.NewTime(noon), v1alpha1.AccountRemoved
	waiting := func(reason, externalID string) *v1alpha1.Account {
		made := account("entra", v1alpha1.AccountActive, externalID, never)
		made.Status.Conditions = []metav1.Condition{{Type: v1alpha1.SyncedCondition, Status: metav1.ConditionFalse, Reason: reason, Message: "It waits."}}
		return made
	}
	for name, test := range map[string]struct {
		before  []v1alpha1.OffboardingTarget
		account *v1alpha1.Account
		back    bool
		after   []v1alpha1.OffboardingTarget
	}{
		"live":                  {nil, account("entra", v1alpha1.AccountActive, "1", never), false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountPending, "1", "", never)}},
		"suspended":             {nil, account("entra", v1alpha1.AccountDisabled, "1", never), false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountPending, "1", "", never)}},
		"removed":               {nil, account("entra", v1alpha1.AccountRemoved, "1", noon), false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountRemoved, "1", "", noon)}},
		"disabled for good":     {nil, account("entra", v1alpha1.AccountDisabled, "1", noon), false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountDisabled, "1", "", noon)}},
		"retained":              {nil, account("entra", v1alpha1.AccountRetained, "1", noon), false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountRetained, "1", "", noon)}},
		"held":                  {nil, account("entra", v1alpha1.AccountHeld, "1", never), false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountHeld, "1", "", never)}},
		"failed":                {nil, failed, false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountFailed, "1", "Grant it.", never)}},
		"target is suspended":   {nil, waiting(v1alpha1.SuspendedReason, "1"), false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountFailed, "1", "It waits.", never)}},
		"target lacks rights":   {nil, waiting(v1alpha1.PermissionMissingReason, "1"), false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountFailed, "1", "It waits.", never)}},
		"target is silent":      {nil, waiting(v1alpha1.UnavailableReason, "1"), false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountPending, "1", "It waits.", never)}},
		"nothing to remove":     {nil, waiting(v1alpha1.SuspendedReason, ""), false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountPending, "", "It waits.", never)}},
		"failed before":         {[]v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountFailed, "1", "Grant it.", never)}, mended, false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountRemoved, "1", "", noon)}},
		"its object gone after": {[]v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountRemoved, "1", "", noon)}, nil, false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountRemoved, "1", "", noon)}},
		"its object gone first": {[]v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountPending, "1", "", never)}, nil, false, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountRetained, "1", keptUnmanaged, never)}},
		"never made":            {[]v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountPending, "", "", never)}, nil, false, nil},
		"somebody's again":      {[]v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountRemoved, "1", "", noon)}, account("entra", v1alpha1.AccountActive, "2", never), true, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountRemoved, "1", "", noon)}},
		"back before removal":   {[]v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountPending, "1", "", never)}, account("entra", v1alpha1.AccountActive, "1", never), true, []v1alpha1.OffboardingTarget{told("entra", v1alpha1.AccountRetained, "1", keptForReturn, never)}},
		"back before creation":  {nil, account("entra", v1alpha1.AccountPending, "", never), true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var accounts []v1alpha1.Account
			if test.account != nil {
				accounts = append(accounts, *test.account)
			}
			NewWithT(t).Expect(outcomes(test.before, accounts, test.back)).To(Equal(test.after))
		})
	}
}

func TestSummarise(t *testing.T) {
	never := time.Time{}
	pending, done := told("a", v1alpha1.AccountPending, "1", "", never), told("b", v1alpha1.AccountRemoved, "1", "", noon)
	heldOne, failed := told("c", v1alpha1.AccountHeld, "1", "", never), told("d", v1alpha1.AccountFailed, "1", "", never)
	for _, test := range []struct {
		targets []v1alpha1.OffboardingTarget
		verdict status.Verdict
		reason  string
	}{
		{nil, status.Done, v1alpha1.SyncedReason},
		{[]v1alpha1.OffboardingTarget{done}, status.Done, v1alpha1.SyncedReason},
		{[]v1alpha1.OffboardingTarget{done, pending}, status.Waits, v1alpha1.SyncingReason},
		{[]v1alpha1.OffboardingTarget{done, told("a", v1alpha1.AccountPending, "1", "It is away.", never)}, status.Waits, v1alpha1.SyncingReason},
		{[]v1alpha1.OffboardingTarget{pending, failed}, status.UserMustAct, v1alpha1.AccountsFailedReason},
		{[]v1alpha1.OffboardingTarget{pending, failed, heldOne}, status.UserMustAct, v1alpha1.DeletionHeldReason},
	} {
		outcome := summarise(test.targets)
		NewWithT(t).Expect([]any{outcome.Verdict, outcome.Reason}).To(Equal([]any{test.verdict, test.reason}))
	}
}

// departure is a member that is being deleted, with its receipt and its receipts' controller.
type departure struct {
	*WithT
	t       *testing.T
	cluster client.Client
	k       *offboardings
	now     time.Time
	member  *v1alpha1.Member
	receipt *v1alpha1.Offboarding
}

func newDeparture(t *testing.T, accounts ...client.Object) *departure {
	l := &departure{WithT: NewWithT(t), t: t, now: noon}
	scheme := runtime.NewScheme()
	l.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	l.member = &v1alpha1.Member{
		ObjectMeta: deletedSince("acme", "hanako", noon),
		Spec:       v1alpha1.MemberSpec{TenantRef: v1alpha1.TenantReference{Name: "acme"}, Name: v1alpha1.PersonName{Family: "山田", Given: "花子"}, Mail: "hanako@acme.example"},
		Status:     v1alpha1.MemberStatus{ID: "0197a1b2-c3d4-7abc-8def-0123456789ab"},
	}
	l.member.UID = "first"
	l.receipt = newReceipt(l.member)
	l.cluster = fake.NewClientBuilder().WithScheme(scheme).
		WithStatusSubresource(&v1alpha1.Offboarding{}, &v1alpha1.Account{}, &v1alpha1.Member{}).
		WithIndex(&v1alpha1.Account{}, byMember, func(o client.Object) []string { return []string{o.(*v1alpha1.Account).Spec.MemberRef.Name} }).
		WithObjects(l.member, l.receipt).WithObjects(accounts...).Build()
	l.k = &offboardings{Client: l.cluster, uncached: l.cluster, clock: func() time.Time { return l.now }}
	return l
}

// look reconciles the receipt and returns its Ready condition, nil where it is gone.
func (l *departure) look() *metav1.Condition {
	l.t.Helper()
	r := &reconciler[*v1alpha1.Offboarding]{client: l.cluster, events: events.NewFakeRecorder(10), kind: l.k}
	_, err := r.Reconcile(l.t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(l.receipt)})
	l.Expect(err).NotTo(HaveOccurred())
	l.receipt = l.receipt.DeepCopy()
	if err := l.cluster.Get(l.t.Context(), client.ObjectKeyFromObject(l.receipt), l.receipt); apierrors.IsNotFound(err) {
		return nil
	}
	return meta.FindStatusCondition(l.receipt.Status.Conditions, v1alpha1.ReadyCondition)
}

func (l *departure) block() {
	l.Expect((&members{publisher: publisher{Client: l.cluster}}).note(l.t.Context(), l.member, noon)).To(Succeed())
}

// letGo takes the member's finalizer, and the member with it.
func (l *departure) letGo() {
	l.member.Finalizers = nil
	l.Expect(l.cluster.Update(l.t.Context(), l.member)).To(Succeed())
}

func TestReceiptIsCompletedAndKept(t *testing.T) {
	one := account("entra", v1alpha1.AccountActive, "1", time.Time{})
	l := newDeparture(t, one)
	l.Expect(l.look().Reason).To(Equal(v1alpha1.SyncingReason))
	l.block()
	l.Expect(l.look().Message).To(ContainSubstring("entra"))
	l.letGo()
	one.Status.State, one.Status.RemovedAt = v1alpha1.AccountRemoved, metav1.NewTime(noon.Add(time.Minute))
	l.Expect(l.cluster.Status().Update(t.Context(), one)).To(Succeed())
	l.now = noon.Add(2 * time.Minute)
	ready := l.look()
	l.Expect(ready.Status).To(Equal(metav1.ConditionTrue))
	l.Expect(ready.Message).To(ContainSubstring("accounts dealt with: 1"))
	l.Expect(l.receipt.Status.CompletedAt.Time).To(BeTemporally("==", l.now))
	l.Expect(l.receipt.Status.Targets).To(HaveLen(1))

	// It outlives the account, and ends when its time is over.
	l.Expect(l.cluster.Delete(t.Context(), one)).To(Succeed())
	l.now = l.now.Add(receiptRetention - time.Second)
	l.Expect(l.look().Status).To(Equal(metav1.ConditionTrue))
	l.Expect(l.receipt.Status.Targets).To(HaveLen(1))
	l.now = l.now.Add(time.Second)
	l.Expect(l.look()).To(BeNil())
}

func TestReceiptOfAHeldDeletion(t *testing.T) {
	l := newDeparture(t)
	report := status.NewReport(v1alpha1.PublishedCondition)
	report.Add(mustAct("", v1alpha1.DeletionHeldReason, "Approve it."))
	report.Write(l.member)
	l.Expect(l.cluster.Status().Update(t.Context(), l.member)).To(Succeed())
	ready := l.look()
	l.Expect([]string{ready.Reason, ready.Message}).To(Equal([]string{v1alpha1.DeletionHeldReason, "Approve it."}))

	// The finalizer is taken away by hand and the member declared again.
	l.letGo()
	again := l.member.DeepCopy()
	again.ObjectMeta = metav1.ObjectMeta{Namespace: "acme", Name: "hanako", UID: "second"}
	l.Expect(l.cluster.Create(t.Context(), again)).To(Succeed())
	l.Expect(l.look()).To(BeNil(), "nobody left")
}

func TestReceiptOfWhoWentOfflineWithTheTenant(t *testing.T) {
	l := newDeparture(t)
	l.Expect((&members{publisher: publisher{Client: l.cluster}}).note(t.Context(), l.member, time.Time{})).To(Succeed())
	l.letGo()
	l.Expect(l.look().Message).To(Equal("The IdP had taken the whole tenant offline; accounts dealt with: 0."))
	l.Expect(l.receipt.Status.SignInBlockedAt.IsZero()).To(BeTrue())
}

func TestReceiptOfWhoLostTheFinalizer(t *testing.T) {
	l := newDeparture(t)
	l.letGo()
	ready := l.look()
	l.Expect(ready.Reason).To(Equal(v1alpha1.DeletionFailedReason))
	l.Expect(ready.Message).To(ContainSubstring("may sign in as before"))
	l.now = noon.Add(receiptRetention)
	l.Expect(l.look()).To(BeNil(), "it is not kept for ever")
}

func TestReceiptName(t *testing.T) {
	g := NewWithT(t)
	first := &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: "hanako", UID: "1"}}
	second := &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: "hanako", UID: "2"}}
	g.Expect(receiptName(first)).To(MatchRegexp("^hanako-[0-9a-f]{10}$"))
	g.Expect(receiptName(first)).NotTo(Equal(receiptName(second)))
	long := &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("x", 253), UID: types.UID("1")}}
	g.Expect(receiptName(long)).To(HaveLen(253))
}
