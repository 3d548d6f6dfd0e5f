/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/status"
)

// +kubebuilder:rbac:groups=identity.tegata.dev,resources=groups,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=groups/status,verbs=patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=groups/finalizers,verbs=update

// recountDelay gathers the changes of many members into one count of a group.
const recountDelay = 500 * time.Millisecond

// groups is the controller of Group.
type groups struct {
	publisher
	wakers *wakers
}

func (k *groups) newObject() *v1alpha1.Group { return &v1alpha1.Group{} }

func (k *groups) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("group").
		For(&v1alpha1.Group{}, builder.WithPredicates(declared)).
		Watches(&v1alpha1.Member{}, k.onMember()).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(k.ofTenant), builder.WithPredicates(createdOrDeleted)).
		Watches(&v1alpha1.SAMLApp{}, handler.EnqueueRequestsFromMapFunc(k.ofApp), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.LinkApp{}, handler.EnqueueRequestsFromMapFunc(k.ofApp), builder.WithPredicates(specChanged)).
		WatchesRawSource(k.wakers.groups).
		WithOptions(controllerOptions(2)).
		Complete(&reconciler[*v1alpha1.Group]{
			client: k.Client, events: mgr.GetEventRecorder("group-controller"), kind: k,
		})
}

// onMember recounts the groups that a member enters or leaves.
func (k *groups) onMember() handler.EventHandler {
	recount := func(ctx context.Context, queue workQueue, members ...client.Object) {
		for _, member := range members {
			for _, name := range k.ofMember(ctx, member) {
				queue.AddAfter(name, recountDelay)
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, queue workQueue) { recount(ctx, queue, e.Object) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, queue workQueue) { recount(ctx, queue, e.Object) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue workQueue) {
			labels := predicate.LabelChangedPredicate{}
			if labels.Update(e) || createdOrDeleted.Update(e) {
				recount(ctx, queue, e.ObjectOld, e.ObjectNew)
			}
		},
	}
}

// ofMember are the groups that name the member or select by label.
func (k *groups) ofMember(ctx context.Context, member client.Object) []reconcile.Request {
	in := client.InNamespace(member.GetNamespace())
	named := namesOf(ctx, k.Client, &v1alpha1.GroupList{}, in, client.MatchingFields{byMember: member.GetName()})
	selecting := namesOf(ctx, k.Client, &v1alpha1.GroupList{}, in, client.MatchingFields{bySelector: hasSelector})
	return requests(append(named, selecting...))
}

func (k *groups) ofTenant(ctx context.Context, tenant client.Object) []reconcile.Request {
	return k.allOf(ctx, tenant.GetNamespace(), tenant.GetName())
}

func (k *groups) ofApp(ctx context.Context, app client.Object) []reconcile.Request {
	return k.allOf(ctx, app.GetNamespace(), app.(tenantObject).GetTenantRef().Name)
}

func (k *groups) allOf(ctx context.Context, namespace, tenant string) []reconcile.Request {
	return requests(namesOf(ctx, k.Client, &v1alpha1.GroupList{}, client.InNamespace(namespace), client.MatchingFields{byTenant: tenant}))
}

// attempt publishes the group. One that names somebody who does not exist is
// published all the same: the others must not wait, and the one who is missing
// takes part as soon as the Member is made.
func (k *groups) attempt(ctx context.Context, group *v1alpha1.Group, report *status.Report) {
	in := k.find(ctx, group, report)
	if in == nil {
		return
	}
	converted := directoryGroup(in.tenant.Slug, group)
	if problems := directory.CheckGroup(converted); len(problems) > 0 {
		report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, problems.String()+"."))
		return
	}
	report.Add(accepted())
	people, err := k.people(ctx, group, in)
	if err != nil {
		report.Add(readFailed("The members", err))
		return
	}
	apps, err := tenantApps(ctx, k.Client, in, group.Namespace)
	if err != nil {
		report.Add(readFailed("The apps", err))
		return
	}
	problems := directory.CheckParticipants(converted, func(name string) bool { _, exists := people[name]; return exists })
	problems = append(problems, directory.CheckGrants("permissions", converted.Permissions, surroundings{apps: apps}.findApp)...)
	if len(problems) > 0 {
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason, problems.String()+"."))
	} else {
		report.Add(resolved())
	}
	k.publish(ctx, group, in, admin.Change{
		Key:   admin.Key{Kind: admin.KindGroup, Tenant: in.tenant.Slug, Name: group.Name},
		Group: &converted,
	}, report)
	observeGroup(group, converted, people)
}

// people are the tenant's members by name, with their labels only.
func (k *groups) people(ctx context.Context, group *v1alpha1.Group, in *scope) (map[string]directory.Member, error) {
	list := &v1alpha1.MemberList{}
	err := k.List(ctx, list, client.InNamespace(group.Namespace), client.MatchingFields{byTenant: in.resource.Name}, client.UnsafeDisableDeepCopy)
	people := make(map[string]directory.Member, len(list.Items))
	for i := range list.Items {
		if member := &list.Items[i]; member.DeletionTimestamp.IsZero() {
			people[member.Name] = directory.Member{Tenant: in.tenant.Slug, Name: member.Name, Labels: member.Labels}
		}
	}
	return people, err
}

func (k *groups) retract(ctx context.Context, group *v1alpha1.Group) (string, error) {
	return k.publisher.retract(ctx, group, admin.KindGroup)
}

// observeGroup counts who is in the group.
func observeGroup(group *v1alpha1.Group, converted directory.Group, people map[string]directory.Member) {
	var all, administrators int
	participants := converted.Participants(people)
	for _, role := range participants {
		all++
		if role == directory.GroupAdministrator {
			administrators++
		}
	}
	group.Status.Members = count(all)
	group.Status.Administrators = count(administrators)
}
