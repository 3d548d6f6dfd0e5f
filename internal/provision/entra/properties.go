/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"fmt"
	"strings"
)

// property is one that attributes may fill.
type property struct {
	// parent is the property that it is a part of; empty for one of the user.
	parent string
	// limit is in UTF-16 code units; 0 is none that is documented.
	limit int
	// list tells that it is a list, of which one value is kept.
	list bool
	// kept tells that it cannot be cleared: an empty value leaves it as it is.
	kept bool
}

const (
	upnProperty         = "userPrincipalName"
	nicknameProperty    = "mailNickname"
	displayNameProperty = "displayName"
	immutableIDProperty = "onPremisesImmutableId"
	enabledProperty     = "accountEnabled"
	locationProperty    = "usageLocation"
	languageProperty    = "preferredLanguage"
	extensions          = "onPremisesExtensionAttributes"
	organisation        = "employeeOrgData"
)

// properties are those of a user that can be set. What decides who the account
// belongs to, its password and its licences are not among them.
var properties = func() map[string]property {
	all := map[string]property{
		"businessPhones":    {limit: 64, list: true},
		"city":              {limit: 128},
		"companyName":       {limit: 64},
		"country":           {limit: 128},
		"department":        {limit: 64},
		displayNameProperty: {limit: 256, kept: true},
		"employeeId":        {limit: 16},
		"employeeType":      {},
		"faxNumber":         {limit: 64},
		"givenName":         {limit: 64},
		"jobTitle":          {limit: 128},
		"mail":              {limit: 113},
		nicknameProperty:    {limit: 64, kept: true},
		"mobilePhone":       {limit: 64},
		"officeLocation":    {limit: 128},
		"otherMails":        {limit: 250, list: true},
		"postalCode":        {limit: 40},
		languageProperty:    {},
		"state":             {limit: 128},
		"streetAddress":     {limit: 1024},
		"surname":           {limit: 64},
		locationProperty:    {limit: 2, kept: true},
		"costCenter":        {parent: organisation},
		"division":          {parent: organisation},
	}
	for n := range 15 {
		all[fmt.Sprintf("extensionAttribute%d", n+1)] = property{parent: extensions, limit: 1024}
	}
	return all
}()

// selected are the properties that are read of each user.
func selected(names []string) string {
	all := []string{"id", upnProperty, displayNameProperty, enabledProperty, immutableIDProperty, "onPremisesSyncEnabled", "userType"}
	seen := map[string]bool{displayNameProperty: true}
	for _, name := range names {
		if parent := properties[name].parent; parent != "" {
			name = parent
		}
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return strings.Join(all, ",")
}

// set puts a value into the body of a write; an empty one clears, which Graph
// takes as null only.
func set(body map[string]any, name, value string) {
	p := properties[name]
	target := body
	if p.parent != "" {
		part, ok := body[p.parent].(map[string]any)
		if !ok {
			part = map[string]any{}
			body[p.parent] = part
		}
		target = part
	}
	switch {
	case p.list && value == "":
		target[name] = []string{}
	case p.list:
		target[name] = []string{value}
	case value == "":
		target[name] = nil
	default:
		target[name] = value
	}
}
