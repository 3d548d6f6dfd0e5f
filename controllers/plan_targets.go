/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

// troubleError means that a service cannot be planned with: it does not answer,
// or takes no more calls, or not with these credentials.
type troubleError struct{ message string }

func (e *troubleError) Error() string { return e.message }

// plannedTarget is a target as it would be, and what is told of it.
type plannedTarget struct {
	*v1alpha1.ProvisioningTarget
	controller *provisioningTargets
	// in is nil where there is no tenant.
	in   *scope
	live liveTarget
	told *plan.Target
}

// remark tells what could not be found out.
func (t *plannedTarget) remark(text string) { t.told.Remarks = append(t.told.Remarks, text) }

// tellTargets finds out what would happen in other services.
func (p *planner) tellTargets(ctx context.Context) error {
	targets := &v1alpha1.ProvisioningTargetList{}
	if err := p.after.List(ctx, targets); err != nil {
		return err
	}
	if err := p.ensureAccounts(ctx); err != nil {
		return err
	}
	for i := range targets.Items {
		target := &targets.Items[i]
		if !target.DeletionTimestamp.IsZero() {
			continue
		}
		if _, concerned := p.tenants[types.NamespacedName{Namespace: target.Namespace, Name: target.Spec.TenantRef.Name}]; !concerned {
			continue
		}
		t := p.planned(target)
		if intuneTarget(target.Spec) != "" {
			p.checkTarget(ctx, t) // it has no accounts
			continue
		}
		if err := p.tellTarget(ctx, t); err != nil {
			return err
		}
		if t.in != nil {
			t.told.Remarks = append(t.told.Remarks, undeclaredAttributes(target.Spec, t.in.tenant)...)
		}
		if told := *t.told; len(told.Remarks)+told.Unchanged > 0 || told.Changes() {
			p.plan.Targets = append(p.plan.Targets, told)
		}
	}
	for _, object := range p.input.Pruned {
		if target, ok := object.(*v1alpha1.ProvisioningTarget); ok {
			p.plan.Targets = append(p.plan.Targets, p.abandoned(ctx, target))
		}
	}
	return ctx.Err()
}

// abandoned is a target that goes: its accounts stay in the service as they are.
func (p *planner) abandoned(ctx context.Context, target *v1alpha1.ProvisioningTarget) plan.Target {
	told := plan.Target{Reference: p.referenceTo(target)}
	accounts := &v1alpha1.AccountList{}
	of := []client.ListOption{client.InNamespace(target.Namespace), client.MatchingFields{byTarget: target.Name}}
	if err := p.now.List(ctx, accounts, of...); err == nil {
		for _, account := range accounts.Items {
			if account.Spec.MemberRef != nil && account.Status.ExternalID != "" && account.Status.State != v1alpha1.AccountRemoved {
				told.Unchanged++
			}
		}
	}
	told.Remarks = []string{"The target goes; its accounts and groups stay in the service as they are, and nobody keeps them any more."}
	if federation := federationLeft(target); federation != "" {
		told.Remarks = append(told.Remarks, federation)
	}
	return told
}

func (p *planner) planned(target *v1alpha1.ProvisioningTarget) *plannedTarget {
	t := &plannedTarget{ProvisioningTarget: target, told: &plan.Target{Reference: p.referenceTo(target)}}
	t.controller = &provisioningTargets{
		publisher: publisher{Client: p.after, servers: p.servers}, uncached: secretsAround{p.after, p.Below}, wakers: p.wakers,
		targets: newLiveTargets(p.Clock, p.wakers.provisioningTargets.wakeOne), clock: p.Clock, make: p.Services,
	}
	t.live = t.controller.liveOf(target)
	return t
}

