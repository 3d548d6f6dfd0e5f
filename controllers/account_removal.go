/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

// shortestLinger is how long an Account stays, at least, after its account was
// taken away.
const shortestLinger = time.Hour

// removalDigest stands for "nobody should have it" where digests of failures are kept.
func (a *accountAttempt) removalDigest() string {
	return fmt.Sprintf("remove/%s/%d", a.target.UID, a.target.Generation)
}

// remove takes away the account that nobody should have.
func (a *accountAttempt) remove(ctx context.Context, report *status.Report) status.Outcome {
	fields := &a.account.Status
	if a.mark == 0 && !fields.RemovedAt.IsZero() {
		return a.linger(ctx, report)
	}
	if a.mark == 0 && fields.Error != nil && a.settled.get(a.name) == a.removalDigest() {
		return failedOutcome(*fields.Error)
	}
	if namespaceEnds(ctx, a.Client, a.name.Namespace) {
		// Everything goes, the target too, in no order: as with a target that is deleted.
		return waits(v1alpha1.PendingReason, "The namespace is being deleted; the account in the service stays as it is.")
	}
	found, linked, err := a.find(ctx, a.correlationID())
	if err != nil {
		return a.failed(err, "", report)
	}
	existed := linked || found != nil || fields.ExternalID != ""
	if !existed {
		return a.neverWas(ctx, report)
	}
	decision := provision.Decide(provision.Situation{Found: found, Linked: true, Removal: a.live.removal})
	if decision.Action.Removes() {
		if outcome := a.guarded(ctx); outcome.Verdict != status.Done {
			return outcome
		}
	}
	switch decision.Action {
	case provision.Delete:
		err = a.live.service.Delete(ctx, *found)
	case provision.Disable:
		err = a.live.service.Disable(ctx, *found)
	}
	if err != nil {
		return a.failed(err, a.removalDigest(), report)
	}
	a.removed(decision.Action, found)
	if decision.Action.Removes() {
		a.passLicenseOn(ctx)
	}
	return a.linger(ctx, report)
}

// passLicenseOn has one account look again that there was no licence for: whoever
// joins does not wait for the next sync when somebody leaves. Where the cache does
// not tell it, the sync comes.
func (a *accountAttempt) passLicenseOn(ctx context.Context) {
	list := &v1alpha1.AccountList{}
	of := []client.ListOption{client.InNamespace(a.live.name.Namespace), client.MatchingFields{byTarget: a.live.name.Name}, client.UnsafeDisableDeepCopy}
	if err := a.List(ctx, list, of...); err != nil {
		return
	}
	for i := range list.Items {
		fields, name := list.Items[i].Status, client.ObjectKeyFromObject(&list.Items[i])
		if fields.State != v1alpha1.AccountFailed || fields.Error == nil || fields.Error.Cause != string(provision.LicenseLimit) || a.targets.suspected(name) != 0 {
			continue
		}
		a.targets.suspect(name)
		a.wakers.accounts.wake(name)
		return
	}
}

// removed writes that the account was taken away.
func (a *accountAttempt) removed(action provision.Action, found *provision.Account) {
	fields := &a.account.Status
	switch {
	case action == provision.Retain:
		fields.State = v1alpha1.AccountRetained
	case found == nil || found.Deleted || action == provision.Delete:
		fields.State = v1alpha1.AccountRemoved
	default:
		fields.State = v1alpha1.AccountDisabled
	}
	now := metav1.NewTime(a.clock().Truncate(time.Second))
	if found != nil {
		fields.ExternalID, fields.UserName = found.ExternalID, shortened(found.UserName)
		a.record(done{action: action, account: *found})
	}
	if fields.RemovedAt.IsZero() {
		fields.RemovedAt = now
	}
	fields.LastSync, fields.Digest, fields.Error, fields.Drift = now, "", nil, nil
	a.settled.set(a.name, "")
}

// neverWas lets an Account go whose account was never made; after a while, as one
// may have been made that cannot be found yet.
func (a *accountAttempt) neverWas(ctx context.Context, report *status.Report) status.Outcome {
	wait := a.made.unseen(a.name, a.clock(), a.lag)
	if a.correlationID() != "" && wait > 0 {
		report.RequeueAfter(wait)
		return waits(v1alpha1.SyncingReason, "Nobody should have this account, and the service does not find it; it is looked for once more in a few minutes.")
	}
	a.account.Status.State, a.account.Status.Error = v1alpha1.AccountRemoved, nil
	return a.leave(ctx, "Nobody should have this account, and the service has none.")
}

