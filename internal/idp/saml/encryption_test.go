/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha1" // #nosec G505 -- part of rsa-oaep-mgf1p
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/beevik/etree"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
	"tegata.dev/tegata/internal/samlxml/xmlsectest"
)

var encryptions = map[directory.Encryption]string{
	directory.AES256GCM: "http://www.w3.org/2009/xmlenc11#aes256-gcm", directory.AES128GCM: "http://www.w3.org/2009/xmlenc11#aes128-gcm",
	directory.AES256CBC: "http://www.w3.org/2001/04/xmlenc#aes256-cbc", directory.AES128CBC: "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
}

func (p *peer) encryptionCertificate() []directory.ServiceProviderCertificate {
	return []directory.ServiceProviderCertificate{{PEM: p.pem(), Use: directory.CertificateEncryption}}
}

// decrypt has the xmlsec1 tool put the decrypted assertion where the encrypted one was.
func (p *peer) decrypt(t *testing.T, response []byte) []byte {
	t.Helper()
	g := NewWithT(t)
	folder := t.TempDir()
	key, encrypted, decrypted := filepath.Join(folder, "sp.key"), filepath.Join(folder, "response.xml"), filepath.Join(folder, "decrypted.xml")
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(encrypted, response, 0o600)).To(Succeed())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	output, err := exec.CommandContext(ctx, "xmlsec1", "--decrypt", "--privkey-pem", key,
		"--node-xpath", `//*[local-name()='EncryptedData']`, "--output", decrypted, encrypted).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	return readFile(t, decrypted)
}

// TestEncryption: what another implementation decrypts is the signed assertion,
// and the response's signature is over the encrypted form.
func TestEncryption(t *testing.T) {
	xmlsectest.Require(t)
	provider, sp := newProvider(t), rsaPeer(t)
	certificate := testCertificate(t)
	for algorithm, identifier := range encryptions {
		for _, mode := range signingModes {
			t.Run(fmt.Sprint(algorithm, " ", mode), func(t *testing.T) {
				g := NewWithT(t)
				// Lengths differ, and with them the padding of CBC.
				for seed := range uint64(2) {
					pending, app, subject := nastyInput(rand.New(rand.NewPCG(seed, 4)))
					app.SAML.Signing, app.SAML.Encryption, app.SAML.Certificates = mode, algorithm, sp.encryptionCertificate()
					response := respond(t, provider, pending, app, subject)
					g.Expect(string(response)).NotTo(Or(ContainSubstring("NameID"), ContainSubstring("saml:Assertion ")))
					g.Expect(canonical(t, response)).To(Equal(string(response)))
					root := parseXML(t, response)
					g.Expect(names(root)[len(names(root))-2:]).To(Equal([]string{"Status", "EncryptedAssertion"}))
					g.Expect(root.FindElement("./EncryptedAssertion/EncryptedData/EncryptionMethod").SelectAttrValue("Algorithm", "")).To(Equal(identifier))
					if mode != directory.SignAssertion {
						g.Expect(xmlsec(t, response, responseSignature)).To(Succeed())
						g.Expect(verify(t, response, certificate)).To(Succeed())
					}
					decrypted := sp.decrypt(t, response)
					assertion := assertionOf(decrypted)
					g.Expect(parseXML(t, assertion).FindElement("./Subject/NameID").Text()).To(Equal(subject.Member.Mail))
					if mode != directory.SignResponse {
						g.Expect(xmlsec(t, decrypted, `//*[local-name()='Assertion']/*[local-name()='Signature']`)).To(Succeed())
						g.Expect(verify(t, assertion, certificate)).To(Succeed())
					}
				}
			})
		}
	}
}

