/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
)

// +kubebuilder:rbac:groups=identity.tegata.dev,resources=accounts,verbs=get;list;watch;create

// memberAccountsWorkers are few: objects are made faster than any service takes
// accounts even so, and more would keep the API server from those that are ready.
const memberAccountsWorkers = 8

// memberAccounts sees to it that a member has an Account for each target that
// selects it. What becomes of an Account is that one's own business: it exists
// before anything is made in a service.
type memberAccounts struct {
	gatherer
	targets *liveTargets
}

func (k *memberAccounts) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("memberaccounts").
		For(&v1alpha1.Member{}, builder.WithPredicates(provisionable)).
		Watches(&v1alpha1.ProvisioningTarget{}, handler.EnqueueRequestsFromMapFunc(k.ofTarget), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(k.ofTenant), builder.WithPredicates(createdOrDeleted)).
		Watches(&v1alpha1.Group{}, handler.EnqueueRequestsFromMapFunc(k.ofGroup), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.Account{}, handler.EnqueueRequestsFromMapFunc(k.ofAccount), builder.WithPredicates(deleted)).
		WithOptions(controllerOptions(memberAccountsWorkers)).
		Complete(k)
}

// deleted passes what is gone.
var deleted = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	UpdateFunc: func(event.UpdateEvent) bool { return false },
}

func (k *memberAccounts) allOf(ctx context.Context, namespace, tenant string) []reconcile.Request {
	return requests(namesOf(ctx, k.Client, &v1alpha1.MemberList{}, client.InNamespace(namespace), client.MatchingFields{byTenant: tenant}))
}

func (k *memberAccounts) ofTarget(ctx context.Context, target client.Object) []reconcile.Request {
	return k.allOf(ctx, target.GetNamespace(), target.(*v1alpha1.ProvisioningTarget).Spec.TenantRef.Name)
}

func (k *memberAccounts) ofTenant(ctx context.Context, tenant client.Object) []reconcile.Request {
	return k.allOf(ctx, tenant.GetNamespace(), tenant.GetName())
}

func (k *memberAccounts) ofGroup(ctx context.Context, object client.Object) []reconcile.Request {
	group := object.(*v1alpha1.Group)
	if group.Spec.Selector != nil {
		return k.allOf(ctx, group.Namespace, group.Spec.TenantRef.Name)
	}
	var all []reconcile.Request
	for _, name := range memberNames(group) {
		all = append(all, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: group.Namespace, Name: name}})
	}
	return all
}

// ofAccount wakes the member of an Account that is gone, who may need another.
func (k *memberAccounts) ofAccount(_ context.Context, object client.Object) []reconcile.Request {
	ref := object.(*v1alpha1.Account).Spec.MemberRef
	if ref == nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: object.GetNamespace(), Name: ref.Name}}}
}

// Reconcile makes the Accounts that a member lacks.
func (k *memberAccounts) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	member := &v1alpha1.Member{}
	if err := k.Get(ctx, request.NamespacedName, member); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !member.DeletionTimestamp.IsZero() || member.Status.ID == "" {
		return ctrl.Result{}, nil
	}
	targets := &v1alpha1.ProvisioningTargetList{}
	if err := k.List(ctx, targets, client.InNamespace(member.Namespace), client.MatchingFields{byTenant: member.Spec.TenantRef.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, err
	}
	var failures []error
	for i := range targets.Items {
		if target := &targets.Items[i]; target.DeletionTimestamp.IsZero() {
			failures = append(failures, k.ensure(ctx, target, member))
		}
	}
	err := errors.Join(failures...)
	if refusedByEndingNamespace(err) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, err
}

// ensure makes the Account of a member at a target that selects it.
func (k *memberAccounts) ensure(ctx context.Context, target *v1alpha1.ProvisioningTarget, member *v1alpha1.Member) error {
	name := types.NamespacedName{Namespace: member.Namespace, Name: accountName(target.Name, member.Name)}
	if err := k.Get(ctx, name, &v1alpha1.Account{}); !apierrors.IsNotFound(err) {
		return err
	}
	tenant := &v1alpha1.Tenant{}
	if err := k.Get(ctx, types.NamespacedName{Namespace: target.Namespace, Name: target.Spec.TenantRef.Name}, tenant); err != nil {
		return client.IgnoreNotFound(err) // the Tenant wakes everybody when it comes
	}
	subject, err := k.subject(ctx, target, member, tenant)
	if err != nil || subject == nil {
		return err
	}
	account := &v1alpha1.Account{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Finalizers: []string{v1alpha1.ProvisionedFinalizer}},
		Spec: v1alpha1.AccountSpec{
			TargetRef: v1alpha1.ProvisioningTargetReference{Name: target.Name}, MemberRef: &v1alpha1.MemberReference{Name: member.Name},
		},
	}
	// What the account will carry there has to be known before it is made. Where
	// the target cannot say it now, the Account's controller writes it to status.
	if live := k.targets.get(client.ObjectKeyFromObject(target)); live.service != nil {
		if desired, err := live.service.Desire(*subject); err == nil {
			account.Annotations = map[string]string{v1alpha1.CorrelationIDAnnotation: desired.CorrelationID}
		}
	}
	if err := k.Create(ctx, account); !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}
