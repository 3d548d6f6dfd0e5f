/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package saml speaks SAML 2.0 Web Browser SSO (SAML profiles section 4.1) as
// an identity provider: it reads authentication requests strictly, checks them
// against an app, and builds signed responses. It does no I/O and keeps no
// state; the caller owns HTTP, sessions and the flow between request and answer.
//
// A request goes DecodeRedirect or DecodePost → Provider.Validate → (the member
// logs in) → Provider.Respond or Provider.Refuse. A signature of a request is
// verified by the app's own certificates.
//
// Responses are rendered straight into exclusive canonical form, so that what
// is hashed is what is sent, without parsing or canonicalising it again.
package saml
