/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/samlxml"
)

const (
	// maximumSessions is how many sessions one request may end.
	maximumSessions = 16
	// maximumNameID bounds what a name ID and its qualifiers may have.
	maximumNameID = 1024
)

// LogoutMessage is a message of the Single Logout profile (SAML profiles
// section 4.4) as it came, read but not yet checked against an app. Exactly one
// of Request and Response is set.
type LogoutMessage struct {
	Request  *LogoutRequest
	Response *LogoutResponse
	// RelayState goes back unchanged; at most 4096 bytes. It is never followed.
	RelayState string
	// Binding is what it came by.
	Binding directory.Binding

	signature signature
}

// Issuer is the entity ID of the sender, as it says.
func (m *LogoutMessage) Issuer() string {
	if m.Request != nil {
		return m.Request.Issuer
	}
	return m.Response.Issuer
}

// LogoutRequest is a LogoutRequest (SAML core section 3.7.1), as far as it is acted on.
type LogoutRequest struct {
	// ID is an NCName of at most 256 characters.
	ID           string    `json:"id"`
	Issuer       string    `json:"issuer"`
	IssueInstant time.Time `json:"issueInstant"`
	Destination  string    `json:"destination,omitempty"`
	// NotOnOrAfter is zero where it is absent.
	NotOnOrAfter time.Time `json:"notOnOrAfter,omitzero"`
	// NameID is empty where the member is named in another form, such as encrypted.
	NameID NameID `json:"nameID"`
	// SessionIndexes, at most 16, are empty for the browser's own session.
	SessionIndexes []string `json:"sessionIndexes,omitempty"`
}

// LogoutResponse is a LogoutResponse (SAML core section 3.7.2), as far as it is acted on.
type LogoutResponse struct {
	ID, Issuer   string
	IssueInstant time.Time
	Destination  string
	InResponseTo string
	// Succeeded tells that the status is Success, whole.
	Succeeded bool
	// Status are the names of its status codes, the top-level one first, as far
	// as SAML defines them.
	Status []string
}

// DecodeLogoutRedirect reads a log-out message of the HTTP-Redirect binding
// from the raw query. It never panics, and every failure is a *RequestError
// without Pending.
func DecodeLogoutRedirect(rawQuery string) (*LogoutMessage, error) {
	p, err := readRedirect(rawQuery, parameterRequest, parameterResponse)
	return newLogoutMessage(p, directory.BindingHTTPRedirect, err)
}

// DecodeLogoutPost reads a log-out message of the HTTP-POST binding from the
// posted form. It never panics, and every failure is a *RequestError without Pending.
func DecodeLogoutPost(form url.Values) (*LogoutMessage, error) {
	p, err := readPost(form, parameterRequest, parameterResponse)
	return newLogoutMessage(p, directory.BindingHTTPPOST, err)
}

func newLogoutMessage(p *payload, binding directory.Binding, err error) (*LogoutMessage, error) {
	if err != nil {
		return nil, err
	}
	m := &LogoutMessage{RelayState: p.relayState, Binding: binding, signature: p.signature}
	if p.parameter == parameterRequest {
		m.Request, err = newLogoutRequest(p.root)
	} else {
		m.Response, err = newLogoutResponse(p.root)
	}
	if err != nil {
		return nil, refuseDocument(err)
	}
	return m, nil
}

// logoutRequestChildren and logoutResponseChildren are the schema's.
var (
	logoutRequestChildren = map[string][]string{
		namespaceAssertion: {"Issuer", "BaseID", "NameID", "EncryptedID"},
		namespaceProtocol:  {"Extensions", "SessionIndex"},
		namespaceSignature: {"Signature"},
	}
	logoutResponseChildren = map[string][]string{
		namespaceAssertion: {"Issuer"},
		namespaceProtocol:  {"Extensions", "Status"},
		namespaceSignature: {"Signature"},
	}
)

func newLogoutRequest(root *samlxml.Element) (*LogoutRequest, error) {
	if !root.Is(namespaceProtocol, "LogoutRequest") {
		return nil, refuse("The message is not a SAML 2.0 LogoutRequest.")
	}
	h, err := readHeader(root)
	if err != nil {
		return nil, err
	}
	if err := checkChildren(root, logoutRequestChildren); err != nil {
		return nil, err
	}
	r := &LogoutRequest{ID: h.id, Issuer: h.issuer, IssueInstant: h.issueInstant, Destination: h.destination}
	if text, present := root.Lookup("NotOnOrAfter"); present {
		if r.NotOnOrAfter, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, refuse("The request's NotOnOrAfter is malformed.")
		}
	}
	if r.NameID, err = readNameID(root); err != nil {
		return nil, err
	}
	r.SessionIndexes, err = readSessionIndexes(root)
	return r, err
}