// ensureAccounts makes the Account objects that members lack.
func (p *planner) ensureAccounts(ctx context.Context) error {
	k := &memberAccounts{gatherer: gatherer{p.after}, targets: newLiveTargets(p.Clock, p.wakers.provisioningTargets.wakeOne)}
	for tenant := range p.tenants {
		in, of := client.InNamespace(tenant.Namespace), client.MatchingFields{byTenant: tenant.Name}
		for _, name := range namesOf(ctx, p.after, &v1alpha1.MemberList{}, in, of) {
			if _, err := k.Reconcile(ctx, reconcile.Request{NamespacedName: name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellTarget asks the service, and where it cannot be asked, what is known of it.
func (p *planner) tellTarget(ctx context.Context, t *plannedTarget) error {
	if t.Annotations[v1alpha1.SuspendedAnnotation] == "true" {
		t.remark("The target is suspended: nothing of this happens before it is resumed.")
	}
	if p.openService(ctx, t) {
		err := p.tellService(ctx, t)
		trouble, isTrouble := errors.AsType[*troubleError](err)
		if !isTrouble {
			return err
		}
		t.remark("The service could not be asked: " + trouble.message)
	}
	if len(t.told.Remarks) == 0 && !p.Offline {
		return nil
	}
	return p.tellFromStatus(ctx, t)
}

// tellService finds out what happens in a service that can be asked. The error is
// a troubleError where the service cannot be planned with.
func (p *planner) tellService(ctx context.Context, t *plannedTarget) error {
	if err := p.checkService(ctx, t); err != nil {
		return err
	}
	service := newPlannedService(t.live.service)
	accounts, err := p.tellAccounts(ctx, t, service)
	if err == nil {
		err = p.tellGroups(ctx, t, accounts)
	}
	if err == nil {
		err = p.tellFederation(ctx, t, accounts, service)
	}
	return err
}

// checkService makes the operator's check of a service, which reads only, and tells
// of a domain that is not there, or of a permission that is missing.
func (p *planner) checkService(ctx context.Context, t *plannedTarget) error {
	_, err := t.live.service.Check(ctx)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	failure := asFailure(err)
	if failure.Cause.Passes() || failure.Cause.Pauses() {
		return &troubleError{failure.Message}
	}
	report := status.NewReport(v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.SyncedCondition)
	report.Add(accepted())
	report.Add(resolved())
	report.Add(moment{state: runState{failure: failure}}.failed())
	said := t.DeepCopy()
	report.Write(said)
	p.tellProblem(ctx, said)
	t.remark("Nothing of this happens before it is mended: " + failure.Message)
	return nil
}

// openService makes the target's service. False tells that it cannot be asked,
// which the remarks or the problems then say.
func (p *planner) openService(ctx context.Context, t *plannedTarget) bool {
	k := t.controller
	k.lifetime = ctx
	report := status.NewReport(v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.SyncedCondition)
	t.in = k.findTenant(ctx, t.ProvisioningTarget, report)
	ok := t.in != nil
	if ok {
		_, ok = k.accept(ctx, t.ProvisioningTarget, t.in, report)
	}
	if ok && p.Offline {
		return false
	}
	if ok && !p.AskChanged {
		keeps, err := p.keepsKeys(ctx, t.ProvisioningTarget)
		if err != nil || !keeps {
			t.remark("The service was not asked: the target is new, or moves to another address or other credentials, and manifests under review must not have keys sent there. " +
				"Once they are reviewed, ask it with --ask-changed-targets.")
			// To look whether everything is there sends nothing anywhere.
			if _, ok = k.prepare(ctx, t.ProvisioningTarget, t.in, report); !ok {
				p.tellRefused(ctx, t, report)
			}
			return false
		}
	}
	if ok {
		t.live, ok = k.prepare(ctx, t.ProvisioningTarget, t.in, report)
	}
	if ok {
		return true
	}
	for _, condition := range []string{v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.SyncedCondition} {
		outcome := report.Outcome(condition)
		switch {
		case outcome.Err != nil && apierrors.IsForbidden(outcome.Err):
			t.remark("The service was not asked: you may not read what the target names (" + outcome.Err.Error() + ").")
		case outcome.Err != nil:
			t.remark("The service was not asked: " + outcome.Err.Error())
		case outcome.Verdict != status.Done:
			said := t.DeepCopy()
			report.Write(said)
			p.tellProblem(ctx, said)
			return false
		}
	}
	return false
}

// checkTarget tells what stands against a target, and asks no service.
func (p *planner) checkTarget(ctx context.Context, t *plannedTarget) {
	k := t.controller
	k.lifetime = ctx
	report := status.NewReport(v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.SyncedCondition)
	if t.in = k.findTenant(ctx, t.ProvisioningTarget, report); t.in != nil {
		if _, ok := k.accept(ctx, t.ProvisioningTarget, t.in, report); ok && !p.Offline {
			k.prepare(ctx, t.ProvisioningTarget, t.in, report)
		}
	}
	p.tellRefused(ctx, t, report)
}

// tellRefused tells what a person has to mend in a target, if there is anything.
func (p *planner) tellRefused(ctx context.Context, t *plannedTarget, report *status.Report) {
	for _, condition := range []string{v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition} {
		if report.Outcome(condition).Verdict == status.UserMustAct {
			said := t.DeepCopy()
			report.Write(said)
			p.tellProblem(ctx, said)
			return
		}
	}
}

// tellFromStatus plans with what Tegata last knew of the service.
func (p *planner) tellFromStatus(ctx context.Context, t *plannedTarget) error {
	service, err := p.withoutSecrets(t.Spec)
	if err != nil {
		t.remark("Nothing can be said of the accounts.")
		return nil
	}
	known := rememberedService{Target: service, known: map[string]provision.Account{}}
	if err := p.remember(ctx, t, &known); err != nil {
		return err
	}
	t.live.service = known
	t.told.FromStatus, t.told.Accounts, t.told.Unchanged = true, nil, 0
	accounts, err := p.tellAccounts(ctx, t, newPlannedService(known))
	if trouble, ok := errors.AsType[*troubleError](err); ok {
		t.remark(trouble.message)
		return nil
	}
	if err != nil {
		return err
	}
	p.tellUnasked(ctx, t)
	return p.tellGroups(ctx, t, accounts)
}

// withoutSecrets is a service that can tell what accounts should be, and no more.
func (p *planner) withoutSecrets(spec v1alpha1.ProvisioningTargetSpec) (provision.Target, error) {
	return p.Services(ServiceOptions{
		Spec: spec, Now: p.Clock, OfMember: func(string) bool { return false }, Secret: func(string, string) []byte { return []byte("-") },
	})
}

// remember makes the accounts and groups of a target as Tegata last saw to them.
func (p *planner) remember(ctx context.Context, t *plannedTarget, into *rememberedService) error {
	before := &v1alpha1.ProvisioningTarget{}
	if err := p.now.Get(ctx, client.ObjectKeyFromObject(t), before); err != nil {
		return client.IgnoreNotFound(err)
	}
	service := into.Target
	if former, err := p.withoutSecrets(before.Spec); err == nil {
		service = former
	}
	accounts := &v1alpha1.AccountList{}
	if err := p.now.List(ctx, accounts, client.InNamespace(before.Namespace), client.MatchingFields{byTarget: before.Name}); err != nil {
		return err
	}
	for i := range accounts.Items {
		account := &accounts.Items[i]
		fields := account.Status
		if fields.ExternalID == "" || fields.State == v1alpha1.AccountRemoved {
			continue
		}
		made := provision.Account{
			ExternalID: fields.ExternalID, CorrelationID: fields.CorrelationID, UserName: fields.UserName, DisplayName: fields.DisplayName,
			Active: fields.State != v1alpha1.AccountDisabled,
		}
		if account.Spec.MemberRef != nil {
			desired, err := gatherer{p.now}.desired(ctx, liveTarget{name: client.ObjectKeyFromObject(before), service: service}, account)
			if err == nil && desired != nil {
				made.Properties, made.UserName = desired.Properties, cmp.Or(fields.UserName, desired.UserName)
			}
		}
		into.known[fields.ExternalID] = made
	}
	return p.rememberGroups(ctx, before, accounts.Items, into)
}
