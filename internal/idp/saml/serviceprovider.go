/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"cmp"
	"crypto"
	"fmt"
	"slices"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
)

// ServiceProvider is a SAML app, prepared once for each change of it:
// immutable, safe for concurrent use.
type ServiceProvider struct {
	app directory.App
	// keys verify what the app signs.
	keys []crypto.PublicKey
	// hash is what the app's messages are signed with.
	hash directory.Hash
	// issuer is nil where the tenant's is meant.
	issuer *issuer
	// encryption is nil where assertions are not encrypted.
	encryption *encryption
	// conditions is the rest of saml:Conditions after its start tag.
	conditions string
	attributes []preparedAttribute
}

// preparedAttribute is an attribute's start tag and where its values come from.
type preparedAttribute struct {
	name, open string
	mappings   []directory.AttributeMapping
}

// NewServiceProvider parses the app's certificates and renders what is the same
// in every response. The error names the first certificate that cannot be used.
func NewServiceProvider(app directory.App) (*ServiceProvider, error) {
	if app.SAML == nil {
		return nil, fmt.Errorf("app %s is not a SAML app", app.Name)
	}
	sp := &ServiceProvider{
		app: app, hash: cmp.Or(app.SAML.Hash, directory.SHA256),
		conditions: renderConditions(app.SAML.EntityID), attributes: prepareAttributes(app.SAML.Attributes),
	}
	if _, known := hashes[sp.hash]; !known {
		return nil, fmt.Errorf("app %s is set to the unknown hash %q", app.Name, sp.hash)
	}
	for i, certificate := range app.SAML.Certificates {
		parsed, err := keypair.ParsePeerCertificate([]byte(certificate.PEM))
		if err != nil {
			return nil, fmt.Errorf("certificate %d of app %s: %w", i, app.Name, err)
		}
		if certificate.Use != directory.CertificateEncryption {
			sp.keys = append(sp.keys, parsed.PublicKey)
		}
	}
	if app.SAML.Issuer != "" {
		sp.issuer = newIssuer(app.SAML.Issuer)
	}
	var err error
	if sp.encryption, err = newEncryption(app.SAML); err != nil {
		return nil, fmt.Errorf("app %s: %w", app.Name, err)
	}
	return sp, nil
}

// App is what the service provider was made of.
func (sp *ServiceProvider) App() directory.App { return sp.app }

// issuer is an entity ID and its element, alone and below an element that
// declares its prefix.
type issuer struct{ id, alone, below string }

func newIssuer(id string) *issuer {
	var alone, below canonicalWriter
	alone.element("saml:Issuer", id, attribute{"xmlns:saml", namespaceAssertion})
	below.element("saml:Issuer", id)
	return &issuer{id: id, alone: alone.String(), below: below.String()}
}

func renderConditions(entityID string) string {
	var w canonicalWriter
	w.open("saml:AudienceRestriction")
	w.element("saml:Audience", entityID)
	w.close("saml:AudienceRestriction")
	w.close("saml:Conditions")
	return w.String()
}

// prepareAttributes joins mappings of the same name into one attribute with many
// values: an attribute that occurs twice is refused by python3-saml and others.
func prepareAttributes(mappings []directory.AttributeMapping) []preparedAttribute {
	var prepared []preparedAttribute
	for _, mapping := range mappings {
		i := slices.IndexFunc(prepared, func(a preparedAttribute) bool { return a.name == mapping.Name })
		if i >= 0 {
			prepared[i].mappings = append(prepared[i].mappings, mapping)
			continue
		}
		var w canonicalWriter
		w.open("saml:Attribute", attribute{"Name", mapping.Name}, attribute{"NameFormat", nameFormatURI(mapping.NameFormat)})
		prepared = append(prepared, preparedAttribute{name: mapping.Name, open: w.String(), mappings: []directory.AttributeMapping{mapping}})
	}
	return prepared
}

// nameFormatURI is of SAML core section 8.2; an absent format stays absent,
// which means unspecified.
func nameFormatURI(format string) string {
	if format == "" {
		return ""
	}
	return attributeNameFormatPrefix + format
}
