/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
)

// tellGroups finds out what would happen to the groups in a service, in which the
// accounts are as given.
func (p *planner) tellGroups(ctx context.Context, t *plannedTarget, accounts []v1alpha1.Account) error {
	if t.in == nil {
		return nil
	}
	wanted, err := t.controller.wantedOf(ctx, t.ProvisioningTarget, t.in, accounts)
	if err != nil || wanted == nil {
		return err
	}
	var steps []groupStep
	var failure error = errNoGroups
	if service, ok := t.live.service.(groupLister); ok {
		steps, failure = wanted.steps(ctx, service)
	}
	if failure != nil {
		t.remark("What becomes of groups in the service was not found out: " + asFailure(failure).Message)
		return ctx.Err()
	}
	if len(steps) == 0 {
		return nil
	}
	names, err := p.accountNames(ctx, t, accounts)
	for _, step := range steps {
		t.told.Groups = append(t.told.Groups, toldGroup(step, names))
	}
	return err
}

// toldGroup is what a step does, by names.
func toldGroup(step groupStep, names map[string]string) plan.Group {
	group := cmp.Or(step.wanted.CorrelationID, step.found.CorrelationID)
	_, name, _ := strings.Cut(group, "/")
	told := plan.Group{Group: name, DisplayName: cmp.Or(step.wanted.DisplayName, step.found.DisplayName), Action: step.action}
	if step.action == provision.Delete {
		return told
	}
	if step.action == provision.Update && step.found.DisplayName != step.wanted.DisplayName {
		told.Formerly = step.found.DisplayName
	}
	told.Joins = namesOfOthers(step.wanted.Members, step.found.Members, names)
	told.Leaves = namesOfOthers(step.found.Members, step.wanted.Members, names)
	return told
}

// namesOfOthers are the names of those of all that are not among some, sorted.
func namesOfOthers(all, some []string, names map[string]string) []string {
	among := map[string]bool{}
	for _, id := range some {
		among[id] = true
	}
	var found []string
	for _, id := range all {
		if !among[id] {
			found = append(found, cmp.Or(names[id], id))
		}
	}
	slices.Sort(found)
	return found
}

// accountNames are Members' names by the external IDs of their accounts, now and
// then, and user names of accounts that no member accounts for.
func (p *planner) accountNames(ctx context.Context, t *plannedTarget, accounts []v1alpha1.Account) (map[string]string, error) {
	now := &v1alpha1.AccountList{}
	err := p.now.List(ctx, now, client.InNamespace(t.Namespace), client.MatchingFields{byTarget: t.Name})
	names := map[string]string{}
	for _, account := range slices.Concat(now.Items, accounts) {
		name := account.Status.UserName
		if account.Spec.MemberRef != nil {
			name = account.Spec.MemberRef.Name
		}
		if id := cmp.Or(account.Status.ExternalID, account.Spec.ExternalID); id != "" && name != "" {
			names[id] = name
		}
	}
	return names, err
}

// rememberGroups makes the groups of a target as Tegata last saw to them.
func (p *planner) rememberGroups(ctx context.Context, before *v1alpha1.ProvisioningTarget, accounts []v1alpha1.Account, into *rememberedService) error {
	tenant := &v1alpha1.Tenant{}
	name := client.ObjectKey{Namespace: before.Namespace, Name: before.Spec.TenantRef.Name}
	if err := p.now.Get(ctx, name, tenant); err != nil || before.Status.Groups == nil {
		return client.IgnoreNotFound(err)
	}
	k := &provisioningTargets{publisher: publisher{Client: p.now}, clock: p.Clock}
	there, err := k.wantedOf(ctx, before, &scope{resource: tenant, tenant: directoryTenant(tenant)}, accounts)
	if there != nil {
		into.groups = there.groups
	}
	return err
}
