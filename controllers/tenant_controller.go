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
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// +kubebuilder:rbac:groups=identity.tegata.dev,resources=tenants,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=tenants/status,verbs=patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=tenants/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch

// tenants is the controller of Tenant.
type tenants struct {
	publisher
	// secrets reads Secrets from the API server: they are never cached.
	secrets client.Reader
	wakers  *wakers
	follow  *follower
	clock   Clock
}

func (k *tenants) newObject() *v1alpha1.Tenant { return &v1alpha1.Tenant{} }

func (k *tenants) setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("tenant").
		For(&v1alpha1.Tenant{}, builder.WithPredicates(predicate.Or[client.Object](declared, keyAsked, approvalAsked))).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(k.ofSameSlug), builder.WithPredicates(claimChanged)).
		Watches(&v1alpha1.IdentityServer{}, handler.EnqueueRequestsFromMapFunc(k.ofServer), builder.WithPredicates(specChanged)).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(k.ofSecret)).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(k.ofNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(k.wakers.tenants).
		WithOptions(controllerOptions(2)).
		Complete(&reconciler[*v1alpha1.Tenant]{
			client: k.Client, events: mgr.GetEventRecorder("tenant-controller"), kind: k,
		})
}

// keyAsked passes a new value of the annotations that ask for another signing key.
var keyAsked = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, after := e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations()
	return before[v1alpha1.RotateSigningKeyAnnotation] != after[v1alpha1.RotateSigningKeyAnnotation] ||
		before[v1alpha1.ReplaceSigningKeyAnnotation] != after[v1alpha1.ReplaceSigningKeyAnnotation]
}}

func (k *tenants) ofSameSlug(ctx context.Context, tenant client.Object) []reconcile.Request {
	return requests(namesOf(ctx, k.Client, &v1alpha1.TenantList{}, client.MatchingFields{bySlug: slugOf(tenant.(*v1alpha1.Tenant))}))
}

func (k *tenants) ofServer(ctx context.Context, server client.Object) []reconcile.Request {
	return requests(namesOf(ctx, k.Client, &v1alpha1.TenantList{}, client.MatchingFields{byServer: client.ObjectKeyFromObject(server).String()}))
}

func (k *tenants) ofSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	return requests(namesOf(ctx, k.Client, &v1alpha1.TenantList{},
		client.InNamespace(secret.GetNamespace()), client.MatchingFields{bySecret: secret.GetName()}))
}

func (k *tenants) ofNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	return requests(namesOf(ctx, k.Client, &v1alpha1.TenantList{}, client.InNamespace(namespace.GetName())))
}

// attempt publishes the tenant with what it signs with.
func (k *tenants) attempt(ctx context.Context, tenant *v1alpha1.Tenant, report *status.Report) {
	converted := directoryTenant(tenant)
	if problems := directory.CheckTenant(converted); len(problems) > 0 {
		report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, problems.String()+"."))
		return
	}
	report.Add(accepted())

	server := &v1alpha1.IdentityServer{}
	if !k.admit(ctx, tenant, server, report) {
		return
	}
	key, ok := k.signingKey(ctx, tenant, report)
	if !ok {
		return
	}
	report.Add(resolved())
	if k.olderClaims(ctx, tenant, report) {
		return
	}
	running := k.servers.Get(serverName(tenant))
	if running == nil {
		report.Add(notRunning(serverName(tenant)))
		return
	}
	if err := ensureFinalizer(ctx, k.Client, tenant); err != nil {
		report.Add(unavailable(v1alpha1.UnavailableReason, "The finalizer could not be written; it is tried again.", err))
		return
	}
	result, err := running.publish(ctx, admin.Change{
		Key:   admin.Key{Kind: admin.KindTenant, Tenant: converted.Slug},
		Owner: client.ObjectKeyFromObject(tenant).String(), DeletionApproval: approval(tenant),
		Tenant: &admin.Tenant{
			Tenant: converted, SigningKey: key.pair, Certificates: key.keys.Published(), CertificateEnds: key.unreplacedEnd(),
		},
	})
	if err != nil {
		report.Add(k.unreached(serverName(tenant), running, err))
		return
	}
	if result.Problem != nil {
		report.Add(refused(*result.Problem))
		return
	}
	if result.Changed {
		// What belongs to the tenant may have waited for it, or lean on its defaults.
		k.follow.wakeTenant(ctx, client.ObjectKeyFromObject(tenant))
	}
	report.Add(published())
	k.announced(ctx, key, report)
	observeTenant(tenant, running.externalURL, *result.Tenant, key)
	observeDeletions(tenant, *result.Tenant)
	report.RequeueAfter(warnExpiry(report, key, k.clock()))
	warnHeld(report, tenant, *result.Tenant)
}

