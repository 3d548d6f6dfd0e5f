/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tegata.dev/tegata/internal/samlxml"
)

const (
	maximumID = 256
	// maximumName bounds names and addresses (SAML core section 8.3.6 for entity IDs).
	maximumName = 1024

	longAddress = "The request has an address longer than 1024 bytes."
)

// Request is an AuthnRequest (SAML core section 3.4.1), as far as it is acted
// on. What is there was well-formed; nothing was checked against an app.
type Request struct {
	// ID is an NCName of at most 256 characters.
	ID           string    `json:"id"`
	Issuer       string    `json:"issuer"`
	IssueInstant time.Time `json:"issueInstant"`
	// Destination is where the sender meant to send it; empty if absent.
	Destination                     string `json:"destination,omitempty"`
	AssertionConsumerServiceURL     string `json:"assertionConsumerServiceURL,omitempty"`
	AssertionConsumerServiceIndex   *int   `json:"assertionConsumerServiceIndex,omitempty"`
	ProtocolBinding                 string `json:"protocolBinding,omitempty"`
	ForceAuthn                      bool   `json:"forceAuthn,omitempty"`
	IsPassive                       bool   `json:"isPassive,omitempty"`
	NameIDPolicyFormat              string `json:"nameIDPolicyFormat,omitempty"`
	NameIDPolicySPNameQualifier     string `json:"nameIDPolicySPNameQualifier,omitempty"`
	RequestedAuthnContext           bool   `json:"requestedAuthnContext,omitempty"`
	RequestedAuthnContextComparison string `json:"requestedAuthnContextComparison,omitempty"`
	// RequestedAuthnContextClasses is empty where only declarations were named.
	RequestedAuthnContextClasses []string `json:"requestedAuthnContextClasses,omitempty"`
	// Subject tells that the request names who shall log in; SubjectNameID is
	// empty where it does so in a form other than a plain NameID.
	Subject       bool   `json:"subject,omitempty"`
	SubjectNameID string `json:"subjectNameID,omitempty"`
}

// requestChildren are the schema's children of AuthnRequest.
var requestChildren = map[string][]string{
	namespaceAssertion: {"Issuer", "Subject", "Conditions"},
	namespaceProtocol:  {"Extensions", "NameIDPolicy", "RequestedAuthnContext", "Scoping"},
	namespaceSignature: {"Signature"},
}

