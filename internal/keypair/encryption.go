/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package keypair

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"

	"tegata.dev/tegata/internal/directory"
)

// EncryptionCertificate is the one that assertions are encrypted to: the first
// of a service provider's certificates that is not for signing only and has an
// RSA key. The error says what to enter.
func EncryptionCertificate(certificates []directory.ServiceProviderCertificate) (*x509.Certificate, *rsa.PublicKey, error) {
	for _, certificate := range certificates {
		if certificate.Use == directory.CertificateSigning {
			continue
		}
		parsed, err := ParsePeerCertificate([]byte(certificate.PEM))
		if err != nil {
			return nil, nil, err
		}
		if key, ok := parsed.PublicKey.(*rsa.PublicKey); ok {
			return parsed, key, nil
		}
	}
	return nil, nil, errors.New("there is no certificate with an RSA key to encrypt to; ask the service provider's administrator for one")
}
