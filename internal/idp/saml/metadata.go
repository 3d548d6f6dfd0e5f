/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"

	"tegata.dev/tegata/internal/directory"
)

// nameIDFormats are what the metadata announces, the usual one first.
var nameIDFormats = []directory.NameIDFormat{
	directory.NameIDEmailAddress, directory.NameIDPersistent, directory.NameIDTransient, directory.NameIDUnspecified,
}

// bindings are those that messages are taken by.
var bindings = []string{BindingHTTPRedirect, BindingHTTPPost}

// metadataLifetime is how long service providers may go by a document they have
// read, as xs:duration: half of the shortest overlap of a rotation.
const metadataLifetime = "PT1H"

// announcedHashes are those that signatures of others may be over, the preferred one first.
var announcedHashes = []directory.Hash{directory.SHA256, directory.SHA384, directory.SHA512}

// Metadata is the tenant's EntityDescriptor (SAML metadata section 2.3.2),
// media type application/samlmetadata+xml, signed by the key of the first
// certificate in it. It has the same bytes for the same options, in every
// process, and is made when it is asked for first.
func (p *Provider) Metadata() ([]byte, error) {
	document, err := p.metadata()
	return bytes.Clone(document), err
}

// renderMetadata has an ID that follows from the content. It says no validUntil,
// which would make it another document with each reading.
func (p *Provider) renderMetadata() ([]byte, error) {
	var content canonicalWriter
	p.writeRole(&content)
	sum := sha256.Sum256([]byte(p.own.id + "\x00" + content.String()))
	id := "_" + hex.EncodeToString(sum[:16])

	signer := *p.signers[directory.SHA256]
	signer.key = repeatable{signer.key}
	var w canonicalWriter
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	err := signer.envelop(&w, id, func() {
		w.open("md:EntityDescriptor", attribute{"xmlns:md", namespaceMetadata},
			attribute{"ID", id}, attribute{"cacheDuration", metadataLifetime}, attribute{"entityID", p.own.id})
	}, func() error {
		w.WriteString(content.String())
		w.close("md:EntityDescriptor")
		return nil
	})
	return w.Bytes(), err
}

// writeRole keeps the schema's order: extensions, keys, log-out services, name
// ID formats, log-in services. WantAuthnRequestsSigned is absent, which is false: some
// service providers (OneLogin's toolkits) take a value as an order, and cease
// to sign although they were set to.
func (p *Provider) writeRole(w *canonicalWriter) {
	w.open("md:IDPSSODescriptor",
		attribute{"protocolSupportEnumeration", namespaceProtocol})
	p.writeExtensions(w)
	for _, certificate := range p.certificates {
		w.open("md:KeyDescriptor", attribute{"use", "signing"})
		w.open("ds:KeyInfo", attribute{"xmlns:ds", namespaceSignature})
		w.open("ds:X509Data")
		w.element("ds:X509Certificate", base64.StdEncoding.EncodeToString(certificate))
		w.close("ds:X509Data")
		w.close("ds:KeyInfo")
		w.close("md:KeyDescriptor")
	}
	for _, binding := range bindings {
		w.element("md:SingleLogoutService", "", attribute{"Binding", binding}, attribute{"Location", p.singleLogoutURL})
	}
	for _, format := range nameIDFormats {
		w.element("md:NameIDFormat", format.URI())
	}
	for _, binding := range bindings {
		w.element("md:SingleSignOnService", "", attribute{"Binding", binding}, attribute{"Location", p.singleSignOnURL})
	}
	w.close("md:IDPSSODescriptor")
}

// writeExtensions announces what signatures are taken by (SAML metadata profile
// for algorithm support section 2.4), and the scopes (Shibboleth's metadata
// schema). Shibboleth's service provider signs what it posts with SHA-1 unless it
// finds something better here, and drops names of domains that are no scopes.
func (p *Provider) writeExtensions(w *canonicalWriter) {
	w.open("md:Extensions")
	for _, hash := range announcedHashes {
		w.element("alg:DigestMethod", "", attribute{"xmlns:alg", namespaceAlgorithms}, attribute{"Algorithm", hashes[hash].digest})
	}
	for _, key := range []string{"rsa-", "ecdsa-"} {
		for _, hash := range announcedHashes {
			w.element("alg:SigningMethod", "", attribute{"xmlns:alg", namespaceAlgorithms}, attribute{"Algorithm", moreAlgorithms + key + hashes[hash].name})
		}
	}
	for _, scope := range p.scopes {
		w.element("shibmd:Scope", scope, attribute{"xmlns:shibmd", namespaceScopes}, attribute{"regexp", "false"})
	}
	w.close("md:Extensions")
}

// repeatable signs the same digest alike each time (RFC 6979 for ECDSA).
type repeatable struct{ crypto.Signer }

// Sign implements crypto.Signer.
func (r repeatable) Sign(_ io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	return r.Signer.Sign(nil, digest, options)
}
