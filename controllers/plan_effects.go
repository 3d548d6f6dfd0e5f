/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/plan"
)

// standing is what somebody has, each in a few words.
type standing map[string]bool

// tellEffects compares what everybody has now with what they would have.
func (p *planner) tellEffects(ctx context.Context) error {
	for tenant := range p.tenants {
		before, err := standings(ctx, p.now, tenant)
		if err != nil {
			return err
		}
		after, err := standings(ctx, p.after, tenant)
		if err != nil {
			return err
		}
		names := maps.Clone(before)
		maps.Copy(names, after)
		for name := range names {
			effect := plan.Effect{Namespace: tenant.Namespace, Member: name, Gains: lacking(before[name], after[name]), Loses: lacking(after[name], before[name])}
			if len(effect.Gains)+len(effect.Loses) > 0 {
				p.plan.Effects = append(p.plan.Effects, effect)
			}
		}
	}
	return nil
}

// lacking is what is in the second and not in the first, sorted.
func lacking(first, second standing) []string {
	var found []string
	for item := range second {
		if !first[item] {
			found = append(found, item)
		}
	}
	slices.Sort(found)
	return found
}

// standings are those of a tenant's live members, by name.
func standings(ctx context.Context, state *overlay, name types.NamespacedName) (map[string]standing, error) {
	found := map[string]standing{}
	tenant := &v1alpha1.Tenant{}
	if err := state.Get(ctx, name, tenant); err != nil {
		return found, client.IgnoreNotFound(err)
	}
	in := &scope{resource: tenant, tenant: directoryTenant(tenant)}
	apps, err := tenantApps(ctx, state, in, name.Namespace)
	if err != nil {
		return nil, err
	}
	apps = slices.DeleteFunc(apps, func(app directory.App) bool {
		return app.Kind == directory.KindSAMLApp && !in.tenant.Plan.AllowsSAMLApps()
	})
	members := &v1alpha1.MemberList{}
	err = state.List(ctx, members, client.InNamespace(name.Namespace), client.MatchingFields{byTenant: name.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, err
	}
	for i := range members.Items {
		member := &members.Items[i]
		if member.Status.ID == "" {
			continue
		}
		groups, err := groupsAround(ctx, state, in.tenant.Slug, member)
		if err != nil {
			return nil, err
		}
		person := directory.WithoutFaults(in.tenant, directoryMember(in.tenant, member, nil))
		found[member.Name] = standingOf(person, directory.GroupsOf(person, groups), apps)
	}
	return found, nil
}

func standingOf(person directory.Member, groups []directory.Group, apps []directory.App) standing {
	has := standing{}
	if !person.Suspended {
		has["log-in"] = true
	}
	for _, group := range groups {
		role, _ := group.RoleOf(person)
		has[fmt.Sprintf("group %s (%s)", group.Name, role)] = true
	}
	for _, permission := range person.EffectiveAdditionalPermissions() {
		has["permission "+string(permission)] = true
	}
	for _, app := range apps {
		if directory.CanUse(person, groups, app) {
			has[fmt.Sprintf("app %s/%s", app.Kind, app.Name)] = true
		}
	}
	for _, permission := range directory.EffectivePermissions(person, groups, apps) {
		has[fmt.Sprintf("permission %s of %s/%s", permission.Effective, permission.App.Kind, permission.App.Name)] = true
	}
	return has
}
