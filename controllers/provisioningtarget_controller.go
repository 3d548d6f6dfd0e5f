/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

// +kubebuilder:rbac:groups=identity.tegata.dev,resources=provisioningtargets,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=provisioningtargets/status,verbs=patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=provisioningtargets/finalizers,verbs=update
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=accounts,verbs=get;list;watch;create;patch;delete;deletecollection
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=accounts/status,verbs=patch

// provisioningTargets is the controller of ProvisioningTarget. It makes the
// services that other controllers work with, compares all accounts at the
// schedule, and sums up how they are.
type provisioningTargets struct {
	publisher
	// uncached reads Secrets and ConfigMaps from the API server: they are never cached.
	uncached client.Reader
	wakers   *wakers
	targets  *liveTargets
	runs     *runs
	clock    Clock
	lifetime context.Context
	// make makes a service from what the spec names.
	make func(ServiceOptions) (provision.Target, error)
	// events tell what became of a domain's log-in.
	events events.EventRecorder
	// desired is the account that somebody should have; nil for nobody.
	desired func(ctx context.Context, live liveTarget, account *v1alpha1.Account) (*provision.Desired, error)
	// waiting is how many changes wait for a target's service, and whether that is
	// silent.
	waiting func(target types.NamespacedName) (number int, silent bool)
	pace    pace
	made    services
}

func (k *provisioningTargets) newObject() *v1alpha1.ProvisioningTarget {
	return &v1alpha1.ProvisioningTarget{}
}

func (k *provisioningTargets) lastStep() string { return v1alpha1.SyncedCondition }

func (k *provisioningTargets) setup(mgr ctrl.Manager) error {
	k.events = mgr.GetEventRecorder("provisioningtarget-controller")
	return ctrl.NewControllerManagedBy(mgr).
		Named("provisioningtarget").
		For(&v1alpha1.ProvisioningTarget{}, builder.WithPredicates(predicate.Or[client.Object](declared, targetAsked))).
		Watches(&v1alpha1.ProvisioningTarget{}, handler.EnqueueRequestsFromMapFunc(k.ofEntra), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.ProvisioningTarget{}, handler.EnqueueRequestsFromMapFunc(k.ofSameService), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(k.ofTenant), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.IdentityServer{}, handler.EnqueueRequestsFromMapFunc(k.ofServer), builder.WithPredicates(networksChanged)).
		Watches(&v1alpha1.SAMLApp{}, handler.EnqueueRequestsFromMapFunc(k.ofOne), builder.WithPredicates(predicate.Or[client.Object](specChanged, answerChanged))).
		Watches(&v1alpha1.Group{}, handler.Funcs{
			CreateFunc: func(ctx context.Context, e event.CreateEvent, q workQueue) { k.onGroup(ctx, e.Object, q) },
			DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q workQueue) { k.onGroup(ctx, e.Object, q) },
			UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q workQueue) {
				if specChanged.Update(e) || (predicate.LabelChangedPredicate{}).Update(e) {
					k.onGroup(ctx, e.ObjectNew, q)
				}
			},
		}).
		Watches(&v1alpha1.Account{}, handler.Funcs{
			CreateFunc: func(_ context.Context, e event.CreateEvent, q workQueue) { k.onAccount(e.Object, q) },
			DeleteFunc: func(_ context.Context, e event.DeleteEvent, q workQueue) { k.onAccount(e.Object, q) },
			UpdateFunc: func(_ context.Context, e event.UpdateEvent, q workQueue) { k.onAccount(e.ObjectNew, q) },
		}).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(k.ofSecret)).
		WatchesMetadata(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(k.ofConfigMap)).
		WatchesRawSource(k.wakers.provisioningTargets).
		WithOptions(controllerOptions(4)).
		Complete(&reconciler[*v1alpha1.ProvisioningTarget]{
			client: k.Client, events: k.events, kind: k,
		})
}

// targetAsked passes a new value of the annotations that ask for something.
var targetAsked = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations()
	for _, name := range []string{v1alpha1.SuspendedAnnotation, v1alpha1.SyncNowAnnotation, v1alpha1.ApproveDeletionsAnnotation, v1alpha1.AnotherServiceAnnotation} {
		if before[name] != after[name] {
			return true
		}
	}
	return false
}}

// networksChanged passes a change of where targets may be.
var networksChanged = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.IdentityServer).Spec, e.ObjectNew.(*v1alpha1.IdentityServer).Spec
		return !equality.Semantic.DeepEqual(before.ProvisioningTargets, after.ProvisioningTargets)
	},
}

func (k *provisioningTargets) where(ctx context.Context, namespace, field, value string) []reconcile.Request {
	return requests(namesOf(ctx, k.Client, &v1alpha1.ProvisioningTargetList{}, client.InNamespace(namespace), client.MatchingFields{field: value}))
}

