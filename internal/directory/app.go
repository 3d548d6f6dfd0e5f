/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"fmt"
	"slices"
	"strings"
)

// AppKind tells SAML apps from links (O6.1).
type AppKind string

// The kinds, named as the resources are.
const (
	KindSAMLApp AppKind = "SAMLApp"
	KindLinkApp AppKind = "LinkApp"
)

// AppReference names an app of the same tenant.
type AppReference struct {
	Kind AppKind `json:"kind"`
	Name string  `json:"name"`
}

// App is something members open from the portal (O6).
type App struct {
	// Tenant, Kind and Name are the key: tenant slug, resource kind, object name.
	Tenant      string  `json:"tenant"`
	Kind        AppKind `json:"kind"`
	Name        string  `json:"name"`
	DisplayName string  `json:"displayName"`
	// Visible shows the app in the portal.
	Visible bool `json:"visible"`
	// URL is what the portal opens: a link app's address or a SAML app's
	// log-in URL. Empty for IdP-initiated SAML, which starts here.
	URL  string `json:"url,omitempty"`
	Icon *Image `json:"icon,omitempty"`
	// Groups limits the app to participants of these groups; nil is every member.
	Groups []string `json:"groups,omitempty"`
	// Restricted tells an empty Groups (nobody) from an absent one (everybody).
	Restricted bool `json:"restricted,omitempty"`
	// Permissions are declared highest first (O11.1).
	Permissions []Permission `json:"permissions,omitempty"`
	// DefaultPermission is what every member of the tenant holds; "" is none.
	DefaultPermission string `json:"defaultPermission,omitempty"`
	// SAML is set for KindSAMLApp only.
	SAML *SAMLSettings `json:"saml,omitempty"`
}

// Reference names the app within its tenant.
func (a App) Reference() AppReference { return AppReference{Kind: a.Kind, Name: a.Name} }

// Permission is one an app declares (O11.1).
type Permission struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName,omitempty"`
	// Administrator lets its holder assign this app's permissions (O11.2).
	Administrator bool `json:"administrator,omitempty"`
}

// Flow is who starts a SAML log-in (O6.2).
type Flow string

// The flows.
const (
	FlowSPInitiated  Flow = "SPInitiated"
	FlowIdPInitiated Flow = "IdPInitiated"
)

// SigningMode is what carries a signature (O6.2).
type SigningMode string

// The signing modes; both is the default and suits every service seen.
const (
	SignResponseAndAssertion SigningMode = "ResponseAndAssertion"
	SignResponse             SigningMode = "Response"
	SignAssertion            SigningMode = "Assertion"
)

// NameIDFormat is the last part of the SAML format URI.
type NameIDFormat string

// The formats (SAML core 8.3). emailAddress carries the mail; any other
// carries a unique custom attribute (O6.2), or without one, persistent an ID
// that is made for the app and transient a new one each time.
const (
	NameIDEmailAddress NameIDFormat = "emailAddress"
	NameIDPersistent   NameIDFormat = "persistent"
	NameIDTransient    NameIDFormat = "transient"
	NameIDUnspecified  NameIDFormat = "unspecified"
)

// URI is the format's identifier on the wire (SAML core 8.3).
func (f NameIDFormat) URI() string {
	switch f {
	case NameIDPersistent, NameIDTransient:
		return "urn:oasis:names:tc:SAML:2.0:nameid-format:" + string(f)
	default:
		return "urn:oasis:names:tc:SAML:1.1:nameid-format:" + string(f)
	}
}

