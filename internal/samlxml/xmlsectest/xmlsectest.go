/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package xmlsectest runs the xmlsec1 tool in tests. It shares no code with us:
// its parser and its canonicaliser are libxml2's.
package xmlsectest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

const (
	metadata = "urn:oasis:names:tc:SAML:2.0:metadata:"
	protocol = "urn:oasis:names:tc:SAML:2.0:protocol:"
)

// Require skips a test without the tool, or fails it where TEGATA_TEST_REQUIRE is 1.
func Require(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("xmlsec1")
	switch {
	case err == nil:
	case os.Getenv("TEGATA_TEST_REQUIRE") == "1":
		t.Fatal("xmlsec1 is not installed, and TEGATA_TEST_REQUIRE=1 demands it: install the package xmlsec1")
	default:
		t.Skip("xmlsec1 is not installed: install the package xmlsec1")
	}
}

// Certificate is a self-signed certificate of the key, DER, for an hour from now.
func Certificate(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sp"}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	return certificate
}

// Sign fills in the ds:Signature of a template: an AuthnRequest or metadata.
func Sign(t *testing.T, key crypto.Signer, template string) string {
	t.Helper()
	Require(t)
	g := gomega.NewWithT(t)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	dir := t.TempDir()
	write := func(name string, content []byte) {
		g.Expect(os.WriteFile(filepath.Join(dir, name), content, 0o600)).To(gomega.Succeed())
	}
	write("sp.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	write("sp.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: Certificate(t, key)}))
	write("in.xml", []byte(template))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "xmlsec1", "--sign", "--privkey-pem", "sp.key,sp.crt",
		"--id-attr:ID", protocol+"AuthnRequest", "--id-attr:ID", metadata+"EntityDescriptor", "--id-attr:ID", metadata+"EntitiesDescriptor",
		"--output", "out.xml", "in.xml")
	command.Dir = dir // names without the commas that a test's folder may have
	output, err := command.CombinedOutput()
	g.Expect(err).NotTo(gomega.HaveOccurred(), string(output))
	signed, err := os.ReadFile(filepath.Join(dir, "out.xml")) // #nosec G304 -- the test's own file
	g.Expect(err).NotTo(gomega.HaveOccurred())
	return string(signed)
}
