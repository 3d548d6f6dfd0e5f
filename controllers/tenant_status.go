/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"fmt"
	"slices"
	"strings"
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
func observeTenant(tenant *v1alpha1.Tenant, url string, state admin.TenantState, key *signing) {
	slug, server := slugOf(tenant), serverName(tenant)
	fields := &tenant.Status
	fields.Slug = slug
	fields.IdentityServer = &v1alpha1.IdentityServerReference{Name: server.Name, Namespace: server.Namespace}
	fields.PortalURL = url + "/"
	fields.Issuer = endpoints.Issuer(url, slug)
	fields.MetadataURL = endpoints.Metadata(url, slug)
	fields.SingleSignOnURL = endpoints.SingleSignOn(url, slug)
	fields.SingleLogoutURL = endpoints.SingleLogout(url, slug)
	observeKeys(fields, key)
	fields.Members = count(state.Members)
	fields.PendingMembers = count(state.PendingMembers)
	fields.LicensesLeft = nil
	if licenses := tenant.Spec.Licenses; licenses > 0 {
		fields.LicensesLeft = count(max(int(licenses)-state.Members, 0))
	}
}

// observeKeys writes which certificates service providers should trust, and until when.
func observeKeys(fields *v1alpha1.TenantStatus, key *signing) {
	fields.Certificates = []v1alpha1.Certificate{certificateStatus(v1alpha1.CertificateCurrent, key.info)}
	for use, text := range map[v1alpha1.CertificateUse][]byte{
		v1alpha1.CertificateNext: key.keys.Next.Certificate, v1alpha1.CertificatePrevious: key.keys.Previous,
	} {
		if info, err := keypair.InspectCertificate(text); err == nil {
			fields.Certificates = append(fields.Certificates, certificateStatus(use, info))
		}
	}
	// Current, Next, Previous: by chance the order of the alphabet.
	slices.SortFunc(fields.Certificates, func(a, b v1alpha1.Certificate) int { return strings.Compare(string(a.Use), string(b.Use)) })
	fields.SigningKey = nil
	told := v1alpha1.SigningKeyStatus{
		NextFrom: metav1.NewTime(key.keys.NextFrom), PreviousUntil: metav1.NewTime(key.keys.PreviousUntil),
		LastRotation: key.keys.Rotated, LastReplacement: key.keys.Replaced,
	}
	if told != (v1alpha1.SigningKeyStatus{}) {
		fields.SigningKey = &told
	}
}

func certificateStatus(use v1alpha1.CertificateUse, info keypair.CertificateInfo) v1alpha1.Certificate {
	return v1alpha1.Certificate{Use: use, Fingerprint: info.SHA256Fingerprint, NotAfter: metav1.NewTime(info.NotAfter), PEM: info.PEM}
}

// willBeReplaced reports whether another key signs before the certificate ends.
func (key *signing) willBeReplaced() bool {
	if key.wish.Follow != nil {
		return false
	}
	next := key.keys.NextFrom
	return key.wish.Interval > 0 || !next.IsZero() && next.Before(key.info.NotAfter)
}

// unreplacedEnd is when the certificate ends, zero where another key signs before.
func (key *signing) unreplacedEnd() time.Time {
	if key.willBeReplaced() {
		return time.Time{}
	}
	return key.info.NotAfter.UTC()
}

// warnExpiry says in Published's message when the certificate needs to be
// replaced, and returns when to look again.
func warnExpiry(report *status.Report, key *signing, now time.Time) time.Duration {
	left := key.info.NotAfter.Sub(now)
	if left > expiryWarning {
		return left - expiryWarning
	}
	if key.willBeReplaced() {
		return 0
	}
	remedy := "set the annotation " + v1alpha1.RotateSigningKeyAnnotation + " to a new value"
	if key.wish.Follow != nil {
		remedy = "put a new key pair into the Secret"
	}
	outcome := published()
	outcome.Reason = v1alpha1.CertificateExpiringReason
	verb := "expires"
	if left <= 0 {
		outcome.Reason, verb = v1alpha1.CertificateExpiredReason, "expired"
	}
	outcome.Message = fmt.Sprintf("Live in the IdP, but the signing certificate %s at %s; %s and tell the service providers that do not read the metadata.",
		verb, key.info.NotAfter.UTC().Format(time.RFC3339), remedy)
	report.Add(outcome)
	return max(left, 0)
}

func count(n int) *int32 {
	value := int32(n) // #nosec G115 -- counts of objects, far below the limit
	return &value
}
