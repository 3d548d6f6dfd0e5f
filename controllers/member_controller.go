/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
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

// +kubebuilder:rbac:groups=identity.tegata.dev,resources=members,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=members/status,verbs=patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=members/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch

// members is the controller of Member.
type members struct {
	publisher
	// uncached reads Secrets and ConfigMaps from the API server.
	uncached client.Reader
	wakers   *wakers
	clock    Clock
	workers  int
}

func (k *members) newObject() *v1alpha1.Member { return &v1alpha1.Member{} }

func (k *members) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("member").
		For(&v1alpha1.Member{}, builder.WithPredicates(predicate.Or[client.Object](declared, predicate.LabelChangedPredicate{}, resetAsked))).
		Watches(&v1alpha1.Member{}, handler.Funcs{UpdateFunc: k.mailChanged, DeleteFunc: k.mailFreed}).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(k.ofTenant), builder.WithPredicates(createdOrDeleted)).
		Watches(&v1alpha1.Group{}, handler.EnqueueRequestsFromMapFunc(k.ofGroup), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.SAMLApp{}, handler.EnqueueRequestsFromMapFunc(k.ofApp), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.LinkApp{}, handler.EnqueueRequestsFromMapFunc(k.ofApp), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.Account{}, k.onAccount()).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(k.ofSecret)).
		WatchesMetadata(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(k.ofConfigMap)).
		WatchesRawSource(k.wakers.members).
		WithOptions(controllerOptions(k.workers)).
		Complete(&reconciler[*v1alpha1.Member]{
			client: k.Client, events: mgr.GetEventRecorder("member-controller"), kind: k,
		})
}

// resetAsked passes a new value of the reset-password annotation.
var resetAsked = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return e.ObjectOld.GetAnnotations()[v1alpha1.ResetPasswordAnnotation] != e.ObjectNew.GetAnnotations()[v1alpha1.ResetPasswordAnnotation]
}}

// mailChanged wakes those who claim a mail that another member gave up, or no
// longer keeps them from because it turned out to have a fault of its own.
func (k *members) mailChanged(ctx context.Context, e event.UpdateEvent, queue workQueue) {
	before, after := e.ObjectOld.(*v1alpha1.Member), e.ObjectNew.(*v1alpha1.Member)
	if before.Spec.Mail != after.Spec.Mail || contends(before) && !contends(after) {
		k.wakeClaimants(ctx, before, queue)
	}
}

// mailFreed wakes those who claim a deleted member's mail.
func (k *members) mailFreed(ctx context.Context, e event.DeleteEvent, queue workQueue) {
	k.wakeClaimants(ctx, e.Object.(*v1alpha1.Member), queue)
}

// wakeClaimants wakes the others that claim the member's mail.
func (k *members) wakeClaimants(ctx context.Context, member *v1alpha1.Member, queue workQueue) {
	claim := client.MatchingFields{byMail: directory.NormalizeMail(member.Spec.Mail)}
	for _, request := range requests(namesOf(ctx, k.Client, &v1alpha1.MemberList{}, claim)) {
		if request.NamespacedName != client.ObjectKeyFromObject(member) {
			queue.Add(request)
		}
	}
}

func (k *members) ofTenant(ctx context.Context, tenant client.Object) []reconcile.Request {
	return k.allOf(ctx, tenant.GetNamespace(), tenant.GetName())
}

func (k *members) allOf(ctx context.Context, namespace, tenant string) []reconcile.Request {
	return requests(namesOf(ctx, k.Client, &v1alpha1.MemberList{}, client.InNamespace(namespace), client.MatchingFields{byTenant: tenant}))
}

// ofGroup wakes those whom the group concerns: the named ones, or everybody
// where a selector may have gained or lost anybody. Both the old and the new
// object pass here.
func (k *members) ofGroup(ctx context.Context, object client.Object) []reconcile.Request {
	group := object.(*v1alpha1.Group)
	if group.Spec.Selector != nil {
		return k.allOf(ctx, group.Namespace, group.Spec.TenantRef.Name)
	}
	var list []reconcile.Request
	for _, name := range memberNames(group) {
		list = append(list, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: group.Namespace, Name: name}})
	}
	return list
}