// TestEncryptionIsFreshEachTime: neither content keys nor vectors nor sealed bytes repeat.
func TestEncryptionIsFreshEachTime(t *testing.T) {
	g := NewWithT(t)
	provider, sp := newProvider(t, realTime), rsaPeer(t)
	for algorithm := range encryptions {
		app := testApp()
		app.SAML.Encryption, app.SAML.Certificates = algorithm, sp.encryptionCertificate()
		seen := map[string]bool{}
		for range 8 {
			root := parseXML(t, respond(t, provider, testPending(), app, testSubject()))
			encryptedKey, content := root.FindElement("//EncryptedKey/CipherData/CipherValue").Text(), cipherValue(root)
			wrapped, err := base64.StdEncoding.DecodeString(encryptedKey)
			g.Expect(err).NotTo(HaveOccurred())
			key, err := rsa.DecryptOAEP(sha1.New(), nil, sp.key.(*rsa.PrivateKey), wrapped, nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(key).To(HaveLen(map[bool]int{true: 32, false: 16}[strings.HasPrefix(string(algorithm), "AES256")]))
			for _, text := range []string{string(key), encryptedKey, content[:16]} {
				g.Expect(seen).NotTo(HaveKey(text))
				seen[text] = true
			}
		}
	}
}

// cipherValue is the encrypted assertion, in base64.
func cipherValue(root *etree.Element) string {
	return root.FindElement("//EncryptedData/CipherData/CipherValue").Text()
}

// TestCrewjamDecrypts is another service provider, one that knows no AES-256-GCM.
func TestCrewjamDecrypts(t *testing.T) {
	provider := newProvider(t, realTime)
	own := rsaPeer(t)
	for _, algorithm := range []directory.Encryption{directory.AES256CBC, directory.AES128CBC, directory.AES128GCM} {
		for _, mode := range signingModes {
			t.Run(fmt.Sprint(algorithm, " ", mode), func(t *testing.T) {
				g := NewWithT(t)
				sp := serviceProvider(t, provider)
				sp.Key = own.key.(*rsa.PrivateKey)
				app := testApp()
				app.SAML.Signing, app.SAML.Encryption, app.SAML.Certificates = mode, algorithm, own.encryptionCertificate()
				response, err := provider.Respond(testPending(), prepared(t, app), testSubject(), saml.Authentication{At: time.Now()})
				g.Expect(err).NotTo(HaveOccurred())
				assertion, err := sp.ParseXMLResponse(response.Document, []string{"_request1"}, sp.AcsURL)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(assertion.Subject.NameID.Value).To(Equal("hanako@acme.example"))
			})
		}
	}
}

// TestTamperedEncryption: the tag of GCM, or the signature of the response, notices.
func TestTamperedEncryption(t *testing.T) {
	g := NewWithT(t)
	own := rsaPeer(t)
	app := testApp()
	app.SAML.Encryption, app.SAML.Certificates = directory.AES256GCM, own.encryptionCertificate()
	response := respond(t, newProvider(t), testPending(), app, testSubject())
	value := cipherValue(parseXML(t, response))
	changed := "A" + value[1:]
	if changed == value {
		changed = "B" + value[1:]
	}
	g.Expect(verify(t, bytes.Replace(response, []byte(value), []byte(changed), 1), testCertificate(t))).NotTo(Succeed())
}

func TestEncryptionCertificateIsChosen(t *testing.T) {
	signing, first, second, elliptic := rsaPeer(t), rsaPeer(t), rsaPeer(t), ecdsaPeer(t)
	certificate := func(p *peer, use directory.CertificateUse) directory.ServiceProviderCertificate {
		return directory.ServiceProviderCertificate{PEM: p.pem(), Use: use}
	}
	app := testApp()
	app.SAML.Encryption = directory.AES256GCM
	for name, c := range map[string]struct {
		certificates []directory.ServiceProviderCertificate
		want         *peer
	}{
		"first of two":   {[]directory.ServiceProviderCertificate{certificate(first, ""), certificate(second, directory.CertificateEncryption)}, first},
		"not signing":    {[]directory.ServiceProviderCertificate{certificate(signing, directory.CertificateSigning), certificate(first, directory.CertificateEncryption)}, first},
		"not elliptic":   {[]directory.ServiceProviderCertificate{certificate(elliptic, ""), certificate(first, "")}, first},
		"signing only":   {[]directory.ServiceProviderCertificate{certificate(signing, directory.CertificateSigning)}, nil},
		"elliptic only":  {[]directory.ServiceProviderCertificate{certificate(elliptic, "")}, nil},
		"no certificate": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			app.SAML.Certificates = c.certificates
			sp, err := saml.NewServiceProvider(app)
			if c.want == nil {
				g.Expect(err).To(MatchError(ContainSubstring("RSA key to encrypt to")))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			response, err := newProvider(t).Respond(testPending(), sp, testSubject(), testAuthentication())
			g.Expect(err).NotTo(HaveOccurred())
			named := parseXML(t, response.Document).FindElement("//EncryptedKey//X509Certificate").Text()
			g.Expect(named).To(Equal(base64.StdEncoding.EncodeToString(c.want.certificate)))
		})
	}
	app.SAML.Encryption, app.SAML.Certificates = "ROT13", first.encryptionCertificate()
	_, err := saml.NewServiceProvider(app)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("unknown encryption")))
}

func TestEncryptionWithoutRandomness(t *testing.T) {
	broken := errors.New("no entropy")
	app := testApp()
	app.SAML.Encryption, app.SAML.Certificates = directory.AES256GCM, rsaPeer(t).encryptionCertificate()
	// Two IDs of 16 bytes come first.
	provider := newProvider(t, func(o *saml.ProviderOptions) {
		o.Random = io.MultiReader(bytes.NewReader(make([]byte, 32)), iotest.ErrReader(broken))
	})
	_, err := provider.Respond(testPending(), prepared(t, app), testSubject(), testAuthentication())
	NewWithT(t).Expect(err).To(MatchError(broken))
}
