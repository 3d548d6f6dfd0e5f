/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// User is a user as the service keeps it.
type User map[string]any

// Text is a property's value; empty where there is none.
func (u User) Text(name string) string {
	value, _ := u[name].(string)
	return value
}

// Active tells whether the user can use anything.
func (u User) Active() bool { return u["active"] == true }

// Device is a device.
type Device struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Platform     string `json:"platform"`
	SerialNumber string `json:"serialNumber,omitempty"`
	Managed      bool   `json:"managed"`
	Compliant    *bool  `json:"compliant"`
	OwnerID      string `json:"ownerId,omitempty"`
}

// Call is one that was made.
type Call struct {
	Method string
	// Path is below Path of the package, without the query.
	Path   string
	Status int
	Body   string
}

// AddUser makes a user as somebody else would have made it, without any check. It
// returns the ID.
func (s *Server) AddUser(mail string, fields map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	local, _, _ := strings.Cut(mail, "@")
	u := &user{fields: map[string]any{"mail": mail, "familyName": local, "givenName": local, "role": "general", "active": true}}
	maps.Copy(u.fields, fields)
	s.add(u)
	return u.text("id")
}

// ChangeUser changes a user behind everybody's back, without any check; nil
// removes a value.
func (s *Server) ChangeUser(id string, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.mustFind(id)
	next := maps.Clone(u.fields)
	maps.Copy(next, fields)
	maps.DeleteFunc(next, func(_ string, value any) bool { return value == nil })
	u.fields = next
}

// DeleteUser deletes a user, whatever is enrolled.
func (s *Server) DeleteUser(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := s.mustFind(id)
	s.users = slices.DeleteFunc(s.users, func(u *user) bool { return u == gone })
}

func (s *Server) mustFind(id string) *user {
	u := s.find(id)
	if u == nil {
		panic(fmt.Sprintf("there is no user %q", id))
	}
	return u
}

// Users are all users.
func (s *Server) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	users := make([]User, len(s.users))
	for i, u := range s.users {
		users[i] = maps.Clone(u.fields)
	}
	return users
}

// User is the one who has a mail address; nil where nobody has.
func (s *Server) User(mail string) User {
	for _, u := range s.Users() {
		if strings.EqualFold(u.Text("mail"), mail) {
			return u
		}
	}
	return nil
}

// AddDevice enrols a device, and returns its ID.
func (s *Server) AddDevice(d Device) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	if d.ID == "" {
		d.ID = fmt.Sprintf("device-%d", s.last)
	}
	s.devices = append(s.devices, &device{s.last, d})
	return d.ID
}

// RemoveDevice releases a device.
func (s *Server) RemoveDevice(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices = slices.DeleteFunc(s.devices, func(d *device) bool { return d.ID == id })
}

// SetLicenses changes how many active users there can be; 0 is without bounds.
func (s *Server) SetLicenses(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.licenses = n
}

// SetToken replaces the token; a read-only one may change nothing.
func (s *Server) SetToken(token string, readOnly bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.readOnly = token, readOnly
}

// Advance moves the service's clock.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// Calls are all that were made since Forget, in order.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Forget empties Calls.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}
