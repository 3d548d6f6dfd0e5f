/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/status"
)

// tenantObject is an object that belongs to a tenant.
type tenantObject interface {
	status.Object
	GetTenantRef() v1alpha1.TenantReference
	GetPublishedTo() *v1alpha1.PublishedTo
	SetPublishedTo(to *v1alpha1.PublishedTo)
}

// publisher is what the controllers of a tenant's objects share.
type publisher struct {
	client.Client
	servers *Servers
}

// scope is where an object belongs: gathered once for an attempt.
type scope struct {
	resource *v1alpha1.Tenant
	tenant   directory.Tenant
	// server is nil while the IdP does not run.
	server *Server
}

// find gathers the object's scope. Where the tenant does not exist it adds that
// to the report and returns nil.
func (p *publisher) find(ctx context.Context, object tenantObject, report *status.Report) *scope {
	name := tenantName(object)
	tenant := &v1alpha1.Tenant{}
	err := p.Get(ctx, name, tenant)
	switch {
	case apierrors.IsNotFound(err), err == nil && !tenant.DeletionTimestamp.IsZero():
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
			fmt.Sprintf("Tenant %q does not exist in this namespace; create it or correct spec.tenantRef.", name.Name)))
		return nil
	case err != nil:
		report.Add(readFailed("The tenant", err))
		return nil
	}
	return &scope{
		resource: tenant,
		tenant:   directoryTenant(tenant),
		server:   p.servers.Get(serverName(tenant)),
	}
}

// tenantName is the Tenant that an object belongs to.
func tenantName(object tenantObject) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetTenantRef().Name}
}

// serverName is the IdentityServer that a tenant names.
func serverName(tenant *v1alpha1.Tenant) types.NamespacedName {
	ref := tenant.Spec.IdentityServerRef
	if ref.Namespace == "" {
		ref.Namespace = tenant.Namespace
	}
	return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
}

