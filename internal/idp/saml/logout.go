/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"tegata.dev/tegata/internal/directory"
)

// PendingLogout is a LogoutRequest whose sender is proven: what must be kept
// until it is answered.
type PendingLogout struct {
	// RequestID goes back as InResponseTo.
	RequestID string `json:"requestID"`
	// EntityID is the app's, at the time of the request.
	EntityID string `json:"entityID"`
	// Binding and URL are where the answer goes: registered for the app.
	Binding    directory.Binding `json:"binding"`
	URL        string            `json:"url"`
	RelayState string            `json:"relayState,omitempty"`
}

// Outgoing is a signed message on its way through the browser.
type Outgoing struct {
	// ID is the message's own.
	ID string
	// Binding says how: HTTPRedirect visits URL, which holds the message;
	// HTTPPOST posts Parameter and RelayState to URL.
	Binding directory.Binding
	URL     string
	// Parameter is SAMLRequest or SAMLResponse, Value the message in base64.
	Parameter, Value, RelayState string
}

// ValidateLogout checks a decoded LogoutRequest, at receipt, against the app
// whose entity ID is its issuer. Every failure is a *RequestError. Once the
// sender is proven, pending is set even with an error, which is then answered
// by AnswerLogout; nothing is answered to a stranger. Whether the member takes
// part in a session is left to the caller.
func (p *Provider) ValidateLogout(m *LogoutMessage, sp *ServiceProvider) (pending *PendingLogout, err error) {
	r := m.Request
	if r.Issuer != sp.app.SAML.EntityID {
		return nil, refuse("The request's Issuer is not the app's entity ID.")
	}
	service, found := logoutService(sp.app, m.Binding)
	switch {
	case !found:
		return nil, refuse("The app has no address for log-out messages.")
	case m.signature.present() && !m.signature.counts():
		return nil, refuse(signTheQuery)
	case !m.signature.present():
		return nil, refuse("The request to log out is not signed; set the app to sign its requests.")
	}
	if err := m.signature.verify(sp); err != nil {
		return nil, err
	}
	pending = &PendingLogout{RequestID: r.ID, EntityID: r.Issuer, Binding: service.Binding, URL: service.URL, RelayState: m.RelayState}
	if service.ResponseURL != "" {
		pending.URL = service.ResponseURL
	}
	now := p.now()
	age := now.Sub(r.IssueInstant)
	switch {
	case r.Destination != p.singleLogoutURL:
		return pending, refuse("The request was meant for another address than this one.")
	case age > maximumSkew || age < -maximumSkew:
		return pending, refuse("The request is too old, or a clock is wrong; start again from the app.")
	case !r.NotOnOrAfter.IsZero() && !now.Before(r.NotOnOrAfter.Add(maximumSkew)):
		return pending, refuse("The request has run out; start again from the app.")
	case r.NameID.Value == "":
		return pending, &RequestError{Status: StatusRequester, SubStatus: StatusUnknownPrincipal, Message: namedOtherwise}
	}
	return pending, nil
}

// ValidateLogoutResponse checks that a decoded LogoutResponse is the app's
// answer to the request of that ID. Service providers that do not sign their
// answers are believed: only they and the browser know the ID.
func (p *Provider) ValidateLogoutResponse(m *LogoutMessage, sp *ServiceProvider, requestID string) error {
	r := m.Response
	age := p.now().Sub(r.IssueInstant)
	switch {
	case r.Issuer != sp.app.SAML.EntityID:
		return refuse("The response's Issuer is not the app's entity ID.")
	case r.InResponseTo != requestID:
		return refuse("The response is to another request.")
	case r.Destination != p.singleLogoutURL && (r.Destination != "" || m.signature.present()):
		return refuse("The response was meant for another address than this one.")
	case age > maximumSkew || age < -maximumSkew:
		return refuse("The response is too old, or a clock is wrong.")
	case m.signature.present():
		return m.signature.verify(sp)
	}
	return nil
}

// logoutService is the address to use: of the binding that the app used itself,
// else the preferred one. An empty binding is the preferred one.
func logoutService(app directory.App, binding directory.Binding) (directory.SingleLogoutService, bool) {
	services := app.SAML.SingleLogoutServices
	if len(services) == 0 {
		return directory.SingleLogoutService{}, false
	}
	i := slices.IndexFunc(services, func(s directory.SingleLogoutService) bool { return s.Binding == binding })
	return services[max(i, 0)], true
}

// HasLogout reports whether the app can be told of a log-out.
func (sp *ServiceProvider) HasLogout() bool { return len(sp.app.SAML.SingleLogoutServices) > 0 }

