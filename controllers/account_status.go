/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

// unauthorizedPause is until the target's own controller knows that its
// credentials are refused.
const unauthorizedPause = 10 * time.Second

// outcomeError is an error that says itself what stands in status.
type outcomeError struct {
	outcome status.Outcome
	// after is when it is tried again; 0 leaves that to the outcome.
	after time.Duration
}

func (e *outcomeError) Error() string { return e.outcome.Message }

// Unwrap serves errors.Is.
func (e *outcomeError) Unwrap() error { return e.outcome.Err }

// synced says that the account is as it should be.
func synced(fields v1alpha1.AccountStatus) status.Outcome {
	message := "The account is as declared."
	if !fields.RemovedAt.IsZero() {
		message = lingering(fields.State)
	}
	return status.Outcome{Reason: v1alpha1.SyncedReason, Message: message}
}

// lingering says how an account is that nobody should have.
func lingering(state v1alpha1.AccountState) string {
	const goes = "; this object goes after the deletion guard's window, an hour at least."
	switch state {
	case v1alpha1.AccountRetained:
		return "Nobody should have this account; it was left as it is" + goes
	case v1alpha1.AccountDisabled:
		return "Nobody should have this account; it was disabled" + goes
	default:
		return "Nobody should have this account; it is deleted" + goes
	}
}

func unmanaged() status.Outcome {
	return status.Outcome{Reason: v1alpha1.UnmanagedReason, Message: "The service has this account, and no member accounts for it. Nothing is done to it."}
}

// failedOutcome says what status tells of a failure that only a person can end.
func failedOutcome(failure v1alpha1.AccountError) status.Outcome {
	return mustAct("", failure.Cause, failure.Message)
}

// failed says what a failed call means. The digest is of what was tried: where
// only a person can help, the same is not tried again until the next sync.
func (a *accountAttempt) failed(err error, digest string, report *status.Report) status.Outcome {
	if errors.Is(err, context.Canceled) {
		return unavailable(v1alpha1.UnavailableReason, "The operator was stopped; it is tried again.", err)
	}
	failure := asFailure(err)
	if wait := a.notYet(failure); wait > 0 {
		report.RequeueAfter(wait)
		return waits(v1alpha1.PendingReason, failure.Message)
	}
	a.targets.failed(a.live, err)
	a.metrics.count(a.live.name, "", string(failure.Cause))
	switch failure.Cause {
	case provision.Unauthorized:
		a.queue.Pause(a.live.name, time.Now().Add(unauthorizedPause))
		report.RequeueAfter(unauthorizedPause)
		return waits(v1alpha1.AuthenticationFailedReason, failure.Message)
	case provision.Throttled:
		wait := a.queue.Throttle(a.live.name, failure.RetryAfter)
		report.RequeueAfter(wait)
		return waits(v1alpha1.ThrottledReason, "The service asks to wait; nothing needs to be done here.")
	case provision.Unavailable, provision.NotFound:
		wait := min(firstRetry<<min(a.queue.NumRequeues(reconcile.Request{NamespacedName: a.name}), 10), lastRetry)
		a.fails(failure, a.clock().Add(wait))
		return unavailable(string(failure.Cause), failure.Message, err)
	}
	a.account.Status.State = v1alpha1.AccountFailed
	if a.unseen && a.fresh() {
		a.fails(failure, a.clock().Add(replicationRetry))
		report.RequeueAfter(replicationRetry)
		return mustAct("", string(failure.Cause), failure.Message)
	}
	a.fails(failure, time.Time{})
	a.settled.set(a.name, digest)
	return mustAct("", string(failure.Cause), failure.Message)
}

// replicationRetry is how often it is looked again for what cannot be found yet, at
// the longest.
const replicationRetry = 15 * time.Second

// notYet is how long to wait for what the service does not find, as it was made a
// short while ago: that is nobody's fault, and no failure. It is 0 for all others.
func (a *accountAttempt) notYet(failure *provision.Error) time.Duration {
	left := a.made.unseen(a.name, a.clock(), a.lag)
	if failure.Cause != provision.NotFound || left <= 0 {
		return 0
	}
	// As long again as it took already.
	return min(max(a.lag-left, firstRetry), replicationRetry)
}

// fresh tells that an account which stands in the way unseen may be its own.
func (a *accountAttempt) fresh() bool {
	fields := a.account.Status
	if fields.ExternalID != "" {
		return false
	}
	if fields.Error == nil || fields.Error.Cause != string(provision.Conflict) {
		return a.lag > 0
	}
	return a.clock().Sub(fields.Error.Since.Time) < a.lag
}

// fails writes the failure; its beginning goes into the audit log.
func (a *accountAttempt) fails(failure *provision.Error, nextTry time.Time) {
	fields := &a.account.Status
	now := &v1alpha1.AccountError{
		Cause: string(failure.Cause), Message: bounded(failure.Message), RequestID: failure.RequestID,
		Since: metav1.NewTime(a.clock().Truncate(time.Second)),
	}
	if len(now.RequestID) > 255 {
		now.RequestID = ""
	}
	if !nextTry.IsZero() {
		now.NextTry = metav1.NewTime(nextTry.Truncate(time.Second))
	}
	if before := fields.Error; before != nil && before.Cause == now.Cause {
		now.Since = before.Since
	} else if !failure.Cause.Passes() {
		a.tellAudit(admin.AccountFailed, fmt.Sprintf("%s: %s", failure.Cause, failure.Message))
	}
	fields.Error = now
}

// bounded is a message as far as status takes it.
func bounded(message string) string {
	const longest = 2048
	if runes := []rune(message); len(runes) > longest {
		return string(runes[:longest])
	}
	return message
}
