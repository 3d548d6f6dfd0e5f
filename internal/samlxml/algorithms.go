/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // #nosec G505 -- accepted only where a policy says so
	_ "crypto/sha256"
	_ "crypto/sha512"
	"math/big"
)

// Policy says which algorithms are accepted. RSA (PKCS #1 v1.5 and PSS) and
// ECDSA with SHA-256, -384 and -512 always are; HMAC, DSA, MD5 and none never.
type Policy struct {
	// AllowSHA1 accepts SHA-1 too, for peers that can do no better.
	AllowSHA1 bool
}

type keyKind int

const (
	keyRSA keyKind = iota
	keyRSAPSS
	keyECDSA
)

type signatureAlgorithm struct {
	kind keyKind
	hash crypto.Hash
}

const (
	moreAlgorithms  = "http://www.w3.org/2001/04/xmldsig-more#"
	laterAlgorithms = "http://www.w3.org/2007/05/xmldsig-more#"
	xmlDigital      = "http://www.w3.org/2000/09/xmldsig#"
	xmlEncryption   = "http://www.w3.org/2001/04/xmlenc#"
)

// signatureAlgorithms are those of RFC 9231 sections 2.3.2, 2.3.6 and 2.3.10
// (PSS, which Keycloak can be set to), and XML Signature section 6.4.
var signatureAlgorithms = map[string]signatureAlgorithm{
	moreAlgorithms + "rsa-sha256":       {keyRSA, crypto.SHA256},
	moreAlgorithms + "rsa-sha384":       {keyRSA, crypto.SHA384},
	moreAlgorithms + "rsa-sha512":       {keyRSA, crypto.SHA512},
	laterAlgorithms + "sha256-rsa-MGF1": {keyRSAPSS, crypto.SHA256},
	laterAlgorithms + "sha384-rsa-MGF1": {keyRSAPSS, crypto.SHA384},
	laterAlgorithms + "sha512-rsa-MGF1": {keyRSAPSS, crypto.SHA512},
	moreAlgorithms + "ecdsa-sha256":     {keyECDSA, crypto.SHA256},
	moreAlgorithms + "ecdsa-sha384":     {keyECDSA, crypto.SHA384},
	moreAlgorithms + "ecdsa-sha512":     {keyECDSA, crypto.SHA512},
	xmlDigital + "rsa-sha1":             {keyRSA, crypto.SHA1},
	moreAlgorithms + "ecdsa-sha1":       {keyECDSA, crypto.SHA1},
}

var digestAlgorithms = map[string]crypto.Hash{
	xmlEncryption + "sha256":  crypto.SHA256,
	moreAlgorithms + "sha384": crypto.SHA384,
	xmlEncryption + "sha512":  crypto.SHA512,
	xmlDigital + "sha1":       crypto.SHA1,
}

func (p Policy) allows(hash crypto.Hash) bool { return hash != crypto.SHA1 || p.AllowSHA1 }

// VerifyDetached verifies a signature over octets by one of the keys (SAML
// bindings section 3.4.4.1); algorithm is an XML Signature identifier. It fails
// with an *Error.
func VerifyDetached(octets []byte, algorithm string, signature []byte, keys []crypto.PublicKey, policy Policy) error {
	chosen, err := chooseAlgorithm(algorithm, keys, policy)
	if err != nil {
		return err
	}
	hash := chosen.hash.New()
	hash.Write(octets) // a hash never fails
	digest := hash.Sum(nil)
	for _, key := range keys {
		if chosen.verifies(key, digest, signature) {
			return nil
		}
	}
	return refuse("has a signature that none of the known certificates verifies")
}

// chooseAlgorithm refuses what cannot be verified, whatever was signed.
func chooseAlgorithm(algorithm string, keys []crypto.PublicKey, policy Policy) (signatureAlgorithm, error) {
	chosen, known := signatureAlgorithms[algorithm]
	switch {
	case !known:
		return chosen, refuse("is signed by an algorithm that is not accepted; use RSA or ECDSA with SHA-256")
	case !policy.allows(chosen.hash):
		return chosen, refuse("is signed with SHA-1, which is not accepted; use SHA-256")
	case len(keys) == 0:
		return chosen, refuse("is signed, and no certificate is known to verify it by")
	}
	return chosen, nil
}

func (a signatureAlgorithm) verifies(key crypto.PublicKey, digest, signature []byte) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if a.kind == keyRSAPSS {
			// The salt is as long as the hash (RFC 9231 section 2.3.10).
			return rsa.VerifyPSS(key, a.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return a.kind == keyRSA && rsa.VerifyPKCS1v15(key, a.hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		if a.kind != keyECDSA {
			return false
		}
		// The value is r and s, each as long as the curve's order (RFC 9231
		// section 2.3.6); goxmldsig writes ASN.1 instead, which is longer.
		size := (key.Params().N.BitLen() + 7) / 8
		if len(signature) != 2*size {
			return ecdsa.VerifyASN1(key, digest, signature)
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(key, digest, r, s)
	default:
		return false
	}
}
