/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

// tellAccounts tries out the controller of Accounts, and returns the target's
// Accounts as they are then. The error is a troubleError where the service cannot
// be planned with.
func (p *planner) tellAccounts(ctx context.Context, t *plannedTarget, service *plannedService) ([]v1alpha1.Account, error) {
	live := t.live
	live.service = service
	targets := newLiveTargets(p.Clock, p.wakers.provisioningTargets.wakeOne)
	targets.set(live)
	k := &accounts{
		gatherer: gatherer{p.after}, uncached: p.after, targets: targets, wakers: p.wakers, audit: p.audit, clock: p.Clock, ledger: newRemovalLedger(),
	}
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry)
	k.queue = newProvisionQueue(1, limiter, func(reconcile.Request) class { return class{target: live.name} })
	list := &v1alpha1.AccountList{}
	if err := p.after.List(ctx, list, client.InNamespace(t.Namespace), client.MatchingFields{byTarget: t.Name}); err != nil {
		return nil, err
	}
	for i := range list.Items {
		account := &list.Items[i]
		if account.Spec.MemberRef == nil || !account.DeletionTimestamp.IsZero() {
			continue
		}
		before := account.DeepCopy()
		outcome, err := p.tryAccount(ctx, k, account, service)
		if err != nil {
			return nil, err
		}
		if happens, ok := p.happening(before, account, outcome, service.taken(), live); ok {
			t.told.Accounts = append(t.told.Accounts, happens)
		} else {
			t.told.Unchanged++
		}
	}
	return list.Items, nil
}

// tryAccount makes one attempt on an account.
func (p *planner) tryAccount(ctx context.Context, k *accounts, account *v1alpha1.Account, service *plannedService) (status.Outcome, error) {
	attempt, err := k.begin(ctx, account)
	if err != nil || attempt.target == nil {
		return status.Outcome{}, err
	}
	attempt.live.service = service // unobserved: no queue waits for its answers
	report := status.NewReport(v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.SyncedCondition)
	outcome := attempt.settle(ctx, report)
	if err := ctx.Err(); err != nil {
		return outcome, err
	}
	for _, one := range []status.Outcome{accepted(), resolved(), outcome} {
		report.Add(one)
	}
	report.Write(account)
	switch outcome.Reason {
	case string(provision.Unavailable), string(provision.Forbidden), v1alpha1.AuthenticationFailedReason, v1alpha1.ThrottledReason:
		return outcome, &troubleError{outcome.Message}
	}
	return outcome, nil
}

// happening is what would happen to an account; false where that is nothing.
func (p *planner) happening(before, after *v1alpha1.Account, outcome status.Outcome, writes []plannedWrite, live liveTarget) (plan.Account, bool) {
	happens := plan.Account{Member: before.Spec.MemberRef.Name, UserName: cmp.Or(before.Status.UserName, after.Status.UserName)}
	state, was := after.Status.State, before.Status
	switch failure := after.Status.Error; {
	case len(writes) > 0:
		first, last := writes[0], writes[len(writes)-1]
		happens.Action = first.action
		if first.action == provision.Update && ptr.Deref(after.Status.Adopted, false) && !ptr.Deref(was.Adopted, false) {
			happens.Action = provision.Adopt
		}
		if last.desired != nil {
			happens.UserName = last.desired.UserName
			happens.Changes = toldChanges(provision.Differences(first.found, *last.desired))
		}
	case state == v1alpha1.AccountHeld && was.State != v1alpha1.AccountHeld:
		happens.Action, happens.Held, happens.Message = provision.Action(live.removal), true, outcome.Message
	case state == v1alpha1.AccountRetained && was.State != v1alpha1.AccountRetained:
		happens.Action = provision.Retain
	case outcome.Verdict == status.UserMustAct && failure != nil && (was.Error == nil || was.Error.Cause != failure.Cause || was.Error.Message != failure.Message):
		happens.Action, happens.Cause, happens.Message = provision.Refuse, failure.Cause, failure.Message
	default:
		return happens, false
	}
	return happens, true
}

// toldChanges are changes without IDs that are not given out yet.
func toldChanges(changes []provision.Change) []plan.Change {
	var told []plan.Change
	for _, change := range changes {
		to := change.To
		if isPlannedID(to) {
			to = "(ID of the new member)"
		}
		told = append(told, plan.Change{Property: change.Property, From: change.From, To: to})
	}
	return told
}
