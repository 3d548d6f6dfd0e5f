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
	// Looked tells that everybody in the domain was looked at.
	Looked bool
}

// Federate brings the log-in of a domain nearer to a wish, by one or a few
// steps. The outcome counts although there is an error: it tells how far it came.
// What was written is not read again: Graph may not show it yet. A federation is
// made only where its issuer is known from before: the outcome's step is
// CreateStep, with no error, where the caller has to remember the issuer first.
// Whom a federation that is there cuts off is looked at last: what cannot be read
// must not keep a certificate back.
func (t *Target) Federate(ctx context.Context, w Wish) (FederationOutcome, error) {
	return t.follow(ctx, w, way{
		step: func(o FederationOutcome) (*Federation, error) { return t.step(ctx, w, o) }, remembered: w.KnownIssuer == w.Issuer,
	})
}

// PlannedStep is a step that Federate would make.
type PlannedStep struct {
	Step Step
	// Before and After are nil where there is no federation.
	Before, After *Federation
}

// PlanFederation tells what Federate would bring a domain to and by which steps,
// and writes nothing. The caller is taken to remember the issuer in between. later
// tells how a user will be by then; false where it will be gone.
func (t *Target) PlanFederation(ctx context.Context, w Wish, later func(DomainUser) (DomainUser, bool)) (FederationOutcome, []PlannedStep, error) {
	var steps []PlannedStep
	outcome, err := t.follow(ctx, w, way{later: later, remembered: true, step: func(o FederationOutcome) (*Federation, error) {
		after := o.after()
		steps = append(steps, PlannedStep{o.Step, o.Existing, after})
		return after, nil
	}})
	return outcome, steps, err
}

// way is how a domain goes from step to step.
type way struct {
	// later tells how a user is to be taken; nil as it is.
	later func(DomainUser) (DomainUser, bool)
	// step makes the next step and returns the federation as it is then.
	step func(FederationOutcome) (*Federation, error)
	// remembered: the issuer is known to whoever asks, whatever becomes of an answer.
	remembered bool
}

// follow makes one step after the other until there is none.
func (t *Target) follow(ctx context.Context, w Wish, way way) (FederationOutcome, error) {
	var o FederationOutcome
	facts, err := t.facts(ctx, w, way.later)
	if err != nil {
		return o, err
	}
	for {
		o.Existing, o.Plan, o.Looked = facts.Existing, NextStep(w, facts), facts.Looked
		switch {
		case o.Step == "" && o.State == Federated && !facts.Looked && !w.Settling:
			if err := t.people(ctx, w, &facts, way.later); err != nil {
				return o, err
			}
			continue
		case o.Step == "", o.Step == CreateStep && !way.remembered:
			// An answer that is lost must not leave a federation that nobody knows of.
			return o, nil
		}
		if facts.Existing, err = way.step(o); err != nil {
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
		return o.after(), explainFederation(w, t.UpdateFederation(ctx, w.Domain, o.Existing.ID, o.Change))
	case ClearNextStep:
		return o.after(), t.ClearNextCertificate(ctx, w.Domain, o.Existing.ID)
	default:
		return nil, t.DeleteFederation(ctx, w.Domain, o.Existing.ID)
	}
}

// after is the federation as the next step leaves it; one that is made has its ID
// from Microsoft.
func (o FederationOutcome) after() *Federation {
	switch o.Step {
	case CreateStep:
		made := o.Change
		return &made
	case UpdateStep:
		return o.Existing.with(o.Change)
	case ClearNextStep:
		cleared := *o.Existing
		cleared.NextSigningCertificate = ""
		return &cleared
	default:
		return nil
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

// facts reads what NextStep needs. People are looked at only before a domain is federated.
func (t *Target) facts(ctx context.Context, w Wish, later func(DomainUser) (DomainUser, bool)) (Facts, error) {
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
	err = t.people(ctx, w, &f, later)
	return f, err
}

// people looks whom a federation cuts off, and who could undo it. Users are taken
// as later tells; nil as they are.
func (t *Target) people(ctx context.Context, w Wish, f *Facts, later func(DomainUser) (DomainUser, bool)) error {
	administrators, err := t.CloudAdministrators(ctx, w.Domain)
	if err != nil {
		return err
	}
	f.Administrators = len(administrators)
	if w.Settling {
		// Whoever is a stranger now may be a member's account in a moment.
		return nil
	}
	err = t.DomainUsers(ctx, w.Domain, func(u DomainUser) error {
		if later != nil {
			var stays bool
			if u, stays = later(u); !stays || !inDomain(u.UserName, w.Domain) {
				return nil
			}
		}
		want, member := w.Members[u.ID]
		switch {
		case member && u.ImmutableID != want:
			f.Unready = append(f.Unready, u.UserName)
		case !member && u.Active:
			f.Strangers = append(f.Strangers, u.UserName)
		}
		return nil
	})
	f.Looked = err == nil
	return err
}
