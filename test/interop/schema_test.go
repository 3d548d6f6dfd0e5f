/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/keypair"
)

// allSchemas imports every schema by where Debian has it, so that none is asked
// for by the addresses that the schemas name.
const allSchemas = `<schema xmlns="http://www.w3.org/2001/XMLSchema">
<import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="/usr/share/xml/xmltooling/xml.xsd"/>
<import namespace="http://www.w3.org/2000/09/xmldsig#" schemaLocation="/usr/share/xml/xmltooling/xmldsig-core-schema.xsd"/>
<import namespace="http://www.w3.org/2001/04/xmlenc#" schemaLocation="/usr/share/xml/xmltooling/xenc-schema.xsd"/>
<import namespace="urn:oasis:names:tc:SAML:2.0:assertion" schemaLocation="/usr/share/xml/opensaml/saml-schema-assertion-2.0.xsd"/>
<import namespace="urn:oasis:names:tc:SAML:2.0:protocol" schemaLocation="/usr/share/xml/opensaml/saml-schema-protocol-2.0.xsd"/>
<import namespace="urn:oasis:names:tc:SAML:2.0:metadata" schemaLocation="/usr/share/xml/opensaml/saml-schema-metadata-2.0.xsd"/>
</schema>
`

// documents are messages of the IdP by what they are.
type documents map[string]string

// validate checks all of them against the schemas of SAML 2.0, XML Signature
// and XML Encryption. It is strict: no element or attribute is unknown.
func (d documents) validate(w *world) error {
	w.t.Helper()
	folder := w.t.TempDir()
	schema := filepath.Join(folder, "all.xsd")
	w.Expect(os.WriteFile(schema, []byte(allSchemas), 0o600)).To(Succeed())
	arguments := []string{"--noout", "--nonet", "--schema", schema}
	named := ""
	for name, document := range d {
		file := filepath.Join(folder, strconv.Itoa(len(arguments))+".xml")
		w.Expect(os.WriteFile(file, []byte(document), 0o600)).To(Succeed())
		arguments = append(arguments, file)
		named += fmt.Sprintf("%s is %s: %s\n", file, name, document)
	}
	output, err := exec.CommandContext(w.t.Context(), "xmllint", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("xmllint: %w: %s\n%s", err, output, named)
	}
	return nil
}

// theAssertion is what an EncryptedAssertion opens to.
var theAssertion = regexp.MustCompile(`(?s)<saml:Assertion .*</saml:Assertion>`)

// TestResponsesAreValid: every way to sign, to encrypt and to name, asked for or not.
func TestResponsesAreValid(t *testing.T) {
	w := newWorld(t)
	browser := formclient.New()
	for _, algorithm := range []keypair.Algorithm{keypair.RSA2048, keypair.ECDSAP256} {
		w.key = mustGenerate(algorithm)
		w.publishTenant()
		got := documents{}
		for _, mode := range []directory.SigningMode{directory.SignResponseAndAssertion, directory.SignResponse, directory.SignAssertion} {
			for _, encryption := range []directory.Encryption{"", directory.AES256GCM, directory.AES128CBC} {
				for _, format := range []directory.NameIDFormat{
					directory.NameIDEmailAddress, directory.NameIDPersistent, directory.NameIDTransient, directory.NameIDUnspecified,
				} {
					app := xmlsecApp()
					app.SAML.Signing, app.SAML.Encryption, app.SAML.NameIDFormat = mode, encryption, format
					if format == directory.NameIDUnspecified {
						// The barest of all: nothing to say of the member but who it is.
						app.SAML.NameIDAttribute, app.SAML.Attributes = "employeeNumber", nil
					}
					name := fmt.Sprintf("%s, %s, %s, %s", algorithm, mode, encryption, format)
					got[name+", not asked for"] = w.answerFor(browser, app)
					got[name+", asked for"] = w.text(w.response(w.visit(browser, w.ask("", ""))))
					if encryption != "" {
						got[name+", opened"] = theAssertion.FindString(w.decrypt(got[name+", asked for"]))
					}
				}
			}
		}
		w.Expect(got.validate(w)).To(Succeed())
	}
}

// ask is the address of an unsigned request of the app of xmlsecApp.
func (w *world) ask(attributes, children string) string {
	w.t.Helper()
	document := fmt.Sprintf(`<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_request" Version="2.0" IssueInstant="%s" %s>`+
		`<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">%s</saml:Issuer>%s</samlp:AuthnRequest>`,
		w.now().UTC().Format(time.RFC3339), attributes, xmlsecApp().SAML.EntityID, children)
	var deflated bytes.Buffer
	compressor, err := flate.NewWriter(&deflated, flate.DefaultCompression)
	w.Expect(err).NotTo(HaveOccurred())
	_, err = io.WriteString(compressor, document)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(compressor.Close()).To(Succeed())
	return endpoints.SingleSignOn(w.url, tenant) + "?SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(deflated.Bytes()))
}

