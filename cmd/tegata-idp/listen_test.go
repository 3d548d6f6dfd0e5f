/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"tegata.dev/tegata/internal/admin"
)

// selfSigned is a certificate for 127.0.0.1 that is its own authority, and its key, PEM.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	g := NewWithT(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	g.Expect(err).NotTo(HaveOccurred())
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	g.Expect(err).NotTo(HaveOccurred())
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// client is the operator with a certificate of its own.
func client(t *testing.T, address, certificate, key, serverCA string) admin.Service {
	t.Helper()
	g := NewWithT(t)
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	g.Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	g.Expect(roots.AppendCertsFromPEM([]byte(serverCA))).To(BeTrue())
	transport := &http.Transport{
		TLSClientConfig:   admin.ClientTLSConfig(func() (*tls.Certificate, error) { return &pair, nil }, roots),
		ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}
	return admin.NewClient("https://"+address, &http.Client{Transport: transport})
}

var listeningForOperator = regexp.MustCompile(`"for":"the operator","address":"([^"]+)"`)

func TestOperatorComesByMutualTLS(t *testing.T) {
	g := NewWithT(t)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	certificate, key := selfSigned(t)
	operatorCertificate, operatorKey := selfSigned(t)
	errOut, code := &output{}, make(chan int, 1)
	go func() {
		code <- run(ctx, []string{
			"--external-url=http://localhost", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--drain-delay=0s",
			"--admin-certificate-file=" + file(t, certificate), "--admin-key-file=" + file(t, key), "--admin-client-ca-file=" + file(t, operatorCertificate),
			"--sqlite=" + filepath.Join(t.TempDir(), "idp.db"), "--key-file=" + file(t, strings.Repeat("k", 32)),
		}, nothing, &bytes.Buffer{}, errOut)
	}()
	g.Eventually(errOut.String, 10*time.Second).Should(MatchRegexp(listeningForOperator.String()))
	address := listeningForOperator.FindStringSubmatch(errOut.String())[1]

	operator := client(t, address, operatorCertificate, operatorKey, certificate)
	g.Eventually(func() (admin.About, error) { return operator.About(ctx) }, 10*time.Second).Should(Equal(admin.About{Version: "dev"}))
	_, err := client(t, address, certificate, key, certificate).About(ctx)
	g.Expect(err).To(HaveOccurred(), "a stranger's certificate")
	stop()
	g.Eventually(code, 10*time.Second).Should(Receive(Equal(0)))
}

// TestRenewedCertificatesAreTakenUp changes the files as the kubelet does when
// the operator renews their Secret: the process goes on, new connections see them.
func TestRenewedCertificatesAreTakenUp(t *testing.T) {
	g := NewWithT(t)
	certificate, key := selfSigned(t)
	operatorCertificate, operatorKey := selfSigned(t)
	files := tlsFiles{certificate: file(t, certificate), key: file(t, key), clientCA: file(t, operatorCertificate)}
	c := &configuration{adminAddress: "127.0.0.1:0", adminFiles: files}
	log := &output{}
	stop, err := c.listenSides(t.Context(), admin.NewUnavailableHandler(func() string { return "at home" }), prometheus.NewRegistry(),
		logr.FromSlogHandler(slog.NewJSONHandler(log, nil)))
	g.Expect(err).NotTo(HaveOccurred())
	defer stop()
	address := listeningForOperator.FindStringSubmatch(log.String())[1]
	ask := func(certificate, key, serverCA string) error {
		_, err := client(t, address, certificate, key, serverCA).About(t.Context())
		return err
	}
	g.Expect(ask(operatorCertificate, operatorKey, certificate)).To(MatchError(ContainSubstring("at home")))

	renewed, renewedKey := selfSigned(t)
	g.Expect(os.WriteFile(files.certificate, []byte(renewed), 0o600)).To(Succeed())
	g.Expect(ask(operatorCertificate, operatorKey, certificate)).NotTo(MatchError(ContainSubstring("at home")), "half of it is written")
	g.Expect(os.WriteFile(files.key, []byte(renewedKey), 0o600)).To(Succeed())
	g.Expect(ask(operatorCertificate, operatorKey, renewed)).To(MatchError(ContainSubstring("at home")))

	nextCertificate, nextKey := selfSigned(t)
	g.Expect(os.WriteFile(files.clientCA, []byte(nextCertificate), 0o600)).To(Succeed())
	g.Expect(ask(operatorCertificate, operatorKey, renewed)).NotTo(MatchError(ContainSubstring("at home")), "another authority")
	g.Expect(ask(nextCertificate, nextKey, renewed)).To(MatchError(ContainSubstring("at home")))
}