// SAMLSettings is how an app is spoken to (O6.2).
type SAMLSettings struct {
	Flow     Flow   `json:"flow"`
	EntityID string `json:"entityID"`
	// AssertionConsumerServices are where responses may go; at least one is no
	// pattern, at most one is Default.
	AssertionConsumerServices []AssertionConsumerService `json:"assertionConsumerServices"`
	Signing                   SigningMode                `json:"signing"`
	NameIDFormat              NameIDFormat               `json:"nameIDFormat"`
	// NameIDAttribute is the custom attribute for formats other than emailAddress;
	// empty, too, for persistent and transient IDs that are made here.
	NameIDAttribute string `json:"nameIDAttribute,omitempty"`
	// NameIDField is FieldImmutableID, or empty.
	NameIDField Field `json:"nameIDField,omitempty"`
	// NameQualifier and SPNameQualifier are sent with the NameID; empty are those
	// of a pairwise ID (issuer and entity ID), or none.
	NameQualifier   string `json:"nameQualifier,omitempty"`
	SPNameQualifier string `json:"spNameQualifier,omitempty"`
	// Hash is of the signatures for this app; "" is SHA256.
	Hash Hash `json:"hash,omitempty"`
	// Encryption of assertions; "" is none. It needs a certificate with an RSA
	// key that is not for signing only.
	Encryption Encryption `json:"encryption,omitempty"`
	// Issuer is who responses to this app come from; "" is the tenant.
	Issuer string `json:"issuer,omitempty"`
	// DefaultRelayState goes with log-ins that start here without one.
	DefaultRelayState string             `json:"defaultRelayState,omitempty"`
	Attributes        []AttributeMapping `json:"attributes,omitempty"`
	// Certificates are the service provider's own.
	Certificates []ServiceProviderCertificate `json:"certificates,omitempty"`
	Requests     RequestPolicy                `json:"requests,omitzero"`
	// SingleLogoutServices are where log-out messages may go, the preferred one first.
	SingleLogoutServices []SingleLogoutService `json:"singleLogoutServices,omitempty"`
}

// Hash is what signatures are made over.
type Hash string

// The hashes. SHA1 can be forged; it is for services that know no other.
const (
	SHA256 Hash = "SHA256"
	SHA384 Hash = "SHA384"
	SHA512 Hash = "SHA512"
	SHA1   Hash = "SHA1"
)

// Encryption is how the content of an assertion is encrypted.
type Encryption string

// The algorithms. CBC does not tell altered content from the true one by
// itself; it is for services that know no GCM.
const (
	AES256GCM Encryption = "AES256GCM"
	AES128GCM Encryption = "AES128GCM"
	AES256CBC Encryption = "AES256CBC"
	AES128CBC Encryption = "AES128CBC"
)

// Pairwise reports whether the app knows each member by a name ID of its own
// that tells nothing of who it is (SAML core 8.3.7).
func (s SAMLSettings) Pairwise() bool {
	return s.NameIDFormat == NameIDPersistent && s.NameIDAttribute == "" && s.NameIDField == ""
}

// CertificateUse is what a service provider's certificate is for.
type CertificateUse string

// The uses; the zero value is both (SAML metadata section 2.4.1.1).
const (
	CertificateSigning    CertificateUse = "signing"
	CertificateEncryption CertificateUse = "encryption"
)

// ServiceProviderCertificate is a certificate of a service provider. Only its
// key counts: such certificates are often self-signed and expired.
type ServiceProviderCertificate struct {
	PEM string         `json:"pem"`
	Use CertificateUse `json:"use,omitempty"`
}

// RequestPolicy says which requests of an app are taken. A signature that is
// there is verified always.
type RequestPolicy struct {
	// Signed refuses requests without a signature.
	Signed bool `json:"signed,omitempty"`
	// AllowSHA1 takes signatures with SHA-1 too.
	AllowSHA1 bool `json:"allowSHA1,omitempty"`
}

// Binding is how a SAML message travels through the browser.
type Binding string

// The bindings, named as the resource does (SAML bindings sections 3.4 and 3.5).
const (
	BindingHTTPRedirect Binding = "HTTPRedirect"
	BindingHTTPPOST     Binding = "HTTPPOST"
)

// SingleLogoutService is an address log-out messages are sent to.
type SingleLogoutService struct {
	Binding Binding `json:"binding"`
	URL     string  `json:"url"`
	// ResponseURL takes responses; empty is URL.
	ResponseURL string `json:"responseURL,omitempty"`
}

// AssertionConsumerService is an address responses are posted to.
type AssertionConsumerService struct {
	URL string `json:"url"`
	// Index is what AssertionConsumerServiceIndex of a request refers to.
	Index   int  `json:"index"`
	Default bool `json:"default,omitempty"`
	// Pattern: each * in URL stands for any characters within one path segment.
	Pattern bool `json:"pattern,omitempty"`
}

// Matches reports whether a response may be posted to the address.
func (a AssertionConsumerService) Matches(address string) bool {
	if !a.Pattern {
		return address == a.URL
	}
	want, got := strings.Split(a.URL, "/"), strings.Split(address, "/")
	return len(want) == len(got) && strings.IndexFunc(address, unfit) < 0 && segmentsMatch(want, got)
}

