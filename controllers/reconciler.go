/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/status"
)

const (
	// firstRetry and lastRetry bound the back-off of transient failures.
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// kind is what one controller does; the shape around it is in reconciler.
type kind[T status.Object] interface {
	// newObject returns an empty object to read into.
	newObject() T
	// attempt makes the object live and writes its status fields; what it could
	// and could not do goes into the report.
	attempt(ctx context.Context, object T, report *status.Report)
	// retract takes the object out of the IdP before it is deleted. A note says
	// what could not be undone, where the object is let go nevertheless.
	retract(ctx context.Context, object T) (note string, err error)
}

// lastStepper is a kind whose last step is another than being published.
type lastStepper interface {
	// lastStep is the condition of the last step.
	lastStep() string
}

// finalized is a kind whose objects have a finalizer of their own.
type finalized interface{ finalizer() string }

// forgetter is a kind that holds something for its objects, to drop when one
// went without its finalizer.
type forgetter interface {
	forget(ctx context.Context, name types.NamespacedName) error
}

// reconciler is the shape that every kind shares (design section 6).
type reconciler[T status.Object] struct {
	client client.Client
	events events.EventRecorder
	kind   kind[T]
	fresh  freshness
}

// Reconcile brings one object and its status up to date.
func (r *reconciler[T]) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	object := r.kind.newObject()
	if err := r.client.Get(ctx, request.NamespacedName, object); err != nil {
		r.fresh.forget(request.NamespacedName)
		if forgetful, ok := r.kind.(forgetter); ok && apierrors.IsNotFound(err) {
			return ctrl.Result{}, forgetful.forget(ctx, request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.fresh.stale(object) {
		return ctrl.Result{RequeueAfter: staleWait}, nil
	}
	before, err := status.SnapshotOf(object)
	if err != nil {
		return ctrl.Result{}, err
	}
	report := status.NewReport(v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, r.lastStep())
	gone := false
	defer func() {
		if !gone {
			result, err = r.finish(ctx, before, object, report)
		}
		if err != nil && namespaceEnds(ctx, r.client, object.GetNamespace()) {
			logf.FromContext(ctx).Info("Failed in a namespace that is being deleted", "error", err.Error())
			result, err = ctrl.Result{RequeueAfter: deletionWait(object, time.Now())}, nil
		}
	}()

	if !object.GetDeletionTimestamp().IsZero() {
		gone = r.delete(ctx, object, report)
		return ctrl.Result{}, nil
	}
	r.kind.attempt(ctx, object, report)
	return ctrl.Result{}, nil
}

func (r *reconciler[T]) finalizer() string {
	if own, ok := r.kind.(finalized); ok {
		return own.finalizer()
	}
	return v1alpha1.Finalizer
}

func (r *reconciler[T]) lastStep() string {
	if stepper, ok := r.kind.(lastStepper); ok {
		return stepper.lastStep()
	}
	return v1alpha1.PublishedCondition
}

// delete retracts the object and lets it go; false means that status must say why not.
func (r *reconciler[T]) delete(ctx context.Context, object T, report *status.Report) bool {
	if !controllerutil.ContainsFinalizer(object, r.finalizer()) {
		return true
	}
	note, err := r.kind.retract(ctx, object)
	if err == nil {
		err = r.removeFinalizer(ctx, object)
	}
	const message = "The object could not be taken out of the IdP yet; it is tried again until that succeeds or the IdentityServer is deleted."
	held, isHeld := errors.AsType[*deletionHeldError](err)
	told, isTold := errors.AsType[*outcomeError](err)
	switch {
	case isTold:
		report.Add(told.outcome)
		report.RequeueAfter(told.after)
		return false
	case isHeld:
		report.Add(mustAct("", v1alpha1.DeletionHeldReason, held.message))
		return false
	case errors.Is(err, errServerAway):
		report.Add(waits(v1alpha1.DeletionFailedReason, message))
		report.RequeueAfter(deletionWait(object, time.Now()))
		return false
	case err != nil:
		report.Add(unavailable(v1alpha1.DeletionFailedReason, message, err))
		return false
	case note != "":
		logf.FromContext(ctx).Info("Released", "note", note)
		r.tell(ctx, object, corev1.EventTypeWarning, v1alpha1.ReleasedReason, "Delete", note)
	}
	return true
}

func (r *reconciler[T]) removeFinalizer(ctx context.Context, object T) error {
	before := object.DeepCopyObject().(T)
	controllerutil.RemoveFinalizer(object, r.finalizer())
	return client.IgnoreNotFound(r.client.Patch(ctx, object, client.MergeFrom(client.Object(before))))
}

// finish writes status where it changed, tells of transitions, and returns what
// the report asks for.
func (r *reconciler[T]) finish(ctx context.Context, before status.Snapshot, object T, report *status.Report) (ctrl.Result, error) {
	if report.Outdated() {
		return ctrl.Result{RequeueAfter: firstRetry}, nil
	}
	result, failed := report.Result()
	if refusedByEndingNamespace(failed) {
		// The object's own deletion is next and will wake us.
		return ctrl.Result{RequeueAfter: lastRetry}, nil
	}
	report.Write(object)
	written, err := before.Patch(ctx, r.client, object)
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("status could not be written: %w", err)
	case written:
		r.fresh.note(object)
		r.announce(ctx, before, object)
	}
	return result, failed
}

// announce emits an event when an object begins to fail, when it recovers, and
// when it is live but needs somebody's care.
func (r *reconciler[T]) announce(ctx context.Context, before status.Snapshot, object T) {
	was := before.Condition(status.Ready)
	is := meta.FindStatusCondition(object.GetConditions(), status.Ready)
	if is.Reason == v1alpha1.DeletionHeldReason && isOneOfMany(object) {
		return
	}
	switch {
	case status.Failed(object.GetConditions()) && (!before.Failed() || was == nil || was.Reason != is.Reason):
		r.tell(ctx, object, corev1.EventTypeWarning, is.Reason, "Reconcile", is.Message)
	case cares(is.Reason) && (was == nil || was.Reason != is.Reason):
		r.tell(ctx, object, corev1.EventTypeWarning, is.Reason, "Reconcile", is.Message)
	case is.Status == metav1.ConditionTrue && before.Failed():
		r.tell(ctx, object, corev1.EventTypeNormal, is.Reason, "Reconcile", is.Message)
	}
}

// isOneOfMany reports whether another object's event tells of held deletions, of
// which there are many at once.
func isOneOfMany(object status.Object) bool {
	switch object.(type) {
	case *v1alpha1.Member, *v1alpha1.Account, *v1alpha1.Offboarding:
		return true
	}
	return false
}

// cares reports whether a reason of a live object asks a person to act in time.
func cares(reason string) bool {
	return slices.Contains([]string{
		v1alpha1.CertificateExpiringReason, v1alpha1.CertificateExpiredReason, v1alpha1.CredentialExpiringReason, v1alpha1.DeletionHeldReason,
	}, reason)
}

// tell emits an event, where the object's namespace still takes any.
func (r *reconciler[T]) tell(ctx context.Context, object T, eventType, reason, action, note string) {
	if !namespaceEnds(ctx, r.client, object.GetNamespace()) {
		r.events.Eventf(object, nil, eventType, reason, action, "%s", note)
	}
}

// ensureFinalizer adds ours before anything is published. The patch returns the
// server's object, so status fields must be set after it.
func ensureFinalizer(ctx context.Context, c client.Client, object client.Object) error {
	return ensureFinalizerNamed(ctx, c, object, v1alpha1.Finalizer)
}

func ensureFinalizerNamed(ctx context.Context, c client.Client, object client.Object, name string) error {
	if controllerutil.ContainsFinalizer(object, name) {
		return nil
	}
	before := object.DeepCopyObject().(client.Object)
	controllerutil.AddFinalizer(object, name)
	// The list of finalizers is replaced as a whole, so nobody else's may be lost.
	return c.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// controllerOptions are the same for every kind.
func controllerOptions(workers int) controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: workers,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
	}
}

func accepted() status.Outcome {
	return status.Outcome{Condition: v1alpha1.AcceptedCondition, Reason: v1alpha1.AcceptedReason, Message: "The spec is valid."}
}

func resolved() status.Outcome {
	return status.Outcome{Condition: v1alpha1.ResolvedRefsCondition, Reason: v1alpha1.ResolvedRefsReason, Message: "Everything the spec names exists."}
}

func published() status.Outcome {
	return status.Outcome{Condition: v1alpha1.PublishedCondition, Reason: v1alpha1.PublishedReason, Message: "Live in the IdP."}
}

func mustAct(condition, reason, message string) status.Outcome {
	return status.Outcome{Condition: condition, Verdict: status.UserMustAct, Reason: reason, Message: message}
}

// waits is for the last step: no other waits.
func waits(reason, message string) status.Outcome {
	return status.Outcome{Verdict: status.Waits, Reason: reason, Message: message}
}

// unavailable is a transient failure of the last step. The cause goes to the log
// only: it may change from one attempt to the next.
func unavailable(reason, message string, cause error) status.Outcome {
	return status.Outcome{
		Verdict: status.Retries,
		Reason:  reason, Message: message, Err: cause,
	}
}

// readFailed is a transient failure to read from the API server.
func readFailed(what string, cause error) status.Outcome {
	return unavailable(v1alpha1.UnavailableReason, what+" could not be read; it is tried again.", fmt.Errorf("%s: %w", what, cause))
}
