/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/entra"
	"tegata.dev/tegata/internal/status"
)

// How long until a domain is looked at again, beside each sync of all accounts.
const (
	federationNow   = 2 * time.Second  // what is about to be made had to be remembered first
	federationSoon  = 30 * time.Second // its accounts are being prepared
	federationLater = 5 * time.Minute  // somebody has to do something at Microsoft
)

// federator is a service that can federate a domain.
type federator interface {
	Federate(ctx context.Context, w entra.Wish) (entra.FederationOutcome, error)
}

// federationResult is what the last look at a domain brought.
type federationResult struct {
	digest string
	// members is a digest of those whose accounts were known to be in the domain.
	members string
	at      time.Time
	outcome entra.FederationOutcome
	// failure is what a call failed with; nil where all went well.
	failure *provision.Error
}

// federate brings a domain nearer to what is wanted. Only what every other call
// would fail with is an error of the run: accounts do not depend on federation.
func (k *provisioningTargets) federate(ctx context.Context, w work) (*federationResult, error) {
	service, can := w.live.service.(federator)
	if !can {
		return nil, nil
	}
	wish := w.federation.wish
	// Comparing everything took a while, in which accounts were made.
	accounts, err := k.accountsOf(ctx, w.live.name)
	if err != nil {
		return nil, err
	}
	expect(&wish, accounts)
	outcome, err := service.Federate(ctx, wish)
	result := &federationResult{digest: w.federation.digest, members: jsonDigest(wish.Members), at: k.clock(), outcome: outcome}
	if err == nil && outcome.Risk != "" {
		accounts, err = k.accountsOf(ctx, w.live.name)
		after := wish
		expect(&after, accounts)
		if !maps.Equal(wish.Members, after.Members) {
			// Who seems a stranger may be a member by now.
			result.outcome.Looked, result.outcome.Risk = false, ""
		}
	}
	if err == nil {
		return result, nil
	}
	result.failure = asFailure(err)
	if result.failure.Cause.Pauses() {
		return result, err
	}
	return result, nil
}

// due is when a domain is looked at again; zero is with the next sync.
func (r federationResult) due() time.Time {
	switch {
	case r.at.IsZero():
		return time.Time{}
	case r.failure == nil && r.outcome.Step == entra.CreateStep:
		return r.at.Add(federationNow)
	case r.failure != nil && r.failure.Cause.Passes(), r.failure == nil && (r.outcome.State == entra.Preparing || r.outcome.State == entra.Federated && !r.outcome.Looked):
		return r.at.Add(federationSoon)
	case r.failure != nil, r.outcome.State == entra.Blocked, r.outcome.State == entra.Reverting, r.outcome.Risk != "":
		return r.at.Add(federationLater)
	default:
		return time.Time{}
	}
}

// federationDue tells that a domain has to be looked at.
func (m moment) federationDue() bool {
	if m.federation == nil {
		return false
	}
	last := m.state.federation
	due := last.due()
	return last.digest != m.federation.digest || !due.IsZero() && !m.now.Before(due) || m.othersThere()
}

// othersThere tells that other accounts are known to be in a domain than when
// something stood against it, which may have been them.
func (m moment) othersThere() bool {
	last, wish := m.state.federation, m.federation.wish
	stands := last.outcome.State == entra.Blocked || last.outcome.State == entra.Preparing || last.outcome.Risk != ""
	return stands && !wish.Settling && last.members != jsonDigest(wish.Members)
}

// observeFederation writes how the domain is. It returns what an event should
// tell; empty where nothing new happened.
func observeFederation(target *v1alpha1.ProvisioningTarget, m moment) (note string) {
	if m.federation == nil {
		if told := target.Status.Federation; told != nil && told.State != v1alpha1.FederationManaged {
			target.Status.Federation = nil
		}
		return ""
	}
	last := m.state.federation
	if last.at.IsZero() || last.digest != m.federation.digest {
		return ""
	}
	before := target.Status.Federation
	now := federationStatus(m.federation.wish, last, before)
	target.Status.Federation = now
	if now == nil || before != nil && before.State == now.State && before.Risk == now.Risk && fingerprintsOf(before) == fingerprintsOf(now) {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("Domain %s: %s. %s %s", m.federation.wish.Domain, now.State, now.Message, now.Risk))
}

func fingerprintsOf(f *v1alpha1.FederationStatus) string {
	return fingerprints(v1alpha1.TenantStatus{Certificates: f.Certificates})
}

