/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"encoding/json"
	"strings"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// user is one of Graph, property by property.
type user map[string]json.RawMessage

// text is a property as text: the values of a list with commas between, empty
// for null and what is absent.
func (u user) text(name string) string {
	raw := u[name]
	if parent := properties[name].parent; parent != "" {
		raw = object(u[parent])[name]
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return strings.Join(list, ", ")
	}
	var value string
	_ = json.Unmarshal(raw, &value)
	return value
}

func (u user) flag(name string) bool { return string(u[name]) == "true" }

// The reasons why an account cannot be managed.
const (
	synced = "The account is synchronised from an on-premises Active Directory, which owns it; change it there, or take it out of that synchronisation."
	guest  = "The account is a guest's, whose own organisation owns it."
)

// account is a user as others see it; nil where it is none.
func (t *Target) account(u user) *provision.Account {
	a := &provision.Account{
		ExternalID: u.text("id"), UserName: u.text(upnProperty), DisplayName: u.text(displayNameProperty),
		Active: u.flag(enabledProperty), Properties: provision.Properties{},
	}
	if a.ExternalID == "" || len(a.ExternalID) > maxName {
		return nil
	}
	if id := u.text(immutableIDProperty); directory.IsImmutableID(id) {
		a.CorrelationID = id
	}
	for _, name := range t.names {
		a.Properties[name] = u.text(name)
	}
	switch {
	case u.flag("onPremisesSyncEnabled"):
		a.Unmanageable = synced
	case u.text("userType") == "Guest", strings.Contains(a.UserName, "#EXT#@"):
		a.Unmanageable = guest
	}
	return a
}

// as is the account after a write made it what is desired.
func as(current provision.Account, desired provision.Desired) *provision.Account {
	current.UserName, current.CorrelationID, current.Active = desired.UserName, desired.CorrelationID, desired.Active
	merged := provision.Properties{}
	for name, value := range current.Properties {
		merged[name] = value
	}
	for name, value := range desired.Properties {
		merged[name] = value
	}
	current.Properties, current.DisplayName, current.Deleted = merged, merged[displayNameProperty], false
	return &current
}

// differences are the body of a PATCH; empty where nothing differs.
func differences(current provision.Account, desired provision.Desired) map[string]any {
	body := map[string]any{}
	for name, value := range desired.Properties {
		if name != rolesProperty && current.Properties[name] != value {
			set(body, name, value)
		}
	}
	if current.Active != desired.Active {
		body[enabledProperty] = desired.Active
	}
	if current.CorrelationID != desired.CorrelationID {
		body[immutableIDProperty] = desired.CorrelationID
	}
	if current.UserName != desired.UserName {
		body[upnProperty] = desired.UserName
	}
	return body
}

// creation is the body of a POST but for the password.
func creation(desired provision.Desired) map[string]any {
	body := map[string]any{
		enabledProperty: desired.Active, upnProperty: desired.UserName, immutableIDProperty: desired.CorrelationID,
	}
	for name, value := range desired.Properties {
		if name != rolesProperty && value != "" {
			set(body, name, value)
		}
	}
	return body
}
