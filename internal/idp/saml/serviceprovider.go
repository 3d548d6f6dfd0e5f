/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"crypto"
	"fmt"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
)

// ServiceProvider is a SAML app, prepared once for each change of it:
// immutable, safe for concurrent use.
type ServiceProvider struct {
	app directory.App
	// keys verify what the app signs.
	keys []crypto.PublicKey
}

// NewServiceProvider parses the app's certificates. The error names the first
// one that cannot be used.
func NewServiceProvider(app directory.App) (*ServiceProvider, error) {
	if app.SAML == nil {
		return nil, fmt.Errorf("app %s is not a SAML app", app.Name)
	}
	sp := &ServiceProvider{app: app}
	for i, certificate := range app.SAML.Certificates {
		parsed, err := keypair.ParsePeerCertificate([]byte(certificate.PEM))
		if err != nil {
			return nil, fmt.Errorf("certificate %d of app %s: %w", i, app.Name, err)
		}
		if certificate.Use != directory.CertificateEncryption {
			sp.keys = append(sp.keys, parsed.PublicKey)
		}
	}
	return sp, nil
}

// App is what the service provider was made of.
func (sp *ServiceProvider) App() directory.App { return sp.app }