// federationStatus shows what the last look brought.
func federationStatus(wish entra.Wish, last federationResult, before *v1alpha1.FederationStatus) *v1alpha1.FederationStatus {
	outcome := last.outcome
	now := &v1alpha1.FederationStatus{State: v1alpha1.FederationState(outcome.State), Message: outcome.Message}
	if last.failure != nil {
		now.State, now.Message = v1alpha1.FederationBlocked, last.failure.Message
		switch {
		case outcome.State == entra.Federated:
			now.State = v1alpha1.FederationFederated
		case before != nil && (last.failure.Cause.Passes() || before.State == v1alpha1.FederationFederated):
			now.State = before.State
		}
	}
	switch {
	case outcome.Existing != nil && outcome.State == entra.Federated:
		now.ID, now.Issuer = outcome.Existing.ID, outcome.Existing.Issuer
		now.Certificates = certificatesThere(*outcome.Existing)
	case outcome.State == entra.Managed && wish.Off:
		if now.Message == "" || wish.KnownID == "" {
			return nil
		}
	case outcome.State == entra.Preparing:
		// It is known before it is made, so that one whose answer is lost is ours.
		now.Issuer = wish.Issuer
	default:
		now.ID, now.Issuer = wish.KnownID, wish.KnownIssuer
	}
	if now.State == v1alpha1.FederationFederated {
		now.Risk = riskOf(last, before)
	}
	now.Message = asMessage(now.Message)
	now.Risk = asMessage(now.Risk)
	return now
}

// riskOf is who is cut off by a federation that is there. What could not be
// looked at is as it was.
func riskOf(last federationResult, before *v1alpha1.FederationStatus) string {
	if failure := last.failure; failure != nil && !failure.Cause.Passes() && !failure.Cause.Pauses() {
		return failure.Message
	}
	if last.outcome.Risk != "" || last.outcome.Looked || before == nil {
		return last.outcome.Risk
	}
	return before.Risk
}

func asMessage(message string) string {
	return strings.ToValidUTF8(message[:min(len(message), 2048)], "")
}

// certificatesThere are those that Microsoft holds.
func certificatesThere(f entra.Federation) []v1alpha1.Certificate {
	var all []v1alpha1.Certificate
	for _, held := range []struct {
		use   v1alpha1.CertificateUse
		value string
	}{{v1alpha1.CertificateCurrent, f.SigningCertificate}, {v1alpha1.CertificateNext, f.NextSigningCertificate}} {
		der, err := base64.StdEncoding.DecodeString(held.value)
		if err != nil || held.value == "" {
			continue
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			continue // it was put there by hand, and is replaced
		}
		all = append(all, v1alpha1.Certificate{Use: held.use, Fingerprint: keypair.Fingerprint(certificate), NotAfter: metav1.NewTime(certificate.NotAfter)})
	}
	return all
}

// federationOutcome tells in the conditions what stands against a federation;
// false where nothing does.
func federationOutcome(target *v1alpha1.ProvisioningTarget) (status.Outcome, bool) {
	told := target.Status.Federation
	if told == nil || target.Spec.EntraID == nil || target.Spec.EntraID.Federation == nil {
		return status.Outcome{}, false
	}
	switch told.State {
	case v1alpha1.FederationBlocked:
		return status.Outcome{Verdict: status.UserMustAct, Reason: v1alpha1.FederationBlockedReason,
			Message: "Every account is as declared, but the domain is not federated: " + cmp.Or(told.Message, "status.federation tells why.")}, true
	case v1alpha1.FederationPreparing:
		return waits(v1alpha1.SyncingReason, cmp.Or(told.Message, "The domain is being federated.")), true
	case v1alpha1.FederationFederated:
		if told.Risk == "" {
			return status.Outcome{}, false
		}
		return status.Outcome{Verdict: status.UserMustAct, Reason: v1alpha1.FederationAtRiskReason,
			Message: fmt.Sprintf("Every account is as declared, but somebody has to see to the log-in of %s: %s", target.Spec.EntraID.Domain, told.Risk)}, true
	default:
		return status.Outcome{}, false
	}
}

// tellFederation emits an event.
func (k *provisioningTargets) tellFederation(ctx context.Context, target *v1alpha1.ProvisioningTarget, note string) {
	if note == "" || k.events == nil || namespaceEnds(ctx, k.Client, target.Namespace) {
		return
	}
	kind := corev1.EventTypeNormal
	if now := target.Status.Federation; now.State == v1alpha1.FederationBlocked || now.State == v1alpha1.FederationReverting || now.Risk != "" {
		kind = corev1.EventTypeWarning
	}
	k.events.Eventf(target, nil, kind, v1alpha1.FederationChangedReason, "Federate", "%s", strings.ToValidUTF8(note[:min(len(note), maxNote)], ""))
}

// federationLeft tells of the federation that stays when a target is deleted;
// empty where there is none.
func federationLeft(target *v1alpha1.ProvisioningTarget) string {
	told := target.Status.Federation
	if told == nil || told.ID == "" || told.State != v1alpha1.FederationFederated {
		return ""
	}
	return fmt.Sprintf("Microsoft still sends everybody in %s here to log in; end that there (Remove-MgDomainFederationConfiguration -DomainId %s -InternalDomainFederationId %s) before the SAMLApp or the tenant goes, else they are cut off.",
		target.Spec.EntraID.Domain, target.Spec.EntraID.Domain, told.ID)
}