// linger keeps the Account for the guard's window, in which removals are counted
// and the member may come back.
func (a *accountAttempt) linger(ctx context.Context, report *status.Report) status.Outcome {
	left := a.account.Status.RemovedAt.Add(max(a.guard().Window, shortestLinger)).Sub(a.clock())
	if left <= 0 {
		return a.leave(ctx, lingering(a.account.Status.State))
	}
	report.RequeueAfter(left)
	return synced(a.account.Status)
}

// leave deletes the Account, of which nothing is left to be done.
func (a *accountAttempt) leave(ctx context.Context, message string) status.Outcome {
	if a.account.DeletionTimestamp.IsZero() {
		if err := a.Delete(ctx, a.account.DeepCopy()); client.IgnoreNotFound(err) != nil {
			return unavailable(v1alpha1.UnavailableReason, "This object could not be deleted; it is tried again.", err)
		}
	}
	return status.Outcome{Reason: v1alpha1.SyncedReason, Message: message}
}

func (a *accountAttempt) guard() directory.DeletionGuard {
	if a.owner.tenant == nil {
		return directory.DefaultDeletionGuard()
	}
	return deletionGuard(a.owner.tenant)
}

// guarded asks the deletion guard whether the account may be taken away now (X3).
// What it holds it holds until somebody approves it, or the member is back.
func (a *accountAttempt) guarded(ctx context.Context) status.Outcome {
	if a.account.Annotations[v1alpha1.ApproveDeletionsAnnotation] != "" {
		return status.Outcome{}
	}
	offboarded, err := a.offboarded(ctx)
	switch {
	case err != nil:
		return readFailed("The receipts of members who left", err)
	case offboarded:
		return status.Outcome{} // the directory's guard let the member go
	}
	if a.account.Status.State != v1alpha1.AccountHeld {
		passes, err := a.passes(ctx)
		if err != nil {
			return readFailed("The accounts", err)
		}
		if passes {
			return status.Outcome{}
		}
		a.tellAudit(admin.DeletionHeld, "account "+a.account.Status.UserName)
	}
	a.account.Status.State, a.account.Status.Error = v1alpha1.AccountHeld, nil
	return mustAct("", v1alpha1.DeletionHeldReason, fmt.Sprintf(
		"The deletion guard holds the removal of this account: too many accounts of the target go at once. To approve all that it holds now: %s",
		approveCommand("provisioningtarget", a.live.name)))
}

// passes counts the accounts that went within the window.
func (a *accountAttempt) passes(ctx context.Context) (bool, error) {
	guard, now := a.guard(), a.clock()
	return a.ledger.pass(a.live.name, a.name, guard, now, func() (removalCount, error) {
		list := &v1alpha1.AccountList{}
		err := a.List(ctx, list, client.InNamespace(a.live.name.Namespace), client.MatchingFields{byTarget: a.live.name.Name}, client.UnsafeDisableDeepCopy)
		counted := removalCount{gone: map[types.NamespacedName]bool{}}
		for i := range list.Items {
			account := &list.Items[i]
			if account.Spec.MemberRef == nil || account.Status.ExternalID == "" {
				continue
			}
			went := account.Status.RemovedAt
			switch {
			case went.IsZero():
				counted.total++
			case now.Sub(went.Time) < guard.Window && account.Status.State != v1alpha1.AccountRetained:
				counted.total++
				counted.gone[client.ObjectKeyFromObject(account)] = true
			}
		}
		return counted, err
	})
}

// offboarded tells that the member left, and that the IdP let them go.
func (a *accountAttempt) offboarded(ctx context.Context) (bool, error) {
	if !a.owner.gone {
		return false, nil
	}
	in, of := client.InNamespace(a.account.Namespace), client.MatchingFields{byMemberRef: a.account.Spec.MemberRef.Name}
	for _, reader := range []client.Reader{a.Client, a.uncached} {
		list := &v1alpha1.OffboardingList{}
		if err := reader.List(ctx, list, in, of); err != nil {
			return false, err
		}
		if slices.ContainsFunc(list.Items, func(receipt v1alpha1.Offboarding) bool {
			return receipt.Spec.MemberRef == *a.account.Spec.MemberRef && receipt.Spec.TenantRef == a.target.Spec.TenantRef &&
				receipt.Status.SignInBlockedAt.After(a.account.CreationTimestamp.Add(-time.Second))
		}) {
			return true, nil
		}
	}
	return false, nil
}

// disapprove takes away the approval of a removal that is no longer due: it must
// not count for a later one.
func (a *accountAttempt) disapprove(ctx context.Context) error {
	if a.account.Annotations[v1alpha1.ApproveDeletionsAnnotation] == "" {
		return nil
	}
	approved := a.account.DeepCopy()
	plain := approved.DeepCopy()
	delete(plain.Annotations, v1alpha1.ApproveDeletionsAnnotation)
	return a.Patch(ctx, plain, client.MergeFrom(approved))
}
