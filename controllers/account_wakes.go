/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
)

// ofMembers passes Accounts that a member accounts for; the others are the
// target's own business.
var ofMembers = predicate.NewPredicateFuncs(func(o client.Object) bool { return o.(*v1alpha1.Account).Spec.MemberRef != nil })

// classify says in which lane a request goes, and how urgent it is, from the caches.
func (k *accounts) classify(request reconcile.Request) class {
	ctx := context.Background()
	account := &v1alpha1.Account{}
	if err := k.Get(ctx, request.NamespacedName, account); err != nil || account.Spec.MemberRef == nil {
		return class{}
	}
	live := k.targets.get(types.NamespacedName{Namespace: account.Namespace, Name: account.Spec.TargetRef.Name})
	as := class{target: live.name, tenant: live.name.Namespace + "/" + live.tenant}
	switch {
	case account.Status.RemovedAt.IsZero() && k.leaves(ctx, account):
		as.priority = leaver
	case account.Status.ExternalID == "":
		as.priority = creation
	}
	return as
}

// leaves tells that somebody should be kept out who is not yet: the member is
// gone, suspended or no longer selected.
func (k *accounts) leaves(ctx context.Context, account *v1alpha1.Account) bool {
	member := &v1alpha1.Member{}
	err := k.Get(ctx, types.NamespacedName{Namespace: account.Namespace, Name: account.Spec.MemberRef.Name}, member)
	if err != nil {
		return apierrors.IsNotFound(err)
	}
	if ptr.Deref(member.Spec.Suspended, false) {
		return account.Status.State == v1alpha1.AccountActive
	}
	target := &v1alpha1.ProvisioningTarget{}
	if err := k.Get(ctx, types.NamespacedName{Namespace: account.Namespace, Name: account.Spec.TargetRef.Name}, target); err != nil {
		return false
	}
	// The groups of its status may be a little old, which is good enough for the order.
	in := map[string]bool{}
	for _, group := range member.Status.Groups {
		in[group.Name] = true
	}
	still, err := selected(target.Spec.Members, member, func(group string) bool { return in[group] })
	return err == nil && !still
}

// add queues Accounts with at least a priority.
func (k *accounts) add(least priority, names ...types.NamespacedName) {
	for _, request := range requests(names) {
		k.queue.AddAtLeast(request, least)
	}
}

// of lists the Accounts with a value of an index.
func (k *accounts) of(ctx context.Context, namespace, field, value string) []types.NamespacedName {
	return namesOf(ctx, k.Client, &v1alpha1.AccountList{}, client.InNamespace(namespace), client.MatchingFields{field: value})
}

// onMember wakes a member's accounts when it changes or goes.
func (k *accounts) onMember() handler.EventHandler {
	wake := func(ctx context.Context, least priority, member client.Object) {
		k.add(least, k.of(ctx, member.GetNamespace(), byMember, member.GetName())...)
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, _ workQueue) {
			if e.IsInInitialList {
				return // every Account is looked at anyway
			}
			wake(ctx, change, e.Object)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, _ workQueue) {
			// Who is suspended is kept out at once; else the IdP is asked first.
			if after := e.ObjectNew.(*v1alpha1.Member); provisionable.Update(e) && (!undecided(after) || ptr.Deref(after.Spec.Suspended, false)) {
				wake(ctx, change, e.ObjectNew)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, _ workQueue) { wake(ctx, change, e.Object) },
	}
}

// provisionable passes what may change whether and how a member has accounts.
var provisionable = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.(*v1alpha1.Member), e.ObjectNew.(*v1alpha1.Member)
	return before.Generation != after.Generation || before.Status.ID != after.Status.ID || !maps.Equal(before.Labels, after.Labels) ||
		refusal(before) != refusal(after) || undecided(before) != undecided(after)
}}

// onGroup wakes the accounts of those whom a group concerns: the named ones, or
// everybody where a selector may have gained or lost anybody.
func (k *accounts) onGroup() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		group := object.(*v1alpha1.Group)
		if group.Spec.Selector != nil {
			return k.ofTenant(ctx, group.Namespace, group.Spec.TenantRef.Name)
		}
		var all []reconcile.Request
		for _, name := range memberNames(group) {
			all = append(all, requests(k.of(ctx, group.Namespace, byMember, name))...)
		}
		return all
	})
}

// onTenant wakes the accounts of a tenant's targets: members take defaults from it.
func (k *accounts) onTenant() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, tenant client.Object) []reconcile.Request {
		return k.ofTenant(ctx, tenant.GetNamespace(), tenant.GetName())
	})
}

func (k *accounts) ofTenant(ctx context.Context, namespace, tenant string) []reconcile.Request {
	var all []reconcile.Request
	for _, target := range namesOf(ctx, k.Client, &v1alpha1.ProvisioningTargetList{}, client.InNamespace(namespace), client.MatchingFields{byTenant: tenant}) {
		all = append(all, requests(k.of(ctx, namespace, byTarget, target.Name))...)
	}
	return all
}

// onOffboarding wakes the accounts of somebody whose sign-in was blocked: what
// the deletion guard holds may go then.
func (k *accounts) onOffboarding() handler.EventHandler {
	return handler.Funcs{UpdateFunc: func(ctx context.Context, e event.UpdateEvent, _ workQueue) {
		before, after := e.ObjectOld.(*v1alpha1.Offboarding), e.ObjectNew.(*v1alpha1.Offboarding)
		if before.Status.SignInBlockedAt != after.Status.SignInBlockedAt {
			k.add(change, k.of(ctx, after.Namespace, byMember, after.Spec.MemberRef.Name)...)
		}
	}}
}

// onTarget begins a target's lane anew, and wakes its accounts.
func (k *accounts) onTarget(now liveTarget, usable bool) {
	if now.reason == v1alpha1.ReferenceNotFoundReason {
		k.queue.Close(now.name)
		k.ledger.forget(now.name)
		k.metrics.forget(now.name)
	} else {
		k.queue.Open(now.name, now.name.Namespace+"/"+now.tenant, now.writesPerSecond, usable)
	}
	// The registry must not wait for a list of ten thousand.
	go func() {
		k.wakers.accounts.wake(k.of(context.Background(), now.name.Namespace, byTarget, now.name.Name)...)
	}()
}
