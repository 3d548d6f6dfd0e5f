/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

// kind is the type of a property.
type kind string

const (
	text   kind = "string"
	flag   kind = "boolean"
	texts  kind = "string[]"
	when   kind = "date"
	object kind = "object"
	other  kind = "other"
)

// property is what Graph takes for a property.
type property struct {
	kind kind
	// max is in UTF-16 code units, for each value of a list; 0 is no limit.
	max int
	// most values of a list; 0 is no limit.
	most int
	// kept cannot be null.
	kept bool
	// readOnly cannot be written.
	readOnly   bool
	filterable bool
	// byDefault is read without being selected.
	byDefault bool
	// fits tells whether a value is taken; nil takes all.
	fits func(string) bool
	// parts are those of an object.
	parts map[string]property
	// values are those of an enumeration.
	values []string
}

// field is a text of limited length that can be cleared.
func field(limit int) property { return property{kind: text, max: limit} }

func (p property) filtered() property { p.filterable = true; return p }
func (p property) shown() property    { p.byDefault = true; return p }
func (p property) never() property    { p.kept = true; return p }
func (p property) read() property     { p.readOnly = true; return p }

func (p property) fitting(pattern string) property {
	p.fits = regexp.MustCompile(pattern).MatchString
	return p
}

// userProperties are those of a user that the tenant knows. Others are refused as
// unknown, as Graph refuses a name that is misspelt.
var userProperties = map[string]property{
	"id":                            {kind: text, readOnly: true, filterable: true, byDefault: true, kept: true},
	"accountEnabled":                {kind: flag, filterable: true, kept: true},
	"ageGroup":                      {kind: text, values: []string{"Minor", "NotAdult", "Adult"}},
	"assignedLicenses":              {kind: other, readOnly: true},
	"businessPhones":                {kind: texts, max: 64, most: 1, byDefault: true, kept: true},
	"city":                          field(128).filtered(),
	"companyName":                   field(64).filtered(),
	"country":                       field(128).filtered(),
	"createdDateTime":               {kind: when, readOnly: true},
	"creationType":                  field(0).read(),
	"deletedDateTime":               {kind: when, readOnly: true},
	"department":                    field(64).filtered(),
	"displayName":                   field(256).filtered().shown().never(),
	"employeeHireDate":              {kind: when},
	"employeeId":                    field(16).filtered(),
	"employeeOrgData":               {kind: object, parts: map[string]property{"costCenter": field(0), "division": field(0)}},
	"employeeType":                  field(0).filtered(),
	"faxNumber":                     field(64),
	"givenName":                     field(64).filtered().shown(),
	"identities":                    {kind: other, readOnly: true},
	"jobTitle":                      field(128).filtered().shown(),
	"mail":                          field(113).filtered().shown().fitting(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`),
	"mailNickname":                  field(64).filtered().never().fitting(`^[!#$%&'*+\-./0-9=?A-Z^_a-z{|}~` + "`" + `]+$`),
	"mobilePhone":                   field(64).shown(),
	"officeLocation":                field(128).shown(),
	"onPremisesDomainName":          field(0).read(),
	"onPremisesExtensionAttributes": {kind: object, parts: extensionAttributes()},
	"onPremisesImmutableId":         field(0).filtered().fitting(`^[^$_]+$`),
	"onPremisesLastSyncDateTime":    {kind: when, readOnly: true},
	"onPremisesSyncEnabled":         {kind: flag, readOnly: true, filterable: true},
	"otherMails":                    {kind: texts, max: 250, most: 250, kept: true},
	"passwordPolicies":              field(0).fitting(`^(None|DisablePasswordExpiration|DisableStrongPassword|DisablePasswordExpiration, ?DisableStrongPassword)$`),
	"passwordProfile": {kind: object, kept: true, parts: map[string]property{
		"forceChangePasswordNextSignIn": {kind: flag}, "forceChangePasswordNextSignInWithMfa": {kind: flag}, "password": field(256).never(),
	}},
	"postalCode":        field(40).filtered(),
	"preferredLanguage": field(0).filtered().shown().fitting(`^[a-z]{2,3}(-[A-Za-z]{4})?(-[A-Z]{2})?$`),
	"proxyAddresses":    {kind: texts, readOnly: true},
	"showInAddressList": {kind: flag},
	"state":             field(128).filtered(),
	"streetAddress":     field(1024),
	"surname":           field(64).filtered().shown(),
	"usageLocation":     field(2).filtered().never().fitting(`^[A-Z]{2}$`),
	"userPrincipalName": field(113).filtered().shown().never(),
	"userType":          {kind: text, filterable: true, values: []string{"Member", "Guest"}},
}

func extensionAttributes() map[string]property {
	all := map[string]property{}
	for n := range 15 {
		all[fmt.Sprintf("extensionAttribute%d", n+1)] = field(1024)
	}
	return all
}

// check tells why a value is refused; nil where it is taken. It refuses what is
// of another type, and the empty text, for which null is.
func (p property) check(name string, value any) *answer {
	message := fmt.Sprintf("Invalid value specified for property '%s' of resource.", name)
	bad := func() *answer { a := invalidValue(name, message); return &a }
	switch {
	case p.readOnly:
		a := invalid("Property '%s' is read-only and cannot be set.", name)
		return &a
	case value == nil && p.kept:
		return bad()
	case value == nil:
		return nil
	}
	switch p.kind {
	case flag:
		if _, is := value.(bool); !is {
			return mistyped(name, p.kind)
		}
	case text, when:
		written, is := value.(string)
		if !is {
			return mistyped(name, p.kind)
		}
		if !p.takes(written) {
			return bad()
		}
	case texts:
		list, is := value.([]any)
		if !is {
			return mistyped(name, p.kind)
		}
		if p.most > 0 && len(list) > p.most {
			return bad()
		}
		for _, item := range list {
			written, is := item.(string)
			if !is {
				return mistyped(name, p.kind)
			}
			if !p.takes(written) {
				return bad()
			}
		}
	case object:
		return p.checkParts(name, value)
	}
	return nil
}

func (p property) checkParts(name string, value any) *answer {
	fields, is := value.(map[string]any)
	if !is {
		return mistyped(name, p.kind)
	}
	return checkAll(p.parts, fields)
}

// checkAll checks every value of an object.
func checkAll(properties map[string]property, fields map[string]any) *answer {
	for name, value := range fields {
		p, isKnown := properties[name]
		if !isKnown {
			a := invalid("Invalid property '%s'.", name)
			return &a
		}
		if refused := p.check(name, value); refused != nil {
			return refused
		}
	}
	return nil
}

func (p property) takes(written string) bool {
	if p.kind == when {
		_, err := time.Parse(time.RFC3339, written)
		return err == nil
	}
	return written != "" && strings.TrimSpace(written) == written && (p.max == 0 || len(utf16.Encode([]rune(written))) <= p.max) &&
		(p.fits == nil || p.fits(written)) && (len(p.values) == 0 || slices.Contains(p.values, written))
}

func mistyped(name string, want kind) *answer {
	a := invalid("A value was found for property '%s' that is not of the expected type '%s'.", name, want)
	return &a
}
