/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"tegata.dev/tegata/internal/samlxml"
)

// limits of a message; a real request has 2 kB, ten elements, four levels and
// ten attributes.
var limits = samlxml.Limits{Bytes: 256 << 10, Elements: 1000, Depth: 32, Attributes: 64}

const (
	// maximumEncoded bounds the base64 of a request, before anything is decoded.
	maximumEncoded = 1 << 20
	// maximumRelayState is far above the 80 bytes of SAML bindings section
	// 3.4.3, as real service providers are.
	maximumRelayState = 4 << 10

	encodingDeflate = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
)

// Message is a request as it came, read but not yet checked against an app.
type Message struct {
	Request *Request `json:"request"`
	// RelayState goes back unchanged; at most 4096 bytes.
	RelayState string `json:"relayState,omitempty"`

	signature signature
}

// parameters are those that must not come twice: readers differ in which one counts.
var parameters = []string{"SAMLRequest", "SAMLResponse", "RelayState", "SAMLEncoding", "SigAlg", "Signature"}

// The parameters that carry a message.
const (
	parameterRequest  = "SAMLRequest"
	parameterResponse = "SAMLResponse"
)

// payload is a message taken out of its binding and parsed.
type payload struct {
	// parameter is the one that carried it.
	parameter  string
	root       *samlxml.Element
	relayState string
	signature  signature
}

// DecodeRedirect reads a request of the HTTP-Redirect binding (SAML bindings
// section 3.4) from the raw query. It never panics, and every failure is a
// *RequestError without Pending.
func DecodeRedirect(rawQuery string) (*Message, error) {
	return newMessage(readRedirect(rawQuery, parameterRequest))
}

// DecodePost reads a request of the HTTP-POST binding (SAML bindings section
// 3.5) from the posted form. It never panics, and every failure is a
// *RequestError without Pending.
func DecodePost(form url.Values) (*Message, error) {
	return newMessage(readPost(form, parameterRequest))
}

func newMessage(p *payload, err error) (*Message, error) {
	if err != nil {
		return nil, err
	}
	request, err := newRequest(p.root)
	if err != nil {
		return nil, refuseDocument(err)
	}
	return &Message{Request: request, RelayState: p.relayState, signature: p.signature}, nil
}

// readRedirect takes a message out of a query; accepted are the parameters
// that may carry it.
func readRedirect(rawQuery string, accepted ...string) (*payload, error) {
	if len(rawQuery) > 2*maximumEncoded {
		return nil, refuse("The request is larger than 1 MB.")
	}
	form, raw := url.Values{}, map[string]string{}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || !slices.Contains(parameters, name) {
			continue // parameters of others, such as those of campaign trackers
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, refuse("The request is not encoded as the HTTP-Redirect binding demands.")
		}
		form.Add(name, value)
		raw[name] = rawValue
	}
	parameter, err := checkParameters(form, accepted)
	if err != nil {
		return nil, err
	}
	if form.Has("SAMLEncoding") && form.Get("SAMLEncoding") != encodingDeflate {
		return nil, refuse("The request uses an unknown SAMLEncoding.")
	}
	compressed, err := decodeBase64(parameter, form.Get(parameter))
	if err != nil {
		return nil, err
	}
	document, err := inflate(parameter, compressed)
	if err != nil {
		return nil, err
	}
	root, err := samlxml.Parse(document, limits)
	if err != nil {
		return nil, refuseDocument(err)
	}
	proof, err := querySignature(form, raw, parameter)
	if err != nil {
		return nil, err
	}
	if root.Signed() {
		proof.enveloped, proof.misplaced = root, true
	}
	return &payload{parameter: parameter, root: root, relayState: form.Get("RelayState"), signature: proof}, nil
}

// readPost takes a message out of a form.
func readPost(form url.Values, accepted ...string) (*payload, error) {
	parameter, err := checkParameters(form, accepted)
	if err != nil {
		return nil, err
	}
	document, err := decodeBase64(parameter, form.Get(parameter))
	if err != nil {
		return nil, err
	}
	root, err := samlxml.Parse(document, limits)
	if err != nil && isDeflated(parameter, document) {
		return nil, refuse("The request is compressed, as only HTTP-Redirect has it; have the app send it by HTTP-POST as it is.")
	}
	if err != nil {
		return nil, refuseDocument(err)
	}
	p := &payload{parameter: parameter, root: root, relayState: form.Get("RelayState")}
	if root.Signed() {
		p.signature.enveloped = root
	}
	return p, nil
}

// isDeflated tells a compressed request, which ruby-saml and node-saml post
// unless they are set not to (SAML bindings section 3.5.4), from what is none.
func isDeflated(parameter string, document []byte) bool {
	inflated, err := inflate(parameter, document)
	return err == nil && bytes.HasPrefix(inflated, []byte("<"))
}

// checkParameters finds the parameter that carries the message.
func checkParameters(form url.Values, accepted []string) (string, error) {
	for _, name := range parameters {
		if len(form[name]) > 1 {
			return "", refuse("The request has a parameter twice.")
		}
	}
	parameter := parameterRequest
	if form.Has(parameterResponse) {
		parameter = parameterResponse
	}
	switch {
	case !slices.Contains(accepted, parameter):
		return "", refuse("A SAML response was sent where a request is expected.")
	case parameter == parameterResponse && form.Has(parameterRequest):
		return "", refuse("A SAML request and a SAML response were sent at once.")
	case form.Get(parameter) == "":
		return "", refuse("The " + parameter + " parameter is missing or empty.")
	case len(form.Get(parameter)) > maximumEncoded:
		return "", refuse("The request is larger than 1 MB.")
	}
	return parameter, checkRelayState(form.Get("RelayState"))
}

// checkRelayState refuses what an HTML form cannot give back byte by byte.
func checkRelayState(relayState string) error {
	switch {
	case len(relayState) > maximumRelayState:
		return refuse("The RelayState is longer than 4096 bytes.")
	case !utf8.ValidString(relayState) || strings.Contains(relayState, "\x00"):
		return refuse("The RelayState is not UTF-8 text.")
	}
	return nil
}

// decodeBase64 takes standard base64; line breaks, which RFC 2045 encoders
// make, are skipped.
func decodeBase64(parameter, text string) ([]byte, error) {
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, refuse("The " + parameter + " parameter is not base64.")
	}
	return decoded, nil
}

// inflaters serve one message after another, as each takes 40 kB.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

// inflate undoes raw deflate (RFC 1951), reading no further than the limit.
func inflate(parameter string, compressed []byte) ([]byte, error) {
	source := bytes.NewReader(compressed) // a ByteReader, so that flate leaves what follows the stream
	inflater := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(inflater)
	if err := inflater.(flate.Resetter).Reset(source, nil); err != nil {
		return nil, err
	}
	document, err := io.ReadAll(io.LimitReader(inflater, int64(limits.Bytes)+1))
	switch {
	case err != nil:
		return nil, refuse("The " + parameter + " parameter is not deflated.")
	case len(document) > limits.Bytes:
		return nil, refuse("The request is larger than 256 kB.")
	case source.Len() > 0:
		return nil, refuse("The " + parameter + " parameter goes on after its deflated data.")
	}
	return document, nil
}