// ofEntra wakes the Intune targets that use an Entra ID target.
func (k *provisioningTargets) ofEntra(ctx context.Context, target client.Object) []reconcile.Request {
	return k.where(ctx, target.GetNamespace(), byTarget, target.GetName())
}

func (k *provisioningTargets) ofTenant(ctx context.Context, tenant client.Object) []reconcile.Request {
	return k.where(ctx, tenant.GetNamespace(), byTenant, tenant.GetName())
}

func (k *provisioningTargets) ofOne(ctx context.Context, object client.Object) []reconcile.Request {
	return k.where(ctx, object.GetNamespace(), byTenant, object.(tenantObject).GetTenantRef().Name)
}

// ofServer wakes the targets of every tenant of a server.
func (k *provisioningTargets) ofServer(ctx context.Context, server client.Object) []reconcile.Request {
	var all []reconcile.Request
	for _, tenant := range namesOf(ctx, k.Client, &v1alpha1.TenantList{}, client.MatchingFields{byServer: client.ObjectKeyFromObject(server).String()}) {
		all = append(all, k.where(ctx, tenant.Namespace, byTenant, tenant.Name)...)
	}
	return all
}

// ofSecret wakes the targets that a Secret is named by, and those that read
// Intune by one of them.
func (k *provisioningTargets) ofSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	direct := k.where(ctx, secret.GetNamespace(), bySecret, secret.GetName())
	all := direct
	for _, request := range direct {
		all = append(all, k.where(ctx, request.Namespace, byTarget, request.Name)...)
	}
	return all
}

func (k *provisioningTargets) ofConfigMap(ctx context.Context, configMap client.Object) []reconcile.Request {
	return k.where(ctx, configMap.GetNamespace(), byConfigMap, configMap.GetName())
}

// onAccount counts a target's accounts anew, after a pause that gathers changes.
func (k *provisioningTargets) onAccount(account client.Object, queue workQueue) {
	name := types.NamespacedName{Namespace: account.GetNamespace(), Name: account.(*v1alpha1.Account).Spec.TargetRef.Name}
	queue.AddAfter(reconcile.Request{NamespacedName: name}, k.pace.wait(name, time.Now()))
}

func (k *provisioningTargets) onGroup(ctx context.Context, group client.Object, queue workQueue) {
	for _, request := range k.ofOne(ctx, group) {
		queue.AddAfter(request, recountDelay)
	}
}

func (k *provisioningTargets) wakeAccounts(names ...types.NamespacedName) {
	k.wakers.accounts.wake(names...)
}

// attempt makes the target's service, and sees to it that accounts are compared.
func (k *provisioningTargets) attempt(ctx context.Context, target *v1alpha1.ProvisioningTarget, report *status.Report) {
	if err := ensureFinalizer(ctx, k.Client, target); err != nil {
		report.Add(unavailable(v1alpha1.UnavailableReason, "The finalizer could not be written; it is tried again.", err))
		return
	}
	if k.tryUse(ctx, target, report) {
		return
	}
	if waits := target.Status.Progress; waits != nil {
		waits.TimeLeft = "" // nothing is done meanwhile
	}
	// Why it cannot be used is what its status will say, unless that passes.
	said := target.DeepCopy()
	report.Write(said)
	if ready := readyOf(said); ready != nil && (ready.Reason != v1alpha1.UnavailableReason || k.targets.get(keyOf(target)).service == nil) {
		k.targets.set(k.unusable(target, ready.Reason, ready.Message))
	}
}

func keyOf(object client.Object) types.NamespacedName { return client.ObjectKeyFromObject(object) }

// unusable is a target that cannot be used, and why.
func (k *provisioningTargets) unusable(target *v1alpha1.ProvisioningTarget, reason, message string) liveTarget {
	live := k.liveOf(target)
	live.reason, live.message = reason, message
	return live
}

// liveOf is a target without its service.
func (k *provisioningTargets) liveOf(target *v1alpha1.ProvisioningTarget) liveTarget {
	removal := provision.RemovalDisable
	if target.Spec.DeletionPolicy != "" {
		removal = provision.Removal(target.Spec.DeletionPolicy)
	}
	return liveTarget{
		name: keyOf(target), tenant: target.Spec.TenantRef.Name, uid: target.UID, generation: target.Generation,
		removal: removal, adoptByUserName: target.Spec.Adoption == v1alpha1.AdoptByUserName, writesPerSecond: writesPerSecond(target.Spec),
	}
}

// tryUse goes through the steps until one does not hold; false means that the
// target cannot be used.
func (k *provisioningTargets) tryUse(ctx context.Context, target *v1alpha1.ProvisioningTarget, report *status.Report) bool {
	in := k.findTenant(ctx, target, report)
	if in == nil {
		return false
	}
	when, ok := k.accept(ctx, target, in, report)
	if !ok {
		k.runs.halt(keyOf(target)) // it may be writing
		return false
	}
	live, ok := k.prepare(ctx, target, in, report)
	return ok && k.operate(ctx, target, in, live, when, report)
}

