/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/status"
)

// +kubebuilder:rbac:groups=identity.tegata.dev,resources=identityservers,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=identityservers/status,verbs=patch
// +kubebuilder:rbac:groups=identity.tegata.dev,resources=identityservers/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=list
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=create;patch
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// identityServers is the controller of IdentityServer.
type identityServers struct {
	client.Client
	// secrets reads Secrets from the API server: they are never cached.
	secrets  client.Reader
	servers  *Servers
	embedded Launcher
	deployed Launcher
	wakers   *wakers
	follow   *follower
	clock    Clock
	// addresses are the origins that servers were let have.
	addresses addresses
	// lifetime ends when the manager stops; servers are followed until then.
	lifetime context.Context
}

const (
	// serverWorkers keep one server that is slow to start from delaying the others.
	serverWorkers = 4
	// startTimeout allows for a database that is far away or has to migrate.
	startTimeout = time.Minute
)

func (k *identityServers) newObject() *v1alpha1.IdentityServer { return &v1alpha1.IdentityServer{} }

func (k *identityServers) setup(mgr ctrl.Manager) error {
	controller := ctrl.NewControllerManagedBy(mgr).
		Named("identityserver").
		For(&v1alpha1.IdentityServer{}, builder.WithPredicates(declared)).
		Owns(&appsv1.Deployment{}).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(k.ofSecret)).
		Watches(&v1alpha1.IdentityServer{}, handler.EnqueueRequestsFromMapFunc(k.ofSameOrigin), builder.WithPredicates(originsChanged)).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(ofTenant), builder.WithPredicates(createdOrDeleted)).
		WatchesRawSource(k.wakers.servers).
		WithOptions(controllerOptions(serverWorkers))
	// HTTPRoutes are not watched: a cluster without the Gateway API has no such kind.
	for _, object := range watchedParts() {
		controller.Owns(object, builder.OnlyMetadata, builder.WithPredicates(altered))
	}
	return controller.Complete(&reconciler[*v1alpha1.IdentityServer]{
		client: k.Client, events: mgr.GetEventRecorder("identityserver-controller"), kind: k,
	})
}

// ofSecret wakes the servers that a Secret configures, and the one it was made for.
func (k *identityServers) ofSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	names := namesOf(ctx, k.Client, &v1alpha1.IdentityServerList{},
		client.InNamespace(secret.GetNamespace()), client.MatchingFields{bySecret: secret.GetName()})
	if owner, ok := controlledBy(secret, "IdentityServer"); ok {
		names = append(names, types.NamespacedName{Namespace: secret.GetNamespace(), Name: owner})
	}
	return requests(names)
}

// ofTenant wakes the tenant's server, which counts its tenants.
func ofTenant(_ context.Context, tenant client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: serverName(tenant.(*v1alpha1.Tenant))}}
}

// attempt starts the server or brings it up to date.
func (k *identityServers) attempt(ctx context.Context, server *v1alpha1.IdentityServer, report *status.Report) {
	if allowed := server.Spec.Tenants; allowed != nil {
		if _, err := metav1.LabelSelectorAsSelector(allowed.Selector); err != nil {
			report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, fmt.Sprintf("tenants.selector: %v.", err)))
			return
		}
	}
	report.Add(accepted())
	address := k.address(ctx, server, report)
	if address == "" {
		return
	}
	config, ok := k.gather(ctx, server, report)
	if !ok {
		return
	}
	report.Add(resolved())
	config.ExternalURL = address
	if err := ensureFinalizer(ctx, k.Client, server); err != nil {
		report.Add(unavailable(v1alpha1.UnavailableReason, "The finalizer could not be written; it is tried again.", err))
		return
	}
	name := client.ObjectKeyFromObject(server)
	serving, err := k.start(ctx, server, config)
	k.serve(ctx, name, config, serving)
	report.Add(running(config, serving, err))
	report.RequeueAfter(serving.LookAgain)
	if missing := serving.Unresolved; missing != nil {
		report.Add(unresolved(missing))
	}
	if refused := (*InvalidError)(nil); errors.As(err, &refused) {
		report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, refused.Message))
	}
	if err == nil || serving.Service != nil {
		k.observe(ctx, server, serving)
	}
	if err == nil && serving.Waiting == "" {
		server.Status.ExternalURL = config.ExternalURL
	}
}

// serve gives the controllers the server that serves now, and wakes its
// tenants where it is new. One that serves no longer is forgotten, and what
// was live says so no longer.
func (k *identityServers) serve(ctx context.Context, name types.NamespacedName, config ServerConfig, serving Serving) {
	if serving.Service == nil {
		if k.servers.remove(name) {
			k.follow.wakeAll(ctx, name)
		}
		return
	}
	follow := func(ctx context.Context, running *Server) { k.follow.run(ctx, name, running) }
	if k.servers.set(k.lifetime, name, serving.Service, config.ExternalURL, follow) {
		k.follow.wakeAll(ctx, name)
	}
}

