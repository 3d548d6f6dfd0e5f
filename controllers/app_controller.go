/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/status"
)

// appSupport is what the controllers of both kinds of app share.
type appSupport struct {
	publisher
	// uncached reads ConfigMaps from the API server.
	uncached client.Reader
	newList  func() client.ObjectList
	kind     admin.Kind
}

// watchReferences wakes apps when what they name changes.
func (s *appSupport) watchReferences(b *builder.Builder) *builder.Builder {
	return b.
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(s.ofTenant), builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.Group{}, handler.EnqueueRequestsFromMapFunc(s.ofGroup), builder.WithPredicates(createdOrDeleted)).
		WatchesMetadata(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(s.ofConfigMap))
}

func (s *appSupport) ofTenant(ctx context.Context, tenant client.Object) []reconcile.Request {
	return s.allOf(ctx, tenant.GetNamespace(), tenant.GetName())
}

func (s *appSupport) ofGroup(ctx context.Context, group client.Object) []reconcile.Request {
	return s.allOf(ctx, group.GetNamespace(), group.(*v1alpha1.Group).Spec.TenantRef.Name)
}

func (s *appSupport) allOf(ctx context.Context, namespace, tenant string) []reconcile.Request {
	return requests(namesOf(ctx, s.Client, s.newList(), client.InNamespace(namespace), client.MatchingFields{byTenant: tenant}))
}

func (s *appSupport) ofConfigMap(ctx context.Context, configMap client.Object) []reconcile.Request {
	return requests(namesOf(ctx, s.Client, s.newList(),
		client.InNamespace(configMap.GetNamespace()), client.MatchingFields{byConfigMap: configMap.GetName()}))
}

// checkAndPublish checks an app against its surroundings and makes it live.
func (s *appSupport) checkAndPublish(ctx context.Context, object tenantObject, in *scope, app directory.App, report *status.Report) {
	if problems := directory.CheckApp(in.tenant, app); len(problems) > 0 {
		report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, problems.String()+"."))
		return
	}
	report.Add(accepted())
	if !s.groupsExist(ctx, object, in, app, report) {
		return
	}
	report.Add(resolved())
	s.publish(ctx, object, in, admin.Change{
		Key: admin.Key{Kind: s.kind, Tenant: in.tenant.Slug, Name: app.Name},
		App: &app,
	}, report)
}

// groupsExist checks that the app's groups exist in its tenant.
func (s *appSupport) groupsExist(ctx context.Context, object tenantObject, in *scope, app directory.App, report *status.Report) bool {
	for i, name := range app.Groups {
		group := &v1alpha1.Group{}
		err := s.Get(ctx, client.ObjectKey{Namespace: object.GetNamespace(), Name: name}, group)
		if err != nil && !apierrors.IsNotFound(err) {
			report.Add(readFailed("A group", err))
			return false
		}
		if err != nil || !group.DeletionTimestamp.IsZero() || group.Spec.TenantRef.Name != in.resource.Name {
			report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
				fmt.Sprintf("access.groups[%d]: Group %q does not exist in this tenant; create it or remove it here.", i, name)))
			return false
		}
	}
	return true
}

// +kubebuilder:rbac:groups=identity.tegata.dev,resources=samlapps;linkapps,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=samlapps/status;linkapps/status,verbs=patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=samlapps/finalizers;linkapps/finalizers,verbs=update

// linkApps is the controller of LinkApp.
type linkApps struct {
	appSupport
	wakers *wakers
}

func (k *linkApps) newObject() *v1alpha1.LinkApp { return &v1alpha1.LinkApp{} }

func (k *linkApps) setup(mgr ctrl.Manager) error {
	return k.watchReferences(ctrl.NewControllerManagedBy(mgr).
		Named("linkapp").
		For(&v1alpha1.LinkApp{}, builder.WithPredicates(declared))).
		WatchesRawSource(k.wakers.linkApps).
		WithOptions(controllerOptions(2)).
		Complete(&reconciler[*v1alpha1.LinkApp]{
			client: k.Client, events: mgr.GetEventRecorder("linkapp-controller"), kind: k,
		})
}

func (k *linkApps) attempt(ctx context.Context, app *v1alpha1.LinkApp, report *status.Report) {
	in := k.find(ctx, app, report)
	if in == nil {
		return
	}
	icon, ok := readImage(ctx, k.uncached, app.Namespace, app.Spec.Icon, "spec.icon", report)
	if !ok {
		return
	}
	k.checkAndPublish(ctx, app, in, directoryLinkApp(in.tenant.Slug, app, icon), report)
}

func (k *linkApps) retract(ctx context.Context, app *v1alpha1.LinkApp) (string, error) {
	return k.publisher.retract(ctx, app, k.kind)
}
