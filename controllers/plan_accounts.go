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
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
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
		if _, concerned := p.tenants[types.NamespacedName{Namespace: target.Namespace, Name: target.Spec.TenantRef.Name}]; !concerned || intuneTarget(target.Spec) != "" {
			continue
		}
		told := plan.Target{Reference: p.referenceTo(target)}
		if err := p.tellTarget(ctx, target, &told); err != nil {
			return err
		}
		if len(told.Accounts)+len(told.Remarks) > 0 || told.Unchanged > 0 {
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
	told.Remarks = []string{"The target goes; its accounts stay in the service as they are, and nobody keeps them any more."}
	return told
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
func (p *planner) tellTarget(ctx context.Context, target *v1alpha1.ProvisioningTarget, told *plan.Target) error {
	if target.Annotations[v1alpha1.SuspendedAnnotation] == "true" {
		told.Remarks = append(told.Remarks, "The target is suspended: nothing of this happens before it is resumed.")
	}
	live, usable := p.liveTarget(ctx, target, told)
	if usable {
		err := p.tellAccounts(ctx, target, live, told)
		trouble, isTrouble := errors.AsType[*troubleError](err)
		if !isTrouble {
			return err
		}
		told.Remarks = append(told.Remarks, "The service could not be asked: "+trouble.message)
	}
	if len(told.Remarks) == 0 && !p.Offline {
		return nil
	}
	return p.tellFromStatus(ctx, target, told)
}

// liveTarget makes the target's service. False tells that it cannot be asked,
// which the remarks or the problems then say.
func (p *planner) liveTarget(ctx context.Context, target *v1alpha1.ProvisioningTarget, told *plan.Target) (liveTarget, bool) {
	k := &provisioningTargets{
		publisher: publisher{Client: p.after, servers: p.servers}, uncached: secretsAround{p.after, p.Below}, wakers: p.wakers,
		targets: newLiveTargets(p.Clock, p.wakers.provisioningTargets.wakeOne), clock: p.Clock, lifetime: ctx, make: p.Services,
	}
	report := status.NewReport(v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.SyncedCondition)
	in := k.findTenant(ctx, target, report)
	live, ok := k.liveOf(target), in != nil
	if ok {
		_, ok = k.accept(target, in, report)
	}
	if ok && p.Offline {
		return live, false
	}
	if ok && !p.AskChanged {
		keeps, err := p.keepsKeys(ctx, target)
		if err != nil || !keeps {
			told.Remarks = append(told.Remarks, "The service was not asked: the target is new, or moves to another address or other credentials, and manifests under review must not have keys sent there. "+
				"Once they are reviewed, ask it with --ask-changed-targets.")
			return live, false
		}
	}
	if ok {
		live, ok = k.prepare(ctx, target, in, report)
	}
	if ok {
		return live, true
	}
	for _, condition := range []string{v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.SyncedCondition} {
		outcome := report.Outcome(condition)
		switch {
		case outcome.Err != nil && apierrors.IsForbidden(outcome.Err):
			told.Remarks = append(told.Remarks, "The service was not asked: you may not read what the target names ("+outcome.Err.Error()+").")
		case outcome.Err != nil:
			told.Remarks = append(told.Remarks, "The service was not asked: "+outcome.Err.Error())
		case outcome.Verdict != status.Done:
			said := target.DeepCopy()
			report.Write(said)
			p.tellProblem(ctx, said)
			return live, false
		}
	}
	return live, false
}

// tellFromStatus plans with what Tegata last knew of the accounts.
func (p *planner) tellFromStatus(ctx context.Context, target *v1alpha1.ProvisioningTarget, told *plan.Target) error {
	service, err := p.withoutSecrets(target.Spec)
	if err != nil {
		told.Remarks = append(told.Remarks, "Nothing can be said of the accounts.")
		return nil
	}
	known := map[string]provision.Account{}
	if err := p.remember(ctx, target, service, known); err != nil {
		return err
	}
	k := &provisioningTargets{}
	live := k.liveOf(target)
	live.service = rememberedService{Target: service, known: known}
	told.FromStatus, told.Accounts, told.Unchanged = true, nil, 0
	err = p.tellAccounts(ctx, target, live, told)
	if trouble, ok := errors.AsType[*troubleError](err); ok {
		told.Remarks = append(told.Remarks, trouble.message)
		return nil
	}
	return err
}

// withoutSecrets is a service that can tell what accounts should be, and no more.
func (p *planner) withoutSecrets(spec v1alpha1.ProvisioningTargetSpec) (provision.Target, error) {
	return p.Services(ServiceOptions{
		Spec: spec, Now: p.Clock, OfMember: func(string) bool { return false }, Secret: func(string, string) []byte { return []byte("-") },
	})
}

// remember makes the accounts of a target as Tegata last saw to them.
func (p *planner) remember(ctx context.Context, target *v1alpha1.ProvisioningTarget, service provision.Target, known map[string]provision.Account) error {
	before := &v1alpha1.ProvisioningTarget{}
	if err := p.now.Get(ctx, client.ObjectKeyFromObject(target), before); err != nil {
		return client.IgnoreNotFound(err)
	}
	if former, err := p.withoutSecrets(before.Spec); err == nil {
		service = former
	}
	accounts := &v1alpha1.AccountList{}
	err := p.now.List(ctx, accounts, client.InNamespace(target.Namespace), client.MatchingFields{byTarget: target.Name})
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
		known[fields.ExternalID] = made
	}
	return err
}