// admit finds the IdentityServer and asks whether it takes this namespace. A
// tenant that is no longer admitted goes offline.
func (k *tenants) admit(ctx context.Context, tenant *v1alpha1.Tenant, server *v1alpha1.IdentityServer, report *status.Report) bool {
	name := serverName(tenant)
	err := k.Get(ctx, name, server)
	switch {
	case apierrors.IsNotFound(err), err == nil && !server.DeletionTimestamp.IsZero():
		// What is being deleted here may have waited for the server to come back.
		k.follow.wakeTenant(ctx, client.ObjectKeyFromObject(tenant))
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
			fmt.Sprintf("IdentityServer %s does not exist; create it or correct spec.identityServerRef.", name)))
		return false
	case err != nil:
		report.Add(readFailed("The IdentityServer", err))
		return false
	}
	admitted, err := k.admits(ctx, server, tenant.Namespace)
	if err != nil {
		report.Add(readFailed("The namespace", err))
		return false
	}
	if admitted {
		return true
	}
	// The server's owner decides that, and nobody of the tenant needs to approve it.
	if _, err := k.takeOffline(ctx, tenant, admin.Change{Unguarded: true}); err != nil {
		report.Add(unavailable(v1alpha1.UnavailableReason, "The tenant is no longer admitted and could not be taken offline yet; it is tried again.", err))
		return false
	}
	report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.NotAdmittedReason,
		fmt.Sprintf("IdentityServer %s does not admit tenants of this namespace; ask its owner to extend its spec.tenants.", name)))
	return false
}

// olderClaims reports whether a tenant that was never live yields to an older
// one with the same slug on the same server. One that was live keeps its claim.
func (k *tenants) olderClaims(ctx context.Context, tenant *v1alpha1.Tenant, report *status.Report) bool {
	if tenant.Status.Slug != "" {
		return false
	}
	same := &v1alpha1.TenantList{}
	if err := k.List(ctx, same, client.MatchingFields{bySlug: slugOf(tenant)}, client.UnsafeDisableDeepCopy); err != nil {
		report.Add(readFailed("The other tenants", err))
		return true
	}
	for i := range same.Items {
		other := &same.Items[i]
		if serverName(other) == serverName(tenant) && older(other, tenant) && (other.Status.Slug != "" || contends(other)) {
			report.Add(mustAct(v1alpha1.PublishedCondition, v1alpha1.ConflictReason,
				fmt.Sprintf("Slug %q belongs to an older Tenant %s/%s; set another spec.slug in a new Tenant.", slugOf(tenant), other.Namespace, other.Name)))
			return true
		}
	}
	return false
}

// older orders two claims to one identity: by creation, then by name. One that
// is being deleted claims nothing.
func older(other, object client.Object) bool {
	return other.GetUID() != object.GetUID() && other.GetDeletionTimestamp().IsZero() && precedes(other, object)
}

// precedes orders objects by creation, then by name.
func precedes(other, object client.Object) bool {
	a, b := other.GetCreationTimestamp(), object.GetCreationTimestamp()
	if !a.Equal(&b) {
		return a.Before(&b)
	}
	return client.ObjectKeyFromObject(other).String() < client.ObjectKeyFromObject(object).String()
}

// contends reports whether an object may become live without anybody changing
// it: it was not tried yet, or only yields to another. One that has a fault of
// its own, or is not admitted, keeps nobody else from what it claims.
func contends(object status.Object) bool {
	ready := meta.FindStatusCondition(object.GetConditions(), v1alpha1.ReadyCondition)
	return ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason == v1alpha1.ConflictReason ||
		ready.Reason == v1alpha1.IdentityServerNotReadyReason || ready.Reason == v1alpha1.UnavailableReason
}

// claimChanged passes creation, deletion, and an object that begins or ceases to contend.
var claimChanged = predicate.Or[client.Object](createdOrDeleted, predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return contends(e.ObjectOld.(status.Object)) != contends(e.ObjectNew.(status.Object))
}})

// retract takes the tenant and everybody in it offline, once the deletion guard
// lets them go.
func (k *tenants) retract(ctx context.Context, tenant *v1alpha1.Tenant) (string, error) {
	return k.takeOffline(ctx, tenant, admin.Change{DeletionApproval: approval(tenant)})
}

// takeOffline deletes the tenant in the IdP; the change says in which way.
func (k *tenants) takeOffline(ctx context.Context, tenant *v1alpha1.Tenant, change admin.Change) (string, error) {
	server, note, err := k.serverForDeletion(ctx, serverName(tenant))
	if server == nil {
		return note, err
	}
	change.Key = admin.Key{Kind: admin.KindTenant, Tenant: slugOf(tenant)}
	change.Owner = client.ObjectKeyFromObject(tenant).String()
	result, err := k.unpublish(ctx, serverName(tenant), server, change)
	if result.Tenant != nil {
		observeDeletions(tenant, *result.Tenant)
	}
	return "", err
}
