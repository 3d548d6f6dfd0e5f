/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
)

// maxFailures is how many failures a Member shows.
const maxFailures = 100

// failureOf is what a Member shows of an Account (O7.4); nil while the account is
// in order, and for what passes by itself.
func failureOf(account *v1alpha1.Account) *v1alpha1.ProvisioningFailure {
	if account.Spec.MemberRef == nil || account.Status.State != v1alpha1.AccountFailed || account.Status.Error == nil {
		return nil
	}
	return &v1alpha1.ProvisioningFailure{
		Target: account.Spec.TargetRef.Name, Cause: account.Status.Error.Cause, Message: account.Status.Error.Message,
	}
}

// observeFailures writes in which services the member's account is not as declared.
func (k *members) observeFailures(ctx context.Context, member *v1alpha1.Member) error {
	list := &v1alpha1.AccountList{}
	err := k.List(ctx, list, client.InNamespace(member.Namespace), client.MatchingFields{byMember: member.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return err
	}
	var failures []v1alpha1.ProvisioningFailure
	for i := range list.Items {
		if failure := failureOf(&list.Items[i]); failure != nil {
			failures = append(failures, *failure)
		}
	}
	slices.SortFunc(failures, func(a, b v1alpha1.ProvisioningFailure) int { return cmp.Compare(a.Target, b.Target) })
	member.Status.ProvisioningFailures = failures[:min(len(failures), maxFailures)]
	return nil
}

// onAccount wakes a member when one of its accounts begins or ceases to fail.
func (k *members) onAccount() handler.EventHandler {
	wake := func(queue workQueue, account *v1alpha1.Account) {
		queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: account.Namespace, Name: account.Spec.MemberRef.Name}})
	}
	return handler.Funcs{
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue workQueue) {
			before, after := failureOf(e.ObjectOld.(*v1alpha1.Account)), failureOf(e.ObjectNew.(*v1alpha1.Account))
			if (before == nil) != (after == nil) || before != nil && *before != *after {
				wake(queue, e.ObjectNew.(*v1alpha1.Account))
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue workQueue) {
			if account := e.Object.(*v1alpha1.Account); failureOf(account) != nil {
				wake(queue, account)
			}
		},
	}
}