// TestRefusalsAreValid: every status that a service provider is answered.
func TestRefusalsAreValid(t *testing.T) {
	w := newWorld(t)
	w.publishApp(xmlsecApp())
	got := documents{}
	for status, address := range map[string]string{
		"NoPassive":           w.ask(`IsPassive="true"`, ""),
		"UnsupportedBinding":  w.ask(`ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"`, ""),
		"InvalidNameIDPolicy": w.ask("", `<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos"/>`),
		"NoAuthnContext": w.ask("", `<samlp:RequestedAuthnContext><saml:AuthnContextClassRef xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">`+
			`urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>`),
	} {
		got[status] = w.text(w.response(w.visit(formclient.New(), address)))
		w.Expect(got[status]).To(ContainSubstring(`:status:` + status + `"`))
	}
	w.Expect(got.validate(w)).To(Succeed())
}

// TestMetadataIsValid: with one certificate, and during a rotation.
func TestMetadataIsValid(t *testing.T) {
	w := newWorld(t)
	got := documents{"one certificate": w.metadata()}
	w.announced = [][]byte{mustGenerate(keypair.ECDSAP384).Certificate, mustGenerate(keypair.RSA2048).Certificate}
	w.publishTenant()
	got["three certificates"] = w.metadata()
	w.Expect(strings.Count(got["three certificates"], "<md:KeyDescriptor")).To(Equal(3))
	w.Expect(got.validate(w)).To(Succeed())
}

// TestLogOutMessagesAreValid: requests and answers, by either binding.
func TestLogOutMessagesAreValid(t *testing.T) {
	w := newWorld(t)
	got := documents{}
	for _, binding := range []directory.Binding{directory.BindingHTTPRedirect, directory.BindingHTTPPOST} {
		for _, format := range []directory.NameIDFormat{directory.NameIDEmailAddress, directory.NameIDPersistent, directory.NameIDTransient} {
			n := newNodeSAML(w, with(logsOut(w), "identifierFormat", nil), func(app *directory.App) {
				app.SAML.NameIDFormat = format
				logoutAt(binding)(app)
			})
			name := fmt.Sprintf("%s, %s", binding, format)
			browser := formclient.New()
			browser.HTTP.Transport = &recorder{world: w, to: n.provider, name: name, documents: got}
			w.Expect(n.logInBy(browser, "redirect").Error).To(BeEmpty())
			w.logOutHere(browser)
			w.Expect(n.logInBy(browser, "redirect").Error).To(BeEmpty())
			w.Expect(n.read(w.follow(browser, w.visit(browser, n.provider+"/logout"))).LoggedOut).To(BeTrue())
			w.Expect(got).To(HaveKeyWithValue(name+", to /slo: SAMLRequest", ContainSubstring("<samlp:LogoutRequest")))
			w.Expect(got).To(HaveKeyWithValue(ContainSubstring(name+", to /"), ContainSubstring("<samlp:LogoutResponse")))
		}
	}
	w.Expect(got.validate(w)).To(Succeed())
}

// recorder keeps the messages that a browser carries to a service provider.
type recorder struct {
	*world
	to, name string
	documents
}

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	if strings.HasPrefix(request.URL.String(), r.to+"/") {
		fields := request.URL.Query()
		if request.Method == http.MethodPost {
			body, err := io.ReadAll(request.Body)
			r.Expect(err).NotTo(HaveOccurred())
			request.Body = io.NopCloser(bytes.NewReader(body))
			fields, err = url.ParseQuery(string(body))
			r.Expect(err).NotTo(HaveOccurred())
		}
		for _, parameter := range []string{"SAMLRequest", "SAMLResponse"} {
			if !fields.Has(parameter) {
				continue
			}
			document, err := base64.StdEncoding.DecodeString(fields.Get(parameter))
			r.Expect(err).NotTo(HaveOccurred())
			if request.Method == http.MethodGet {
				document, err = io.ReadAll(flate.NewReader(bytes.NewReader(document)))
				r.Expect(err).NotTo(HaveOccurred())
			}
			r.documents[r.name+", to "+request.URL.Path+": "+parameter] = string(document)
		}
	}
	return http.DefaultTransport.RoundTrip(request)
}

// TestTheSchemasAreEnforced proves that the tests above would notice.
func TestTheSchemasAreEnforced(t *testing.T) {
	w := newWorld(t)
	response := w.answerFor(formclient.New(), xmlsecApp())
	for name, tamper := range map[string]func(string) string{
		"an empty attribute":           replace(` ID="`, ` InResponseTo="" ID="`),
		"an unknown element":           replace("<saml:Conditions", "<saml:Sentence></saml:Sentence><saml:Conditions"),
		"an empty statement":           replace("</saml:AttributeStatement>", "</saml:AttributeStatement><saml:AttributeStatement></saml:AttributeStatement>"),
		"a time that is no time":       replace(`SessionNotOnOrAfter="`, `SessionNotOnOrAfter="about `),
		"an algorithm that is missing": replace(`<ds:DigestMethod Algorithm=`, `<ds:DigestMethod Algorism=`),
	} {
		w.Expect(documents{name: tamper(response)}.validate(w)).NotTo(Succeed(), name)
	}
}
