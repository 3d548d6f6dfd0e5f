/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/status"
)

// expiryWarning is how long before its certificate expires a tenant says so.
const expiryWarning = 30 * 24 * time.Hour

// observeTenant writes the status fields of a tenant that is live at the server's address.
func observeTenant(tenant *v1alpha1.Tenant, url string, state admin.TenantState, info keypair.CertificateInfo) {
	slug, server := slugOf(tenant), serverName(tenant)
	fields := &tenant.Status
	fields.Slug = slug
	fields.IdentityServer = &v1alpha1.IdentityServerReference{Name: server.Name, Namespace: server.Namespace}
	fields.PortalURL = url + "/"
	fields.Issuer = endpoints.Issuer(url, slug)
	fields.MetadataURL = endpoints.Metadata(url, slug)
	fields.SingleSignOnURL = endpoints.SingleSignOn(url, slug)
	fields.SingleLogoutURL = endpoints.SingleLogout(url, slug)
	fields.Certificates = []v1alpha1.Certificate{{
		Use: "Signing", Fingerprint: info.SHA256Fingerprint, NotAfter: metav1.NewTime(info.NotAfter), PEM: info.PEM,
	}}
	fields.Members = count(state.Members)
	fields.PendingMembers = count(state.PendingMembers)
	fields.LicensesLeft = nil
	if licenses := tenant.Spec.Licenses; licenses > 0 {
		fields.LicensesLeft = count(max(int(licenses)-state.Members, 0))
	}
}

// warnExpiry says in Published's message when the certificate needs to be
// replaced, and returns when to look again.
func warnExpiry(report *status.Report, info keypair.CertificateInfo, now time.Time) time.Duration {
	left := info.NotAfter.Sub(now)
	if left > expiryWarning {
		return left - expiryWarning
	}
	outcome := published()
	outcome.Message = fmt.Sprintf("Live in the IdP, but the signing certificate expires at %s; put a new key pair into the Secret and tell the service providers.",
		info.NotAfter.UTC().Format(time.RFC3339))
	report.Add(outcome)
	return 0
}

func count(n int) *int32 {
	value := int32(n) // #nosec G115 -- counts of objects, far below the limit
	return &value
}