// ofApp wakes everybody of the tenant: the app's permissions may have changed.
func (k *members) ofApp(ctx context.Context, app client.Object) []reconcile.Request {
	return k.allOf(ctx, app.GetNamespace(), app.(tenantObject).GetTenantRef().Name)
}

// ofSecret wakes the member whose temporary-password Secret appeared or went, or
// somebody else's of that name.
func (k *members) ofSecret(_ context.Context, secret client.Object) []reconcile.Request {
	name, ok := controlledBy(secret, "Member")
	if !ok {
		name, ok = strings.CutSuffix(secret.GetName(), temporarySecretSuffix)
	}
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: secret.GetNamespace(), Name: name}}}
}

func (k *members) ofConfigMap(ctx context.Context, configMap client.Object) []reconcile.Request {
	return requests(namesOf(ctx, k.Client, &v1alpha1.MemberList{},
		client.InNamespace(configMap.GetNamespace()), client.MatchingFields{byConfigMap: configMap.GetName()}))
}

// attempt publishes the member and shows what the IdP knows of it.
func (k *members) attempt(ctx context.Context, member *v1alpha1.Member, report *status.Report) {
	in := k.find(ctx, member, report)
	if in == nil {
		member.Status.State = v1alpha1.MemberNotPublished
		return
	}
	if err := k.observeFailures(ctx, member); err != nil {
		report.Add(readFailed("The accounts", err))
		return
	}
	image, imageOK := readImage(ctx, k.uncached, member.Namespace, member.Spec.Image, "spec.image", report)
	converted := directoryMember(in.tenant, member, image)
	problems := directory.CheckMember(in.tenant, converted)
	if len(problems) > 0 {
		report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, problems.String()+"."))
	} else {
		report.Add(accepted())
	}
	// Somebody who is live stays under control: a suspension must get through
	// even beside a fault, so then the rest of the spec is published.
	if member.Status.ID == "" && (len(problems) > 0 || !imageOK) {
		member.Status.State = v1alpha1.MemberNotPublished
		return
	}
	k.resolveAndPublish(ctx, member, in, directory.WithoutFaults(in.tenant, converted), report)
}

func (k *members) resolveAndPublish(ctx context.Context, member *v1alpha1.Member, in *scope, converted directory.Member, report *status.Report) {
	surroundings, err := k.gather(ctx, member, in)
	if err != nil {
		report.Add(readFailed("The groups and apps", err))
		return
	}
	if problems := directory.CheckGrants("permissions", converted.Permissions, surroundings.findApp); len(problems) > 0 {
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason, problems.String()+"."))
	} else if !report.Evaluated(v1alpha1.ResolvedRefsCondition) {
		report.Add(resolved())
	}
	if k.olderClaims(ctx, member, in, report) {
		member.Status.State = v1alpha1.MemberNotPublished
		return
	}
	result := k.publish(ctx, member, in, admin.Change{
		Key:    admin.Key{Kind: admin.KindMember, Tenant: in.tenant.Slug, Name: member.Name},
		Member: &admin.Member{Member: converted, PasswordReset: member.Annotations[v1alpha1.ResetPasswordAnnotation]},
	}, report)
	if result == nil {
		if member.Status.ID == "" || report.Waits(v1alpha1.PublishedCondition) {
			member.Status.State = v1alpha1.MemberNotPublished
		}
		observeDirectory(member, in.tenant, converted, surroundings)
		return
	}
	observeDirectory(member, in.tenant, converted, surroundings)
	k.settlePassword(ctx, member, in, *result.Member, report)
}

// retract takes the member out of the IdP, with a receipt, and deletes the
// Secret made for it.
func (k *members) retract(ctx context.Context, member *v1alpha1.Member) (string, error) {
	receipt, err := k.ensureReceipt(ctx, member)
	if err != nil {
		return "", err
	}
	result, note, err := k.takeOut(ctx, member, admin.KindMember)
	if err == nil && receipt {
		err = k.note(ctx, member, result.DeletedAt)
	}
	if err != nil {
		return "", err
	}
	return note, k.deleteTemporarySecret(ctx, member)
}
