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

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

// +kubebuilder:rbac:groups=identity.tegata.dev,resources=accounts,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=accounts/status,verbs=patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=accounts/finalizers,verbs=update
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=provisioningtargets,verbs=get;list;watch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=offboardings,verbs=get;list;watch

const (
	// accountWorkers are many, as most of them wait for services.
	accountWorkers = 256
	// attemptTimeout bounds one attempt, the wait for the budget included.
	attemptTimeout = 3 * time.Minute
)

// accounts is the controller of Account.
type accounts struct {
	gatherer
	// uncached reads Offboardings that may be too new for the cache.
	uncached client.Reader
	targets  *liveTargets
	queue    *provisionQueue
	wakers   *wakers
	audit    *auditRecorder
	ledger   *removalLedger
	metrics  accountMetrics
	clock    Clock
	// awaitsIdP: what the IdP has not been asked about is not told to services. In
	// plans nobody asks it.
	awaitsIdP bool
	settled   settledFailures
	made      lateAccounts
}

func newAccounts(c client.Client, uncached client.Reader, targets *liveTargets, wakers *wakers, audit *auditRecorder, clock Clock) *accounts {
	k := &accounts{
		gatherer: gatherer{c}, uncached: uncached, targets: targets, wakers: wakers, audit: audit, clock: clock, ledger: newRemovalLedger(),
		awaitsIdP: true,
	}
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry)
	k.queue = newProvisionQueue(accountWorkers, limiter, k.classify)
	progress.accounts.Store(k)
	targets.onChange(k.onTarget)
	return k
}

func (k *accounts) newObject() *v1alpha1.Account { return &v1alpha1.Account{} }

func (k *accounts) lastStep() string { return v1alpha1.SyncedCondition }

func (k *accounts) finalizer() string { return v1alpha1.ProvisionedFinalizer }

func (k *accounts) setup(mgr ctrl.Manager) error {
	options := controllerOptions(accountWorkers)
	options.NewQueue = func(string, workqueue.TypedRateLimiter[reconcile.Request]) workQueue { return k.queue }
	return ctrl.NewControllerManagedBy(mgr).
		Named("account").
		For(&v1alpha1.Account{}, builder.WithPredicates(ofMembers, predicate.Or[client.Object](
			predicate.GenerationChangedPredicate{}, lostFinalizer(v1alpha1.ProvisionedFinalizer), approvalAsked))).
		Watches(&v1alpha1.Member{}, k.onMember()).
		Watches(&v1alpha1.Group{}, k.onGroup(), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.Tenant{}, k.onTenant(), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.Offboarding{}, k.onOffboarding()).
		WatchesRawSource(k.wakers.accounts).
		WithOptions(options).
		Complete(&reconciler[*v1alpha1.Account]{client: k.Client, events: mgr.GetEventRecorder("account-controller"), kind: k})
}

var _ forgetter = (*accounts)(nil)

// forget drops what is known of an Account that is gone.
func (k *accounts) forget(_ context.Context, name types.NamespacedName) error {
	k.settled.set(name, "")
	k.targets.compared(name, k.targets.suspected(name))
	return nil
}

// attempt makes the account at the service what it should be.
func (k *accounts) attempt(ctx context.Context, account *v1alpha1.Account, report *status.Report) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	report.Add(accepted())
	if account.Spec.MemberRef == nil {
		report.Add(resolved())
		report.Add(unmanaged())
		return
	}
	if err := ensureFinalizerNamed(ctx, k.Client, account, v1alpha1.ProvisionedFinalizer); err != nil {
		report.Add(unavailable(v1alpha1.UnavailableReason, "The finalizer could not be written; it is tried again.", err))
		return
	}
	if account.Status.State == "" {
		account.Status.State = v1alpha1.AccountPending
	}
	a, err := k.begin(ctx, account)
	switch {
	case err != nil:
		report.Add(readFailed("The target and the member", err))
	case a.target == nil:
		// Nobody has to act: of a target with thousands, no event each.
		report.Add(status.Outcome{
			Condition: v1alpha1.ResolvedRefsCondition, Verdict: status.Waits, Reason: v1alpha1.ReferenceNotFoundReason,
			Message: fmt.Sprintf("ProvisioningTarget %q does not exist; this object goes, and the account in the service stays as it is.", account.Spec.TargetRef.Name),
		})
		if err := k.Delete(ctx, account.DeepCopy()); client.IgnoreNotFound(err) != nil {
			report.Add(unavailable(v1alpha1.UnavailableReason, "This object could not be deleted; it is tried again.", err))
		}
	default:
		report.Add(resolved())
		report.Add(a.settle(ctx, report))
	}
}

