/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"bytes"
	"cmp"
	"slices"
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

const statusSuccess = `<samlp:Status><samlp:StatusCode Value="` + StatusSuccess + `"></samlp:StatusCode></samlp:Status>`

// Respond renders the signed success Response (SAML core section 3.3.3) with
// one assertion, valid from one minute ago for five minutes from now, encrypted
// where the app asks for that. The caller posts it, in base64, as SAMLResponse
// to pending.ACSURL with pending.RelayState.
//
// Errors: directory.ErrNoNameID and ErrNameIDCharacters (the member cannot be
// named to this app); *RequestError where the app was changed since the request
// came (no Pending) or where the request named somebody else (with Pending).
func (p *Provider) Respond(pending *Pending, sp *ServiceProvider, subject directory.Subject, authn Authentication) (*Response, error) {
	if err := checkStillRegistered(pending, sp.app); err != nil {
		return nil, err
	}
	nameID, err := p.nameID(sp, subject)
	if err != nil {
		return nil, err
	}
	if !pending.names(nameID.Value, sp.app.SAML.NameIDFormat) {
		return nil, &RequestError{
			Status: StatusRequester, SubStatus: StatusUnknownPrincipal, Pending: pending,
			Message: "The app asked for somebody else than the member who is logged in.",
		}
	}
	now := p.now()
	a := &assertion{
		pending: pending, sp: sp, subject: subject, nameID: nameID, authn: authn, issuer: p.issuer(sp),
		issued: instant(now), notBefore: instant(now.Add(-validBefore)), notOnOrAfter: instant(now.Add(validFor)),
	}
	if sp.app.SAML.Signing != directory.SignResponse {
		a.signer = p.signer(sp)
	}
	if a.id, err = p.newID(); err != nil {
		return nil, err
	}
	document, err := p.response(pending, sp, sp.app.SAML.Signing != directory.SignAssertion, a.issued, func(w *canonicalWriter) error {
		w.WriteString(statusSuccess)
		if sp.encryption == nil {
			return a.write(w)
		}
		plain := borrowWriter()
		defer plain.giveBack()
		if err := a.write(plain); err != nil {
			return err
		}
		return sp.encryption.write(w, plain.Bytes(), p.random)
	})
	if err != nil {
		return nil, err
	}
	return &Response{Document: document, NameID: nameID}, nil
}

// Refuse renders a signed Response with a status and no assertion (SAML core
// section 3.2.2). subStatus and message may be empty.
func (p *Provider) Refuse(pending *Pending, sp *ServiceProvider, status, subStatus, message string) ([]byte, error) {
	return p.response(pending, sp, true, instant(p.now()), func(w *canonicalWriter) error {
		writeStatus(w, status, subStatus, message)
		return nil
	})
}

// writeStatus writes samlp:Status (SAML core section 3.2.2.1).
func writeStatus(w *canonicalWriter, status, subStatus, message string) {
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
}

// response wraps what content writes, which begins with samlp:Status.
func (p *Provider) response(pending *Pending, sp *ServiceProvider, signed bool, issued string, content func(*canonicalWriter) error) ([]byte, error) {
	id, err := p.newID()
	if err != nil {
		return nil, err
	}
	var signer *signer
	if signed {
		signer = p.signer(sp)
	}
	w := borrowWriter()
	defer w.giveBack()
	err = signer.envelop(w, id, func() {
		w.open("samlp:Response",
			attribute{"xmlns:samlp", namespaceProtocol},
			attribute{"Destination", pending.ACSURL},
			attribute{"ID", id},
			attribute{"InResponseTo", pending.RequestID},
			attribute{"IssueInstant", issued},
			attribute{"Version", version20})
		w.WriteString(p.issuer(sp).alone)
	}, func() error {
		err := content(w)
		w.close("samlp:Response")
		return err
	})
	return bytes.Clone(w.Bytes()), err
}

// assertion is a saml:Assertion (SAML core section 2.3.3) to be rendered.
type assertion struct {
	id      string
	pending *Pending
	sp      *ServiceProvider
	subject directory.Subject
	nameID  NameID
	authn   Authentication
	issuer  *issuer
	// signer is nil where the response alone is signed.
	signer                          *signer
	issued, notBefore, notOnOrAfter string
}

func (a *assertion) write(w *canonicalWriter) error {
	return a.signer.envelop(w, a.id, func() {
		w.open("saml:Assertion",
			attribute{"xmlns:saml", namespaceAssertion},
			attribute{"ID", a.id},
			attribute{"IssueInstant", a.issued},
			attribute{"Version", version20})
		w.WriteString(a.issuer.below)
	}, func() error {
		a.writeSubject(w)
		w.open("saml:Conditions", attribute{"NotBefore", a.notBefore}, attribute{"NotOnOrAfter", a.notOnOrAfter})
		w.WriteString(a.sp.conditions)
		a.writeAuthnStatement(w)
		a.writeAttributeStatement(w)
		w.close("saml:Assertion")
		return nil
	})
}

// writeSubject leaves Address out: behind proxies it is wrong, and Mellon and
// Shibboleth then refuse the assertion.
func (a *assertion) writeSubject(w *canonicalWriter) {
	w.open("saml:Subject")
	w.element("saml:NameID", a.nameID.Value,
		attribute{"Format", a.nameID.Format},
		attribute{"NameQualifier", a.nameID.NameQualifier},
		attribute{"SPNameQualifier", a.nameID.SPNameQualifier})
	w.open("saml:SubjectConfirmation", attribute{"Method", confirmationBearer})
	w.element("saml:SubjectConfirmationData", "",
		attribute{"InResponseTo", a.pending.RequestID},
		attribute{"NotOnOrAfter", a.notOnOrAfter},
		attribute{"Recipient", a.pending.ACSURL})
	w.close("saml:SubjectConfirmation")
	w.close("saml:Subject")
}

func (a *assertion) writeAuthnStatement(w *canonicalWriter) {
	w.open("saml:AuthnStatement",
		attribute{"AuthnInstant", instant(a.authn.At)},
		attribute{"SessionIndex", a.authn.SessionIndex},
		attribute{"SessionNotOnOrAfter", instant(a.authn.SessionNotOnOrAfter)})
	w.open("saml:AuthnContext")
	w.element("saml:AuthnContextClassRef", cmp.Or(a.authn.ContextClass, a.pending.ContextClass, ClassPasswordProtectedTransport))
	w.close("saml:AuthnContext")
	w.close("saml:AuthnStatement")
}

// writeAttributeStatement writes plain values without xsi:type: every tested
// service provider takes them as strings, and a prefix that is used in a value
// only (xs:) does not survive exclusive canonicalisation. What has no value is
// left out: the schema forbids an empty statement, and several service
// providers refuse an empty attribute.
func (a *assertion) writeAttributeStatement(w *canonicalWriter) {
	statement := false
	for _, prepared := range a.sp.attributes {
		open := false
		for _, mapping := range prepared.mappings {
			for _, value := range a.subject.Values(a.sp.app, mapping) {
				if !statement {
					w.open("saml:AttributeStatement")
				}
				if !open {
					w.WriteString(prepared.open)
				}
				statement, open = true, true
				w.element("saml:AttributeValue", value)
			}
		}
		if open {
			w.close("saml:Attribute")
		}
	}
	if statement {
		w.close("saml:AttributeStatement")
	}
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