// running tells what Ensure came to.
func running(config ServerConfig, serving Serving, err error) status.Outcome {
	refused, conflict := (*InvalidError)(nil), (*ConflictError)(nil)
	switch {
	case errors.As(err, &refused):
		return mustAct(v1alpha1.PublishedCondition, v1alpha1.StartFailedReason, "What runs is not as declared, as the spec is not valid.")
	case errors.As(err, &conflict):
		return mustAct(v1alpha1.PublishedCondition, v1alpha1.ConflictReason, conflict.Message)
	case err != nil:
		return startFailed(err)
	case serving.Failing:
		return unavailable(v1alpha1.StartFailedReason, serving.Waiting, nil)
	case serving.Waiting != "":
		return waits(v1alpha1.RollingOutReason, serving.Waiting)
	}
	return status.Outcome{
		Condition: v1alpha1.PublishedCondition, Reason: v1alpha1.RunningReason,
		Message: strings.TrimSpace(fmt.Sprintf("Serving %s. %s", config.ExternalURL, serving.Remark)),
	}
}

// unresolved tells what the server serves without. Nothing tells when it can
// be used, so the launcher asks for another look.
func unresolved(what *Unresolved) status.Outcome {
	reason := v1alpha1.InvalidReferenceReason
	if what.Missing {
		reason = v1alpha1.ReferenceNotFoundReason
	}
	return mustAct(v1alpha1.ResolvedRefsCondition, reason, what.Message)
}

// launcher is the one for the server's mode, which never changes.
func (k *identityServers) launcher(server *v1alpha1.IdentityServer) Launcher {
	if server.Spec.Deployment != nil {
		return k.deployed
	}
	return k.embedded
}

// retract takes every tenant offline before the server stops, so that nobody
// who is deleted meanwhile can log in when it comes back. What is still
// declared then is restored as it was.
func (k *identityServers) retract(ctx context.Context, server *v1alpha1.IdentityServer) (string, error) {
	name := client.ObjectKeyFromObject(server)
	service, err := k.serviceToRetract(ctx, server)
	if err != nil {
		return "", err
	}
	note := ""
	if service == nil {
		note = "Let go although the server could not run: its database still holds its tenants as they were; delete the database, or make the IdentityServer again and let it start."
	} else if err := retractTenants(ctx, service); err != nil {
		if !k.abandoned(ctx, server) {
			return "", err
		}
		note = "Let go although the server no longer answers, as its namespace is being deleted: a database that outlives it still holds its tenants as they were; delete it, or make the IdentityServer again and let it start."
	}
	return note, k.forget(ctx, name)
}

// abandonAfter is how long a server in a namespace that is being deleted is
// tried to be reached. Its pods and its database may have been deleted first,
// and then nothing would ever answer.
const abandonAfter = time.Minute

func (k *identityServers) abandoned(ctx context.Context, server *v1alpha1.IdentityServer) bool {
	return k.clock().Sub(server.DeletionTimestamp.Time) > abandonAfter && namespaceEnds(ctx, k.Client, server.Namespace)
}

// serviceToRetract is the running server, reached or started once more where
// this process has not done so yet; nil where it cannot run. An error is worth
// another try.
func (k *identityServers) serviceToRetract(ctx context.Context, server *v1alpha1.IdentityServer) (admin.Service, error) {
	if running := k.servers.Get(client.ObjectKeyFromObject(server)); running != nil {
		return running, nil
	}
	report := status.NewReport(v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.PublishedCondition)
	config, ok := k.gather(ctx, server, report)
	if !ok {
		_, err := report.Result()
		return nil, err
	}
	// The declared address may be another server's.
	config.ExternalURL = cmp.Or(server.Status.ExternalURL, config.ExternalURL)
	serving, err := k.start(ctx, server, config)
	if err != nil && !refusedByEndingNamespace(err) {
		logf.FromContext(ctx).Error(err, "Failed to start a server to take its tenants offline")
	}
	return serving.Service, nil
}

// start brings the server to its configuration, or gives up in time for other servers' sake.
func (k *identityServers) start(ctx context.Context, server *v1alpha1.IdentityServer, config ServerConfig) (Serving, error) {
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return k.launcher(server).Ensure(starting, client.ObjectKeyFromObject(server), config)
}

// forget stops the server and wakes what waits for its end.
func (k *identityServers) forget(ctx context.Context, name types.NamespacedName) error {
	k.servers.remove(name)
	// Where the object is gone its mode is unknown; a launcher ignores what it does not run.
	if err := errors.Join(k.embedded.Stop(ctx, name), k.deployed.Stop(ctx, name)); err != nil {
		return err
	}
	k.follow.wakeAll(ctx, name)
	k.wakers.servers.wake(k.claimants(ctx, k.addresses.release(name))...)
	return nil
}

// observe writes the status fields of a server that runs.
func (k *identityServers) observe(ctx context.Context, server *v1alpha1.IdentityServer, serving Serving) {
	tenants := namesOf(ctx, k.Client, &v1alpha1.TenantList{}, client.MatchingFields{byServer: client.ObjectKeyFromObject(server).String()})
	server.Status.Version = serving.Version
	server.Status.Replicas = serving.Replicas
	server.Status.Service = serving.ServiceName
	server.Status.Storage = "SQLite"
	if storage := server.Spec.Storage; storage != nil && storage.Postgres != nil {
		server.Status.Storage = "PostgreSQL"
	}
	server.Status.Tenants = count(len(tenants))
}
