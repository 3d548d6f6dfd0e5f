/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package keypair_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/keypair"
)

var start = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)

func generate(t *testing.T) admin.KeyPair {
	t.Helper()
	pair, err := keypair.GenerateKeyPair("acme", start, 24*time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestGeneratedPairIsDescribed(t *testing.T) {
	g := NewWithT(t)
	pair := generate(t)
	info, err := keypair.InspectKeyPair(pair)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Subject).To(Equal("CN=acme"))
	g.Expect(info.NotBefore).To(Equal(start))
	g.Expect(info.NotAfter).To(Equal(start.Add(24 * time.Hour)))
	g.Expect(info.PEM).To(Equal(string(pair.Certificate)))

	block, _ := pem.Decode(pair.Certificate)
	sum := sha256.Sum256(block.Bytes)
	g.Expect(info.SHA256Fingerprint).To(HaveLen(95))
	g.Expect(strings.ReplaceAll(info.SHA256Fingerprint, ":", "")).To(Equal(strings.ToUpper(hex.EncodeToString(sum[:]))))

	certificate, key, err := keypair.ParseKeyPair(pair)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(key).To(BeAssignableToTypeOf(&rsa.PrivateKey{}))
	g.Expect(info.Algorithm).To(Equal(keypair.RSA2048))
	g.Expect(certificate.CheckSignature(certificate.SignatureAlgorithm, certificate.RawTBSCertificate, certificate.Signature)).To(Succeed())
	g.Expect(certificate.SerialNumber.Sign()).To(Equal(1))
}

func TestGenerateRefuses(t *testing.T) {
	g := NewWithT(t)
	for _, name := range []string{"", strings.Repeat("あ", 65)} {
		_, err := keypair.GenerateKeyPair(name, start, time.Hour, nil)
		g.Expect(err).To(MatchError(ContainSubstring("1 to 64")))
	}
	broken := errors.New("no entropy")
	_, err := keypair.GenerateKeyPair("acme", start, time.Hour, iotest.ErrReader(broken))
	g.Expect(err).To(MatchError(broken))
}

// TestCertificateWithChainAndPKCS1 is what tools other than ours write.
func TestCertificateWithChainAndPKCS1(t *testing.T) {
	g := NewWithT(t)
	pair, other := generate(t), generate(t)
	_, key, err := keypair.ParseKeyPair(pair)
	g.Expect(err).NotTo(HaveOccurred())
	chain := admin.KeyPair{
		Certificate: append(append([]byte{}, pair.Certificate...), other.Certificate...),
		PrivateKey:  encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key.(*rsa.PrivateKey))),
	}
	info, err := keypair.InspectKeyPair(chain)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.PEM).To(Equal(string(pair.Certificate)))
}

func TestUnusablePairs(t *testing.T) {
	good, other := generate(t), generate(t)
	_, ecKey := elliptical(t, elliptic.P256())
	smallCertificate, smallKey := elliptical(t, elliptic.P224())
	edCertificate, edKey := edwards(t)
	keyBlock, _ := pem.Decode(good.PrivateKey)
	certificateDER, _ := pem.Decode(good.Certificate)
	with := func(certificate, key []byte) admin.KeyPair {
		return admin.KeyPair{Certificate: certificate, PrivateKey: key}
	}
	encrypted := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x"),
	})
	cases := map[string]struct {
		pair admin.KeyPair
		want string
	}{
		"nothing":                 {admin.KeyPair{}, "the certificate is not PEM"},
		"der certificate":         {with(certificateDER.Bytes, good.PrivateKey), "the certificate is not PEM"},
		"key as certificate":      {with(good.PrivateKey, good.PrivateKey), "holds something else"},
		"garbage certificate":     {with(encode("CERTIFICATE", []byte("x")), good.PrivateKey), "the certificate cannot be read"},
		"small curve":             {with(smallCertificate, smallKey), "is on P-224; use an RSA key of at least 2048 bits or an ECDSA key"},
		"ed25519 certificate":     {with(edCertificate, edKey), "is Ed25519; use an RSA key of at least 2048 bits or an ECDSA key"},
		"short certificate":       {short(t), "has 1024 bits; use an RSA key of at least 2048 bits"},
		"no key":                  {with(good.Certificate, nil), "the private key is not PEM"},
		"certificate as key":      {with(good.Certificate, good.Certificate), "holds something else"},
		"elliptic key":            {with(good.Certificate, ecKey), "does not belong to the certificate"},
		"ed25519 key":             {with(good.Certificate, edKey), "neither RSA nor ECDSA"},
		"parameters only":         {with(good.Certificate, encode("EC PARAMETERS", []byte("x"))), "the private key is not PEM"},
		"garbage SEC 1":           {with(good.Certificate, encode("EC PRIVATE KEY", []byte("x"))), "the private key cannot be read"},
		"garbage key":             {with(good.Certificate, encode("PRIVATE KEY", keyBlock.Bytes[:40])), "the private key cannot be read"},
		"garbage PKCS #1":         {with(good.Certificate, encode("RSA PRIVATE KEY", keyBlock.Bytes)), "the private key cannot be read"},
		"encrypted key":           {with(good.Certificate, encode("ENCRYPTED PRIVATE KEY", []byte("x"))), "without a passphrase"},
		"encrypted key, old form": {with(good.Certificate, encrypted), "without a passphrase"},
		"key of another":          {with(good.Certificate, other.PrivateKey), "does not belong to the certificate"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := keypair.InspectKeyPair(c.pair)
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
			for line := range strings.Lines(string(c.pair.PrivateKey)) {
				if line = strings.TrimSpace(line); len(line) > 30 {
					g.Expect(err.Error()).NotTo(ContainSubstring(line))
				}
			}
		})
	}
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func selfSigned(t *testing.T, public, private any) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: start}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", der)
}

