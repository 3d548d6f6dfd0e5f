/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tegata.dev/tegata/internal/directory"
)

// maximumSkew is how far a request's IssueInstant may be from now, either way.
const maximumSkew = 5 * time.Minute

// Pending is a log-in that an app waits for: what must be kept, on the server,
// until the member is logged in.
type Pending struct {
	// RequestID goes back as InResponseTo; empty for an IdP-initiated log-in.
	RequestID string `json:"requestID,omitempty"`
	// EntityID is the app's, at the time of the request.
	EntityID string `json:"entityID"`
	// ACSURL is the registered address that the answer is posted to.
	ACSURL     string `json:"acsURL"`
	RelayState string `json:"relayState,omitempty"`
	// ForceAuthn asks for a new log-in, whatever session there is.
	ForceAuthn bool `json:"forceAuthn,omitempty"`
	// IsPassive forbids any page; where one is needed the answer is NoPassive.
	IsPassive bool `json:"isPassive,omitempty"`
	// SubjectNameID is who must log in; empty for anybody.
	SubjectNameID string `json:"subjectNameID,omitempty"`
	// ContextClass is the AuthnContextClassRef that satisfies the request.
	ContextClass string `json:"contextClass,omitempty"`
}

// IdPInitiated is a log-in that starts here: to the app's default address,
// without InResponseTo (SAML profiles section 4.1.5). An empty relayState is the app's default.
func (p *Provider) IdPInitiated(sp *ServiceProvider, relayState string) *Pending {
	app := sp.app
	return &Pending{
		EntityID:   app.SAML.EntityID,
		ACSURL:     app.SAML.DefaultAssertionConsumerService().URL,
		RelayState: cmp.Or(relayState, app.SAML.DefaultRelayState),
	}
}

// Validate checks a decoded request, at receipt, against the app whose entity
// ID is its issuer. Every failure is a *RequestError. Before the address to
// answer to is known to be the app's, the error has no Pending.
func (p *Provider) Validate(m *Message, sp *ServiceProvider) (*Pending, error) {
	r, app := m.Request, sp.app
	if r.Issuer != app.SAML.EntityID {
		return nil, refuse("The request's Issuer is not the app's entity ID.")
	}
	if err := checkSignature(m, sp); err != nil {
		return nil, err
	}
	if r.Destination != "" && r.Destination != p.singleSignOnURL {
		return nil, refuseAddress("The request was meant for another address than this one.", r.Destination)
	}
	if age := p.now().Sub(r.IssueInstant); age > maximumSkew || age < -maximumSkew {
		return nil, refuse("The request is too old, or a clock is wrong; start again from the app.")
	}
	acsURL, found := assertionConsumerService(r, app)
	if !found {
		return nil, refuseAddress("The request asks for an answer to an address that is not registered for the app.", askedAddress(r))
	}
	pending := &Pending{
		RequestID: r.ID, EntityID: r.Issuer, ACSURL: acsURL, RelayState: m.RelayState,
		ForceAuthn: r.ForceAuthn, IsPassive: r.IsPassive, SubjectNameID: r.SubjectNameID,
	}
	if refusal := checkPolicy(r, app, pending); refusal != nil {
		refusal.Status, refusal.Pending = StatusRequester, pending
		return nil, refusal
	}
	return pending, nil
}

// checkSignature verifies a signature wherever there is one, and demands one
// where the app does. A signed request names its destination (SAML bindings
// sections 3.4.5.2 and 3.5.5.2), so that it cannot be sent elsewhere.
func checkSignature(m *Message, sp *ServiceProvider) error {
	switch {
	case m.signature.present() && m.Request.Destination == "":
		return refuse("The request is signed and does not say for which address.")
	case m.signature.present() && !m.signature.counts() && sp.app.SAML.Requests.Signed:
		return refuse(signTheQuery)
	case m.signature.present():
		return m.signature.verify(sp)
	case sp.app.SAML.Requests.Signed:
		return refuse("The request is not signed, and the app is set to signed requests.")
	}
	return nil
}

