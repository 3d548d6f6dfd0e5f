/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

// Options are what a target is made from.
type Options struct {
	// URL is where the contract's paths begin.
	URL string
	// Token is a bearer token (RFC 6750).
	Token Secret
	// HTTP speaks to the service.
	HTTP *client.Client
	// Budget bounds writes; none where nil.
	Budget *provision.Budget
	// Attributes fill properties by their names, and go before the defaults.
	Attributes []provision.Attribute
	// Roles are the service's words for member roles; Words where a role has none.
	Roles map[directory.Role]string
	// OfMember tells whether a public member ID is one of ours; every UUID is where
	// it is nil.
	OfMember func(id string) bool
}

// Secret is a value that is never shown.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return "(hidden)" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "(hidden)" }

// Words are what member roles are called where nobody says otherwise (O7.3).
func Words() map[directory.Role]string {
	return map[directory.Role]string{
		directory.RoleSuperAdmin: "administrator", directory.RoleGroupCreator: "general", directory.RoleStaff: "general",
	}
}

// Properties that every user has.
const (
	idProperty         = "id"
	externalIDProperty = "externalId"
	mailProperty       = "mail"
	roleProperty       = "role"
	activeProperty     = "active"
)

// standard are the properties that are filled by default, and from which field.
var standard = []provision.Attribute{
	{Name: "familyName", Field: "familyName"},
	{Name: "givenName", Field: "givenName"},
	{Name: "phoneticFamilyName", Field: "phoneticFamilyName"},
	{Name: "phoneticGivenName", Field: "phoneticGivenName"},
	{Name: "displayName", Field: "displayName"},
	{Name: roleProperty, Field: "role"},
}

// reserved are set by rules of their own.
var reserved = []string{idProperty, externalIDProperty, mailProperty, activeProperty}

var propertyName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)

// mapping is what fills a user's properties: the declared ones, and the defaults.
func (o Options) mapping() []provision.Attribute {
	mapping := slices.Clone(o.Attributes)
	for _, attribute := range standard {
		if !slices.ContainsFunc(mapping, func(a provision.Attribute) bool { return a.Name == attribute.Name }) {
			mapping = append(mapping, attribute)
		}
	}
	return mapping
}

// check tells what is wrong with the options, and what to do.
func (o Options) check() error {
	address, err := url.Parse(o.URL)
	switch {
	case err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http" || address.User != nil || address.RawQuery != "" || address.Fragment != "":
		return errors.New("the address must be absolute, by http or https, without a query, a fragment and credentials; correct spec.mdm.rest.url")
	case o.Token == "":
		return errors.New("a token is needed; write it into the Secret that spec.mdm.rest.tokenSecretRef names")
	case strings.ContainsFunc(string(o.Token), func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the token has characters that no token has, for example a line break at its end; write the token alone into the Secret")
	case o.HTTP == nil:
		return errors.New("an HTTP client is needed")
	}
	seen := map[string]bool{}
	for _, attribute := range o.Attributes {
		switch {
		case !propertyName.MatchString(attribute.Name):
			return fmt.Errorf("spec.attributes has %q, which can be no property of a user; use letters, digits and _", attribute.Name)
		case slices.Contains(reserved, attribute.Name):
			return fmt.Errorf("spec.attributes has %s, which Tegata or the service sets; remove it", attribute.Name)
		case seen[attribute.Name]:
			return fmt.Errorf("spec.attributes fills %s twice; remove one of the two", attribute.Name)
		}
		seen[attribute.Name] = true
	}
	return nil
}
