/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"errors"
	"fmt"

	"tegata.dev/tegata/internal/provision"
)

// FederationOutcome is how a domain is after Federate.
type FederationOutcome struct {
	Plan
	// Existing is the federation as it is; nil where there is none.
	Existing *Federation
	// Steps were made, in this order.
	Steps []Step
}

// Federate brings the log-in of a domain nearer to a wish, by one or a few
// steps. The outcome counts although there is an error: it tells how far it came.
// What was written is not read again: Graph may not show it yet. A federation is
// made only where its issuer is known from before: the outcome's step is
// CreateStep, with no error, where the caller has to remember the issuer first.
func (t *Target) Federate(ctx context.Context, w Wish) (FederationOutcome, error) {
	var o FederationOutcome
	facts, err := t.facts(ctx, w)
	if err != nil {
		return o, err
	}
	for {
		o.Existing, o.Plan = facts.Existing, NextStep(w, facts)
		if o.Step == "" {
			return o, nil
		}
		if o.Step == CreateStep && w.KnownIssuer != w.Issuer {
			// An answer that is lost must not leave a federation that nobody knows of.
			return o, nil
		}
		if facts.Existing, err = t.step(ctx, w, o); err != nil {
			return o, err
		}
		o.Steps = append(o.Steps, o.Step)
		if o.Step == DeleteStep {
			o.Existing = nil
			return o, nil
		}
	}
}

// step makes a step and returns the federation as it is then.
func (t *Target) step(ctx context.Context, w Wish, o FederationOutcome) (*Federation, error) {
	switch o.Step {
	case CreateStep:
		made, err := t.CreateFederation(ctx, w.Domain, o.Change)
		return made, explainFederation(w, err)
	case UpdateStep:
		return o.Existing.with(o.Change), explainFederation(w, t.UpdateFederation(ctx, w.Domain, o.Existing.ID, o.Change))
	case ClearNextStep:
		cleared := *o.Existing
		cleared.NextSigningCertificate = ""
		return &cleared, t.ClearNextCertificate(ctx, w.Domain, o.Existing.ID)
	default:
		return nil, t.DeleteFederation(ctx, w.Domain, o.Existing.ID)
	}
}

// with is a federation after a change of what is not empty.
func (f Federation) with(change Federation) *Federation {
	for into, value := range map[*string]string{
		&f.DisplayName: change.DisplayName, &f.Issuer: change.Issuer, &f.PassiveSignIn: change.PassiveSignIn, &f.SignOut: change.SignOut,
		&f.SigningCertificate: change.SigningCertificate, &f.NextSigningCertificate: change.NextSigningCertificate,
		&f.Protocol: change.Protocol, &f.MFA: change.MFA,
	} {
		if value != "" {
			*into = value
		}
	}
	return &f
}

// explainFederation tells what a conflict is: issuers are unique in all of Entra ID.
func explainFederation(w Wish, err error) error {
	e, is := errors.AsType[*provision.Error](err)
	if !is || e.Cause != provision.Conflict {
		return err
	}
	explained := *e
	explained.Message = fmt.Sprintf("Another domain at Microsoft has the issuer %s already; give the SAMLApp an issuer of its own in spec.issuer.", w.Issuer)
	return &explained
}

// facts reads what NextStep needs. Users are listed only before a domain is federated.
func (t *Target) facts(ctx context.Context, w Wish) (Facts, error) {
	var f Facts
	var err error
	if f.Domain, err = t.Domain(ctx, w.Domain); provision.IsNotFound(err) {
		return Facts{}, nil
	}
	if err != nil {
		return f, err
	}
	if f.Domain.Verified {
		all, err := t.Federations(ctx, w.Domain)
		if err != nil {
			return f, err
		}
		if len(all) > 0 {
			f.Existing = &all[0]
		}
	}
	if w.Off || f.Existing != nil || refusal(w, Facts{Domain: f.Domain, Administrators: 1}) != "" {
		return f, nil
	}
	administrators, err := t.CloudAdministrators(ctx, w.Domain)
	if err != nil {
		return f, err
	}
	f.Administrators = len(administrators)
	if w.Settling {
		// Whoever is a stranger now may be a member's account in a moment.
		return f, nil
	}
	return f, t.DomainUsers(ctx, w.Domain, func(u DomainUser) error {
		want, member := w.Members[u.ID]
		switch {
		case member && u.ImmutableID != want:
			f.Unready = append(f.Unready, u.UserName)
		case !member && u.Active:
			f.Strangers = append(f.Strangers, u.UserName)
		}
		return nil
	})
}
