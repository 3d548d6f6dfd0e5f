/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// usersList is GET /users.
func (s *Server) usersList(c *call, _ params) answer {
	return s.list(c, userProperties, "users", func(conditions []condition, from int, give func(int, map[string]any) bool) {
		for _, u := range s.candidates(conditions, from) {
			if seen, is := u.seen(c.now); is && seen.deleted.IsZero() && !give(u.place, seen.fields) {
				return
			}
		}
	})
}

// candidates are users that may meet the conditions, from a place on, in order.
func (s *Server) candidates(conditions []condition, from int) []*user {
	for _, condition := range conditions {
		value, isText := condition.value.(string)
		if !isText {
			continue
		}
		if condition.property == "id" {
			if u := s.users[strings.ToLower(value)]; u != nil && u.place >= from {
				return []*user{u}
			}
			return nil
		}
		for _, name := range indexed {
			if name == condition.property {
				return s.ordered(s.index[name+"\x00"+strings.ToLower(value)], from)
			}
		}
	}
	return s.order[min(from, len(s.order)):]
}

// userRead is GET /users/{id}.
func (s *Server) userRead(c *call, p params) answer {
	_, seen, is := s.find(p["id"], c.now)
	if !is {
		return notFound(p["id"])
	}
	return s.single(c, userProperties, "users", seen.fields)
}

// userCreate is POST /users.
func (s *Server) userCreate(c *call, _ params) answer {
	fields, refused := c.fields()
	if refused != nil {
		return *refused
	}
	for name, value := range fields {
		// A creation may leave out by null whatever it may leave out.
		if value == nil && !userProperties[name].kept {
			delete(fields, name)
		}
	}
	if refused := checkAll(userProperties, fields); refused != nil {
		return *refused
	}
	for _, name := range []string{"accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile"} {
		if _, there := fields[name]; !there {
			return invalid("A value is required for property '%s' of resource 'User'.", name)
		}
	}
	profile := fields["passwordProfile"].(map[string]any)
	if _, there := profile["password"]; !there {
		return invalid("A value is required for property 'password' of resource 'User'.")
	}
	if refused := s.checkUser(c, nil, fields); refused != nil {
		return *refused
	}
	id := uuid.NewString()
	created := merged(map[string]any{
		"id": id, "businessPhones": []any{}, "otherMails": []any{}, "proxyAddresses": []any{}, "userType": "Member",
		"createdDateTime": moment(c.now), "assignedLicenses": []any{}, "identities": []any{},
	}, fields)
	addMail(created, fields)
	s.add(id, created, s.options.ReplicationDelay)
	q, _ := parseQuery(c.query)
	shown, refused := selection(q, userProperties, "users")
	if refused != nil {
		return *refused
	}
	body := picked(created, shown)
	body["@odata.context"] = c.origin + version + "/$metadata#users/$entity"
	a := ok(http.StatusCreated, body)
	a.header = map[string]string{"Location": c.origin + version + "/users/" + id}
	return a
}

func (s *Server) add(id string, fields map[string]any, delay time.Duration) *user {
	u := &user{id: id, place: len(s.order)}
	s.users[id] = u
	s.order = append(s.order, u)
	s.set(u, state{fields: fields}, delay)
	return u
}

// addMail keeps proxyAddresses as mail has it.
func addMail(fields, changes map[string]any) {
	mail, changed := changes["mail"]
	if !changed {
		return
	}
	var kept []any
	before, _ := fields["proxyAddresses"].([]any)
	for _, address := range before {
		if !strings.HasPrefix(address.(string), "SMTP:") {
			kept = append(kept, address)
		}
	}
	if mail != nil {
		kept = append(kept, "SMTP:"+mail.(string))
	}
	if kept == nil {
		kept = []any{}
	}
	fields["proxyAddresses"] = kept
}

// userUpdate is PATCH /users/{id}.
func (s *Server) userUpdate(c *call, p params) answer {
	fields, refused := c.fields()
	if refused != nil {
		return *refused
	}
	u, _, is := s.find(p["id"], c.now)
	if !is || !u.current().deleted.IsZero() || u.current().gone {
		return notFound(p["id"])
	}
	if !s.mayUpdate(c, u, fields) {
		return denied()
	}
	if refused := checkAll(userProperties, fields); refused != nil {
		return *refused
	}
	current := u.current().fields
	if current["onPremisesSyncEnabled"] == true {
		return invalid("Unable to update the specified properties for objects that have originated within an external service.")
	}
	if refused := s.checkUser(c, u, fields); refused != nil {
		return *refused
	}
	next := merged(current, fields)
	addMail(next, fields)
	s.set(u, state{fields: next}, s.options.ReplicationDelay)
	return noContent
}

// sensitive properties of an administrator are for higher roles only.
var sensitive = []string{"accountEnabled", "businessPhones", "mobilePhone", "onPremisesImmutableId", "otherMails", "passwordProfile", "userPrincipalName", "userType"}

