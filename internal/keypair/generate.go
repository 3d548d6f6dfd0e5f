/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package keypair

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"time"
	"unicode/utf8"

	"tegata.dev/tegata/internal/admin"
)

// Algorithm is the kind and size of a key.
type Algorithm string

// The algorithms that pairs are generated for.
const (
	RSA2048   Algorithm = "RSA2048"
	RSA3072   Algorithm = "RSA3072"
	RSA4096   Algorithm = "RSA4096"
	ECDSAP256 Algorithm = "ECDSAP256"
	ECDSAP384 Algorithm = "ECDSAP384"
	ECDSAP521 Algorithm = "ECDSAP521"
)

// DefaultAlgorithm signs about three times as fast as RSA-3072, and no service
// provider is known to refuse it.
const DefaultAlgorithm = RSA2048

// maximumCommonName is ub-common-name of RFC 5280 appendix A.
const maximumCommonName = 64

// GenerateKeyPair makes a self-signed pair of the default algorithm, as Generate does.
func GenerateKeyPair(commonName string, notBefore time.Time, lifetime time.Duration, random io.Reader) (admin.KeyPair, error) {
	return Generate(DefaultAlgorithm, commonName, notBefore, lifetime, random)
}

// Generate makes a self-signed pair, valid from notBefore for lifetime;
// certificate PEM and PKCS #8 PEM. The serial number is drawn from random (nil
// is crypto/rand); the key always is from the secure source, as Go's packages
// offer nothing else. The common name has 1 to 64 characters.
func Generate(algorithm Algorithm, commonName string, notBefore time.Time, lifetime time.Duration, random io.Reader) (admin.KeyPair, error) {
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
	key, err := generateKey(algorithm)
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

func generateKey(algorithm Algorithm) (crypto.Signer, error) {
	switch algorithm {
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSAP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ECDSAP521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		return nil, fmt.Errorf("%q is no algorithm of a signing key", algorithm)
	}
}

// algorithmOf names the kind and size of a key that parseCertificate took.
func algorithmOf(key crypto.PublicKey) Algorithm {
	switch public := key.(type) {
	case *rsa.PublicKey:
		return Algorithm(fmt.Sprintf("RSA%d", public.N.BitLen()))
	case *ecdsa.PublicKey:
		return Algorithm(fmt.Sprintf("ECDSAP%d", public.Params().BitSize))
	default:
		return ""
	}
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
