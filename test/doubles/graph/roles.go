/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// assignment of a directory role.
type assignment struct{ id, principal, role string }

var assignmentProperties = map[string]property{
	"id": {kind: text, byDefault: true, readOnly: true}, "principalId": {kind: text, byDefault: true, filterable: true, kept: true},
	"roleDefinitionId": {kind: text, byDefault: true, filterable: true, kept: true}, "directoryScopeId": {kind: text, byDefault: true, filterable: true, kept: true},
	"appScopeId": {kind: text}, "condition": {kind: text},
}

func (a *assignment) fields() map[string]any {
	return map[string]any{"id": a.id, "principalId": a.principal, "roleDefinitionId": a.role, "directoryScopeId": "/"}
}

func (s *Server) rolesList(c *call, _ params) answer {
	var all []map[string]any
	for _, a := range s.roles {
		all = append(all, a.fields())
	}
	return s.listAll(c, assignmentProperties, "roleManagement/directory/roleAssignments", all)
}

// roleAssign is POST /roleManagement/directory/roleAssignments.
func (s *Server) roleAssign(c *call, _ params) answer {
	fields, refused := c.fields()
	if refused == nil {
		refused = checkAll(assignmentProperties, fields)
	}
	if refused != nil {
		return *refused
	}
	principal, _ := fields["principalId"].(string)
	role, _ := fields["roleDefinitionId"].(string)
	if fields["directoryScopeId"] != "/" && fields["appScopeId"] == nil {
		return invalid("A value is required for property 'directoryScopeId'.")
	}
	if !roleTemplates[role] {
		return notFound(role)
	}
	if _, _, is := s.find(principal, c.now); !is || s.users[strings.ToLower(principal)] == nil {
		return notFound(principal)
	}
	if slices.ContainsFunc(s.roles, func(a *assignment) bool { return a.principal == principal && a.role == role }) {
		return refuse(http.StatusBadRequest, badRequest, "A conflicting object with one or more of the specified property values is present in the directory.",
			detail{"ConflictingObjects", "A conflicting object with one or more of the specified property values is present in the directory.", "principalId"})
	}
	a := &assignment{uuid.NewString(), principal, role}
	s.roles = append(s.roles, a)
	body := a.fields()
	body["@odata.context"] = c.origin + version + "/$metadata#roleManagement/directory/roleAssignments/$entity"
	return ok(http.StatusCreated, body)
}

func (s *Server) roleRemove(_ *call, p params) answer {
	i := slices.IndexFunc(s.roles, func(a *assignment) bool { return a.id == p["id"] })
	if i < 0 {
		return notFound(p["id"])
	}
	s.roles = slices.Delete(s.roles, i, i+1)
	return noContent
}

// protected tells whether a user holds a role that keeps the app away from it.
func (s *Server) protected(c *call, u *user) bool {
	return slices.ContainsFunc(s.roles, func(a *assignment) bool { return a.principal == u.id }) &&
		!holdsAny(c.app, GlobalAdministrator, PrivilegedAuthenticationAdministrator)
}

func holdsAny(app *App, roles ...string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(app.Roles, role) })
}