func elliptical(t *testing.T, curve elliptic.Curve) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return selfSigned(t, private.Public(), private), encode("PRIVATE KEY", der)
}

func short(t *testing.T) admin.KeyPair {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return admin.KeyPair{Certificate: selfSigned(t, private.Public(), private), PrivateKey: encode("PRIVATE KEY", der)}
}

func edwards(t *testing.T) (certificate, key []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return selfSigned(t, public, private), encode("PRIVATE KEY", der)
}

func TestEveryAlgorithmIsGeneratedAndRead(t *testing.T) {
	for algorithm, want := range map[keypair.Algorithm]any{
		keypair.RSA2048: &rsa.PrivateKey{}, keypair.RSA3072: &rsa.PrivateKey{}, keypair.RSA4096: &rsa.PrivateKey{},
		keypair.ECDSAP256: &ecdsa.PrivateKey{}, keypair.ECDSAP384: &ecdsa.PrivateKey{}, keypair.ECDSAP521: &ecdsa.PrivateKey{},
	} {
		t.Run(string(algorithm), func(t *testing.T) {
			g := NewWithT(t)
			pair, err := keypair.Generate(algorithm, "acme", start, 24*time.Hour, nil)
			g.Expect(err).NotTo(HaveOccurred())
			certificate, key, err := keypair.ParseKeyPair(pair)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(key).To(BeAssignableToTypeOf(want))
			g.Expect(certificate.CheckSignature(certificate.SignatureAlgorithm, certificate.RawTBSCertificate, certificate.Signature)).To(Succeed())
			info, err := keypair.InspectCertificate(pair.Certificate)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(info.Algorithm).To(Equal(algorithm))
			g.Expect(keypair.InspectKeyPair(pair)).To(Equal(info))
		})
	}
	g := NewWithT(t)
	_, err := keypair.Generate("DSA1024", "acme", start, time.Hour, nil)
	g.Expect(err).To(MatchError(ContainSubstring(`"DSA1024" is no algorithm`)))
	_, err = keypair.InspectCertificate([]byte("x"))
	g.Expect(err).To(MatchError(ContainSubstring("not PEM")))
}

// TestEllipticKeyAsOpenSSLWritesIt is SEC 1 after the curve's parameters.
func TestEllipticKeyAsOpenSSLWritesIt(t *testing.T) {
	g := NewWithT(t)
	pair, err := keypair.Generate(keypair.ECDSAP384, "acme", start, time.Hour, nil)
	g.Expect(err).NotTo(HaveOccurred())
	_, key, err := keypair.ParseKeyPair(pair)
	g.Expect(err).NotTo(HaveOccurred())
	der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	g.Expect(err).NotTo(HaveOccurred())
	parameters := encode("EC PARAMETERS", []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22})
	pair.PrivateKey = append(parameters, encode("EC PRIVATE KEY", der)...)
	_, err = keypair.InspectKeyPair(pair)
	g.Expect(err).NotTo(HaveOccurred())
}
