/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

const (
	roleAssignments = "/roleManagement/directory/roleAssignments"
	manageRoles     = "RoleManagement.ReadWrite.Directory"
	readRoles       = "RoleManagement.Read.Directory"
	// everywhere is the scope of an assignment to the whole tenant.
	everywhere = "/"
)

// assignment gives a directory role to somebody.
type assignment struct{ id, principal, role string }

// rolesOf are the mapped roles that a member should have; none while suspended:
// an app may not disable the account of an administrator.
func (t *Target) rolesOf(member directory.Member) string {
	var roles []string
	for _, mapping := range t.options.Roles {
		if mapping.Role == member.Role && !member.Suspended {
			roles = append(roles, mapping.DirectoryRole)
		}
	}
	return joinRoles(roles)
}

func joinRoles(roles []string) string {
	slices.Sort(roles)
	return strings.Join(slices.Compact(roles), ",")
}

func splitRoles(roles string) []string {
	return strings.FieldsFunc(roles, func(r rune) bool { return r == ',' })
}

// mapped tells whether a role is one that the target gives and takes.
func (t *Target) mapped(role string) bool {
	return slices.ContainsFunc(t.options.Roles, func(m RoleMapping) bool { return m.DirectoryRole == role })
}

// withRoles adds the mapped roles of an account that was found.
func (t *Target) withRoles(ctx context.Context, found *provision.Account, err error) (*provision.Account, error) {
	if err != nil || len(t.options.Roles) == 0 {
		return found, err
	}
	assignments, err := t.assignments(ctx, "principalId eq "+quoted(found.ExternalID))
	if err != nil {
		return nil, err
	}
	var roles []string
	for _, a := range assignments {
		if t.mapped(a.role) {
			roles = append(roles, a.role)
		}
	}
	found.Properties[rolesProperty] = joinRoles(roles)
	return found, nil
}

// roleHolders are the mapped roles of everybody who holds one, by external ID.
func (t *Target) roleHolders(ctx context.Context) (map[string][]string, error) {
	holders := map[string][]string{}
	for i, mapping := range t.options.Roles {
		if slices.ContainsFunc(t.options.Roles[:i], func(m RoleMapping) bool { return m.DirectoryRole == mapping.DirectoryRole }) {
			continue
		}
		assignments, err := t.assignments(ctx, "roleDefinitionId eq "+quoted(mapping.DirectoryRole))
		if err != nil {
			return nil, err
		}
		for _, a := range assignments {
			holders[a.principal] = append(holders[a.principal], a.role)
		}
	}
	return holders, nil
}

// assignments are those of the whole tenant that a filter finds.
func (t *Target) assignments(ctx context.Context, filter string) ([]assignment, error) {
	query := url.Values{"$filter": {filter}}
	var all []assignment
	err := t.pages(ctx, request{method: http.MethodGet, path: roleAssignments + "?" + encode(query), permission: readRoles}, func(item user) error {
		a := assignment{item.text("id"), item.text("principalId"), strings.ToLower(item.text("roleDefinitionId"))}
		if a.id == "" || a.principal == "" || a.role == "" {
			return nonsense("a role assignment that is not complete")
		}
		if item.text("directoryScopeId") == everywhere {
			all = append(all, a)
		}
		return nil
	})
	return all, err
}

// demote takes the mapped roles that are not among those to keep, and tells
// whether it took any.
func (t *Target) demote(ctx context.Context, id string, keep []string) (bool, error) {
	assignments, err := t.assignments(ctx, "principalId eq "+quoted(id))
	if err != nil {
		return false, err
	}
	taken := false
	for _, a := range assignments {
		if !t.mapped(a.role) || slices.Contains(keep, a.role) {
			continue
		}
		_, err := t.write(ctx, request{method: http.MethodDelete, path: roleAssignments + "/" + url.PathEscape(a.id), priority: high, permission: manageRoles})
		if err != nil && !provision.IsNotFound(err) {
			return taken, err
		}
		taken = true
	}
	return taken, nil
}

// promote gives roles.
func (t *Target) promote(ctx context.Context, id string, roles []string) error {
	for _, role := range roles {
		body := map[string]any{"principalId": id, "roleDefinitionId": role, "directoryScopeId": everywhere}
		_, err := t.write(ctx, request{method: http.MethodPost, path: roleAssignments, body: body, permission: manageRoles})
		// One that is there already is what was wanted.
		if err != nil && provision.CauseOf(err) != provision.Conflict {
			return err
		}
	}
	return nil
}

// missing are the values of want that have lacks.
func missing(want, have string) []string {
	held := splitRoles(have)
	return slices.DeleteFunc(splitRoles(want), func(role string) bool { return slices.Contains(held, role) })
}
