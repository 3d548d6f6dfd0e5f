/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/admin/admintest"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

func TestConformance(t *testing.T) {
	open := map[string]func(t *testing.T) store.Options{
		"sqlite": func(t *testing.T) store.Options { return storetest.SQLiteOptions(t) },
		"postgres": func(t *testing.T) store.Options {
			return store.Options{PostgresDSN: storetest.Postgres(t), Key: storetest.Key()}
		},
	}
	for database, fresh := range open {
		options := func(t *testing.T) store.Options {
			o := fresh(t)
			o.Version = admintest.Version
			return o
		}
		t.Run(database+" in process", func(t *testing.T) {
			admintest.Run(t, func(t *testing.T) admin.Service { return storetest.Open(t, options(t)) })
		})
		t.Run(database+" over HTTP", func(t *testing.T) {
			admintest.Run(t, func(t *testing.T) admin.Service { return overHTTP(t, storetest.Open(t, options(t))) })
		})
	}
}

// overHTTP puts HTTP/2 over mutual TLS before the service.
func overHTTP(t *testing.T, service admin.Service) admin.Service {
	serverURL, clients := serve(t, service)
	return admin.NewClient(serverURL, clients)
}

func serve(t *testing.T, service admin.Service) (string, *http.Client) {
	t.Helper()
	pool := x509.NewCertPool()
	certificate := selfSigned(t)
	pool.AddCert(certificate.Leaf)
	own := func() (*tls.Certificate, error) { return certificate, nil }
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	server := &http.Server{Handler: admin.NewHandler(service), TLSConfig: admin.ServerTLSConfig(own, pool), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, "", "") }()
	transport := &http.Transport{TLSClientConfig: admin.ClientTLSConfig(own, pool), ForceAttemptHTTP2: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		NewWithT(t).Expect(server.Close()).To(Succeed())
		NewWithT(t).Expect(<-served).To(MatchError(http.ErrServerClosed))
	})
	return "https://" + listener.Addr().String(), &http.Client{Transport: transport}
}

func selfSigned(t *testing.T) *tls.Certificate {
	t.Helper()
	g := NewWithT(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "admin"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	g.Expect(err).NotTo(HaveOccurred())
	leaf, err := x509.ParseCertificate(der)
	g.Expect(err).NotTo(HaveOccurred())
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestHTTPRefusesStrangers(t *testing.T) {
	g := NewWithT(t)
	service := storetest.Open(t, storetest.SQLiteOptions(t))
	serverURL, client := serve(t, service)
	config := client.Transport.(*http.Transport).TLSClientConfig
	for name, stranger := range map[string]*tls.Config{
		"no certificate": {RootCAs: config.RootCAs, MinVersion: tls.VersionTLS13},
		"another's":      {RootCAs: config.RootCAs, MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*selfSigned(t)}},
	} {
		transport := &http.Transport{TLSClientConfig: stranger}
		_, err := admin.NewClient(serverURL, &http.Client{Transport: transport}).About(t.Context())
		g.Expect(err).To(MatchError(ContainSubstring("certificate")), name)
		transport.CloseIdleConnections()
	}
	untrusting := &http.Transport{TLSClientConfig: admin.ClientTLSConfig(func() (*tls.Certificate, error) { return selfSigned(t), nil }, x509.NewCertPool())}
	_, err := admin.NewClient(serverURL, &http.Client{Transport: untrusting}).About(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("unknown authority")))
}
