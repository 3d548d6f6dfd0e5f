/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/samlxml"
)

var limits = samlxml.Limits{Bytes: 256 << 10, Elements: 1000, Depth: 32, Attributes: 64}

func parse(t *testing.T, document string) *samlxml.Element {
	t.Helper()
	root, err := samlxml.Parse([]byte(document), limits)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), document)
	return root
}

// key is a private key with a certificate, in files that xmlsec1 reads.
type key struct {
	private           crypto.Signer
	keyFile, certFile string
}

func (k *key) public() []crypto.PublicKey { return []crypto.PublicKey{k.private.Public()} }

func rsaKey(t *testing.T) *key {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return newKey(t, private)
}

func ecdsaKey(t *testing.T, curve elliptic.Curve) *key {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return newKey(t, private)
}

func newKey(t *testing.T, private crypto.Signer) *key {
	t.Helper()
	g := NewWithT(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sp"}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	g.Expect(err).NotTo(HaveOccurred())
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	g.Expect(err).NotTo(HaveOccurred())
	dir := t.TempDir()
	k := &key{private: private, keyFile: filepath.Join(dir, "sp.key"), certFile: filepath.Join(dir, "sp.crt")}
	g.Expect(os.WriteFile(k.keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(k.certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600)).To(Succeed())
	return k
}

// xmlsecSign fills in the ds:Signature of a template with the xmlsec1 tool,
// which shares no code with us: libxml2's parser and canonicaliser.
func xmlsecSign(t *testing.T, k *key, template string) string {
	t.Helper()
	if _, err := exec.LookPath("xmlsec1"); err != nil {
		if os.Getenv("TEGATA_TEST_REQUIRE") == "1" {
			t.Fatal("xmlsec1 is not installed, and TEGATA_TEST_REQUIRE=1 demands it: install the package xmlsec1")
		}
		t.Skip("xmlsec1 is not installed: install the package xmlsec1")
	}
	g := NewWithT(t)
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.xml"), filepath.Join(dir, "out.xml")
	g.Expect(os.WriteFile(in, []byte(template), 0o600)).To(Succeed())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	output, err := exec.CommandContext(ctx, "xmlsec1", "--sign", "--privkey-pem", k.keyFile+","+k.certFile,
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:AuthnRequest", "--output", out, in).CombinedOutput() // #nosec G204 -- the test's own files
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	signed, err := os.ReadFile(out) // #nosec G304 -- the test's own file
	g.Expect(err).NotTo(HaveOccurred())
	return string(signed)
}