// checkPolicy finds what the service provider must be told, and sets the context class.
func checkPolicy(r *Request, app directory.App, pending *Pending) *RequestError {
	class, satisfied := contextClass(r)
	pending.ContextClass = class
	switch {
	case app.SAML.Flow == directory.FlowIdPInitiated:
		return &RequestError{SubStatus: StatusRequestDenied, Message: "The app is set to log-ins that start at the identity provider."}
	case r.ProtocolBinding != "" && r.ProtocolBinding != BindingHTTPPost:
		return &RequestError{SubStatus: StatusUnsupportedBinding, Message: "The request asks for an answer by another binding than HTTP-POST."}
	case r.NameIDPolicyFormat == formatEncrypted:
		return &RequestError{SubStatus: StatusInvalidNameIDPolicy, Message: "The request asks for an encrypted NameID; ask for encrypted assertions instead."}
	case !formatFits(r.NameIDPolicyFormat, app.SAML.NameIDFormat):
		return &RequestError{SubStatus: StatusInvalidNameIDPolicy,
			Message: "The request asks for another NameID format than the app is set to, which is " + string(app.SAML.NameIDFormat) + "."}
	case !slices.Contains([]string{"", r.Issuer, app.SAML.SPNameQualifier}, r.NameIDPolicySPNameQualifier):
		return &RequestError{SubStatus: StatusInvalidNameIDPolicy, Message: "The request asks for a NameID with another SPNameQualifier than the app's."}
	case !satisfied:
		return &RequestError{SubStatus: StatusNoAuthnContext, Message: "The request asks for a kind of log-in that is not offered; ask for PasswordProtectedTransport, or for no kind."}
	case r.Subject && r.SubjectNameID == "":
		return &RequestError{SubStatus: StatusUnknownPrincipal, Message: namedOtherwise}
	}
	return nil
}

// assertionConsumerService finds the registered address that the request asks
// for by URL (compared byte by byte), by index, by both, or by neither.
func assertionConsumerService(r *Request, app directory.App) (string, bool) {
	if r.AssertionConsumerServiceURL == "" && r.AssertionConsumerServiceIndex == nil {
		return app.SAML.DefaultAssertionConsumerService().URL, true
	}
	i := slices.IndexFunc(app.SAML.AssertionConsumerServices, func(s directory.AssertionConsumerService) bool {
		return (r.AssertionConsumerServiceURL == "" || s.Matches(r.AssertionConsumerServiceURL)) &&
			(r.AssertionConsumerServiceIndex == nil || !s.Pattern && s.Index == *r.AssertionConsumerServiceIndex)
	})
	if i < 0 {
		return "", false
	}
	if r.AssertionConsumerServiceURL != "" {
		return r.AssertionConsumerServiceURL, true
	}
	return app.SAML.AssertionConsumerServices[i].URL, true
}

// askedAddress is where a request wants its answer, to be read by a person.
func askedAddress(r *Request) string {
	if r.AssertionConsumerServiceIndex == nil {
		return r.AssertionConsumerServiceURL
	}
	return strings.TrimSpace(r.AssertionConsumerServiceURL + " index " + strconv.Itoa(*r.AssertionConsumerServiceIndex))
}

// formatEncrypted asks for an EncryptedID in place of a NameID (SAML core section 3.4.1.1).
const formatEncrypted = "urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted"

// namedOtherwise tells of an EncryptedID or BaseID, or of an empty NameID.
const namedOtherwise = "The request names the member in another way than by a NameID that is not encrypted."

// formatFits compares by the last part: senders mix up the prefixes of SAML
// 1.1 and 2.0. Unspecified leaves the choice to us (SAML core section 3.4.1.1).
func formatFits(requested string, format directory.NameIDFormat) bool {
	for _, prefix := range []string{"urn:oasis:names:tc:SAML:1.1:nameid-format:", "urn:oasis:names:tc:SAML:2.0:nameid-format:"} {
		if name, cut := strings.CutPrefix(requested, prefix); cut {
			return name == string(format) || name == string(directory.NameIDUnspecified)
		}
	}
	return requested == ""
}

// passwordClasses are what a log-in with a password over TLS may be called,
// the strongest first.
var passwordClasses = []string{ClassPasswordProtectedTransport, ClassPassword, ClassUnspecified}

// contextClass is the class to assert, and whether the request is satisfied
// by it (SAML core section 3.3.2.2.1). No log-in is stronger than one with a
// password over TLS, so "better" is satisfied by weaker classes only. Of what
// "minimum" lists it is the strongest, as python3-saml takes no class that was
// not listed.
func contextClass(r *Request) (string, bool) {
	if !r.RequestedAuthnContext {
		return ClassPasswordProtectedTransport, true
	}
	asked := func(classes []string) (string, bool) {
		i := slices.IndexFunc(r.RequestedAuthnContextClasses, func(class string) bool { return slices.Contains(classes, class) })
		if i < 0 {
			return "", false
		}
		return r.RequestedAuthnContextClasses[i], true
	}
	switch r.RequestedAuthnContextComparison {
	case "", "exact", "maximum":
		return asked(passwordClasses)
	case "minimum":
		for i := range passwordClasses {
			if class, ok := asked(passwordClasses[i : i+1]); ok {
				return class, true
			}
		}
		return "", false
	case "better":
		_, ok := asked(passwordClasses[1:])
		return ClassPasswordProtectedTransport, ok
	default:
		return "", false
	}
}
