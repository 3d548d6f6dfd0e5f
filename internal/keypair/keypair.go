/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package keypair

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"tegata.dev/tegata/internal/admin"
)

// MinimumBits is the shortest RSA modulus that is accepted.
const MinimumBits = 2048

// generatedBits: 2048 signs about three times as fast as 3072, and no service
// provider is known to refuse it.
const generatedBits = 2048

// maximumCommonName is ub-common-name of RFC 5280 appendix A.
const maximumCommonName = 64

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
	// SHA256Fingerprint is of the DER certificate: upper-case hexadecimal with colons.
	SHA256Fingerprint string
	// PEM is the certificate alone, without a chain.
	PEM string
}

// GenerateKeyPair makes a self-signed RSA-2048 pair, valid from notBefore for
// lifetime; certificate PEM and PKCS #8 PEM. The serial number is drawn from
// random (nil is crypto/rand); the key always is from the secure source, as
// crypto/rsa offers nothing else. The common name has 1 to 64 characters.
func GenerateKeyPair(commonName string, notBefore time.Time, lifetime time.Duration, random io.Reader) (admin.KeyPair, error) {
	if n := utf8.RuneCountInString(commonName); n == 0 || n > maximumCommonName {
		return admin.KeyPair{}, fmt.Errorf("the certificate's common name has %d characters; use 1 to %d", n, maximumCommonName)
	}
	if random == nil {
		random = rand.Reader
	}
	serial, err := serialNumber(random)
	if err != nil {
		return admin.KeyPair{}, err
	}
	key, err := rsa.GenerateKey(rand.Reader, generatedBits)
	if err != nil {
		return admin.KeyPair{}, fmt.Errorf("generating the signing key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             notBefore,
		NotAfter:              notBefore.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		SignatureAlgorithm:    x509.SHA256WithRSA,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return admin.KeyPair{}, fmt.Errorf("making the signing certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return admin.KeyPair{}, fmt.Errorf("encoding the signing key: %w", err)
	}
	return admin.KeyPair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: certificate}),
		PrivateKey:  pem.EncodeToMemory(&pem.Block{Type: privateKeyBlock, Bytes: private}),
	}, nil
}

// serialNumber is positive and has 127 random bits (RFC 5280 section 4.1.2.2).
func serialNumber(random io.Reader) (*big.Int, error) {
	var raw [16]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return nil, fmt.Errorf("reading random bytes for the serial number: %w", err)
	}
	raw[0] &= 0x7f
	serial := new(big.Int).SetBytes(raw[:])
	return serial.Add(serial, big.NewInt(1)), nil
}

// InspectKeyPair describes a pair's certificate. It fails as ParseKeyPair does.
func InspectKeyPair(pair admin.KeyPair) (CertificateInfo, error) {
	certificate, _, err := ParseKeyPair(pair)
	if err != nil {
		return CertificateInfo{}, err
	}
	return CertificateInfo{
		Subject:           certificate.Subject.String(),
		NotBefore:         certificate.NotBefore,
		NotAfter:          certificate.NotAfter,
		SHA256Fingerprint: fingerprint(certificate),
		PEM:               string(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: certificate.Raw})),
	}, nil
}

func fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	pairs := make([]string, len(sum))
	for i, octet := range sum {
		pairs[i] = fmt.Sprintf("%02X", octet)
	}
	return strings.Join(pairs, ":")
}

// ParseKeyPair reads a pair and checks that it can sign for SAML: a PEM
// certificate (the first one, where a chain follows) with an RSA key of at
// least 2048 bits, and the matching unencrypted private key in PKCS #8 or
// PKCS #1. An expired certificate is not an error: service providers pin the
// key, so that log-ins go on while the operator warns. Errors say what to
// enter instead, and never carry key material.
func ParseKeyPair(pair admin.KeyPair) (*x509.Certificate, *rsa.PrivateKey, error) {
	certificate, err := parseCertificate(pair.Certificate)
	if err != nil {
		return nil, nil, err
	}
	key, err := parsePrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	if !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, nil, errors.New("the private key does not belong to the certificate; enter the key the certificate was made with")
	}
	return certificate, key, nil
}

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
	public, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the certificate's key is %s; use an RSA key of at least %d bits", certificate.PublicKeyAlgorithm, MinimumBits)
	}
	if bits := public.N.BitLen(); bits < MinimumBits {
		return nil, fmt.Errorf("the certificate's RSA key has %d bits; use at least %d", bits, MinimumBits)
	}
	return certificate, nil
}

// parsePrivateKey wraps no error of the parsers: their texts are not ours to vouch for.
func parsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the private key is not PEM; enter text that begins with -----BEGIN PRIVATE KEY-----")
	}
	var parsed any
	var err error
	switch block.Type {
	case privateKeyBlock:
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("the private key is encrypted; enter it without a passphrase")
		}
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the private key is encrypted; enter it without a passphrase")
	default:
		return nil, fmt.Errorf("the private key's PEM is no RSA key; use an RSA key of at least %d bits in PKCS #8 or PKCS #1", MinimumBits)
	}
	if err != nil {
		return nil, errors.New("the private key cannot be read; enter an RSA key in PKCS #8 or PKCS #1 PEM")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the private key is not RSA; use an RSA key of at least %d bits", MinimumBits)
	}
	return key, nil
}
