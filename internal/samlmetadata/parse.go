/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlmetadata

import (
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/samlxml"
)

// MaxBytes is the largest document that is read. It leaves room within the
// 1 MiB of a ConfigMap.
const MaxBytes = 512 << 10

// The most of each that one service provider may have.
const (
	maxEntityIDLength = 1024 // SAML core section 8.3.6
	maxServices       = 100
	maxCertificates   = 16
	maxNameIDFormats  = 16
	maxURLLength      = 2048
)

var limits = samlxml.Limits{Bytes: MaxBytes, Elements: 5000, Depth: 32, Attributes: 64}

const (
	namespace = "urn:oasis:names:tc:SAML:2.0:metadata"
	protocol  = "urn:oasis:names:tc:SAML:2.0:protocol"

	bindingPost     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
	bindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
)

// ServiceProvider is what a document says of the one service provider in it.
type ServiceProvider struct {
	EntityID string
	// AssertionConsumerServices are those with HTTP-POST, at least one. Exactly
	// one is the default: the one that the rules of SAML metadata section 2.2.3 choose.
	AssertionConsumerServices []directory.AssertionConsumerService
	// SingleLogoutServices are those with HTTP-Redirect or HTTP-POST.
	SingleLogoutServices []directory.SingleLogoutService
	// Certificates all have keys that can be used.
	Certificates []directory.ServiceProviderCertificate
	// RequestsSigned (AuthnRequestsSigned) promises that every request is
	// signed; there is a certificate to verify by then.
	RequestsSigned bool
	// AssertionsSigned (WantAssertionsSigned) asks for signed assertions.
	AssertionsSigned bool
	// NameIDFormats are the URIs of the formats that it takes; empty is any.
	NameIDFormats []string
	// ValidUntil is when the document expires; zero is never.
	ValidUntil time.Time
	// CacheDuration is how long it should be kept; zero where it says nothing.
	CacheDuration time.Duration
}

// Options are what a document is checked against.
type Options struct {
	// TrustedKeys must have signed the document, where there are any. Without
	// them a signature says nothing, and is ignored.
	TrustedKeys []crypto.PublicKey
	// Now must be before the document's end; zero does not check it.
	Now time.Time
}

// Error tells what is wrong with a document, as a sentence without a full stop
// that says what to do. It repeats nothing of the document but counts and names
// of SAML's own.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func refuse(format string, arguments ...any) error {
	return &Error{Message: fmt.Sprintf(format, arguments...)}
}

// Parse reads the metadata of one service provider: an EntityDescriptor, or an
// EntitiesDescriptor with a single service provider in it. Every failure is an
// *Error.
func Parse(document []byte, o Options) (*ServiceProvider, error) {
	root, err := samlxml.Parse(document, limits)
	if err != nil {
		return nil, unreadable(err)
	}
	if len(o.TrustedKeys) > 0 {
		// The root is what is verified, and everything below is read from the same tree.
		if err := root.VerifyEnveloped(o.TrustedKeys, samlxml.Policy{}); err != nil {
			return nil, unverified(err)
		}
	}
	found, err := find(root)
	if err != nil {
		return nil, err
	}
	provider, err := read(found)
	if err != nil {
		return nil, err
	}
	if !o.Now.IsZero() && provider.Expired(o.Now) {
		return nil, refuse("the metadata expired at %s (validUntil); ask the service provider for current metadata", provider.ValidUntil.Format(time.RFC3339))
	}
	return provider, nil
}

// Expired reports whether validUntil has passed.
func (p *ServiceProvider) Expired(now time.Time) bool {
	return !p.ValidUntil.IsZero() && !now.Before(p.ValidUntil)
}

func unreadable(err error) error {
	return refuse("the metadata cannot be read: it %s; give an XML document with one EntityDescriptor", reason(err))
}

func unverified(err error) error {
	return refuse("the metadata is not proven by the trusted certificate: it %s; ask the service provider which certificate signs its metadata, over the whole of it and with SHA-256", reason(err))
}

func reason(err error) string {
	var refused *samlxml.Error
	if errors.As(err, &refused) {
		return refused.Reason
	}
	return "cannot be read"
}

// located is a service provider's role and the elements around it, outermost
// first: each may limit how long the document holds.
type located struct {
	around []*samlxml.Element
	entity *samlxml.Element
	role   *samlxml.Element
}

// find looks for the only service provider in the document.
func find(root *samlxml.Element) (located, error) {
	if !root.Is(namespace, "EntityDescriptor") && !root.Is(namespace, "EntitiesDescriptor") {
		return located{}, refuse("the document is no SAML metadata; give one whose root is EntityDescriptor")
	}
	found, err := collect(root, nil)
	switch {
	case err != nil:
		return located{}, err
	case len(found) == 0:
		return located{}, refuse("the metadata describes no SAML 2.0 service provider (SPSSODescriptor); give that of the service provider, not of an identity provider")
	case len(found) > 1:
		return located{}, refuse("the metadata describes %d service providers; give that of this one alone", len(found))
	}
	return found[0], nil
}

// collect finds every role of a SAML 2.0 service provider.
func collect(e *samlxml.Element, around []*samlxml.Element) ([]located, error) {
	around = append(around[:len(around):len(around)], e)
	var found []located
	if e.Is(namespace, "EntityDescriptor") {
		for _, role := range e.All(namespace, "SPSSODescriptor") {
			if speaksSAML2(role) {
				found = append(found, located{around: append(around[:len(around):len(around)], role), entity: e, role: role})
			}
		}
		if len(found) > 1 {
			return nil, refuse("the metadata describes the service provider %d times (SPSSODescriptor); ask for metadata with one", len(found))
		}
		return found, nil
	}
	for _, child := range e.Children() {
		if child.Is(namespace, "EntityDescriptor") || child.Is(namespace, "EntitiesDescriptor") {
			below, err := collect(child, around)
			if err != nil {
				return nil, err
			}
			found = append(found, below...)
		}
	}
	return found, nil
}

func speaksSAML2(role *samlxml.Element) bool {
	for _, spoken := range strings.Fields(role.Attribute("protocolSupportEnumeration")) {
		if spoken == protocol {
			return true
		}
	}
	return false
}
