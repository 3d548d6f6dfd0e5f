/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

// Namespaces of the documents read and written.
const (
	namespaceAlgorithms = "urn:oasis:names:tc:SAML:metadata:algsupport"
	namespaceAssertion  = "urn:oasis:names:tc:SAML:2.0:assertion"
	namespaceProtocol   = "urn:oasis:names:tc:SAML:2.0:protocol"
	namespaceMetadata   = "urn:oasis:names:tc:SAML:2.0:metadata"
	namespaceScopes     = "urn:mace:shibboleth:metadata:1.0"
	namespaceSignature  = "http://www.w3.org/2000/09/xmldsig#"
)

// Bindings (SAML bindings sections 3.4 and 3.5).
const (
	BindingHTTPRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	BindingHTTPPost     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// Status codes (SAML core section 3.2.2.2). The first four are top-level, the
// others go below one of them.
const (
	StatusSuccess         = "urn:oasis:names:tc:SAML:2.0:status:Success"
	StatusRequester       = "urn:oasis:names:tc:SAML:2.0:status:Requester"
	StatusResponder       = "urn:oasis:names:tc:SAML:2.0:status:Responder"
	StatusVersionMismatch = "urn:oasis:names:tc:SAML:2.0:status:VersionMismatch"

	StatusInvalidNameIDPolicy = "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy"
	StatusNoAuthnContext      = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext"
	StatusPartialLogout       = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout"
	StatusNoPassive           = "urn:oasis:names:tc:SAML:2.0:status:NoPassive"
	StatusRequestDenied       = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied"
	StatusUnknownPrincipal    = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"
	StatusUnsupportedBinding  = "urn:oasis:names:tc:SAML:2.0:status:UnsupportedBinding"
)

// Authentication context classes that a password log-in satisfies (SAML
// authentication context section 3.4).
const (
	ClassPasswordProtectedTransport = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
	ClassPassword                   = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
	ClassUnspecified                = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"
)

const (
	attributeNameFormatPrefix = "urn:oasis:names:tc:SAML:2.0:attrname-format:"
	confirmationBearer        = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	version20                 = "2.0"
)
