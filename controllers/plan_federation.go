/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/entra"
)

// federationPlanner is a service that can tell what Federate would do.
type federationPlanner interface {
	PlanFederation(ctx context.Context, w entra.Wish, later func(entra.DomainUser) (entra.DomainUser, bool)) (entra.FederationOutcome, []entra.PlannedStep, error)
}

var _ federationPlanner = (*entra.Target)(nil)

// tellFederation finds out what would happen to the log-in of a target's domain,
// once the accounts are as given.
func (p *planner) tellFederation(ctx context.Context, t *plannedTarget, accounts []v1alpha1.Account, planned *plannedService) error {
	wanted, err := t.controller.federationOf(ctx, t.ProvisioningTarget, t.in, accounts)
	service, can := t.live.service.(federationPlanner)
	if err != nil || wanted == nil || !can || p.appUnknown(ctx, t) {
		return err
	}
	wish := wanted.wish
	signs := p.liveCertificates(ctx, t, &wish)
	var ids []string
	outcome, steps, err := service.PlanFederation(ctx, wish, planned.later(&ids))
	result := federationResult{digest: wanted.digest, at: p.Clock(), outcome: outcome}
	if err != nil {
		result.failure = asFailure(err)
		if cause := result.failure.Cause; cause.Passes() || cause.Pauses() {
			t.remark("What becomes of the log-in of " + wish.Domain + " was not found out: " + result.failure.Message)
			return ctx.Err()
		}
	}
	slices.Sort(ids)
	t.told.Federation = toldFederation(wish, result, t.Status.Federation, ids, toldSteps(steps, signs))
	return nil
}

// toldFederation is what would happen to a domain; nil where that is nothing.
func toldFederation(wish entra.Wish, result federationResult, before *v1alpha1.FederationStatus, ids []string, steps []plan.FederationStep) *plan.Federation {
	now := federationStatus(wish, result, before)
	if now == nil {
		return nil
	}
	same := before != nil && before.State == now.State && before.Message == now.Message && before.Risk == now.Risk
	if same && len(ids)+len(steps) == 0 {
		return nil
	}
	return &plan.Federation{Domain: wish.Domain, State: string(now.State), Message: now.Message, Risk: now.Risk, ImmutableIDs: ids, Steps: steps}
}

// toldSteps are the steps with what they change. The certificate of a key that is
// not made yet is none to be shown.
func toldSteps(steps []entra.PlannedStep, signs bool) []plan.FederationStep {
	var told []plan.FederationStep
	for _, step := range steps {
		// Of one that ends, that it does says all.
		before, after := step.Before.Properties(), step.After.Properties()
		if _, shown := after["signingCertificate"]; shown && !signs {
			after["signingCertificate"] = "(of the key that is made for the tenant)"
		}
		changes := provision.Differences(provision.Account{Properties: before}, provision.Desired{Properties: after})
		told = append(told, plan.FederationStep{Step: string(step.Step), Changes: toldChanges(changes)})
	}
	return told
}

// later tells how a user will be once the accounts are as planned, and notes whose
// immutable ID changes by that.
func (s *plannedService) later(ids *[]string) func(entra.DomainUser) (entra.DomainUser, bool) {
	return func(user entra.DomainUser) (entra.DomainUser, bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		made, written := s.made[user.ID]
		if !written {
			return user, true
		}
		if !made.Deleted && made.CorrelationID != user.ImmutableID {
			*ids = append(*ids, user.UserName)
		}
		user.UserName, user.ImmutableID, user.Active = made.UserName, made.CorrelationID, made.Active
		return user, !made.Deleted
	}
}

// liveCertificates puts the certificates that are live in place of those that the
// plan tries the controllers with, as private keys are none of its business. False
// tells that there are none yet.
func (p *planner) liveCertificates(ctx context.Context, t *plannedTarget, wish *entra.Wish) bool {
	now, after := &v1alpha1.Tenant{}, t.in.resource
	if p.now.Get(ctx, client.ObjectKeyFromObject(after), now) != nil || len(now.Status.Certificates) == 0 {
		return false
	}
	wish.Certificate = inBase64(now.Status.Certificates, v1alpha1.CertificateCurrent)
	wish.NextCertificate = inBase64(now.Status.Certificates, v1alpha1.CertificateNext)
	changed := !equality.Semantic.DeepEqual(now.Spec.SigningKey, after.Spec.SigningKey)
	for _, asking := range []string{v1alpha1.RotateSigningKeyAnnotation, v1alpha1.ReplaceSigningKeyAnnotation} {
		changed = changed || now.Annotations[asking] != after.Annotations[asking]
	}
	if changed {
		t.remark("What the tenant signs with may change, too: Microsoft is told of the certificate once there is one.")
	}
	return true
}

// appUnknown tells that the SAMLApp of a domain changes in a way that cannot be
// tried.
func (p *planner) appUnknown(ctx context.Context, t *plannedTarget) bool {
	if t.Spec.EntraID.Federation == nil {
		return false
	}
	app := &v1alpha1.SAMLApp{}
	name := client.ObjectKey{Namespace: t.Namespace, Name: t.Spec.EntraID.Federation.SAMLAppRef.Name}
	if p.after.Get(ctx, name, app) != nil || !p.touched[p.referenceTo(app)] || p.canBeTried(ctx, app) {
		return false
	}
	t.remark("What becomes of the log-in of " + string(t.Spec.EntraID.Domain) + " was not found out: the metadata of SAMLApp " + app.Name + " is fetched when it is applied.")
	return true
}

// tellUnasked tells that something becomes of a domain's log-in of which nothing
// is known without Microsoft.
func (p *planner) tellUnasked(ctx context.Context, t *plannedTarget) {
	if p.wishDigest(ctx, p.now, t) != p.wishDigest(ctx, p.after, t) {
		t.remark("What becomes of the log-in of " + string(t.Spec.EntraID.Domain) + " was not found out, as Microsoft was not asked.")
	}
}

// wishDigest is of what the log-in of a target's domain should be, as far as
// manifests say it; empty where they do not.
func (p *planner) wishDigest(ctx context.Context, state *overlay, t *plannedTarget) string {
	target, tenant := &v1alpha1.ProvisioningTarget{}, &v1alpha1.Tenant{}
	if state.Get(ctx, client.ObjectKeyFromObject(t), target) != nil ||
		state.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: target.Spec.TenantRef.Name}, tenant) != nil {
		return ""
	}
	k := &provisioningTargets{publisher: publisher{Client: state}}
	wanted, err := k.federationOf(ctx, target, &scope{resource: tenant, tenant: directoryTenant(tenant)}, nil)
	if err != nil || wanted == nil {
		return ""
	}
	wish := wanted.wish
	wish.Certificate, wish.NextCertificate = "", ""
	return wishDigest(wish)
}
