/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/status"
)

// +kubebuilder:rbac:groups=identity.tegata.dev,resources=offboardings,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=offboardings/status,verbs=patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=accounts,verbs=get;list;watch

// receiptRetention is how long a receipt is kept, from its completion on where it
// ever comes to that: as long as the audit log by default.
const receiptRetention = 400 * 24 * time.Hour

// offboardings is the controller of Offboarding: it gathers what was done in
// each service when a member left.
type offboardings struct {
	client.Client
	// uncached reads what the cache may not have yet.
	uncached client.Reader
	clock    Clock
}

func (k *offboardings) newObject() *v1alpha1.Offboarding { return &v1alpha1.Offboarding{} }

func (k *offboardings) lastStep() string { return v1alpha1.SyncedCondition }

func (k *offboardings) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("offboarding").
		For(&v1alpha1.Offboarding{}, builder.WithPredicates(predicate.Or[client.Object](declared, blockedNow, predicate.AnnotationChangedPredicate{}))).
		Watches(&v1alpha1.Member{}, handler.EnqueueRequestsFromMapFunc(k.ofMember), builder.WithPredicates(leaving)).
		Watches(&v1alpha1.Account{}, handler.EnqueueRequestsFromMapFunc(k.ofAccount)).
		WithOptions(controllerOptions(2)).
		Complete(&reconciler[*v1alpha1.Offboarding]{
			client: k.Client, events: mgr.GetEventRecorder("offboarding-controller"), kind: k,
		})
}

// blockedNow passes a receipt that was told when sign-in was blocked.
var blockedNow = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.(*v1alpha1.Offboarding), e.ObjectNew.(*v1alpha1.Offboarding)
	return !before.Status.SignInBlockedAt.Equal(&after.Status.SignInBlockedAt)
}}

// leaving passes members that are being deleted, that are gone, and that are new
// and may be somebody who comes back.
var leaving = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList },
	UpdateFunc: func(e event.UpdateEvent) bool { return !e.ObjectNew.GetDeletionTimestamp().IsZero() },
}

func (k *offboardings) ofMember(ctx context.Context, member client.Object) []reconcile.Request {
	return k.of(ctx, member.GetNamespace(), member.GetName())
}

func (k *offboardings) ofAccount(ctx context.Context, account client.Object) []reconcile.Request {
	ref := account.(*v1alpha1.Account).Spec.MemberRef
	if ref == nil {
		return nil
	}
	return k.of(ctx, account.GetNamespace(), ref.Name)
}

// of are the receipts of a member that are not complete.
func (k *offboardings) of(ctx context.Context, namespace, member string) []reconcile.Request {
	receipts := &v1alpha1.OffboardingList{}
	if k.List(ctx, receipts, client.InNamespace(namespace), client.MatchingFields{byMemberRef: member}, client.UnsafeDisableDeepCopy) != nil {
		return nil // the cache fails only while the process ends
	}
	var list []reconcile.Request
	for i := range receipts.Items {
		if receipts.Items[i].Status.CompletedAt.IsZero() {
			list = append(list, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&receipts.Items[i])})
		}
	}
	return list
}

// attempt gathers what was done, until it is complete, and removes the receipt
// when it was kept long enough.
func (k *offboardings) attempt(ctx context.Context, receipt *v1alpha1.Offboarding, report *status.Report) {
	report.Add(accepted())
	report.Add(resolved())
	if k.expire(ctx, receipt, report) {
		return
	}
	if !receipt.Status.CompletedAt.IsZero() {
		report.Add(completed(receipt))
		return
	}
	member := &v1alpha1.Member{}
	err := k.Get(ctx, client.ObjectKey{Namespace: receipt.Namespace, Name: receipt.Spec.MemberRef.Name}, member)
	if err != nil && !apierrors.IsNotFound(err) {
		report.Add(readFailed("The member", err))
		return
	}
	there := err == nil && receiptName(member) == receipt.Name
	back := err == nil && !there
	if !ended(receipt) {
		k.beforeTheEnd(ctx, receipt, member, there, back, report)
		return
	}
	if err := k.gather(ctx, receipt, back); err != nil {
		report.Add(readFailed("The accounts", err))
		return
	}
	outcome := summarise(receipt.Status.Targets)
	switch {
	case outcome.Verdict != status.Done:
	case there:
		outcome = waits(v1alpha1.SyncingReason, "Sign-in is blocked; the Member is let go next.")
	default:
		receipt.Status.CompletedAt = metav1.NewTime(k.clock())
		outcome = completed(receipt)
		report.RequeueAfter(receiptRetention)
	}
	report.Add(outcome)
}

