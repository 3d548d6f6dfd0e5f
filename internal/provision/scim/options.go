/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

// The ways in which changes are sent.
const (
	Patch = "PATCH"
	Put   = "PUT"
)

// The fields that accounts are named by.
const (
	UserNameMail = "mail"
	UserNameName = "name"
)

// Options are what a target is made from.
type Options struct {
	// Field is what messages call the part of a spec that these are from;
	// "spec.scim" where empty.
	Field string
	// URL is where the service's paths begin, without a query.
	URL            string
	Authentication Authentication
	// HTTP speaks to the service, and to the one that gives tokens.
	HTTP *client.Client
	// Budget bounds writes; none where nil.
	Budget *provision.Budget
	// Updates is Patch or Put; empty leaves it to the service.
	Updates string
	// UserName is UserNameMail or UserNameName; the first where empty.
	UserName string
	// Attributes fill properties by their paths, and go before the defaults.
	Attributes []provision.Attribute
	// Roles are the service's words for member roles (O7.3); only an MDM has them.
	// They are what the field role stands for. Where no attribute has that field,
	// they go to the primary one of roles, if the service's schema lists roles.
	Roles map[directory.Role]string
	// OfMember tells whether a public member ID is one of ours; every UUID is where
	// it is nil. Another provisioning may have left UUIDs of its own in externalId.
	OfMember func(id string) bool
	// Now defaults to time.Now.
	Now func() time.Time
}

// Secret is a value that is never shown.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return "(hidden)" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "(hidden)" }

// Authentication is how the operator proves who it is; one of them is set.
type Authentication struct {
	// Bearer is a token (RFC 6750).
	Bearer Secret
	Basic  *Basic
	OAuth  *OAuth
}

// String implements fmt.Stringer.
func (Authentication) String() string { return "(hidden)" }

// GoString implements fmt.GoStringer.
func (Authentication) GoString() string { return "(hidden)" }

// Basic is a user name and a password (RFC 7617).
type Basic struct {
	UserName string
	Password Secret
}

// OAuth gets tokens by client credentials (RFC 6749 section 4.4).
type OAuth struct {
	TokenURL, ClientID string
	ClientSecret       Secret
	Scopes             []string
}

// without is a text without any of the secrets.
func (a Authentication) without(text string) string {
	secrets := []Secret{a.Bearer}
	if a.Basic != nil {
		secrets = append(secrets, a.Basic.Password)
	}
	if a.OAuth != nil {
		secrets = append(secrets, a.OAuth.ClientSecret)
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, string(secret), "(hidden)")
		}
	}
	return text
}

func (a Authentication) check() error {
	given := 0
	for _, set := range []bool{a.Bearer != "", a.Basic != nil, a.OAuth != nil} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("exactly one of a bearer token, a user name with a password, and OAuth client credentials is needed")
	case strings.ContainsFunc(string(a.Bearer), func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the bearer token has characters that no token has, for example a line break at its end; write the token alone into the Secret")
	case a.Basic != nil && (a.Basic.UserName == "" || a.Basic.Password == "" || strings.Contains(a.Basic.UserName, ":")):
		return errors.New("the Secret needs username, without a colon, and password")
	case a.OAuth != nil && (a.OAuth.ClientID == "" || a.OAuth.ClientSecret == ""):
		return errors.New("OAuth needs a client ID and a client secret")
	default:
		return nil
	}
}

// field is what messages call one of the options.
func (o Options) field(name string) string { return cmp.Or(o.Field, "spec.scim") + "." + name }

func checkURL(text, field string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("an address must be absolute, by http or https, without a query, a fragment and credentials; correct %s", field)
	}
	return nil
}

// reserved are attributes that no mapping may fill: they are the service's, or
// filled by rules of their own.
var reserved = []string{"id", "externalId", "userName", "active", "schemas", "meta", "password", "groups"}

// paths are those of the attributes, in their order.
func (o Options) paths() ([]path, error) {
	paths := make([]path, 0, len(o.Attributes))
	for _, attribute := range o.Attributes {
		name := attribute.Name
		p, err := parsePath(name)
		if err != nil {
			return nil, fmt.Errorf("attribute %q is no path of SCIM: %w", name, err)
		}
		if p.urn == "" && slices.ContainsFunc(reserved, func(r string) bool { return strings.EqualFold(r, p.attribute) }) {
			return nil, fmt.Errorf("attribute %q cannot be mapped: Tegata or the service sets it; remove it from spec.attributes", name)
		}
		if slices.ContainsFunc(paths, func(other path) bool { return strings.EqualFold(other.String(), p.String()) }) {
			return nil, fmt.Errorf("attribute %q is filled twice; remove one of the two from spec.attributes", name)
		}
		paths = append(paths, p)
	}
	return paths, nil
}

func (o Options) check() error {
	if err := checkURL(o.URL, o.field("url")); err != nil {
		return err
	}
	if err := o.Authentication.check(); err != nil {
		return err
	}
	if oauth := o.Authentication.OAuth; oauth != nil {
		if err := checkURL(oauth.TokenURL, o.field("authentication.oauth.tokenURL")); err != nil {
			return err
		}
	}
	switch {
	case o.HTTP == nil:
		return errors.New("an HTTP client is needed")
	case !slices.Contains([]string{"", Patch, Put}, o.Updates):
		return errors.New("updates must be PATCH or PUT")
	case !slices.Contains([]string{"", UserNameMail, UserNameName}, o.UserName):
		return errors.New("userName must be mail or name")
	default:
		return nil
	}
}
