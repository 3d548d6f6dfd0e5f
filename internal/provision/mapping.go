/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package provision

import (
	"strings"

	"tegata.dev/tegata/internal/directory"
)

// Attribute fills one property of a service: from a field of the member, from a
// custom attribute, or with a fixed value; exactly one of them is set.
type Attribute struct {
	// Name is the service's own name of the property.
	Name string
	// Field is a field of the member as the API names it, for example mailLocalPart.
	Field string
	// Attribute is a custom attribute of the tenant.
	Attribute string
	Value     string
}

// Values are the properties that attributes fill for a subject. Where the member
// has no value the property is empty, which clears it there.
func Values(subject directory.Subject, attributes []Attribute) Properties {
	properties := Properties{}
	for _, attribute := range attributes {
		properties[attribute.Name] = attribute.of(subject)
	}
	return properties
}

func (a Attribute) of(subject directory.Subject) string {
	switch {
	case a.Field != "":
		return FieldValue(subject, a.Field)
	case a.Attribute != "":
		return subject.Member.Attributes[a.Attribute]
	default:
		return a.Value
	}
}

// FieldValue is a field of the member by the API's name of it; empty where the
// member has no value, or there is no such field.
func FieldValue(subject directory.Subject, field string) string {
	m := subject.Member
	switch field {
	case "id":
		return subject.ID
	case "name":
		return m.Name
	case "mail":
		return m.Mail
	case "mailLocalPart":
		local, _ := MailParts(m.Mail)
		return local
	case "displayName":
		return m.Person.Display(m.Language)
	case "familyName":
		return m.Person.Family
	case "givenName":
		return m.Person.Given
	case "phoneticFamilyName":
		return m.Person.PhoneticFamily
	case "phoneticGivenName":
		return m.Person.PhoneticGiven
	case "phone":
		return m.Phone
	case "language":
		return m.Language
	case "timeZone":
		return m.TimeZone
	case "role":
		return string(m.Role)
	default:
		return ""
	}
}

// MailParts are the parts of a mail address before and after its last @; the
// second is empty where there is none.
func MailParts(mail string) (local, domain string) {
	if at := strings.LastIndexByte(mail, '@'); at >= 0 {
		return mail[:at], mail[at+1:]
	}
	return mail, ""
}
