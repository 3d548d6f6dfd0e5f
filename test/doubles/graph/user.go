/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"maps"
	"strings"
	"time"
)

// user is one with everything that readers may still see of it.
type user struct {
	id    string
	place int
	// states are in order; the last is the truth, and those before it are what
	// readers see until it is replicated.
	states []state
	// original is the user name before deletion.
	original string
}

// state is how a user is from a time on. Its fields are never changed.
type state struct {
	from   time.Time
	fields map[string]any
	// deleted is when the user was deleted; zero where it was not.
	deleted time.Time
	gone    bool
}

func (u *user) current() state { return u.states[len(u.states)-1] }

// seen is how readers see the user; false where they do not.
func (u *user) seen(now time.Time) (state, bool) {
	for i := len(u.states) - 1; i >= 0; i-- {
		if s := u.states[i]; !s.from.After(now) {
			if !s.deleted.IsZero() && now.Sub(s.deleted) >= deletedKept {
				s.gone = true
			}
			return s, !s.gone
		}
	}
	return state{}, false
}

// deletedKept is how long deleted users can be restored.
const deletedKept = 30 * 24 * time.Hour

// change is one line of what delta queries tell.
type change struct {
	user *user
	at   time.Time
}

// set makes a new state of a user. Readers see it after the delay.
func (s *Server) set(u *user, next state, delay time.Duration) {
	now := s.now()
	next.from = now.Add(delay)
	kept := u.states
	for len(kept) > 1 && !kept[1].from.After(now) {
		kept = kept[1:]
	}
	u.states = append(append([]state(nil), kept...), next)
	for _, name := range indexed {
		for _, value := range indexValues(name, next.fields) {
			key := name + "\x00" + value
			if s.index[key] == nil {
				s.index[key] = map[string]*user{}
			}
			s.index[key][u.id] = u
		}
	}
	s.changes = append(s.changes, change{u, next.from})
}

// indexed properties are found without reading all users.
var indexed = []string{"userPrincipalName", "onPremisesImmutableId", "mail", "proxyAddresses"}

func indexValues(name string, fields map[string]any) []string {
	switch value := fields[name].(type) {
	case string:
		return []string{strings.ToLower(value)}
	case []any:
		var all []string
		for _, item := range value {
			all = append(all, strings.ToLower(strings.TrimPrefix(strings.ToLower(item.(string)), "smtp:")))
		}
		return all
	}
	return nil
}

// holders are users whose current state has the value; those that were deleted
// and can be restored are among them.
func (s *Server) holders(name, value string) []*user {
	var found []*user
	for _, u := range s.index[name+"\x00"+strings.ToLower(value)] {
		current := u.current()
		if current.gone || !current.deleted.IsZero() && s.now().Sub(current.deleted) >= deletedKept {
			continue
		}
		for _, held := range indexValues(name, current.fields) {
			if held == strings.ToLower(value) {
				found = append(found, u)
				break
			}
		}
	}
	return found
}

// find is the user of an ID or a user name, as readers see it.
func (s *Server) find(key string, now time.Time) (*user, state, bool) {
	if u := s.users[strings.ToLower(key)]; u != nil {
		seen, is := u.seen(now)
		return u, seen, is && seen.deleted.IsZero()
	}
	for _, u := range s.index["userPrincipalName\x00"+strings.ToLower(key)] {
		seen, is := u.seen(now)
		if name, _ := seen.fields["userPrincipalName"].(string); is && seen.deleted.IsZero() && strings.EqualFold(name, key) {
			return u, seen, true
		}
	}
	return nil, state{}, false
}

// merged is fields with changes; objects are merged part by part.
func merged(fields, changes map[string]any) map[string]any {
	next := maps.Clone(fields)
	for name, value := range changes {
		part, isObject := value.(map[string]any)
		before, had := next[name].(map[string]any)
		if isObject && had {
			value = merged(before, part)
		}
		next[name] = value
	}
	return next
}
