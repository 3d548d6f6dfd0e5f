/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoNameID is returned where a member has no value for the attribute that
// an app uses as NameID.
var ErrNoNameID = errors.New("the member has no value for the attribute this app identifies members by")

// Subject is a member as the IdP knows it when it speaks to an app.
type Subject struct {
	Member Member
	// ID is the public member ID, a UUID that the IdP made.
	ID string
	// Groups are those the member is in.
	Groups []Group
}

// NameID is the value that identifies the subject to an app by mail, by a
// custom attribute (O6.2) or by the ID that Entra ID keeps; apps with IDs that are made for them have none here.
// It returns ErrNoNameID where the member lacks the attribute.
func (s Subject) NameID(app App) (string, error) {
	if app.SAML.NameIDField == FieldImmutableID {
		return ImmutableID(s.ID), nil
	}
	if app.SAML.NameIDAttribute == "" {
		return s.Member.Mail, nil
	}
	value := s.Member.Attributes[app.SAML.NameIDAttribute]
	if value == "" {
		return "", fmt.Errorf("%w: %s", ErrNoNameID, app.SAML.NameIDAttribute)
	}
	return value, nil
}

// Values are the subject's values of one of the app's attributes; none where
// nothing is known.
func (s Subject) Values(app App, mapping AttributeMapping) []string {
	switch {
	case mapping.Field != "":
		return inDomain(s.fieldValues(app, mapping.Field), mapping.Domain)
	case mapping.Attribute != "":
		return inDomain(nonEmpty(s.Member.Attributes[mapping.Attribute]), mapping.Domain)
	default:
		return mapping.Values
	}
}

// inDomain are addresses with another domain; as they are where that is empty.
func inDomain(values []string, domain string) []string {
	if domain == "" {
		return values
	}
	moved := make([]string, len(values))
	for i, value := range values {
		local := value
		if at := strings.LastIndexByte(value, '@'); at >= 0 {
			local = value[:at]
		}
		moved[i] = local + "@" + domain
	}
	return moved
}

func (s Subject) fieldValues(app App, field Field) []string {
	m := s.Member
	switch field {
	case FieldID:
		return nonEmpty(s.ID)
	case FieldMail:
		return nonEmpty(m.Mail)
	case FieldDisplayName:
		return nonEmpty(m.Person.Display(m.Language))
	case FieldFamilyName:
		return nonEmpty(m.Person.Family)
	case FieldGivenName:
		return nonEmpty(m.Person.Given)
	case FieldPhoneticFamilyName:
		return nonEmpty(m.Person.PhoneticFamily)
	case FieldPhoneticGivenName:
		return nonEmpty(m.Person.PhoneticGiven)
	case FieldPhone:
		return nonEmpty(m.Phone)
	case FieldLanguage:
		return nonEmpty(m.Language)
	case FieldTimeZone:
		return nonEmpty(m.TimeZone)
	case FieldRole:
		return nonEmpty(string(m.Role))
	case FieldGroups:
		return groupNames(s.Groups)
	case FieldPermission:
		permission, _ := PermissionOf(m, s.Groups, app)
		return nonEmpty(permission.Effective)
	case FieldAdditionalPermissions:
		return additional(m.EffectiveAdditionalPermissions())
	default:
		return nil
	}
}

func nonEmpty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

func groupNames(groups []Group) []string {
	names := make([]string, 0, len(groups))
	for _, group := range groups {
		names = append(names, group.DisplayName)
	}
	return names
}

func additional(permissions []AdditionalPermission) []string {
	values := make([]string, 0, len(permissions))
	for _, permission := range permissions {
		values = append(values, string(permission))
	}
	return values
}
