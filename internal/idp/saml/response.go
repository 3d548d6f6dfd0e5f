/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"errors"
	"slices"
	"strings"
	"time"

	"tegata.dev/tegata/internal/directory"
)

const (
	// Several service providers tolerate no skew at all, so the past is generous
	// and the future begins when the response is issued, not when it was asked for.
	validBefore = time.Minute
	validFor    = 5 * time.Minute

	// instantLayout is xs:dateTime in UTC (SAML core section 1.3.3).
	instantLayout = "2006-01-02T15:04:05.000Z"
)

// ErrNameIDCharacters is returned for a NameID that XML cannot carry.
var ErrNameIDCharacters = errors.New("the value that identifies the member contains characters that SAML cannot carry")

// Authentication is how and when the member proved who they are.
type Authentication struct {
	At time.Time
	// SessionIndex names the session to the service provider; it must not be a
	// secret such as a cookie's value. Empty leaves it out.
	SessionIndex string
	// SessionNotOnOrAfter is the end of the session; zero leaves it out.
	SessionNotOnOrAfter time.Time
	// ContextClass is an AuthnContextClassRef; empty means what the request
	// asked for, by default PasswordProtectedTransport.
	ContextClass string
}

// Response is a success Response, and whom its assertion names.
type Response struct {
	// Document is the XML.
	Document []byte
	NameID   NameID
}

// NameID is how an assertion names a member (SAML core section 2.2.3).
type NameID struct {
	Value string `json:"value"`
	// Format is the URI.
	Format string `json:"format"`
}

// Respond renders the signed success Response (SAML core section 3.3.3) with
// one assertion, valid from one minute ago for five minutes from now. The
// caller posts it, in base64, as SAMLResponse to pending.ACSURL with
// pending.RelayState.
//
// Errors: directory.ErrNoNameID and ErrNameIDCharacters (the member cannot be
// named to this app); *RequestError where the app was changed since the request
// came (no Pending) or where the request named somebody else (with Pending).
func (p *Provider) Respond(pending *Pending, sp *ServiceProvider, subject directory.Subject, authn Authentication) (*Response, error) {
	app := sp.app
	if err := checkStillRegistered(pending, app); err != nil {
		return nil, err
	}
	nameID, err := subject.NameID(app)
	if err != nil {
		return nil, err
	}
	if nameID == "" || !isXMLText(nameID) {
		return nil, ErrNameIDCharacters
	}
	if !pending.names(nameID, app.SAML.NameIDFormat) {
		return nil, &RequestError{
			Status: StatusRequester, SubStatus: StatusUnknownPrincipal, Pending: pending,
			Message: "The app asked for somebody else than the member who is logged in.",
		}
	}
	now := p.now()
	assertion, err := p.assertion(assertionContent{
		pending: pending, app: app, nameID: nameID, attributes: mergeAttributes(subject.AssertionAttributes(app)),
		authn: authn, now: now,
	})
	if err != nil {
		return nil, err
	}
	var status canonicalWriter
	status.open("samlp:Status")
	status.element("samlp:StatusCode", "", attribute{"Value", StatusSuccess})
	status.close("samlp:Status")
	signed := app.SAML.Signing != directory.SignAssertion
	document, err := p.response(pending, now, status.String()+assertion, signed)
	if err != nil {
		return nil, err
	}
	return &Response{Document: document, NameID: NameID{Value: nameID, Format: app.SAML.NameIDFormat.URI()}}, nil
}

// Refuse renders a signed Response with a status and no assertion (SAML core
// section 3.2.2). subStatus and message may be empty.
func (p *Provider) Refuse(pending *Pending, status, subStatus, message string) ([]byte, error) {
	var w canonicalWriter
	w.open("samlp:Status")
	w.open("samlp:StatusCode", attribute{"Value", status})
	if subStatus != "" {
		w.element("samlp:StatusCode", "", attribute{"Value", subStatus})
	}
	w.close("samlp:StatusCode")
	if message != "" {
		w.element("samlp:StatusMessage", message)
	}
	w.close("samlp:Status")
	return p.response(pending, p.now(), w.String(), true)
}

// response wraps content, which begins with samlp:Status, and signs it if asked to.
func (p *Provider) response(pending *Pending, now time.Time, content string, signed bool) ([]byte, error) {
	id, err := p.newID()
	if err != nil {
		return nil, err
	}
	var head canonicalWriter
	head.open("samlp:Response",
		attribute{"xmlns:samlp", namespaceProtocol},
		attribute{"Destination", pending.ACSURL},
		attribute{"ID", id},
		attribute{"InResponseTo", pending.RequestID},
		attribute{"IssueInstant", instant(now)},
		attribute{"Version", version20})
	head.element("saml:Issuer", p.entityID, attribute{"xmlns:saml", namespaceAssertion})
	tail := content + "</samlp:Response>"
	if !signed {
		return []byte(head.String() + tail), nil
	}
	document, err := p.signer.sign(id, head.String(), tail)
	return []byte(document), err
}

type assertionContent struct {
	pending    *Pending
	app        directory.App
	nameID     string
	attributes []directory.AssertionAttribute
	authn      Authentication
	now        time.Time
}

