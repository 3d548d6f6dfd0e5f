/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// AddUser makes a user as somebody else would have made it, seen at once. It is
// of a minimal kind where fields say nothing. It returns the ID.
func (s *Server) AddUser(userName string, fields map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	local, _, _ := strings.Cut(userName, "@")
	all := map[string]any{
		"userPrincipalName": userName, "displayName": local, "mailNickname": local, "accountEnabled": true, "userType": "Member",
		"businessPhones": []any{}, "otherMails": []any{}, "proxyAddresses": []any{}, "assignedLicenses": []any{}, "identities": []any{}, "createdDateTime": moment(s.now()),
	}
	maps.Copy(all, fields)
	addMail(all, fields)
	id := uuid.NewString()
	all["id"] = id
	s.add(id, all, 0)
	return id
}

// ChangeUser changes a user behind everybody's back, without any check, seen at once.
func (s *Server) ChangeUser(id string, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.mustUser(id)
	next := merged(u.current().fields, fields)
	addMail(next, fields)
	s.set(u, state{fields: next}, 0)
}

// DeleteUser deletes a user as an administrator does: it can be restored.
func (s *Server) DeleteUser(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.softDelete(s.mustUser(id), 0)
}

// PurgeUser deletes a user for good.
func (s *Server) PurgeUser(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.mustUser(id)
	s.set(u, state{fields: u.current().fields, gone: true}, 0)
}

func (s *Server) mustUser(id string) *user {
	u := s.users[id]
	if u == nil {
		panic(fmt.Sprintf("the tenant has no user %s", id))
	}
	return u
}

// User is how a user really is; nil where it is deleted, or there is none.
func (s *Server) User(id string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[id]; u != nil && s.lives(u) {
		return maps.Clone(u.current().fields)
	}
	return nil
}

// UserNamed is a user by its user name; nil where there is none.
func (s *Server) UserNamed(userName string) map[string]any {
	for _, fields := range s.Users() {
		if strings.EqualFold(fields["userPrincipalName"].(string), userName) {
			return fields
		}
	}
	return nil
}

// Users are all that live, in the order in which they were made.
func (s *Server) Users() []map[string]any {
	return s.filtered(func(u *user) bool { return s.lives(u) })
}

// Deleted are the users that can be restored.
func (s *Server) Deleted() []map[string]any {
	return s.filtered(func(u *user) bool {
		current := u.current()
		return !current.deleted.IsZero() && !current.gone && s.now().Sub(current.deleted) < deletedKept
	})
}

func (s *Server) filtered(keep func(*user) bool) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []map[string]any
	for _, u := range s.order {
		if keep(u) {
			all = append(all, maps.Clone(u.current().fields))
		}
	}
	return all
}

func (s *Server) lives(u *user) bool { return u.current().deleted.IsZero() && !u.current().gone }

// AssignRole gives a user a directory role.
func (s *Server) AssignRole(id, role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles = append(s.roles, &assignment{uuid.NewString(), id, role})
}

// Roles are the templates of the roles that a user holds, sorted.
func (s *Server) Roles(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var held []string
	for _, a := range s.roles {
		if a.principal == id {
			held = append(held, a.role)
		}
	}
	slices.Sort(held)
	return held
}

// SyncFromActiveDirectory makes a user one that an on-premises directory owns.
func (s *Server) SyncFromActiveDirectory(id string) {
	s.ChangeUser(id, map[string]any{"onPremisesSyncEnabled": true})
}

// AddDevice makes a managed device; fields are those of a managedDevice. It
// returns the ID.
func (s *Server) AddDevice(fields map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	device := maps.Clone(fields)
	if device["id"] == nil {
		device["id"] = uuid.NewString()
	}
	s.devices = append(s.devices, device)
	return device["id"].(string)
}

// SetDomain makes or changes a domain; its federation stays.
func (s *Server) SetDomain(changed Domain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.domain(changed.Name); d != nil {
		d.Domain = changed
		return
	}
	s.domains = append(s.domains, &domain{Domain: changed})
}

// Federation is the configuration of a domain; nil where it is managed.
func (s *Server) Federation(name string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.domain(name); d != nil {
		return maps.Clone(d.federation)
	}
	return nil
}

// SetFederation changes the federation of a domain behind everybody's back; nil
// ends it.
func (s *Server) SetFederation(name string, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domain(name)
	if fields != nil && fields["id"] == nil {
		fields = maps.Clone(fields)
		fields["id"] = uuid.NewString()
	}
	d.federation = fields
}

// CutOff are the names of users who cannot log in any more, as their domain is
// federated and they lack an immutable ID, or as the domain's federation is broken.
func (s *Server) CutOff() []string {
	var names []string
	for _, fields := range s.Users() {
		name := fields["userPrincipalName"].(string)
		_, in, _ := strings.Cut(name, "@")
		s.mu.Lock()
		d := s.domain(in)
		if d != nil && (d.broken || d.federation != nil && fields["onPremisesImmutableId"] == nil) {
			names = append(names, name)
		}
		s.mu.Unlock()
	}
	return names
}

// SetReplicationDelay changes how long reads do not see what is written from now on.
func (s *Server) SetReplicationDelay(delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options.ReplicationDelay = delay
}