// begin gathers what an attempt needs. Its target is nil where that is gone.
func (k *accounts) begin(ctx context.Context, account *v1alpha1.Account) (*accountAttempt, error) {
	k.made.begin(k.clock())
	a := &accountAttempt{accounts: k, account: account, name: client.ObjectKeyFromObject(account)}
	target := &v1alpha1.ProvisioningTarget{}
	name := types.NamespacedName{Namespace: account.Namespace, Name: account.Spec.TargetRef.Name}
	err := k.Get(ctx, name, target)
	if apierrors.IsNotFound(err) || err == nil && !target.DeletionTimestamp.IsZero() {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	a.target, a.live = target, k.targets.get(name)
	if a.live.uid != target.UID {
		a.live.service = nil // of a former target of that name
	}
	if a.live.service != nil {
		if lagging, ok := a.live.service.(provision.LaggingTarget); ok {
			a.lag = lagging.ReplicationDelay()
		}
		a.live.service = &observedService{Target: a.live.service, accounts: k, live: a.live, request: reconcile.Request{NamespacedName: a.name}}
	}
	a.owner, err = k.owner(ctx, target, account)
	if a.pending = errors.Is(err, errNotYet); a.pending {
		err = nil
	}
	return a, err
}

// retract lets an Account go. One that somebody should have yet is made anew and
// finds its account again; one whose target is gone leaves its account as it is;
// otherwise the account is taken away first.
func (k *accounts) retract(ctx context.Context, account *v1alpha1.Account) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if account.Spec.MemberRef == nil || !account.Status.RemovedAt.IsZero() || namespaceEnds(ctx, k.Client, account.Namespace) {
		return "", nil
	}
	a, err := k.begin(ctx, account)
	if err != nil || a.target == nil || a.pending || a.owner.subject != nil {
		return "", err
	}
	report := status.NewReport(v1alpha1.SyncedCondition)
	outcome := a.settle(ctx, report)
	if outcome.Verdict == status.Done {
		return "", nil
	}
	result, _ := report.Result()
	return "", &outcomeError{outcome: outcome, after: result.RequeueAfter}
}

// settle makes the account what it should be, and says how it is then.
func (a *accountAttempt) settle(ctx context.Context, report *status.Report) status.Outcome {
	switch {
	case a.live.service == nil:
		return a.targetAway()
	case a.pending:
		return waits(v1alpha1.PendingReason, fmt.Sprintf("Member %q is not live in the IdP yet.", a.account.Spec.MemberRef.Name))
	}
	a.mark = a.targets.suspected(a.name)
	outcome := a.decide(ctx, report)
	if outcome.Verdict == status.Done || outcome.Verdict == status.UserMustAct {
		a.targets.compared(a.name, a.mark)
	}
	return outcome
}

func (a *accountAttempt) decide(ctx context.Context, report *status.Report) status.Outcome {
	if a.owner.subject == nil {
		return a.remove(ctx, report)
	}
	desired, err := a.live.service.Desire(*a.owner.subject)
	if err != nil {
		return a.refusedHere(ctx, err, report)
	}
	if a.owner.another(a.account, desired) {
		if outcome := a.remove(ctx, report); outcome.Verdict != status.Done {
			return outcome
		}
		a.startAnew()
	}
	if a.owner.refused != "" || a.owner.undecided && a.awaitsIdP {
		return a.refusedByIdP(ctx, report)
	}
	return a.provide(ctx, desired, report)
}
