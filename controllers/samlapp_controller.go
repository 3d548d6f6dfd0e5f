/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/status"
)

// samlApps is the controller of SAMLApp.
type samlApps struct {
	appSupport
	wakers  *wakers
	fetches *fetches
	clock   Clock
	events  events.EventRecorder
}

func (k *samlApps) newObject() *v1alpha1.SAMLApp { return &v1alpha1.SAMLApp{} }

func (k *samlApps) setup(mgr ctrl.Manager) error {
	k.events = mgr.GetEventRecorder("samlapp-controller")
	return k.watchReferences(ctrl.NewControllerManagedBy(mgr).
		Named("samlapp").
		For(&v1alpha1.SAMLApp{}, builder.WithPredicates(declared))).
		// The tenant's certificates and URLs are shown here too.
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(k.ofTenant), builder.WithPredicates(shownChanged)).
		Watches(&v1alpha1.IdentityServer{}, handler.EnqueueRequestsFromMapFunc(k.ofServer), builder.WithPredicates(sourcesChanged)).
		WatchesRawSource(k.wakers.samlApps).
		WithOptions(controllerOptions(2)).
		Complete(&reconciler[*v1alpha1.SAMLApp]{
			client: k.Client, events: k.events, kind: k,
		})
}

// ofServer wakes the apps of every tenant of a server.
func (k *samlApps) ofServer(ctx context.Context, server client.Object) []reconcile.Request {
	var all []reconcile.Request
	for _, tenant := range namesOf(ctx, k.Client, &v1alpha1.TenantList{}, client.MatchingFields{byServer: client.ObjectKeyFromObject(server).String()}) {
		all = append(all, k.allOf(ctx, tenant.Namespace, tenant.Name)...)
	}
	return all
}

// sourcesChanged passes a change of where metadata may be fetched from.
var sourcesChanged = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.IdentityServer).Spec, e.ObjectNew.(*v1alpha1.IdentityServer).Spec
		return !equality.Semantic.DeepEqual(before.MetadataSources, after.MetadataSources)
	},
}

// shownChanged passes a change of what a SAMLApp shows of its tenant.
var shownChanged = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.Tenant).Status, e.ObjectNew.(*v1alpha1.Tenant).Status
		return before.Issuer != after.Issuer || fingerprints(before) != fingerprints(after)
	},
}

func fingerprints(tenant v1alpha1.TenantStatus) string {
	var all string
	for _, certificate := range tenant.Certificates {
		all += string(certificate.Use) + certificate.Fingerprint
	}
	return all
}

// attempt publishes the app and shows what its administrator must enter.
func (k *samlApps) attempt(ctx context.Context, app *v1alpha1.SAMLApp, report *status.Report) {
	in := k.find(ctx, app, report)
	if in == nil {
		return
	}
	if !in.tenant.Plan.AllowsSAMLApps() {
		k.takeOffline(ctx, app, in, report)
		return
	}
	icon, ok := readImage(ctx, k.uncached, app.Namespace, app.Spec.Icon, "spec.icon", report)
	if !ok {
		return
	}
	converted, before, from := directorySAMLApp(in.tenant.Slug, app, icon), beforeAttempt(app), described{}
	if app.Spec.Metadata == nil {
		k.fetches.forget(client.ObjectKeyFromObject(app))
	} else if from = k.describe(ctx, app, in, report); from.provider != nil {
		applyMetadata(converted.SAML, from.provider)
	}
	if (app.Spec.Metadata == nil || from.provider != nil) && certificatesUsable(converted.SAML, report) {
		k.checkAndPublish(ctx, app, in, converted, report)
		observeSAMLApp(app, in)
	}
	// The finalizer's patch brought status back as it was, so this comes last.
	k.observeProvider(ctx, app, converted.SAML, from, before)
}

// certificatesUsable checks what the schema cannot tell of a service provider's certificates.
func certificatesUsable(settings *directory.SAMLSettings, report *status.Report) bool {
	for i, certificate := range settings.Certificates {
		if _, err := keypair.ParsePeerCertificate([]byte(certificate.PEM)); err != nil {
			report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, fmt.Sprintf("serviceProvider.certificates[%d]: %v.", i, err)))
			return false
		}
	}
	if settings.Encryption == "" {
		return true
	}
	if _, _, err := keypair.EncryptionCertificate(settings.Certificates); err != nil {
		report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, fmt.Sprintf("encryption: %v; or remove encryption.", err)))
		return false
	}
	return true
}

// takeOffline keeps an app that the plan does not allow, not Ready (O1.5).
func (k *samlApps) takeOffline(ctx context.Context, app *v1alpha1.SAMLApp, in *scope, report *status.Report) {
	report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.PlanReason,
		fmt.Sprintf("Plan Free of tenant %s does not include SAML apps; set the Tenant's spec.plan to Plus.", in.tenant.Slug)))
	if !controllerutil.ContainsFinalizer(app, v1alpha1.Finalizer) {
		return
	}
	if _, err := k.retract(ctx, app); err != nil {
		report.Add(unavailable(v1alpha1.UnavailableReason, "The app could not be taken offline yet; it is tried again.", err))
		return
	}
	app.Status.PublishedTo = nil
}

var _ forgetter = (*samlApps)(nil)

// forget drops what is known of the fetches of an app that is gone.
func (k *samlApps) forget(_ context.Context, name types.NamespacedName) error {
	k.fetches.forget(name)
	return nil
}

func (k *samlApps) retract(ctx context.Context, app *v1alpha1.SAMLApp) (string, error) {
	return k.publisher.retract(ctx, app, k.kind)
}

// observeSAMLApp shows what the service provider's administrator must enter.
func observeSAMLApp(app *v1alpha1.SAMLApp, in *scope) {
	tenant, fields := in.resource.Status, &app.Status
	if tenant.Issuer == "" || in.server == nil {
		return
	}
	fields.Issuer = cmp.Or(app.Spec.Issuer, tenant.Issuer)
	fields.SingleSignOnURL = tenant.SingleSignOnURL
	fields.SingleLogoutURL = tenant.SingleLogoutURL
	fields.MetadataURL = tenant.MetadataURL
	fields.InitiateURL = endpoints.IdPInitiated(in.server.externalURL, in.tenant.Slug, app.Name)
	fields.Certificates = tenant.Certificates
}