// mayUpdate tells whether the token is enough for every property.
func (s *Server) mayUpdate(c *call, u *user, fields map[string]any) bool {
	needs := map[string]string{"accountEnabled": "User.EnableDisableAccount.All", "otherMails": "User-Mail.ReadWrite.All"}
	for name := range fields {
		switch {
		case name == "passwordProfile":
			if !c.has("User-PasswordProfile.ReadWrite.All", "Directory.ReadWrite.All") || !holdsAny(c.app, UserAdministrator, GlobalAdministrator, PrivilegedAuthenticationAdministrator) {
				return false
			}
		case !c.has("User.ReadWrite.All", "Directory.ReadWrite.All", needs[name]):
			return false
		}
	}
	for _, name := range sensitive {
		if _, there := fields[name]; there && s.protected(c, u) {
			return false
		}
	}
	return true
}

// userDelete is DELETE /users/{id}.
func (s *Server) userDelete(c *call, p params) answer {
	u, _, is := s.find(p["id"], c.now)
	if !is || !u.current().deleted.IsZero() || u.current().gone {
		return notFound(p["id"])
	}
	if s.protected(c, u) {
		return denied()
	}
	s.softDelete(u, s.options.ReplicationDelay)
	return noContent
}

// userRevoke is POST /users/{id}/revokeSignInSessions.
func (s *Server) userRevoke(c *call, p params) answer {
	if _, _, is := s.find(p["id"], c.now); !is {
		return notFound(p["id"])
	}
	return ok(http.StatusOK, map[string]any{"@odata.context": c.origin + version + "/$metadata#Edm.Boolean", "value": true})
}

var upn = regexp.MustCompile(`^[A-Za-z0-9'._!#^~-]+$`)

// checkUser checks what depends on other users and on domains; u is nil for a new one.
func (s *Server) checkUser(c *call, u *user, changes map[string]any) *answer {
	var before map[string]any
	if u != nil {
		before = u.current().fields
	}
	next := merged(orEmpty(before), changes)
	if name, there := changes["userPrincipalName"].(string); there {
		if refused := s.checkName(name); refused != nil {
			return refused
		}
		if old, _ := before["userPrincipalName"].(string); u != nil && s.crosses(old, name) {
			a := invalidValue("userPrincipalName", "Unable to update the user principal name: the user is moved from one federated domain to another.")
			return &a
		}
	}
	if s.federatedName(next["userPrincipalName"]) && next["onPremisesImmutableId"] == nil {
		a := invalid("SourceAnchor is a required property for creation of a federated user.")
		return &a
	}
	if profile, there := changes["passwordProfile"].(map[string]any); there && profile["password"] != nil && !strong(profile["password"].(string)) {
		a := invalidValue("password", "The specified password does not comply with password complexity requirements. Please provide a different password.")
		return &a
	}
	return s.checkUnique(u, changes)
}

func orEmpty(fields map[string]any) map[string]any {
	if fields == nil {
		return map[string]any{}
	}
	return fields
}

func (s *Server) checkName(name string) *answer {
	local, in, found := strings.Cut(name, "@")
	if !found || len(local) > 64 || len(in) > 48 || !upn.MatchString(local) || strings.HasSuffix(local, ".") || strings.HasPrefix(local, ".") || strings.Contains(local, "..") {
		a := invalidValue("userPrincipalName", "Property userPrincipalName is invalid.")
		return &a
	}
	if d := s.domain(in); d == nil || d.Unverified {
		a := invalidValue("userPrincipalName", "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.")
		return &a
	}
	return nil
}

// checkUnique refuses values that another user has. An immutable ID of a deleted
// user counts; what the real service does then is not documented.
func (s *Server) checkUnique(u *user, changes map[string]any) *answer {
	for _, unique := range []struct{ changed, held, target string }{
		{"userPrincipalName", "userPrincipalName", "userPrincipalName"},
		{"onPremisesImmutableId", "onPremisesImmutableId", "onPremisesImmutableId"},
		{"mail", "proxyAddresses", "proxyAddresses"},
	} {
		value, there := changes[unique.changed].(string)
		if !there {
			continue
		}
		for _, holder := range s.holders(unique.held, value) {
			if holder != u && (unique.held == "onPremisesImmutableId" || holder.current().deleted.IsZero()) {
				a := conflict(unique.target)
				return &a
			}
		}
	}
	return nil
}

// strong tells whether a password is: 8 to 256 characters, three classes of four,
// and none beyond ASCII.
func strong(password string) bool {
	classes := map[int]bool{}
	for _, r := range password {
		switch {
		case r < ' ' || r > '~':
			return false
		case r >= 'a' && r <= 'z':
			classes[0] = true
		case r >= 'A' && r <= 'Z':
			classes[1] = true
		case r >= '0' && r <= '9':
			classes[2] = true
		default:
			classes[3] = true
		}
	}
	return len(password) >= 8 && len(password) <= 256 && len(classes) >= 3
}