// RequestLogout renders the signed LogoutRequest (SAML core section 3.7.1) that
// tells an app to end its session with a member. id becomes its ID: an NCName
// with enough randomness, as unsigned answers are believed by it. The app must
// have an address for it.
func (p *Provider) RequestLogout(sp *ServiceProvider, id string, name NameID, sessionIndex string) (*Outgoing, error) {
	service, found := logoutService(sp.app, "")
	if !found {
		return nil, fmt.Errorf("app %s has no address for log-out messages", sp.app.Name)
	}
	out := &Outgoing{ID: id, Binding: service.Binding, URL: service.URL, Parameter: parameterRequest}
	return out, p.send(out, sp, "samlp:LogoutRequest", []attribute{{"NotOnOrAfter", instant(p.now().Add(validFor))}}, func(w *canonicalWriter) {
		w.element("saml:NameID", name.Value,
			attribute{"xmlns:saml", namespaceAssertion},
			attribute{"Format", name.Format},
			attribute{"NameQualifier", name.NameQualifier},
			attribute{"SPNameQualifier", name.SPNameQualifier})
		if sessionIndex != "" {
			w.element("samlp:SessionIndex", sessionIndex)
		}
	})
}

// AnswerLogout renders the signed LogoutResponse (SAML core section 3.7.2).
// subStatus and message may be empty. It fails with a *RequestError where the
// app has lost the address since the request came.
func (p *Provider) AnswerLogout(pending *PendingLogout, sp *ServiceProvider, status, subStatus, message string) (*Outgoing, error) {
	registered := slices.ContainsFunc(sp.app.SAML.SingleLogoutServices, func(s directory.SingleLogoutService) bool {
		return s.Binding == pending.Binding && (s.ResponseURL == pending.URL || s.ResponseURL == "" && s.URL == pending.URL)
	})
	if !registered || pending.EntityID != sp.app.SAML.EntityID {
		return nil, refuse("The app's settings were changed during this log-out.")
	}
	id, err := p.newID()
	if err != nil {
		return nil, err
	}
	out := &Outgoing{ID: id, Binding: pending.Binding, URL: pending.URL, Parameter: parameterResponse, RelayState: pending.RelayState}
	return out, p.send(out, sp, "samlp:LogoutResponse", []attribute{{"InResponseTo", pending.RequestID}}, func(w *canonicalWriter) {
		writeStatus(w, status, subStatus, message)
	})
}

// send renders a message for its binding: signed within for HTTP-POST, and by
// the query for HTTP-Redirect.
func (p *Provider) send(out *Outgoing, sp *ServiceProvider, name string, attributes []attribute, content func(*canonicalWriter)) error {
	var enveloping *signer
	if out.Binding == directory.BindingHTTPPOST {
		enveloping = p.signer(sp)
	}
	all := append([]attribute{
		{"Destination", out.URL}, {"ID", out.ID}, {"IssueInstant", instant(p.now())}, {"Version", version20},
	}, attributes...)
	slices.SortFunc(all, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	var w canonicalWriter
	err := enveloping.envelop(&w, out.ID, func() {
		w.open(name, append([]attribute{{"xmlns:samlp", namespaceProtocol}}, all...)...)
		w.WriteString(p.issuer(sp).alone)
	}, func() error {
		content(&w)
		w.close(name)
		return nil
	})
	if err != nil {
		return err
	}
	if out.Binding == directory.BindingHTTPPOST {
		out.Value = base64.StdEncoding.EncodeToString(w.Bytes())
		return nil
	}
	return out.intoQuery(w.Bytes(), p.signer(sp))
}

// intoQuery puts a message into its address, deflated and signed (SAML bindings
// section 3.4.4.1).
func (out *Outgoing) intoQuery(document []byte, s *signer) error {
	var deflated bytes.Buffer
	writer, err := flate.NewWriter(&deflated, flate.BestCompression)
	if err != nil {
		return err
	}
	if _, err := writer.Write(document); err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	out.Value = base64.StdEncoding.EncodeToString(deflated.Bytes())
	query := out.Parameter + "=" + url.QueryEscape(out.Value)
	if out.RelayState != "" {
		query += "&RelayState=" + url.QueryEscape(out.RelayState)
	}
	query += "&SigAlg=" + url.QueryEscape(s.algorithm)
	hash := s.hash.New()
	hash.Write([]byte(query)) // a hash never fails
	value, err := s.sign(hash.Sum(nil))
	if err != nil {
		return err
	}
	separator := "?"
	if strings.Contains(out.URL, "?") {
		separator = "&"
	}
	out.URL += separator + query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value))
	return nil
}