func readNameID(root *samlxml.Element) (NameID, error) {
	element, err := root.Optional(namespaceAssertion, "NameID")
	if err != nil || element == nil {
		return NameID{}, err
	}
	name := NameID{
		Format: element.Attribute("Format"), NameQualifier: element.Attribute("NameQualifier"),
		SPNameQualifier: element.Attribute("SPNameQualifier"),
	}
	if name.Value, err = element.Text(); err != nil {
		return NameID{}, err
	}
	if max(len(name.Value), len(name.Format), len(name.NameQualifier), len(name.SPNameQualifier)) > maximumNameID {
		return NameID{}, refuse("The request's NameID is longer than 1024 bytes.")
	}
	return name, nil
}

func readSessionIndexes(root *samlxml.Element) ([]string, error) {
	elements := root.All(namespaceProtocol, "SessionIndex")
	if len(elements) > maximumSessions {
		return nil, refuse("The request names more than 16 sessions.")
	}
	var indexes []string
	for _, element := range elements {
		index, err := element.Text()
		if err != nil {
			return nil, err
		}
		if index == "" || len(index) > maximumID {
			return nil, refuse("The request has a SessionIndex that is empty or longer than 256 bytes.")
		}
		indexes = append(indexes, index)
	}
	return indexes, nil
}

func newLogoutResponse(root *samlxml.Element) (*LogoutResponse, error) {
	if !root.Is(namespaceProtocol, "LogoutResponse") {
		return nil, refuse("The message is not a SAML 2.0 LogoutResponse.")
	}
	h, err := readHeader(root)
	if err != nil {
		return nil, err
	}
	if err := checkChildren(root, logoutResponseChildren); err != nil {
		return nil, err
	}
	r := &LogoutResponse{ID: h.id, Issuer: h.issuer, IssueInstant: h.issueInstant, Destination: h.destination,
		InResponseTo: root.Attribute("InResponseTo")}
	if r.InResponseTo == "" || len(r.InResponseTo) > maximumID {
		return nil, refuse("The response does not say which request it answers.")
	}
	return r, r.readStatus(root)
}

// statusName are SAML's own; others are a peer's text.
var statusName = regexp.MustCompile(`^urn:oasis:names:tc:SAML:2\.0:status:([A-Za-z]{1,40})$`)

// readStatus: a service provider that could not log out everywhere says so
// below Success (SAML core section 3.7.3.2).
func (r *LogoutResponse) readStatus(root *samlxml.Element) error {
	status, err := root.Optional(namespaceProtocol, "Status")
	if err != nil || status == nil {
		return err
	}
	code, err := status.Optional(namespaceProtocol, "StatusCode")
	if err != nil || code == nil {
		return err
	}
	below, err := code.Optional(namespaceProtocol, "StatusCode")
	if err != nil {
		return err
	}
	values := []string{code.Attribute("Value")}
	if below != nil {
		values = append(values, below.Attribute("Value"))
	}
	r.Succeeded = values[0] == StatusSuccess && !slices.Contains(values, StatusPartialLogout)
	for _, value := range values {
		if name := statusName.FindStringSubmatch(value); name != nil {
			r.Status = append(r.Status, name[1])
		}
	}
	return nil
}

// Names reports whether the request is about a session in which the service
// provider knows the member by that name and index.
func (r *LogoutRequest) Names(name NameID, sessionIndex string) bool {
	if r.NameID.Value == "" || r.NameID.Value != name.Value || !sameFormat(r.NameID.Format, name.Format) {
		return false
	}
	if r.NameID.SPNameQualifier != "" && r.NameID.SPNameQualifier != name.SPNameQualifier && r.NameID.SPNameQualifier != r.Issuer {
		return false
	}
	if len(r.SessionIndexes) == 0 {
		return true
	}
	for _, index := range r.SessionIndexes {
		if index == sessionIndex {
			return true
		}
	}
	return false
}

// sameFormat compares by the last part: senders mix up the prefixes of SAML 1.1
// and 2.0, and leave out what is unspecified.
func sameFormat(sent, known string) bool {
	last := func(format string) string { return format[strings.LastIndexByte(format, ':')+1:] }
	return sent == "" || last(sent) == string(directory.NameIDUnspecified) || last(sent) == last(known)
}
