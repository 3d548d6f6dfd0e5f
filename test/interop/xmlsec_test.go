/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/keypair"
)

const (
	responseSignature  = `/*[local-name()='Response']/*[local-name()='Signature']`
	assertionSignature = `//*[local-name()='Assertion']/*[local-name()='Signature']`
	metadataSignature  = `/*[local-name()='EntityDescriptor']/*[local-name()='Signature']`
)

// xmlsec1 runs the tool on a document. It shares no code with us: libxml2's
// parser and canonicaliser, OpenSSL's cryptography.
func (w *world) xmlsec1(document string, arguments ...string) error {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "document.xml")
	w.Expect(os.WriteFile(file, []byte(document), 0o600)).To(Succeed())
	output, err := exec.CommandContext(w.t.Context(), "xmlsec1", append(arguments, file)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("xmlsec1: %w: %s", err, output)
	}
	return nil
}

// verify checks one signature by the IdP's certificate of now.
func (w *world) verify(document, signature string) error {
	w.t.Helper()
	certificate := filepath.Join(w.t.TempDir(), "idp.crt")
	w.Expect(os.WriteFile(certificate, w.key.Certificate, 0o600)).To(Succeed())
	return w.xmlsec1(document, "--verify", "--pubkey-cert-pem", certificate,
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response",
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor",
		"--node-xpath", signature)
}

// decrypt opens the assertion with the service provider's key.
func (w *world) decrypt(document string) string {
	w.t.Helper()
	folder := w.t.TempDir()
	key, opened := filepath.Join(folder, "sp.key"), filepath.Join(folder, "opened.xml")
	w.Expect(os.WriteFile(key, serviceKey().PrivateKey, 0o600)).To(Succeed())
	w.Expect(w.xmlsec1(document, "--decrypt", "--privkey-pem", key, "--output", opened)).To(Succeed())
	content, err := os.ReadFile(opened)
	w.Expect(err).NotTo(HaveOccurred())
	return string(content)
}

// answerFor logs in to an app from here and returns the response.
func (w *world) answerFor(browser *formclient.Client, app *directory.App) string {
	w.t.Helper()
	w.publishApp(app)
	page := w.visit(browser, endpoints.IdPInitiated(w.url, tenant, app.Name))
	if _, err := page.FormWith("mail", "password"); err == nil {
		page = w.logIn(browser, page)
	}
	return w.text(w.response(page))
}

func xmlsecApp() *directory.App {
	app := newApp("wiki", "https://wiki.acme.example/saml", "https://wiki.acme.example/acs")
	app.SAML.Certificates = []directory.ServiceProviderCertificate{{PEM: string(serviceKey().Certificate)}}
	return app
}

// TestXmlsecVerifies: every kind of key with every hash, as they come from the site.
func TestXmlsecVerifies(t *testing.T) {
	w := newWorld(t)
	browser := formclient.New()
	for _, algorithm := range []keypair.Algorithm{
		keypair.RSA2048, keypair.RSA3072, keypair.RSA4096, keypair.ECDSAP256, keypair.ECDSAP384, keypair.ECDSAP521,
	} {
		w.key = mustGenerate(algorithm)
		w.publishTenant()
		w.Expect(w.verify(w.metadata(), metadataSignature)).To(Succeed())
		w.Expect(w.verify(replace("/sso", "/elsewhere")(w.metadata()), metadataSignature)).NotTo(Succeed())
		for _, hash := range []directory.Hash{directory.SHA256, directory.SHA384, directory.SHA512, directory.SHA1} {
			t.Run(string(algorithm)+" "+string(hash), func(t *testing.T) {
				w := &world{WithT: NewWithT(t), t: t, admin: w.admin, url: w.url, key: w.key, password: w.password}
				app := xmlsecApp()
				app.SAML.Hash = hash
				response := w.answerFor(browser, app)
				w.Expect(strings.ToUpper(response)).To(ContainSubstring("-" + string(hash) + `"`))
				w.Expect(w.verify(response, responseSignature)).To(Succeed(), response)
				w.Expect(w.verify(response, assertionSignature)).To(Succeed(), response)
				tampered := strings.Replace(response, mail, "hanako.sato@acme.example", 1)
				w.Expect(w.verify(tampered, responseSignature)).NotTo(Succeed())
				w.Expect(w.verify(tampered, assertionSignature)).NotTo(Succeed())
			})
		}
	}
}

// TestXmlsecDecrypts: the response's signature is over what is encrypted, the
// assertion's over what is in it.
func TestXmlsecDecrypts(t *testing.T) {
	w := newWorld(t)
	browser := formclient.New()
	for _, algorithm := range []directory.Encryption{directory.AES256GCM, directory.AES128GCM, directory.AES256CBC, directory.AES128CBC} {
		for _, mode := range []directory.SigningMode{directory.SignResponseAndAssertion, directory.SignResponse, directory.SignAssertion} {
			t.Run(string(algorithm)+" "+string(mode), func(t *testing.T) {
				w := &world{WithT: NewWithT(t), t: t, admin: w.admin, url: w.url, key: w.key, password: w.password}
				app := xmlsecApp()
				app.SAML.Encryption, app.SAML.Signing = algorithm, mode
				response := w.answerFor(browser, app)
				w.Expect(response).NotTo(Or(ContainSubstring(mail), ContainSubstring("<saml:Assertion")))
				if mode != directory.SignAssertion {
					w.Expect(w.verify(response, responseSignature)).To(Succeed(), response)
				}
				opened := w.decrypt(response)
				w.Expect(opened).To(ContainSubstring(mail))
				if mode != directory.SignResponse {
					w.Expect(w.verify(opened, assertionSignature)).To(Succeed(), opened)
				}
			})
		}
	}
}