// unfit are characters that browsers drop, change or read another way, so that
// an address with them leads elsewhere than it seems: "/.\t./" is "/../".
func unfit(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("?#\\%", r) }

func segmentsMatch(patterns, segments []string) bool {
	for i, pattern := range patterns {
		if !segmentMatches(pattern, segments[i]) {
			return false
		}
	}
	return true
}

// segmentMatches compares one segment; dots alone would leave the folder.
func segmentMatches(pattern, segment string) bool {
	pieces := strings.Split(pattern, "*")
	if len(pieces) == 1 {
		return pattern == segment
	}
	rest, found := strings.CutPrefix(segment, pieces[0])
	if !found || segment == "." || segment == ".." {
		return false
	}
	for _, piece := range pieces[1 : len(pieces)-1] {
		_, after, found := strings.Cut(rest, piece)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, pieces[len(pieces)-1])
}

// DefaultAssertionConsumerService is the one marked default, else the first
// that is no pattern.
func (s SAMLSettings) DefaultAssertionConsumerService() AssertionConsumerService {
	i := slices.IndexFunc(s.AssertionConsumerServices, func(a AssertionConsumerService) bool { return a.Default })
	if i < 0 {
		i = slices.IndexFunc(s.AssertionConsumerServices, func(a AssertionConsumerService) bool { return !a.Pattern })
	}
	return s.AssertionConsumerServices[max(i, 0)]
}

// Field is a built-in member field that a SAML attribute can carry.
type Field string

// The fields.
const (
	FieldID                    Field = "id"
	FieldMail                  Field = "mail"
	FieldDisplayName           Field = "displayName"
	FieldFamilyName            Field = "familyName"
	FieldGivenName             Field = "givenName"
	FieldPhoneticFamilyName    Field = "phoneticFamilyName"
	FieldPhoneticGivenName     Field = "phoneticGivenName"
	FieldPhone                 Field = "phone"
	FieldLanguage              Field = "language"
	FieldTimeZone              Field = "timeZone"
	FieldRole                  Field = "role"
	FieldGroups                Field = "groups"
	FieldPermission            Field = "permission"
	FieldAdditionalPermissions Field = "additionalPermissions"
	// FieldImmutableID is for name IDs only: what ImmutableID makes of the ID.
	FieldImmutableID Field = "immutableID"
)

// AttributeMapping is one SAML attribute of the assertion: from a field, from
// a custom attribute, or a fixed value; exactly one is set.
type AttributeMapping struct {
	// Name is the SAML Attribute Name.
	Name string `json:"name"`
	// NameFormat is basic, uri or unspecified.
	NameFormat string `json:"nameFormat"`
	Field      Field  `json:"field,omitempty"`
	Attribute  string `json:"attribute,omitempty"`
	// Domain takes the place of what follows @ in the value; "" leaves it as it is.
	Domain string `json:"domain,omitempty"`
	// Values are fixed ones.
	Values []string `json:"values,omitempty"`
}

// CheckApp tells what is wrong with an app that the schema cannot tell.
func CheckApp(t Tenant, a App) Problems {
	if a.SAML == nil {
		return nil
	}
	var problems Problems
	if name := a.SAML.NameIDAttribute; name != "" {
		definition, declared := t.Attribute(name)
		switch {
		case !declared:
			problems = append(problems, undeclared("nameID.attribute", t.Slug, name))
		case !definition.Unique:
			problems = append(problems, Problem{
				Field:   "nameID.attribute",
				Message: fmt.Sprintf("attribute %q allows duplicates, so it cannot identify a member; use one with unique: true", name),
			})
		}
	}
	for i, mapping := range a.SAML.Attributes {
		if mapping.Attribute == "" {
			continue
		}
		if _, declared := t.Attribute(mapping.Attribute); !declared {
			problems = append(problems, undeclared(fmt.Sprintf("attributes[%d].from.attribute", i), t.Slug, mapping.Attribute))
		}
	}
	return problems
}

func undeclared(field, tenant, name string) Problem {
	return Problem{
		Field:   field,
		Message: fmt.Sprintf("tenant %s declares no attribute %q; add it to the Tenant's spec.attributes", tenant, name),
	}
}
