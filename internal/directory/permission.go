/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// PermissionGrant gives an app's permission to a member or a group (O11.1).
type PermissionGrant struct {
	App        AppReference `json:"app"`
	Permission string       `json:"permission"`
}

// SourceKind is where an effective permission comes from.
type SourceKind string

// The sources, in the order in which a tie is told: the nearest wins.
const (
	SourceMember  SourceKind = "Member"
	SourceGroup   SourceKind = "Group"
	SourceDefault SourceKind = "Default"
)

// EffectivePermission is the permission a member holds for an app, and why.
type EffectivePermission struct {
	App AppReference `json:"app"`
	// Own is the one given to the member itself; "" is none.
	Own string `json:"own,omitempty"`
	// Effective is the highest of all that apply.
	Effective  string     `json:"effective"`
	SourceKind SourceKind `json:"sourceKind"`
	// SourceName is the group's object name for SourceGroup.
	SourceName string `json:"sourceName,omitempty"`
	// Administrator tells that the effective permission is an administrator's.
	Administrator bool `json:"administrator,omitempty"`
}

// PermissionOf is the member's effective permission for the app: the highest
// in the app's order of what the member, its groups and the app's default give
// (O11.1). groups must be those the member is in, as GroupsOf orders them: of
// several that give the same the first is the source. It is false when none
// applies. A grant of a permission that the app does not declare counts for nothing.
func PermissionOf(m Member, groups []Group, a App) (EffectivePermission, bool) {
	best := EffectivePermission{App: a.Reference()}
	rank := len(a.Permissions)
	offer := func(permission string, source SourceKind, name string) {
		r := a.permissionRank(permission)
		if r >= 0 && r < rank {
			rank, best.Effective, best.SourceKind, best.SourceName = r, permission, source, name
		}
	}
	if own := grantOf(m.Permissions, a); own != "" && a.permissionRank(own) >= 0 {
		best.Own = own
		offer(own, SourceMember, "")
	}
	for _, group := range groups {
		offer(grantOf(group.Permissions, a), SourceGroup, group.Name)
	}
	offer(a.DefaultPermission, SourceDefault, "")
	if rank == len(a.Permissions) {
		return EffectivePermission{}, false
	}
	best.Administrator = a.Permissions[rank].Administrator
	return best, true
}

// EffectivePermissions are the member's permissions for all apps given, by
// kind and name of the app. groups are those the member is in.
func EffectivePermissions(m Member, groups []Group, apps []App) []EffectivePermission {
	var all []EffectivePermission
	for _, app := range apps {
		if permission, ok := PermissionOf(m, groups, app); ok {
			all = append(all, permission)
		}
	}
	slices.SortFunc(all, func(a, b EffectivePermission) int {
		return cmp.Or(strings.Compare(string(a.App.Kind), string(b.App.Kind)), strings.Compare(a.App.Name, b.App.Name))
	})
	return all
}

// CanUse reports whether the member may open the app; groups are those the
// member is in. A suspended member may open nothing.
func CanUse(m Member, groups []Group, a App) bool {
	if m.Suspended || m.Tenant != a.Tenant {
		return false
	}
	if !a.Restricted {
		return true
	}
	return slices.ContainsFunc(groups, func(g Group) bool { return slices.Contains(a.Groups, g.Name) })
}

// CheckGrants tells which grants name an app or a permission that does not
// exist. find looks an app up.
func CheckGrants(field string, grants []PermissionGrant, find func(AppReference) (App, bool)) Problems {
	var problems Problems
	for i, grant := range grants {
		app, found := find(grant.App)
		switch {
		case !found:
			problems = append(problems, Problem{
				Field:   fmt.Sprintf("%s[%d].appRef", field, i),
				Message: fmt.Sprintf("%s %q does not exist in this tenant; create it or remove the permission", grant.App.Kind, grant.App.Name),
			})
		case app.permissionRank(grant.Permission) < 0:
			problems = append(problems, Problem{
				Field:   fmt.Sprintf("%s[%d].permission", field, i),
				Message: fmt.Sprintf("%s %q declares no permission %q; use one of its spec.permissions", grant.App.Kind, grant.App.Name, grant.Permission),
			})
		}
	}
	return problems
}

// permissionRank is the position in the app's order, 0 the highest, or -1.
func (a App) permissionRank(name string) int {
	return slices.IndexFunc(a.Permissions, func(p Permission) bool { return p.Name == name })
}

// grantOf is the highest permission for the app among the grants, or "".
func grantOf(grants []PermissionGrant, a App) string {
	best, name := len(a.Permissions), ""
	for _, grant := range grants {
		if grant.App != a.Reference() {
			continue
		}
		if r := a.permissionRank(grant.Permission); r >= 0 && r < best {
			best, name = r, grant.Permission
		}
	}
	return name
}
