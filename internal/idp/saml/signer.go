/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// The pieces of ds:Signature (XML Signature section 4) around its variable
// parts. In the document ds:SignedInfo inherits the prefix; as the apex of what
// is signed it declares it itself, as exclusive canonicalisation demands.
const (
	declareDS         = ` xmlns:ds="` + namespaceSignature + `"`
	algorithmExcC14n  = "http://www.w3.org/2001/10/xml-exc-c14n#"
	signatureOpen     = `<ds:Signature` + declareDS + `>`
	signedInfoName    = `<ds:SignedInfo`
	signedInfoMethods = `><ds:CanonicalizationMethod Algorithm="` + algorithmExcC14n + `"></ds:CanonicalizationMethod>` +
		`<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod>` +
		`<ds:Reference URI="#`
	signedInfoTransforms = `"><ds:Transforms>` +
		`<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>` +
		`<ds:Transform Algorithm="` + algorithmExcC14n + `"></ds:Transform></ds:Transforms>` +
		`<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue>`
	signedInfoClose = `</ds:DigestValue></ds:Reference></ds:SignedInfo>`
	signatureValue  = `<ds:SignatureValue>`
	signatureKey    = `</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>`
	signatureClose  = `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>`
)

// signer makes enveloped RSA-SHA256 signatures over canonical bytes.
type signer struct {
	key crypto.Signer
	// certificate is base64 of the DER.
	certificate string
}

// sign returns head + signature + tail, where head + tail is the canonical
// form of the element with the given ID (xs:ID, so it needs no escaping).
func (s *signer) sign(id, head, tail string) (string, error) {
	hash := sha256.New()
	hash.Write([]byte(head)) // a hash never fails
	hash.Write([]byte(tail))
	signedInfo := signedInfoMethods + id + signedInfoTransforms + base64.StdEncoding.EncodeToString(hash.Sum(nil)) + signedInfoClose
	digest := sha256.Sum256([]byte(signedInfoName + declareDS + signedInfo))
	signature, err := s.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return head + signatureOpen + signedInfoName + signedInfo +
		signatureValue + base64.StdEncoding.EncodeToString(signature) + signatureKey + s.certificate + signatureClose + tail, nil
}
