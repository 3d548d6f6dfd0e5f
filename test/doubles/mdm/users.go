/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// user is a user; fields are as they are sent, without those that are null.
type user struct {
	number int
	fields map[string]any
}

func (u *user) text(name string) string {
	value, _ := u.fields[name].(string)
	return value
}

func (u *user) active() bool {
	active, _ := u.fields["active"].(bool)
	return active
}

// texts are the properties of the contract that can be cleared or left out, and
// those that cannot.
var (
	optionalTexts = []string{"phoneticFamilyName", "phoneticGivenName", "displayName"}
	requiredTexts = []string{"externalId", "mail", "familyName", "givenName", "role"}
	longest       = map[string]int{"externalId": 64, "mail": 254, "role": 100}
)

const maxText = 1024

// used is how many licences are.
func (s *Server) used() int {
	used := 0
	for _, u := range s.users {
		if u.active() {
			used++
		}
	}
	return used
}

func (s *Server) createUser(c *call) answer {
	if bad, is := c.unexpected(); is {
		return bad
	}
	sent, bad, ok := c.object("application/json")
	if !ok {
		return bad
	}
	for _, name := range append([]string{"active"}, requiredTexts...) {
		if sent[name] == nil {
			return refuseValue("value_not_allowed", name, name+" is missing.")
		}
	}
	u := &user{fields: map[string]any{}}
	if bad, ok := s.change(u, sent); !ok {
		return bad
	}
	s.add(u)
	return answer{status: http.StatusCreated, body: u.fields}
}

func (s *Server) add(u *user) {
	s.last++
	u.number = s.last
	u.fields["id"] = uuid.NewString()
	s.users = append(s.users, u)
}

func (s *Server) oneUser(c *call, id string) answer {
	if bad, is := c.unexpected(); is {
		return bad
	}
	u := s.find(id)
	if u == nil {
		return refuse(http.StatusNotFound, "user_not_found", "There is no such user.")
	}
	switch c.method {
	case http.MethodGet:
		return answer{status: http.StatusOK, body: u.fields}
	case http.MethodPatch:
		sent, bad, ok := c.object("application/merge-patch+json")
		if !ok {
			return bad
		}
		if len(sent) == 0 {
			return refuse(http.StatusBadRequest, "bad_request", "Nothing is to be changed.")
		}
		if bad, ok := s.change(u, sent); !ok {
			return bad
		}
		return answer{status: http.StatusOK, body: u.fields}
	case http.MethodDelete:
		return s.deleteUser(u)
	default:
		return refuse(http.StatusMethodNotAllowed, "bad_request", "This cannot be done with a user.")
	}
}

func (s *Server) find(id string) *user {
	for _, u := range s.users {
		if u.text("id") == id {
			return u
		}
	}
	return nil
}

// deleteUser refuses while an Android device is enrolled for the user.
func (s *Server) deleteUser(u *user) answer {
	var enrolled []string
	for _, d := range s.devices {
		if d.OwnerID == u.text("id") && d.Managed && strings.HasPrefix(d.Platform, "Android") {
			enrolled = append(enrolled, d.Name)
		}
	}
	if len(enrolled) > 0 {
		a := refuse(http.StatusConflict, "device_enrolled", "Android Enterprise に登録された端末があるため、ユーザーを削除できません。")
		a.body.(*problem).Devices = enrolled
		return a
	}
	s.users = slices.DeleteFunc(s.users, func(other *user) bool { return other == u })
	return answer{status: http.StatusNoContent}
}

// object reads the body of a call.
func (c *call) object(contentType string) (map[string]any, answer, bool) {
	if c.header.Get("Content-Type") != contentType {
		return nil, refuse(http.StatusBadRequest, "bad_request", "The body must be "+contentType+"."), false
	}
	var sent map[string]any
	if err := json.NewDecoder(bytes.NewReader(c.body)).Decode(&sent); err != nil || sent == nil {
		return nil, refuse(http.StatusBadRequest, "bad_request", "The body is no object."), false
	}
	return sent, answer{}, true
}

// change is carried out whole or not at all.
func (s *Server) change(u *user, sent map[string]any) (answer, bool) {
	next := &user{number: u.number, fields: maps.Clone(u.fields)}
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		if bad, ok := s.checkValue(u, name, sent[name]); !ok {
			return bad, false
		}
		if sent[name] == nil {
			delete(next.fields, name)
		} else {
			next.fields[name] = sent[name]
		}
	}
	for _, other := range s.users {
		switch {
		case other == u:
		case strings.EqualFold(other.text("mail"), next.text("mail")):
			return refuse(http.StatusConflict, "mail_already_used", "Another user has the mail address "+next.text("mail")+"."), false
		case next.text("externalId") != "" && other.text("externalId") == next.text("externalId"):
			return refuse(http.StatusConflict, "external_id_already_used", "Another user has the external ID."), false
		}
	}
	if s.licenses > 0 && next.active() && !u.active() && s.used() >= s.licenses {
		return refuse(http.StatusConflict, "user_license_exhausted", fmt.Sprintf("All %d licences are used.", s.licenses)), false
	}
	u.fields = next.fields
	return answer{}, true
}

// checkValue refuses a value that cannot be u's.
func (s *Server) checkValue(u *user, name string, value any) (answer, bool) {
	if name == "active" {
		if _, is := value.(bool); !is {
			return refuseValue("value_not_allowed", name, "active must be true or false."), false
		}
		return answer{}, true
	}
	optional := slices.Contains(optionalTexts, name) || slices.Contains(s.options.Properties, name)
	text, is := value.(string)
	switch {
	case !optional && !slices.Contains(requiredTexts, name):
		return refuseValue("property_unknown", name, name+" is not kept."), false
	case value == nil && optional:
		return answer{}, true
	case !is || text == "":
		return refuseValue("value_not_allowed", name, name+" must be a text that is not empty."), false
	case utf8.RuneCountInString(text) > limit(name):
		return refuseValue("value_not_allowed", name, fmt.Sprintf("%s has more than %d characters.", name, limit(name))), false
	}
	if bad, ok := s.checkCharacters(name, text); !ok {
		return bad, false
	}
	return s.checkText(u, name, text)
}

// checkText refuses what is no such value.
func (s *Server) checkText(u *user, name, text string) (answer, bool) {
	switch before := u.text("externalId"); {
	case name == "externalId" && before != "" && before != text:
		return refuseValue("value_not_allowed", name, "The externalId of a user does not change."), false
	case name == "mail" && (strings.Count(text, "@") != 1 || strings.ContainsAny(text, " \t")):
		return refuseValue("value_not_allowed", name, "That is no mail address."), false
	case name == "role" && !slices.Contains(s.options.Roles, text):
		return refuseValue("value_not_allowed", name, "The role must be one of "+strings.Join(s.options.Roles, ", ")+"."), false
	}
	return answer{}, true
}

func (s *Server) checkCharacters(name, text string) (answer, bool) {
	for _, r := range text {
		if r < ' ' || r > '\uffff' || strings.ContainsRune(s.options.Refused, r) {
			a := refuseValue("character_not_allowed", name, "使用できない文字が含まれています。")
			a.body.(*problem).Character = string(r)
			return a, false
		}
	}
	return answer{}, true
}

func limit(name string) int {
	if limit, has := longest[name]; has {
		return limit
	}
	return maxText
}