// tellAccounts tries out the controller of Accounts. The error is a troubleError
// where the service cannot be planned with.
func (p *planner) tellAccounts(ctx context.Context, target *v1alpha1.ProvisioningTarget, live liveTarget, told *plan.Target) error {
	service := newPlannedService(live.service)
	live.service = service
	targets := newLiveTargets(p.Clock, p.wakers.provisioningTargets.wakeOne)
	targets.set(live)
	k := &accounts{
		gatherer: gatherer{p.after}, uncached: p.after, targets: targets, wakers: p.wakers, audit: p.audit, clock: p.Clock, ledger: newRemovalLedger(),
	}
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry)
	k.queue = newProvisionQueue(1, limiter, func(reconcile.Request) class { return class{target: live.name} })
	list := &v1alpha1.AccountList{}
	if err := p.after.List(ctx, list, client.InNamespace(target.Namespace), client.MatchingFields{byTarget: target.Name}); err != nil {
		return err
	}
	for i := range list.Items {
		account := &list.Items[i]
		if account.Spec.MemberRef == nil || !account.DeletionTimestamp.IsZero() {
			continue
		}
		before := account.DeepCopy()
		outcome, err := p.tryAccount(ctx, k, account, service)
		if err != nil {
			return err
		}
		if happens, ok := p.happening(before, account, outcome, service.taken(), live); ok {
			told.Accounts = append(told.Accounts, happens)
		} else {
			told.Unchanged++
		}
	}
	return nil
}

// tryAccount makes one attempt on an account.
func (p *planner) tryAccount(ctx context.Context, k *accounts, account *v1alpha1.Account, service *plannedService) (status.Outcome, error) {
	attempt, err := k.begin(ctx, account)
	if err != nil || attempt.target == nil {
		return status.Outcome{}, err
	}
	attempt.live.service = service // unobserved: no queue waits for its answers
	report := status.NewReport(v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.SyncedCondition)
	outcome := attempt.settle(ctx, report)
	if err := ctx.Err(); err != nil {
		return outcome, err
	}
	switch outcome.Reason {
	case string(provision.Unavailable), string(provision.Forbidden), v1alpha1.AuthenticationFailedReason, v1alpha1.ThrottledReason:
		return outcome, &troubleError{outcome.Message}
	}
	return outcome, nil
}

// happening is what would happen to an account; false where that is nothing.
func (p *planner) happening(before, after *v1alpha1.Account, outcome status.Outcome, writes []plannedWrite, live liveTarget) (plan.Account, bool) {
	happens := plan.Account{Member: before.Spec.MemberRef.Name, UserName: cmp.Or(before.Status.UserName, after.Status.UserName)}
	state, was := after.Status.State, before.Status
	switch failure := after.Status.Error; {
	case len(writes) > 0:
		first, last := writes[0], writes[len(writes)-1]
		happens.Action = first.action
		if first.action == provision.Update && ptr.Deref(after.Status.Adopted, false) && !ptr.Deref(was.Adopted, false) {
			happens.Action = provision.Adopt
		}
		if last.desired != nil {
			happens.UserName = last.desired.UserName
			happens.Changes = toldChanges(provision.Differences(first.found, *last.desired))
		}
	case state == v1alpha1.AccountHeld && was.State != v1alpha1.AccountHeld:
		happens.Action, happens.Held, happens.Message = provision.Action(live.removal), true, outcome.Message
	case state == v1alpha1.AccountRetained && was.State != v1alpha1.AccountRetained:
		happens.Action = provision.Retain
	case outcome.Verdict == status.UserMustAct && failure != nil && (was.Error == nil || was.Error.Cause != failure.Cause || was.Error.Message != failure.Message):
		happens.Action, happens.Cause, happens.Message = provision.Refuse, failure.Cause, failure.Message
	default:
		return happens, false
	}
	return happens, true
}

// toldChanges are changes without IDs that are not given out yet.
func toldChanges(changes []provision.Change) []plan.Change {
	var told []plan.Change
	for _, change := range changes {
		to := change.To
		if isPlannedID(to) {
			to = "(ID of the new member)"
		}
		told = append(told, plan.Change{Property: change.Property, From: change.From, To: to})
	}
	return told
}
