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

// DecodeRedirect reads a request of the HTTP-Redirect binding (SAML bindings
// section 3.4) from the raw query. It never panics, and every failure is a
// *RequestError without Pending.
func DecodeRedirect(rawQuery string) (*Message, error) {
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
	if err := checkParameters(form); err != nil {
		return nil, err
	}
	if form.Has("SAMLEncoding") && form.Get("SAMLEncoding") != encodingDeflate {
		return nil, refuse("The request uses an unknown SAMLEncoding.")
	}
	compressed, err := decodeBase64(form.Get("SAMLRequest"))
	if err != nil {
		return nil, err
	}
	document, err := inflate(compressed)
	if err != nil {
		return nil, err
	}
	message, root, err := newMessage(document, form.Get("RelayState"))
	if err != nil {
		return nil, err
	}
	if root.Signed() {
		return nil, refuse("The request carries a signature where the HTTP-Redirect binding allows none; sign the query.")
	}
	message.signature, err = querySignature(form, raw, "SAMLRequest")
	if err != nil {
		return nil, err
	}
	return message, nil
}

// DecodePost reads a request of the HTTP-POST binding (SAML bindings section
// 3.5) from the posted form. It never panics, and every failure is a
// *RequestError without Pending.
func DecodePost(form url.Values) (*Message, error) {
	if err := checkParameters(form); err != nil {
		return nil, err
	}
	document, err := decodeBase64(form.Get("SAMLRequest"))
	if err != nil {
		return nil, err
	}
	message, root, err := newMessage(document, form.Get("RelayState"))
	if err != nil {
		return nil, err
	}
	if root.Signed() {
		message.signature.enveloped = root
	}
	return message, nil
}

func checkParameters(form url.Values) error {
	for _, name := range parameters {
		if len(form[name]) > 1 {
			return refuse("The request has a parameter twice.")
		}
	}
	switch {
	case form.Has("SAMLResponse"):
		return refuse("A SAML response was sent where a request is expected.")
	case form.Get("SAMLRequest") == "":
		return refuse("The SAMLRequest parameter is missing or empty.")
	case len(form.Get("SAMLRequest")) > maximumEncoded:
		return refuse("The request is larger than 1 MB.")
	}
	return checkRelayState(form.Get("RelayState"))
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
func decodeBase64(text string) ([]byte, error) {
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, refuse("The SAMLRequest parameter is not base64.")
	}
	return decoded, nil
}

// inflate undoes raw deflate (RFC 1951), reading no further than the limit.
func inflate(compressed []byte) ([]byte, error) {
	source := bytes.NewReader(compressed) // a ByteReader, so that flate leaves what follows the stream
	document, err := io.ReadAll(io.LimitReader(flate.NewReader(source), int64(limits.Bytes)+1))
	switch {
	case err != nil:
		return nil, refuse("The SAMLRequest parameter is not deflated.")
	case len(document) > limits.Bytes:
		return nil, refuse("The request is larger than 256 kB.")
	case source.Len() > 0:
		return nil, refuse("The SAMLRequest parameter goes on after its deflated data.")
	}
	return document, nil
}

func newMessage(document []byte, relayState string) (*Message, *samlxml.Element, error) {
	root, err := samlxml.Parse(document, limits)
	if err != nil {
		return nil, nil, refuseDocument(err)
	}
	request, err := newRequest(root)
	if err != nil {
		return nil, nil, refuseDocument(err)
	}
	return &Message{Request: request, RelayState: relayState}, root, nil
}
