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
	octets    []byte
	algorithm string
	value     []byte
	// enveloped is the root of a message with a signature in it.
	enveloped *samlxml.Element
}

func (s signature) present() bool { return s.octets != nil || s.enveloped != nil }

// verify checks the signature by the service provider's own keys.
func (s signature) verify(sp *ServiceProvider) error {
	policy := samlxml.Policy{AllowSHA1: sp.app.SAML.Requests.AllowSHA1}
	var err error
	if s.enveloped != nil {
		err = s.enveloped.VerifyEnveloped(sp.keys, policy)
	} else {
		err = samlxml.VerifyDetached(s.octets, s.algorithm, s.value, sp.keys, policy)
	}
	if err != nil {
		return refuseDocument(err)
	}
	return nil
}

// querySignature reads the signature of the HTTP-Redirect binding. raw holds
// the parameters as they came, because encoders differ in what they escape.
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
	var octets strings.Builder
	octets.WriteString(message + "=" + raw[message])
	if form.Has("RelayState") {
		octets.WriteString("&RelayState=" + raw["RelayState"])
	}
	octets.WriteString("&SigAlg=" + raw["SigAlg"])
	return signature{octets: []byte(octets.String()), algorithm: form.Get("SigAlg"), value: value}, nil
}
