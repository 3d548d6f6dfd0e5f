/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (s *Server) ordered(users map[string]*user, from int) []*user {
	var all []*user
	for _, u := range users {
		if u.place >= from {
			all = append(all, u)
		}
	}
	slices.SortFunc(all, func(a, b *user) int { return cmp.Compare(a.place, b.place) })
	return all
}

// softDelete moves a user to the deleted ones. The user name is freed: the ID is
// put before it.
func (s *Server) softDelete(u *user, delay time.Duration) {
	current := u.current()
	u.original, _ = current.fields["userPrincipalName"].(string)
	s.set(u, state{
		fields: merged(current.fields, map[string]any{
			"userPrincipalName": strings.ReplaceAll(u.id, "-", "") + u.original, "deletedDateTime": moment(s.now()),
		}),
		deleted: s.now(),
	}, delay)
}

// deletedList is GET /directory/deletedItems/microsoft.graph.user.
func (s *Server) deletedList(c *call, _ params) answer {
	return s.list(c, userProperties, "users", func(conditions []condition, from int, give func(int, map[string]any) bool) {
		for _, u := range s.candidates(conditions, from) {
			if seen, is := u.seen(c.now); is && !seen.deleted.IsZero() && !give(u.place, seen.fields) {
				return
			}
		}
	})
}

// deletedUser is a deleted user as readers see it, and still is one.
func (s *Server) deletedUser(c *call, id string) *user {
	u := s.users[strings.ToLower(id)]
	if u == nil {
		return nil
	}
	seen, is := u.seen(c.now)
	if !is || seen.deleted.IsZero() || u.current().deleted.IsZero() || u.current().gone {
		return nil
	}
	return u
}

func (s *Server) deletedRead(c *call, p params) answer {
	u := s.deletedUser(c, p["id"])
	if u == nil {
		return notFound(p["id"])
	}
	seen, _ := u.seen(c.now)
	return s.single(c, userProperties, "directoryObjects", seen.fields)
}

// deletedRestore is POST /directory/deletedItems/{id}/restore.
func (s *Server) deletedRestore(c *call, p params) answer {
	u := s.deletedUser(c, p["id"])
	if u == nil {
		return notFound(p["id"])
	}
	if s.protected(c, u) {
		return denied()
	}
	name, reconcile := u.original, false
	if len(c.body) > 0 {
		fields, refused := c.fields()
		if refused == nil {
			refused = checkAll(map[string]property{"autoReconcileProxyConflict": {kind: flag}, "newUserPrincipalName": field(113)}, fields)
		}
		if refused != nil {
			return *refused
		}
		reconcile, _ = fields["autoReconcileProxyConflict"].(bool)
		if other, there := fields["newUserPrincipalName"].(string); there {
			name = other
		}
	}
	restored := merged(u.current().fields, map[string]any{"userPrincipalName": name, "deletedDateTime": nil})
	check := map[string]any{"userPrincipalName": name}
	if mail := restored["mail"]; mail != nil && !reconcile {
		check["mail"] = mail
	}
	if refused := s.checkName(name); refused != nil {
		return *refused
	}
	if refused := s.checkUnique(u, check); refused != nil {
		return *refused
	}
	s.set(u, state{fields: restored}, s.options.ReplicationDelay)
	body := picked(restored, defaults(userProperties))
	body["@odata.context"], body["@odata.type"] = c.origin+version+"/$metadata#directoryObjects/$entity", "#microsoft.graph.user"
	return ok(http.StatusOK, body)
}

// deletedPurge is DELETE /directory/deletedItems/{id}.
func (s *Server) deletedPurge(c *call, p params) answer {
	u := s.deletedUser(c, p["id"])
	if u == nil {
		return notFound(p["id"])
	}
	if s.protected(c, u) {
		return denied()
	}
	s.set(u, state{fields: u.current().fields, gone: true}, s.options.ReplicationDelay)
	return noContent
}

func defaults(properties map[string]property) []string {
	fields, _ := selection(query{}, properties, "")
	return fields
}