// prepare makes the service of a target from what it names.
func (k *provisioningTargets) prepare(ctx context.Context, target *v1alpha1.ProvisioningTarget, in *scope, report *status.Report) (liveTarget, bool) {
	live := k.liveOf(target)
	from, ok := k.gather(ctx, target, in, report)
	if !ok {
		return live, false
	}
	service, err := k.made.get(keyOf(target), from, k.make)
	if err != nil {
		report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, fmt.Sprintf("The service cannot be used so: %v.", err)))
		return live, false
	}
	report.Add(accepted())
	report.Add(resolved())
	live.service, live.fingerprint = service, from.connection
	return live, true
}

// findTenant is the target's tenant; nil where there is none, which the report then says.
func (k *provisioningTargets) findTenant(ctx context.Context, target *v1alpha1.ProvisioningTarget, report *status.Report) *scope {
	name := types.NamespacedName{Namespace: target.Namespace, Name: target.Spec.TenantRef.Name}
	tenant := &v1alpha1.Tenant{}
	err := k.Get(ctx, name, tenant)
	switch {
	case apierrors.IsNotFound(err), err == nil && !tenant.DeletionTimestamp.IsZero():
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
			fmt.Sprintf("Tenant %q does not exist in this namespace; create it or correct spec.tenantRef.", name.Name)))
		return nil
	case err != nil:
		report.Add(readFailed("The tenant", err))
		return nil
	}
	return &scope{resource: tenant, tenant: directoryTenant(tenant)}
}

// accept checks what the schema cannot tell, and the plan (O1.5).
func (k *provisioningTargets) accept(ctx context.Context, target *v1alpha1.ProvisioningTarget, in *scope, report *status.Report) (schedule, bool) {
	refuse := func(reason, format string, arguments ...any) (schedule, bool) {
		report.Add(mustAct(v1alpha1.AcceptedCondition, reason, fmt.Sprintf(format, arguments...)))
		return schedule{}, false
	}
	spec := target.Spec
	if !in.tenant.Plan.AllowsProvisioning() && (spec.EntraID != nil || spec.MDM != nil) {
		return refuse(v1alpha1.PlanReason, "Plan Free of tenant %s does not include accounts in Entra ID and MDM; those that exist stay as they are. Set the Tenant's spec.plan to Plus.", in.tenant.Slug)
	}
	when, err := scheduleOf(target, in.tenant.TimeZone, k.clock())
	if err != nil {
		return refuse(v1alpha1.InvalidSpecReason, "spec.%v.", err)
	}
	for field, selector := range map[string]*metav1.LabelSelector{"members": memberSelector(spec), "groups": groupSelector(spec)} {
		if _, err := metav1.LabelSelectorAsSelector(selector); err != nil {
			return refuse(v1alpha1.InvalidSpecReason, "spec.%s.selector: %v.", field, err)
		}
	}
	return when, !k.olderClaims(ctx, target, report)
}

func memberSelector(spec v1alpha1.ProvisioningTargetSpec) *metav1.LabelSelector {
	if spec.Members == nil {
		return nil
	}
	return spec.Members.Selector
}

func groupSelector(spec v1alpha1.ProvisioningTargetSpec) *metav1.LabelSelector {
	if spec.Groups == nil {
		return nil
	}
	return spec.Groups.Selector
}

var _ forgetter = (*provisioningTargets)(nil)

// forget drops what is known of a target that is gone.
func (k *provisioningTargets) forget(_ context.Context, name types.NamespacedName) error {
	k.runs.forget(name)
	k.targets.remove(name)
	k.made.forget(name)
	k.pace.forget(name)
	return nil
}

// retract lets the target's accounts go: those in the service stay as they are.
func (k *provisioningTargets) retract(ctx context.Context, target *v1alpha1.ProvisioningTarget) (string, error) {
	name := keyOf(target)
	_ = k.forget(ctx, name) // never fails
	accounts, err := k.accountsOf(ctx, name)
	if err != nil {
		return "", err
	}
	left := 0
	for i := range accounts {
		if account := &accounts[i]; account.Spec.MemberRef != nil && account.Status.ExternalID != "" && account.Status.State != v1alpha1.AccountRemoved {
			left++
		}
	}
	if err := k.DeleteAllOf(ctx, &v1alpha1.Account{}, client.InNamespace(name.Namespace), client.MatchingFields{byTarget: name.Name}); err != nil {
		return "", err
	}
	federation := federationLeft(target)
	if left == 0 {
		return federation, nil
	}
	return strings.TrimSpace(federation + " " + fmt.Sprintf("Let go: %d accounts stay in the service as they are; whoever runs the service may delete them there.", left)), nil
}