// admits reports whether a server takes tenants of the namespace.
func (p *publisher) admits(ctx context.Context, server *v1alpha1.IdentityServer, namespace string) (bool, error) {
	allowed := server.Spec.Tenants
	if allowed == nil || allowed.From == v1alpha1.NamespacesSame || namespace == server.Namespace {
		return namespace == server.Namespace, nil
	}
	if allowed.From == v1alpha1.NamespacesAll {
		return true, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(allowed.Selector)
	if err != nil {
		return false, err
	}
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := p.Get(ctx, types.NamespacedName{Name: namespace}, metadata); err != nil {
		return false, err
	}
	return selector.Matches(labels.Set(metadata.Labels)), nil
}

// publish makes the object live and reports the outcome. The result is nil
// where it is not live as declared.
func (p *publisher) publish(ctx context.Context, object tenantObject, in *scope, change admin.Change, report *status.Report) *admin.Result {
	if in.server == nil {
		report.Add(notRunning(serverName(in.resource)))
		return nil
	}
	if err := ensureFinalizer(ctx, p.Client, object); err != nil {
		report.Add(unavailable(v1alpha1.UnavailableReason, "The finalizer could not be written; it is tried again.", err))
		return nil
	}
	change.Owner, change.TenantOwner = client.ObjectKeyFromObject(object).String(), tenantName(object).String()
	result, err := in.server.publish(ctx, change)
	if err != nil {
		report.Add(p.unreached(serverName(in.resource), in.server, err))
		return nil
	}
	if result.Problem != nil {
		report.Add(refused(*result.Problem))
		return nil
	}
	name := serverName(in.resource)
	object.SetPublishedTo(&v1alpha1.PublishedTo{
		IdentityServer: v1alpha1.IdentityServerReference{Name: name.Name, Namespace: name.Namespace},
		Tenant:         in.tenant.Slug,
	})
	report.Add(published())
	return &result
}

// unreached tells that a server did not take a change: it failed, or it was
// stopped meanwhile.
func (p *publisher) unreached(name types.NamespacedName, server *Server, err error) status.Outcome {
	if p.servers.Get(name) != server {
		return notRunning(name)
	}
	return unavailable(v1alpha1.UnavailableReason, "The IdP could not be reached; it is tried again.", err)
}

// notRunning waits for a server, whose start wakes everything in its tenants.
func notRunning(name types.NamespacedName) status.Outcome {
	return waits(v1alpha1.IdentityServerNotReadyReason, fmt.Sprintf("IdentityServer %s does not run yet.", name))
}

// refused tells of a problem that the IdP found. For each of them the IdP sends
// a notice when the cause goes, so nothing is retried.
func refused(problem admin.Problem) status.Outcome {
	switch problem.Code {
	case admin.ProblemNotFound:
		return waits(v1alpha1.TenantNotReadyReason, "The tenant is not live yet.")
	case admin.ProblemConflict:
		return mustAct(v1alpha1.PublishedCondition, v1alpha1.ConflictReason, problem.Message)
	case admin.ProblemLimit:
		return mustAct(v1alpha1.PublishedCondition, v1alpha1.LicenseLimitReachedReason, problem.Message)
	case admin.ProblemInvalid:
		return mustAct(v1alpha1.PublishedCondition, v1alpha1.RefusedReason, problem.Message)
	}
	return mustAct(v1alpha1.PublishedCondition, v1alpha1.RefusedReason, problem.Message)
}

// retract takes an object out of the IdP.
func (p *publisher) retract(ctx context.Context, object tenantObject, kind admin.Kind) (string, error) {
	_, note, err := p.takeOut(ctx, object, kind)
	return note, err
}

// takeOut is retract with what the IdP says of it. Where the IdentityServer is
// gone, or the tenant took everything with it, there is nothing left to take out.
func (p *publisher) takeOut(ctx context.Context, object tenantObject, kind admin.Kind) (admin.Result, string, error) {
	server, slug, err := p.publishedAt(ctx, object)
	if err != nil || server.Name == "" {
		return admin.Result{}, "", err
	}
	key := admin.Key{Kind: kind, Tenant: slug, Name: object.GetName()}
	running, note, err := p.serverForDeletion(ctx, server)
	if running == nil {
		return admin.Result{}, note, err
	}
	result, err := p.unpublish(ctx, server, running, admin.Change{
		Key: key, Owner: client.ObjectKeyFromObject(object).String(), TenantOwner: tenantName(object).String(),
	})
	return result, "", err
}

// unpublish deletes at a server, which may be stopped meanwhile. The error is a
// deletionHeldError where the deletion waits for approval.
func (p *publisher) unpublish(ctx context.Context, name types.NamespacedName, server *Server, change admin.Change) (admin.Result, error) {
	result, err := server.publish(ctx, change)
	switch {
	case err != nil && p.servers.Get(name) != server:
		return admin.Result{}, fmt.Errorf("%w: %w", errServerAway, err)
	case err != nil || result.Problem == nil || result.Problem.Code != admin.ProblemHeld:
		return result, err
	}
	tenant := types.NamespacedName{}
	tenant.Namespace, tenant.Name, _ = strings.Cut(cmp.Or(change.TenantOwner, change.Owner), "/")
	return result, held(*result.Problem, tenant)
}

// publishedAt tells where the object is live: as status says, or, where a
// crash came before status was written, as its tenant says.
func (p *publisher) publishedAt(ctx context.Context, object tenantObject) (types.NamespacedName, string, error) {
	if to := object.GetPublishedTo(); to != nil {
		return types.NamespacedName{Namespace: to.IdentityServer.Namespace, Name: to.IdentityServer.Name}, to.Tenant, nil
	}
	tenant := &v1alpha1.Tenant{}
	err := p.Get(ctx, tenantName(object), tenant)
	if err != nil {
		return types.NamespacedName{}, "", client.IgnoreNotFound(err)
	}
	return serverName(tenant), slugOf(tenant), nil
}

// serverForDeletion returns the running server, or a note where its
// IdentityServer is gone, or an error where it only does not run now.
func (p *publisher) serverForDeletion(ctx context.Context, name types.NamespacedName) (*Server, string, error) {
	if server := p.servers.Get(name); server != nil {
		return server, "", nil
	}
	err := p.Get(ctx, name, &v1alpha1.IdentityServer{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Sprintf("Let go: IdentityServer %s no longer exists, and it took its tenants offline when it was deleted.", name), nil
	}
	if err != nil {
		return nil, "", err
	}
	return nil, "", fmt.Errorf("%w: %s", errServerAway, name)
}