// newRequest reads the parsed document's root.
func newRequest(root *samlxml.Element) (*Request, error) {
	if !root.Is(namespaceProtocol, "AuthnRequest") {
		return nil, refuse("The message is not a SAML 2.0 AuthnRequest.")
	}
	h, err := readHeader(root)
	if err != nil {
		return nil, err
	}
	if err := checkChildren(root, requestChildren); err != nil {
		return nil, err
	}
	r := &Request{ID: h.id, Issuer: h.issuer, IssueInstant: h.issueInstant, Destination: h.destination}
	for _, read := range []func(*samlxml.Element) error{r.readAttributes, r.readNameIDPolicy, r.readAuthnContext, r.readSubject} {
		if err := read(root); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// header is what every message begins with (SAML core section 3.2).
type header struct {
	id, issuer, destination string
	issueInstant            time.Time
}

// readHeader reads a message's version, ID, times, address and sender.
func readHeader(root *samlxml.Element) (header, error) {
	if root.Attribute("Version") != version20 {
		return header{}, &RequestError{Status: StatusVersionMismatch, Message: "The request's version is not SAML 2.0."}
	}
	h := header{id: root.Attribute("ID"), destination: root.Attribute("Destination")}
	if !isNCName(h.id) || utf8.RuneCountInString(h.id) > maximumID {
		return header{}, refuse("The request's ID is missing, malformed or longer than 256 characters.")
	}
	var err error
	// RFC 3339 takes fractions of a second, which some senders add.
	if h.issueInstant, err = time.Parse(time.RFC3339, root.Attribute("IssueInstant")); err != nil {
		return header{}, refuse("The request's IssueInstant is missing or malformed.")
	}
	if len(h.destination) > maximumName {
		return header{}, refuse(longAddress)
	}
	h.issuer, err = readIssuer(root)
	return h, err
}

func readIssuer(root *samlxml.Element) (string, error) {
	issuers := root.All(namespaceAssertion, "Issuer")
	if len(issuers) != 1 {
		return "", refuse("The request must have exactly one Issuer.")
	}
	issuer, err := issuers[0].Text()
	if err != nil {
		return "", err
	}
	if issuer == "" || len(issuer) > maximumName {
		return "", refuse("The request's Issuer is empty or longer than 1024 bytes.")
	}
	return issuer, nil
}

// checkChildren refuses children that the schema does not know.
func checkChildren(root *samlxml.Element, known map[string][]string) error {
	for _, child := range root.Children() {
		if name := child.Name(); !slices.Contains(known[name.Space], name.Local) {
			return refuse("The request has an element that SAML does not know.")
		}
	}
	return nil
}

func (r *Request) readAttributes(root *samlxml.Element) error {
	r.AssertionConsumerServiceURL = root.Attribute("AssertionConsumerServiceURL")
	r.ProtocolBinding = root.Attribute("ProtocolBinding")
	if max(len(r.AssertionConsumerServiceURL), len(r.ProtocolBinding)) > maximumName {
		return refuse(longAddress)
	}
	var err error
	if r.ForceAuthn, err = parseBoolean(root.Attribute("ForceAuthn")); err != nil {
		return err
	}
	if r.IsPassive, err = parseBoolean(root.Attribute("IsPassive")); err != nil {
		return err
	}
	r.AssertionConsumerServiceIndex, err = parseIndex(root, "AssertionConsumerServiceIndex")
	return err
}

func (r *Request) readNameIDPolicy(root *samlxml.Element) error {
	policy, err := root.Optional(namespaceProtocol, "NameIDPolicy")
	if err != nil || policy == nil {
		return err
	}
	r.NameIDPolicyFormat = policy.Attribute("Format")
	r.NameIDPolicySPNameQualifier = policy.Attribute("SPNameQualifier")
	return nil
}

func (r *Request) readAuthnContext(root *samlxml.Element) error {
	context, err := root.Optional(namespaceProtocol, "RequestedAuthnContext")
	if err != nil || context == nil {
		return err
	}
	r.RequestedAuthnContext = true
	r.RequestedAuthnContextComparison = context.Attribute("Comparison")
	for _, child := range context.All(namespaceAssertion, "AuthnContextClassRef") {
		class, err := child.Text()
		if err != nil {
			return err
		}
		r.RequestedAuthnContextClasses = append(r.RequestedAuthnContextClasses, class)
	}
	return nil
}

func (r *Request) readSubject(root *samlxml.Element) error {
	subject, err := root.Optional(namespaceAssertion, "Subject")
	if err != nil || subject == nil {
		return err
	}
	r.Subject = true
	nameID, err := subject.Optional(namespaceAssertion, "NameID")
	if err != nil || nameID == nil {
		return err
	}
	r.SubjectNameID, err = nameID.Text()
	return err
}

// parseBoolean reads an xs:boolean; absent is false.
func parseBoolean(text string) (bool, error) {
	switch strings.Trim(text, samlxml.Space) {
	case "true", "1":
		return true, nil
	case "false", "0", "":
		return false, nil
	default:
		return false, refuse("The request has an attribute that is neither true nor false.")
	}
}

// parseIndex reads an xs:unsignedShort; nil if absent.
func parseIndex(root *samlxml.Element, name string) (*int, error) {
	text, present := root.Lookup(name)
	if !present {
		return nil, nil
	}
	value, err := strconv.ParseUint(strings.Trim(text, samlxml.Space), 10, 16)
	if err != nil {
		return nil, refuse("The request's AssertionConsumerServiceIndex is not a number from 0 to 65535.")
	}
	index := int(value)
	return &index, nil
}

// isNCName is xs:NCName, on letters, digits and marks as Unicode has them.
func isNCName(text string) bool {
	for i, r := range text {
		letter := r == '_' || unicode.IsLetter(r)
		if !letter && (i == 0 || r != '-' && r != '.' && !unicode.IsDigit(r) && !unicode.IsMark(r)) {
			return false
		}
	}
	return text != "" && utf8.ValidString(text)
}
