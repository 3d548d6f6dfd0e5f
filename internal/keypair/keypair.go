/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package keypair

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"tegata.dev/tegata/internal/admin"
)

// MinimumBits is the shortest RSA modulus that is accepted.
const MinimumBits = 2048

const (
	certificateBlock = "CERTIFICATE"
	privateKeyBlock  = "PRIVATE KEY"
)

// CertificateInfo is what a service provider's administrator wants to see.
type CertificateInfo struct {
	// Subject is the distinguished name, RFC 2253.
	Subject   string
	NotBefore time.Time
	NotAfter  time.Time
	// Algorithm is that of the key; of a key with an uncommon size it says so, as RSA2056 does.
	Algorithm Algorithm
	// SHA256Fingerprint is of the DER certificate: upper-case hexadecimal with colons.
	SHA256Fingerprint string
	// PEM is the certificate alone, without a chain.
	PEM string
}

// InspectKeyPair describes a pair's certificate. It fails as ParseKeyPair does.
func InspectKeyPair(pair admin.KeyPair) (CertificateInfo, error) {
	certificate, _, err := ParseKeyPair(pair)
	if err != nil {
		return CertificateInfo{}, err
	}
	return describe(certificate), nil
}

// InspectCertificate describes a certificate in PEM whose private key is
// elsewhere or gone. It takes what ParseKeyPair takes.
func InspectCertificate(text []byte) (CertificateInfo, error) {
	certificate, err := parseCertificate(text)
	if err != nil {
		return CertificateInfo{}, err
	}
	return describe(certificate), nil
}

func describe(certificate *x509.Certificate) CertificateInfo {
	return CertificateInfo{
		Subject:           certificate.Subject.String(),
		NotBefore:         certificate.NotBefore,
		NotAfter:          certificate.NotAfter,
		Algorithm:         algorithmOf(certificate.PublicKey),
		SHA256Fingerprint: Fingerprint(certificate),
		PEM:               string(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: certificate.Raw})),
	}
}

// Fingerprint is the SHA-256 of the DER certificate: upper-case hexadecimal with colons.
func Fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	pairs := make([]string, len(sum))
	for i, octet := range sum {
		pairs[i] = fmt.Sprintf("%02X", octet)
	}
	return strings.Join(pairs, ":")
}

// ParseKeyPair reads a pair and checks that it can sign for SAML: a PEM
// certificate (the first one, where a chain follows) with an RSA key of at
// least 2048 bits or an ECDSA key on P-256, P-384 or P-521, and the matching
// unencrypted private key in PKCS #8, PKCS #1 or SEC 1. The signer is an
// *rsa.PrivateKey or an *ecdsa.PrivateKey. An expired certificate is not an
// error: service providers pin the key, so that log-ins go on while the
// operator warns. Errors say what to enter instead, and never carry key material.
func ParseKeyPair(pair admin.KeyPair) (*x509.Certificate, crypto.Signer, error) {
	certificate, err := parseCertificate(pair.Certificate)
	if err != nil {
		return nil, nil, err
	}
	key, err := parsePrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(certificate.PublicKey) {
		return nil, nil, errors.New("the private key does not belong to the certificate; enter the key the certificate was made with")
	}
	return certificate, key, nil
}

// usable is what to enter instead of a key that cannot sign.
var usable = fmt.Sprintf("use an RSA key of at least %d bits or an ECDSA key on P-256, P-384 or P-521", MinimumBits)

func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the certificate is not PEM; enter text that begins with -----BEGIN CERTIFICATE-----")
	}
	if block.Type != certificateBlock {
		return nil, errors.New("the certificate's PEM holds something else; enter text that begins with -----BEGIN CERTIFICATE-----")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("the certificate cannot be read; enter an X.509 certificate in PEM")
	}
	switch public := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < MinimumBits {
			return nil, fmt.Errorf("the certificate's RSA key has %d bits; %s", bits, usable)
		}
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P224() {
			return nil, fmt.Errorf("the certificate's key is on P-224; %s", usable)
		}
	default:
		return nil, fmt.Errorf("the certificate's key is %s; %s", certificate.PublicKeyAlgorithm, usable)
	}
	return certificate, nil
}

// parsePrivateKey wraps no error of the parsers: their texts are not ours to vouch for.
func parsePrivateKey(text []byte) (crypto.Signer, error) {
	block, err := privateKeyPEM(text)
	if err != nil {
		return nil, err
	}
	var parsed any
	switch block.Type {
	case privateKeyBlock:
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("the private key's PEM holds something else; %s in PKCS #8, PKCS #1 or SEC 1", usable)
	}
	if err != nil {
		return nil, errors.New("the private key cannot be read; enter it in PKCS #8, PKCS #1 or SEC 1 PEM")
	}
	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return key, nil
	default:
		return nil, fmt.Errorf("the private key is neither RSA nor ECDSA; %s", usable)
	}
}

// privateKeyPEM finds the private key's block. OpenSSL writes the curve's
// parameters before an elliptic key; the key names its curve itself.
func privateKeyPEM(text []byte) (*pem.Block, error) {
	block, rest := pem.Decode(text)
	if block != nil && block.Type == "EC PARAMETERS" {
		block, _ = pem.Decode(rest)
	}
	if block == nil {
		return nil, errors.New("the private key is not PEM; enter text that begins with -----BEGIN PRIVATE KEY-----")
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("the private key is encrypted; enter it without a passphrase")
	}
	return block, nil
}
