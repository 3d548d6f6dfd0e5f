/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package keypair

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// MinimumPeerBits is the shortest RSA modulus of a peer's certificate. Some
// services still have such keys; to verify by one is better than not to verify.
const MinimumPeerBits = 1024

// ParsePeerCertificate reads the certificate of a service provider: PEM, with
// an RSA or ECDSA key. Whether it has expired does not matter, as peers'
// certificates are trusted because they were declared. Errors say what to enter.
func ParsePeerCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != certificateBlock {
		return nil, errors.New("the certificate is not PEM; enter text that begins with -----BEGIN CERTIFICATE-----")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("the certificate cannot be read; enter an X.509 certificate in PEM")
	}
	switch key := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < MinimumPeerBits {
			return nil, fmt.Errorf("the certificate's RSA key has %d bits; ask for one with at least %d", bits, MinimumPeerBits)
		}
	case *ecdsa.PublicKey:
	default:
		return nil, fmt.Errorf("the certificate's key is %s; ask for one with an RSA or ECDSA key", certificate.PublicKeyAlgorithm)
	}
	return certificate, nil
}
