/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

// Endpoints are the origins of a cloud of Microsoft.
type Endpoints struct {
	// Login gives tokens, for example https://login.microsoftonline.com.
	Login string
	// Graph is Microsoft Graph, for example https://graph.microsoft.com.
	Graph string
}

// clouds are by the API's names; tokens of one are worth nothing in another.
var clouds = map[string]Endpoints{
	"Global":          {"https://login.microsoftonline.com", "https://graph.microsoft.com"},
	"USGovernment":    {"https://login.microsoftonline.us", "https://graph.microsoft.us"},
	"USGovernmentDoD": {"https://login.microsoftonline.us", "https://dod-graph.microsoft.us"},
	"China":           {"https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"},
}

// Cloud are the endpoints of a cloud by the API's name of it; of the global one
// where the name is empty.
func Cloud(name string) Endpoints {
	if name == "" {
		name = "Global"
	}
	return clouds[name]
}

// Secret is a value that is never shown.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return "(hidden)" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "(hidden)" }

// Certificate proves who the app is instead of a client secret. It shows neither
// the key nor anything else.
type Certificate struct {
	Leaf *x509.Certificate
	// Key must be RSA: Microsoft takes no other.
	Key *rsa.PrivateKey
}

// String implements fmt.Stringer.
func (Certificate) String() string { return "(hidden)" }

// GoString implements fmt.GoStringer.
func (Certificate) GoString() string { return "(hidden)" }

// RoleMapping gives a directory role to the members of one role.
type RoleMapping struct {
	Role directory.Role
	// DirectoryRole is the template ID of the role there.
	DirectoryRole string
}

// Options are what a target is made from.
type Options struct {
	Endpoints Endpoints
	// TenantID and ClientID are GUIDs.
	TenantID, ClientID string
	// ClientSecret or Certificate is set.
	ClientSecret Secret
	Certificate  *Certificate
	// SecretExpires is when the client secret ends, where the administrator says
	// so; zero where not.
	SecretExpires time.Time
	// Domain is where user principal names are made; required but for Intune.
	Domain string
	// OtherDomains are those in which a member's name is made instead whose mail
	// is in one of them.
	OtherDomains []string
	// UsageLocation is a country of two capital letters; may be empty.
	UsageLocation string
	Roles         []RoleMapping
	// Attributes fill properties, and go before the defaults.
	Attributes []provision.Attribute
	// Federates: the app also manages the federation of the domain.
	Federates bool
	// ReadsDevices: the app also reads the devices of Intune.
	ReadsDevices bool
	// HTTP speaks to both endpoints.
	HTTP *client.Client
	// Budget bounds writes; none where nil.
	Budget *provision.Budget
	// Now defaults to time.Now, Random to crypto/rand.Reader.
	Now    func() time.Time
	Random io.Reader
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// check tells what is wrong with the options, and what to do.
func (o Options) check() error {
	switch {
	case o.Endpoints.Login == "" || o.Endpoints.Graph == "":
		return errors.New("the addresses of the cloud are not known; set spec.entraID.cloud or spec.entraID.endpoints")
	case !guid.MatchString(o.TenantID) || !guid.MatchString(o.ClientID):
		return errors.New("tenantID and clientID must be GUIDs, as the app registration's overview shows them")
	case (o.ClientSecret == "") == (o.Certificate == nil):
		return errors.New("exactly one of a client secret and a client certificate is needed")
	case strings.ContainsAny(string(o.ClientSecret), "\r\n"):
		return errors.New("the client secret has a line break; store it in the Secret without one")
	case o.Certificate != nil && (o.Certificate.Leaf == nil || o.Certificate.Key == nil):
		return errors.New("the client certificate lacks its certificate or its key")
	case o.Certificate != nil && !o.Certificate.Key.PublicKey.Equal(o.Certificate.Leaf.PublicKey):
		return errors.New("the client certificate's key does not belong to the certificate; put a matching pair with an RSA key into the Secret")
	case o.Domain == "" && !o.ReadsDevices:
		return errors.New("a domain is needed, in which user names are made; set spec.entraID.domain")
	}
	for _, domain := range append([]string{o.Domain}, o.OtherDomains...) {
		if len(domain) > maxDomain {
			return fmt.Errorf("the domain %s has more than %d characters, which Entra ID does not take in a user principal name; correct spec.entraID.domain or spec.entraID.otherDomains", domain, maxDomain)
		}
	}
	return checkAttributes(o.Attributes)
}

// checkAttributes refuses what cannot be set by attributes.
func checkAttributes(attributes []provision.Attribute) error {
	for _, attribute := range attributes {
		if attribute.Name == upnProperty {
			continue
		}
		if _, known := properties[attribute.Name]; !known {
			return fmt.Errorf("spec.attributes has %s, which is no property of a user that can be set; use one of %s", attribute.Name, strings.Join(propertyNames(), ", "))
		}
	}
	return nil
}

func propertyNames() []string {
	names := []string{upnProperty}
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
