/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import (
	"crypto/tls"
	"crypto/x509"
)

// ServerTLSConfig is for the listener of NewHandler: TLS 1.3, and only callers
// with a certificate that clients signed. certificate is asked for at each
// handshake, so that it can be renewed.
func ServerTLSConfig(certificate func() (*tls.Certificate, error), clients *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		ClientAuth:     tls.RequireAndVerifyClientCert,
		ClientCAs:      clients,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate() },
	}
}

// ClientTLSConfig is for the http.Client of NewClient: TLS 1.3, its own
// certificate, asked for at each handshake, and only servers that servers signed.
func ClientTLSConfig(certificate func() (*tls.Certificate, error), servers *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		RootCAs:              servers,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate() },
	}
}
