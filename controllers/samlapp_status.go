/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/samlmetadata"
)

// applyMetadata puts what metadata says into an app's settings. Logout messages must be
// verified, so without a certificate for it there are none.
func applyMetadata(settings *directory.SAMLSettings, provider *samlmetadata.ServiceProvider) {
	settings.EntityID = provider.EntityID
	settings.AssertionConsumerServices = provider.AssertionConsumerServices
	settings.Certificates = provider.Certificates
	settings.Requests.Signed = provider.RequestsSigned
	if slices.ContainsFunc(provider.Certificates, func(c directory.ServiceProviderCertificate) bool { return c.Use != directory.CertificateEncryption }) {
		settings.SingleLogoutServices = provider.SingleLogoutServices
	}
}

// providerBefore is what status said of the service provider before an attempt.
type providerBefore struct {
	provider *v1alpha1.ServiceProviderStatus
	current  *metav1.Condition
}

func beforeAttempt(app *v1alpha1.SAMLApp) providerBefore {
	before := providerBefore{provider: app.Status.ServiceProvider.DeepCopy()}
	if condition := meta.FindStatusCondition(app.Status.Conditions, v1alpha1.MetadataCurrentCondition); condition != nil {
		before.current = condition.DeepCopy()
	}
	return before
}

// observeProvider writes what the service provider is known by, and tells of
// other certificates and of metadata that is no longer current.
func (k *samlApps) observeProvider(ctx context.Context, app *v1alpha1.SAMLApp, settings *directory.SAMLSettings, from described, before providerBefore) {
	k.observeCurrency(ctx, app, from, before.current)
	if app.Spec.Metadata != nil && from.provider == nil {
		app.Status.ServiceProvider = before.provider // still in use, if there was any
		return
	}
	now := serviceProviderStatus(settings)
	if from.provider != nil {
		now.Metadata = metadataStatus(from)
	}
	app.Status.ServiceProvider = now
	if before.provider != nil {
		if note := certificatesNote(before.provider.Certificates, now.Certificates); note != "" {
			k.tell(ctx, app, corev1.EventTypeNormal, v1alpha1.CertificatesChangedReason, note)
		}
	}
}

// observeCurrency sets the condition MetadataCurrent, or takes it away from an
// app without metadata.
func (k *samlApps) observeCurrency(ctx context.Context, app *v1alpha1.SAMLApp, from described, before *metav1.Condition) {
	if app.Spec.Metadata == nil {
		meta.RemoveStatusCondition(&app.Status.Conditions, v1alpha1.MetadataCurrentCondition)
		return
	}
	if from.current.Status == "" {
		from.current = metav1.Condition{Status: metav1.ConditionUnknown, Reason: v1alpha1.NotEvaluatedReason, Message: "The document could not be read."}
	}
	from.current.Type, from.current.ObservedGeneration = v1alpha1.MetadataCurrentCondition, app.Generation
	if before != nil {
		// A patch of the object may have brought back what it was made with.
		meta.SetStatusCondition(&app.Status.Conditions, *before)
	}
	meta.SetStatusCondition(&app.Status.Conditions, from.current)
	switch {
	case before == nil || from.provider == nil || before.Status == from.current.Status && before.Reason == from.current.Reason:
	case from.current.Status == metav1.ConditionFalse:
		k.tell(ctx, app, corev1.EventTypeWarning, from.current.Reason, from.current.Message)
	case before.Status == metav1.ConditionFalse:
		k.tell(ctx, app, corev1.EventTypeNormal, from.current.Reason, from.current.Message)
	}
}

// maxNote is the longest note of an event, in bytes.
const maxNote = 1024

func (k *samlApps) tell(ctx context.Context, app *v1alpha1.SAMLApp, eventType, reason, note string) {
	if !namespaceEnds(ctx, k.Client, app.Namespace) {
		k.events.Eventf(app, nil, eventType, reason, "Reconcile", "%s", strings.ToValidUTF8(note[:min(len(note), maxNote)], ""))
	}
}

// serviceProviderStatus shows settings that are in use.
func serviceProviderStatus(settings *directory.SAMLSettings) *v1alpha1.ServiceProviderStatus {
	shown := &v1alpha1.ServiceProviderStatus{EntityID: settings.EntityID, RequestsSigned: &settings.Requests.Signed}
	first := settings.DefaultAssertionConsumerService().URL
	shown.AssertionConsumerServices = []string{first}
	for _, service := range settings.AssertionConsumerServices {
		if service.URL != first {
			shown.AssertionConsumerServices = append(shown.AssertionConsumerServices, service.URL)
		}
	}
	for _, certificate := range settings.Certificates {
		parsed, err := keypair.ParsePeerCertificate([]byte(certificate.PEM))
		if err != nil {
			continue // the condition says so
		}
		shown.Certificates = append(shown.Certificates, v1alpha1.ServiceProviderCertificateStatus{
			Use: string(certificate.Use), Fingerprint: keypair.Fingerprint(parsed), NotAfter: metav1.NewTime(parsed.NotAfter),
		})
	}
	return shown
}

func metadataStatus(from described) *v1alpha1.MetadataStatus {
	shown := &v1alpha1.MetadataStatus{
		Digest: from.digest, NameIDFormats: from.provider.NameIDFormats, AssertionsSigned: &from.provider.AssertionsSigned,
	}
	if !from.fetchedAt.IsZero() {
		shown.FetchedAt = metav1.NewTime(from.fetchedAt)
	}
	if !from.provider.ValidUntil.IsZero() {
		shown.ValidUntil = metav1.NewTime(from.provider.ValidUntil)
	}
	return shown
}

// certificatesNote tells which certificates came and went; empty where none did.
func certificatesNote(before, now []v1alpha1.ServiceProviderCertificateStatus) string {
	var parts []string
	for _, change := range []struct {
		word    string
		of, not []v1alpha1.ServiceProviderCertificateStatus
	}{{"new", now, before}, {"gone", before, now}} {
		for _, certificate := range change.of {
			if !slices.ContainsFunc(change.not, func(other v1alpha1.ServiceProviderCertificateStatus) bool {
				return other.Fingerprint == certificate.Fingerprint && other.Use == certificate.Use
			}) {
				parts = append(parts, fmt.Sprintf("%s %s", change.word, strings.TrimSpace(certificate.Use+" "+certificate.Fingerprint)))
			}
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "The service provider's certificates changed: " + strings.Join(parts, ", ") + "."
}
