/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"bytes"
	"encoding/base64"

	"tegata.dev/tegata/internal/directory"
)

// nameIDFormats are what the metadata announces, the usual one first.
var nameIDFormats = []directory.NameIDFormat{
	directory.NameIDEmailAddress, directory.NameIDPersistent, directory.NameIDTransient, directory.NameIDUnspecified,
}

// bindings are those that messages are taken by.
var bindings = []string{BindingHTTPRedirect, BindingHTTPPost}

// Metadata is the tenant's EntityDescriptor (SAML metadata section 2.3.2),
// media type application/samlmetadata+xml. It is unsigned and has the same
// bytes for the same options.
func (p *Provider) Metadata() []byte { return bytes.Clone(p.metadata) }

// renderMetadata keeps the schema's order: key, log-out services, name ID
// formats, log-in services.
func (p *Provider) renderMetadata() []byte {
	var w canonicalWriter
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	w.open("md:EntityDescriptor", attribute{"xmlns:md", namespaceMetadata}, attribute{"entityID", p.own.id})
	w.open("md:IDPSSODescriptor",
		attribute{"WantAuthnRequestsSigned", "false"},
		attribute{"protocolSupportEnumeration", namespaceProtocol})
	w.open("md:KeyDescriptor", attribute{"use", "signing"})
	w.open("ds:KeyInfo", attribute{"xmlns:ds", namespaceSignature})
	w.open("ds:X509Data")
	w.element("ds:X509Certificate", base64.StdEncoding.EncodeToString(p.certificate))
	w.close("ds:X509Data")
	w.close("ds:KeyInfo")
	w.close("md:KeyDescriptor")
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
	w.close("md:EntityDescriptor")
	return w.Bytes()
}
