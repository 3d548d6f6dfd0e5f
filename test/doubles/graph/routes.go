/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const version = "/v1.0"

// params are the variable parts of a path.
type params map[string]string

// route is one call that Graph knows.
type route struct {
	method, pattern string
	// permissions are those any of which is enough.
	permissions []string
	handle      func(*Server, *call, params) answer
}

var (
	readUsers   = []string{"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	writeUsers  = []string{"User.ReadWrite.All", "Directory.ReadWrite.All"}
	restoreUser = []string{"User.DeleteRestore.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}
	readDomain  = []string{"Domain.Read.All", "Domain.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	readFed     = []string{"Domain-InternalFederation.Read.All", "Domain-InternalFederation.ReadWrite.All", "Domain.Read.All", "Domain.ReadWrite.All"}
	writeFed    = []string{"Domain-InternalFederation.ReadWrite.All", "Domain.ReadWrite.All"}
	readRoles   = []string{"RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory", "RoleManagement.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	writeRoles  = []string{"RoleManagement.ReadWrite.Directory"}
)

const (
	deleted    = "/directory/deletedItems"
	assignedTo = "/roleManagement/directory/roleAssignments"
	federation = "/domains/{domain}/federationConfiguration"
	devices    = "/deviceManagement/managedDevices"
)

// routes are in the order in which they are tried.
func routes() []route {
	get, post, patch, remove := http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	return []route{
		{get, "/users", readUsers, (*Server).usersList},
		{post, "/users", writeUsers, (*Server).userCreate},
		{get, "/users/delta", readUsers, (*Server).usersDelta},
		{get, "/users/delta()", readUsers, (*Server).usersDelta},
		{get, "/users/{id}", readUsers, (*Server).userRead},
		// What the permission for one property alone allows is told by its handler.
		{patch, "/users/{id}", append([]string{"User.EnableDisableAccount.All", "User-PasswordProfile.ReadWrite.All", "User-Mail.ReadWrite.All"}, writeUsers...), (*Server).userUpdate},
		{remove, "/users/{id}", restoreUser, (*Server).userDelete},
		{post, "/users/{id}/revokeSignInSessions", []string{"User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}, (*Server).userRevoke},
		{get, deleted + "/microsoft.graph.user", readUsers, (*Server).deletedList},
		{get, deleted + "/graph.user", readUsers, (*Server).deletedList},
		{get, deleted + "/{id}", readUsers, (*Server).deletedRead},
		{post, deleted + "/{id}/restore", restoreUser, (*Server).deletedRestore},
		{remove, deleted + "/{id}", restoreUser, (*Server).deletedPurge},
		{get, "/domains", readDomain, (*Server).domainsList},
		{get, "/domains/{domain}", readDomain, (*Server).domainRead},
		{get, federation, readFed, (*Server).federationList},
		{post, federation, writeFed, (*Server).federationCreate},
		{get, federation + "/{id}", readFed, (*Server).federationRead},
		{patch, federation + "/{id}", writeFed, (*Server).federationUpdate},
		{remove, federation + "/{id}", writeFed, (*Server).federationDelete},
		{get, assignedTo, readRoles, (*Server).rolesList},
		{post, assignedTo, writeRoles, (*Server).roleAssign},
		{remove, assignedTo + "/{id}", writeRoles, (*Server).roleRemove},
		{get, "/organization", []string{"Organization.Read.All", "Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}, (*Server).organizationList},
		{get, "/applications(appId='{appId}')", []string{"Application.Read.All", "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy", "Directory.Read.All"}, (*Server).applicationRead},
		{get, devices, []string{"DeviceManagementManagedDevices.Read.All", "DeviceManagementManagedDevices.ReadWrite.All"}, (*Server).devicesList},
		{get, devices + "/{id}", []string{"DeviceManagementManagedDevices.Read.All", "DeviceManagementManagedDevices.ReadWrite.All"}, (*Server).deviceRead},
	}
}

var known = routes()

// graph answers a call of Graph itself.
func (s *Server) graph(c *call) answer {
	if refused := s.authorize(c); refused != nil {
		return *refused
	}
	if c.path == version+"/$batch" {
		return s.batch(c)
	}
	return s.one(c)
}

// one answers a call whose token is good.
func (s *Server) one(c *call) answer {
	refused, header := s.throttle(c)
	if refused != nil {
		return *refused
	}
	a := s.routed(c)
	if a.header == nil {
		a.header = header
	}
	return a
}

func (s *Server) routed(c *call) answer {
	path, is := strings.CutPrefix(c.path, version)
	if !is {
		return refuse(http.StatusBadRequest, "BadRequest", "Invalid version: "+c.path)
	}
	pathKnown := false
	for _, r := range known {
		p, matches := match(r.pattern, path)
		if !matches {
			continue
		}
		pathKnown = true
		if r.method != c.method {
			continue
		}
		if !c.has(r.permissions...) {
			return denied()
		}
		return r.handle(s, c, p)
	}
	if pathKnown {
		return refuse(http.StatusMethodNotAllowed, badRequest, "Specified HTTP method is not allowed for the request target.")
	}
	return refuse(http.StatusBadRequest, "BadRequest", fmt.Sprintf("Resource not found for the segment '%s'.", path))
}

// match compares a path with a pattern, segment by segment.
func match(pattern, path string) (params, bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	p := params{}
	for i, segment := range want {
		value, err := url.PathUnescape(got[i])
		if err != nil {
			return nil, false
		}
		before, rest, variable := strings.Cut(segment, "{")
		if !variable {
			if segment != value {
				return nil, false
			}
			continue
		}
		name, after, _ := strings.Cut(rest, "}")
		if len(value) <= len(before)+len(after) || !strings.HasPrefix(value, before) || !strings.HasSuffix(value, after) {
			return nil, false
		}
		p[name] = value[len(before) : len(value)-len(after)]
	}
	return p, true
}

// authorize finds out whose token it is.
func (s *Server) authorize(c *call) *answer {
	value, is := strings.CutPrefix(c.header.Get("Authorization"), "Bearer ")
	given, isKnown := s.tokens[value]
	app := s.apps[given.clientID]
	switch {
	case !is || value == "":
		return unauthorized("Access token is empty.")
	case !isKnown || app == nil || app.Disabled:
		return unauthorized("Access token validation failure. Invalid audience or signature.")
	case !c.now.Before(given.until):
		return unauthorized("Lifetime validation failed, the token is expired.")
	}
	c.app, c.granted = app, given.granted
	return nil
}

func unauthorized(message string) *answer {
	a := refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", message)
	a.header = map[string]string{"WWW-Authenticate": `Bearer realm="", error="invalid_token"`}
	return &a
}

// has tells whether the token grants any of the permissions.
func (c *call) has(permissions ...string) bool {
	for _, permission := range permissions {
		if c.granted[permission] {
			return true
		}
	}
	return false
}