// assertion renders saml:Assertion (SAML core section 2.3.3) and signs it
// unless the app wants the response signed only.
func (p *Provider) assertion(c assertionContent) (string, error) {
	id, err := p.newID()
	if err != nil {
		return "", err
	}
	var head, tail canonicalWriter
	head.open("saml:Assertion",
		attribute{"xmlns:saml", namespaceAssertion},
		attribute{"ID", id},
		attribute{"IssueInstant", instant(c.now)},
		attribute{"Version", version20})
	head.element("saml:Issuer", p.entityID)
	writeSubject(&tail, c)
	writeConditions(&tail, c)
	writeAuthnStatement(&tail, c)
	writeAttributeStatement(&tail, c.attributes)
	tail.close("saml:Assertion")
	if c.app.SAML.Signing == directory.SignResponse {
		return head.String() + tail.String(), nil
	}
	return p.signer.sign(id, head.String(), tail.String())
}

// writeSubject leaves Address out: behind proxies it is wrong, and Mellon and
// Shibboleth then refuse the assertion.
func writeSubject(w *canonicalWriter, c assertionContent) {
	w.open("saml:Subject")
	w.element("saml:NameID", c.nameID, attribute{"Format", c.app.SAML.NameIDFormat.URI()})
	w.open("saml:SubjectConfirmation", attribute{"Method", confirmationBearer})
	w.element("saml:SubjectConfirmationData", "",
		attribute{"InResponseTo", c.pending.RequestID},
		attribute{"NotOnOrAfter", instant(c.now.Add(validFor))},
		attribute{"Recipient", c.pending.ACSURL})
	w.close("saml:SubjectConfirmation")
	w.close("saml:Subject")
}

func writeConditions(w *canonicalWriter, c assertionContent) {
	w.open("saml:Conditions",
		attribute{"NotBefore", instant(c.now.Add(-validBefore))},
		attribute{"NotOnOrAfter", instant(c.now.Add(validFor))})
	w.open("saml:AudienceRestriction")
	w.element("saml:Audience", c.app.SAML.EntityID)
	w.close("saml:AudienceRestriction")
	w.close("saml:Conditions")
}

func writeAuthnStatement(w *canonicalWriter, c assertionContent) {
	class := c.authn.ContextClass
	if class == "" {
		class = c.pending.ContextClass
	}
	if class == "" {
		class = ClassPasswordProtectedTransport
	}
	w.open("saml:AuthnStatement",
		attribute{"AuthnInstant", instant(c.authn.At)},
		attribute{"SessionIndex", c.authn.SessionIndex},
		attribute{"SessionNotOnOrAfter", instant(c.authn.SessionNotOnOrAfter)})
	w.open("saml:AuthnContext")
	w.element("saml:AuthnContextClassRef", class)
	w.close("saml:AuthnContext")
	w.close("saml:AuthnStatement")
}

// writeAttributeStatement writes plain values without xsi:type: every tested
// service provider takes them as strings, and a prefix that is used in a value
// only (xs:) does not survive exclusive canonicalisation.
func writeAttributeStatement(w *canonicalWriter, attributes []directory.AssertionAttribute) {
	if len(attributes) == 0 {
		return // the schema forbids an empty statement
	}
	w.open("saml:AttributeStatement")
	for _, a := range attributes {
		w.open("saml:Attribute", attribute{"Name", a.Name}, attribute{"NameFormat", nameFormatURI(a.NameFormat)})
		for _, value := range a.Values {
			w.element("saml:AttributeValue", value)
		}
		w.close("saml:Attribute")
	}
	w.close("saml:AttributeStatement")
}

// mergeAttributes joins mappings of the same name into one attribute with many
// values: an attribute that occurs twice is refused by python3-saml and others.
func mergeAttributes(attributes []directory.AssertionAttribute) []directory.AssertionAttribute {
	var merged []directory.AssertionAttribute
	for _, a := range attributes {
		i := slices.IndexFunc(merged, func(m directory.AssertionAttribute) bool { return m.Name == a.Name })
		if i < 0 {
			merged = append(merged, a)
			continue
		}
		merged[i].Values = slices.Concat(merged[i].Values, a.Values)
	}
	return merged
}

// nameFormatURI is of SAML core section 8.2; an absent format stays absent,
// which means unspecified.
func nameFormatURI(format string) string {
	if format == "" {
		return ""
	}
	return attributeNameFormatPrefix + format
}

// instant is empty for the zero time, so that its attribute is left out.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(instantLayout)
}

// checkStillRegistered refuses an answer to an address or an entity that the
// app lost while the member was logging in.
func checkStillRegistered(pending *Pending, app directory.App) error {
	registered := slices.ContainsFunc(app.SAML.AssertionConsumerServices, func(s directory.AssertionConsumerService) bool {
		return s.Matches(pending.ACSURL)
	})
	if !registered || pending.EntityID != app.SAML.EntityID {
		return refuse("The app's settings were changed during this log-in; start again from the app.")
	}
	return nil
}

// names reports whether the member named so is whom the request asked for; a
// request that names nobody asks for whoever logs in (SAML core section 3.4.1).
func (pending *Pending) names(nameID string, format directory.NameIDFormat) bool {
	switch {
	case pending.SubjectNameID == "":
		return true
	case format == directory.NameIDEmailAddress:
		return directory.NormalizeMail(pending.SubjectNameID) == directory.NormalizeMail(nameID)
	default:
		return strings.TrimSpace(pending.SubjectNameID) == nameID
	}
}
