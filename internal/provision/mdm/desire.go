/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"unicode/utf8"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// The contract's limits, in characters.
const (
	maxValue = 1024
	maxRole  = 100
)

// Desire implements provision.Target.
func (t *Target) Desire(subject directory.Subject) (provision.Desired, error) {
	desired := provision.Desired{
		CorrelationID: subject.ID,
		UserName:      subject.Member.Mail,
		Active:        !subject.Member.Suspended,
		Properties:    provision.Values(subject, t.mapping),
	}
	for _, attribute := range t.mapping {
		if attribute.Field == "role" {
			desired.Properties[attribute.Name] = t.roles[subject.Member.Role]
		}
	}
	for _, attribute := range t.mapping {
		if err := checkValue(attribute.Name, desired.Properties[attribute.Name]); err != nil {
			return provision.Desired{}, err
		}
	}
	return desired, nil
}

// required cannot be cleared.
var required = map[string]bool{"familyName": true, "givenName": true, roleProperty: true}

func checkValue(property, value string) error {
	limit := maxValue
	if property == roleProperty {
		limit = maxRole
	}
	switch {
	case required[property] && value == "":
		return invalid(property, "A user of the MDM needs %s, for which the member has no value; fill it in the Member, or map another value in spec.attributes.", property)
	case utf8.RuneCountInString(value) > limit:
		return invalid(property, "%s has more than %d characters, which the MDM does not take; shorten it in the Member, or map another value in spec.attributes.", sentence(property), limit)
	default:
		return nil
	}
}