// ended reports whether the receipt was told how the member ended in the IdP.
func ended(receipt *v1alpha1.Offboarding) bool {
	return !receipt.Status.SignInBlockedAt.IsZero() || receipt.Annotations[releasedAnnotation] != ""
}

// beforeTheEnd tells of a member whom the IdP has not shut out yet.
func (k *offboardings) beforeTheEnd(ctx context.Context, receipt *v1alpha1.Offboarding, member *v1alpha1.Member, there, back bool, report *status.Report) {
	if there {
		report.Add(notBlocked(member))
		return
	}
	// Members and receipts are cached apart: the receipt was written before the member went.
	now := &v1alpha1.Offboarding{}
	err := k.uncached.Get(ctx, client.ObjectKeyFromObject(receipt), now)
	switch {
	case client.IgnoreNotFound(err) != nil:
		report.Add(readFailed("The receipt", err))
	case err != nil || ended(now):
		report.Add(waits(v1alpha1.SyncingReason, "Sign-in is blocked; the accounts are next."))
	case back:
		// The deletion was taken back before anything was done: nobody left.
		k.drop(ctx, receipt, report)
	default:
		report.Add(mustAct("", v1alpha1.DeletionFailedReason, "Somebody took the Member's finalizer before the IdP was told, so the person may sign in as before. "+
			"Declare the Member again, and delete it where the person left."))
	}
}

// expire removes the receipt where its time is over, and else looks again then.
func (k *offboardings) expire(ctx context.Context, receipt *v1alpha1.Offboarding, report *status.Report) bool {
	since := receipt.Status.CompletedAt
	if since.IsZero() {
		since = receipt.Spec.RequestedAt
	}
	left := since.Add(receiptRetention).Sub(k.clock())
	if left > 0 {
		report.RequeueAfter(left)
		return false
	}
	k.drop(ctx, receipt, report)
	return true
}

// drop deletes a receipt that is of no use any more.
func (k *offboardings) drop(ctx context.Context, receipt *v1alpha1.Offboarding, report *status.Report) {
	if err := client.IgnoreNotFound(k.Delete(ctx, receipt)); err != nil {
		report.Add(unavailable(v1alpha1.UnavailableReason, "The receipt is of no use any more and could not be deleted; it is tried again.", err))
		return
	}
	report.Add(waits(v1alpha1.SyncingReason, "The receipt is of no use any more and is deleted."))
}

// gather brings the targets up to date with the member's accounts. What is done
// stays as it was told: the account may be another member's soon, or gone.
func (k *offboardings) gather(ctx context.Context, receipt *v1alpha1.Offboarding, back bool) error {
	accounts := &v1alpha1.AccountList{}
	err := k.List(ctx, accounts, client.InNamespace(receipt.Namespace),
		client.MatchingFields{byMember: receipt.Spec.MemberRef.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return err
	}
	receipt.Status.Targets = outcomes(receipt.Status.Targets, accounts.Items, back)
	return nil
}

// retract lets a receipt go that somebody deletes: it never has our finalizer.
func (k *offboardings) retract(context.Context, *v1alpha1.Offboarding) (string, error) {
	return "", nil
}

// notBlocked says why the member can still sign in.
func notBlocked(member *v1alpha1.Member) status.Outcome {
	for _, condition := range member.Status.Conditions {
		if condition.Type == v1alpha1.StalledCondition && condition.Reason == v1alpha1.DeletionHeldReason {
			return mustAct(v1alpha1.SyncedCondition, v1alpha1.DeletionHeldReason, condition.Message)
		}
	}
	return waits(v1alpha1.SyncingReason, "The member can still sign in: the IdP is being told.")
}

// completed says that nothing is left to do.
func completed(receipt *v1alpha1.Offboarding) status.Outcome {
	blocked := "The IdP had taken the whole tenant offline"
	if at := receipt.Status.SignInBlockedAt; !at.IsZero() {
		blocked = "Sign-in was blocked at " + at.UTC().Format(time.RFC3339)
	}
	return status.Outcome{
		Condition: v1alpha1.SyncedCondition, Reason: v1alpha1.SyncedReason,
		Message: fmt.Sprintf("%s; accounts dealt with: %d.", blocked, len(receipt.Status.Targets)),
	}
}
