/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"encoding/base64"
	"net/url"
	"strings"

	"tegata.dev/tegata/internal/samlxml"
)

// signature is what a message carries to prove its sender: octets and a value
// in the query (SAML bindings section 3.4.4.1), or an enveloped signature
// (section 3.5). The zero value is none.
type signature struct {
	octets []byte
	// reencoded are the octets as encodeURIComponent writes the decoded values;
	// nil where they are the same.
	reencoded []byte
	algorithm string
	value     []byte
	// enveloped is the root of a message with a signature in it.
	enveloped *samlxml.Element
	// misplaced: enveloped came by HTTP-Redirect, where SAML allows none. Go's
	// libraries sign so; it must verify, and does not count as signed.
	misplaced bool
}

// signTheQuery tells of a misplaced signature.
const signTheQuery = "The request carries its signature where the HTTP-Redirect binding allows none; sign the query."

// present reports whether there is anything to verify.
func (s signature) present() bool { return s.octets != nil || s.enveloped != nil }

// counts reports whether a message that must be signed is, once that is verified.
func (s signature) counts() bool { return s.octets != nil || s.enveloped != nil && !s.misplaced }

// verify checks the signature by the service provider's own keys.
func (s signature) verify(sp *ServiceProvider) error {
	policy := samlxml.Policy{AllowSHA1: sp.app.SAML.Requests.AllowSHA1}
	var err error
	if s.octets != nil {
		err = samlxml.VerifyDetached(s.octets, s.algorithm, s.value, sp.keys, policy)
		if err != nil && s.reencoded != nil && samlxml.VerifyDetached(s.reencoded, s.algorithm, s.value, sp.keys, policy) == nil {
			err = nil
		}
	}
	if err == nil && s.enveloped != nil {
		err = s.enveloped.VerifyEnveloped(sp.keys, policy)
	}
	if err != nil {
		return refuseDocument(err)
	}
	return nil
}

// querySignature reads the signature of the HTTP-Redirect binding. raw holds
// the parameters as they came, because encoders differ in what they escape; form
// holds them decoded, none of them twice.
func querySignature(form url.Values, raw map[string]string, message string) (signature, error) {
	switch {
	case !form.Has("Signature") && !form.Has("SigAlg"):
		return signature{}, nil
	case form.Get("Signature") == "" || form.Get("SigAlg") == "":
		return signature{}, refuse("The request has a part of a signature only.")
	}
	value, err := base64.StdEncoding.DecodeString(form.Get("Signature"))
	if err != nil {
		return signature{}, refuse("The request has a signature that is not base64.")
	}
	octets, reencoded := message+"="+raw[message], message+"="+encodeURIComponent(form.Get(message))
	if form.Has("RelayState") {
		octets += "&RelayState=" + raw["RelayState"]
		reencoded += "&RelayState=" + encodeURIComponent(form.Get("RelayState"))
	}
	octets += "&SigAlg=" + raw["SigAlg"]
	reencoded += "&SigAlg=" + encodeURIComponent(form.Get("SigAlg"))
	read := signature{octets: []byte(octets), algorithm: form.Get("SigAlg"), value: value}
	if reencoded != octets {
		read.reencoded = []byte(reencoded)
	}
	return read, nil
}

// encodeURIComponent escapes as ECMAScript's function of that name and Node.js's
// querystring.stringify do. node-saml signs such a query and sends another, as
// URLSearchParams writes it: with + for a space, and "!'()~" escaped. Each value
// has one such text and each text one value, so a signature over it proves the
// very values that are used.
func encodeURIComponent(value string) string {
	const unescaped, digits = "-_.!~*'()", "0123456789ABCDEF"
	var escaped strings.Builder
	for _, c := range []byte(value) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(unescaped, c) >= 0 {
			escaped.WriteByte(c)
		} else {
			escaped.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return escaped.String()
}
