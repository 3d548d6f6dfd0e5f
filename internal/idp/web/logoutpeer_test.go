/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	. "github.com/onsi/gomega"
	dsig "github.com/russellhaering/goxmldsig"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/samlxml"
)

const rsaSHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

// logoutPeer is an app that signs its log-out messages and checks ours.
type logoutPeer struct {
	world   *world
	name    string
	binding directory.Binding
	key     crypto.Signer
	// certificate is in DER.
	certificate []byte
	pem         string
	// index is the SessionIndex that the app was told last.
	index string
}

func (w *world) logoutPeer(name string, binding directory.Binding) *logoutPeer {
	w.t.Helper()
	pair, err := keypair.GenerateKeyPair(name, time.Now().Add(-time.Hour), 24*time.Hour, rand.Reader)
	w.Expect(err).NotTo(HaveOccurred())
	block, _ := pem.Decode(pair.Certificate)
	_, key, err := keypair.ParseKeyPair(pair)
	w.Expect(err).NotTo(HaveOccurred())
	return &logoutPeer{world: w, name: name, binding: binding, key: key, certificate: block.Bytes, pem: string(pair.Certificate)}
}

func (p *logoutPeer) parsedCertificate() *x509.Certificate {
	certificate, err := x509.ParseCertificate(p.certificate)
	p.world.Expect(err).NotTo(HaveOccurred())
	return certificate
}

func (p *logoutPeer) entityID() string { return "https://" + p.name + ".example.com/metadata" }
func (p *logoutPeer) slo() string      { return "https://" + p.name + ".example.com/slo?site=2" }
func (p *logoutPeer) idp() string      { return p.world.server.URL + "/saml/acme/slo" }

// publish declares the app; edit may change it.
func (p *logoutPeer) publish(edit func(*directory.App)) {
	p.world.t.Helper()
	p.world.apply(samlApp(func(a *directory.App) {
		a.Name, a.DisplayName, a.URL = p.name, "App "+p.name, ""
		a.SAML.EntityID = p.entityID()
		a.SAML.Certificates = []directory.ServiceProviderCertificate{{PEM: p.pem}}
		a.SAML.SingleLogoutServices = []directory.SingleLogoutService{{Binding: p.binding, URL: p.slo()}}
		if edit != nil {
			edit(a)
		}
	}))
}

// open logs the browser's member in to the app and returns the SessionIndex.
func (p *logoutPeer) open(b *browser) string {
	p.world.t.Helper()
	response := b.get("/saml/acme/apps/" + p.name).response()
	p.world.Expect(response.Assertion.Subject.NameID.Value).To(Equal(hanako))
	p.index = response.Assertion.AuthnStatements[0].SessionIndex
	return p.index
}

func (p *logoutPeer) requestXML(id, sessions string) string {
	return fmt.Sprintf(`<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="%s" `+
		`Version="2.0" IssueInstant="%s" Destination="%s"><saml:Issuer>%s</saml:Issuer><saml:NameID>%s</saml:NameID>%s</samlp:LogoutRequest>`,
		id, p.world.clock.Now().UTC().Format(time.RFC3339), p.idp(), p.entityID(), hanako, sessions)
}

func sessionIndex(index string) string {
	return "<samlp:SessionIndex>" + index + "</samlp:SessionIndex>"
}

func (p *logoutPeer) responseXML(requestID, status string) string {
	return fmt.Sprintf(`<samlp:LogoutResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_answer" `+
		`Version="2.0" IssueInstant="%s" Destination="%s" InResponseTo="%s"><saml:Issuer>%s</saml:Issuer>`+
		`<samlp:Status><samlp:StatusCode Value="%s"/></samlp:Status></samlp:LogoutResponse>`,
		p.world.clock.Now().UTC().Format(time.RFC3339), p.idp(), requestID, p.entityID(), status)
}

// send brings a message to the IdP by the app's binding, signed.
func (p *logoutPeer) send(b *browser, parameter, document, relayState string) *page {
	p.world.t.Helper()
	if p.binding == directory.BindingHTTPPOST {
		form := url.Values{parameter: {base64.StdEncoding.EncodeToString([]byte(p.sign(document)))}}
		if relayState != "" {
			form.Set("RelayState", relayState)
		}
		return b.post("/saml/acme/slo", form)
	}
	return b.get(p.query(parameter, document, relayState))
}

// query is the signed address of the HTTP-Redirect binding.
func (p *logoutPeer) query(parameter, document, relayState string) string {
	p.world.t.Helper()
	var deflated bytes.Buffer
	writer, err := flate.NewWriter(&deflated, flate.DefaultCompression)
	p.world.Expect(err).NotTo(HaveOccurred())
	_, err = writer.Write([]byte(document))
	p.world.Expect(err).NotTo(HaveOccurred())
	p.world.Expect(writer.Close()).To(Succeed())
	query := parameter + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(deflated.Bytes()))
	if relayState != "" {
		query += "&RelayState=" + url.QueryEscape(relayState)
	}
	query += "&SigAlg=" + url.QueryEscape(rsaSHA256)
	digest := sha256.Sum256([]byte(query))
	value, err := p.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	p.world.Expect(err).NotTo(HaveOccurred())
	return "/saml/acme/slo?" + query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value))
}

func (p *logoutPeer) sign(document string) string {
	p.world.t.Helper()
	parsed := etree.NewDocument()
	p.world.Expect(parsed.ReadFromString(document)).To(Succeed())
	signing, err := dsig.NewSigningContext(p.key, [][]byte{p.certificate})
	p.world.Expect(err).NotTo(HaveOccurred())
	signing.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	p.world.Expect(signing.SetSignatureMethod(rsaSHA256)).To(Succeed())
	signed, err := signing.SignEnveloped(parsed.Root())
	p.world.Expect(err).NotTo(HaveOccurred())
	out := etree.NewDocument()
	out.SetRoot(signed)
	text, err := out.WriteToString()
	p.world.Expect(err).NotTo(HaveOccurred())
	return text
}

// received is a message that a page or a redirect takes to the app.
type received struct {
	*etree.Element
	relayState string
}

// receive verifies the message with which the browser is sent to the app.
func (p *logoutPeer) receive(shown *page, parameter string) received {
	p.world.t.Helper()
	key := p.world.signingKey()
	if p.binding == directory.BindingHTTPPOST {
		p.world.Expect(shown.header.Get("Content-Security-Policy")).To(ContainSubstring("form-action "))
		form := shown.form(p.slo())
		document, err := base64.StdEncoding.DecodeString(form.Get(parameter))
		p.world.Expect(err).NotTo(HaveOccurred())
		root, err := samlxml.Parse(document, samlxml.Limits{Bytes: 1 << 16, Elements: 100, Depth: 10, Attributes: 10})
		p.world.Expect(err).NotTo(HaveOccurred())
		p.world.Expect(root.VerifyEnveloped(key, samlxml.Policy{})).To(Succeed())
		return received{p.parse(document), form.Get("RelayState")}
	}
	target := strings.TrimPrefix(shown.header.Get("Refresh"), "0; url=")
	if location := shown.header.Get("Location"); location != "" {
		target = location
	}
	p.world.Expect(target).To(HavePrefix(p.slo()+"&"+parameter+"="), "%s: %s", shown.url, shown.text())
	signed, _, found := strings.Cut(strings.TrimPrefix(target, p.slo()+"&"), "&Signature=")
	p.world.Expect(found).To(BeTrue())
	u, err := url.Parse(target)
	p.world.Expect(err).NotTo(HaveOccurred())
	value, err := base64.StdEncoding.DecodeString(u.Query().Get("Signature"))
	p.world.Expect(err).NotTo(HaveOccurred())
	p.world.Expect(samlxml.VerifyDetached([]byte(signed), u.Query().Get("SigAlg"), value, key, samlxml.Policy{})).To(Succeed())
	deflated, err := base64.StdEncoding.DecodeString(u.Query().Get(parameter))
	p.world.Expect(err).NotTo(HaveOccurred())
	document, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
	p.world.Expect(err).NotTo(HaveOccurred())
	return received{p.parse(document), u.Query().Get("RelayState")}
}

func (p *logoutPeer) parse(document []byte) *etree.Element {
	parsed := etree.NewDocument()
	p.world.Expect(parsed.ReadFromBytes(document)).To(Succeed())
	p.world.Expect(parsed.Root().SelectAttrValue("Destination", "")).To(Equal(p.slo()))
	return parsed.Root()
}

// told checks our request to the app, and returns its ID.
func (p *logoutPeer) told(shown *page) string {
	p.world.t.Helper()
	request := p.receive(shown, "SAMLRequest")
	p.world.Expect(request.Tag).To(Equal("LogoutRequest"))
	p.world.Expect(request.FindElement("./NameID").Text()).To(Equal(hanako))
	p.world.Expect(request.FindElement("./SessionIndex").Text()).To(Equal(p.index))
	return request.SelectAttrValue("ID", "")
}

// confirm answers our request.
func (p *logoutPeer) confirm(b *browser, shown *page) *page {
	p.world.t.Helper()
	return p.send(b, "SAMLResponse", p.responseXML(p.told(shown), saml.StatusSuccess), "")
}

// answered checks our answer to the app's request: its status codes.
func (p *logoutPeer) answered(shown *page, requestID, relayState string) []string {
	p.world.t.Helper()
	response := p.receive(shown, "SAMLResponse")
	p.world.Expect(response.Tag).To(Equal("LogoutResponse"))
	p.world.Expect(response.SelectAttrValue("InResponseTo", "")).To(Equal(requestID))
	p.world.Expect(response.relayState).To(Equal(relayState))
	var codes []string
	for _, code := range response.FindElements(".//StatusCode") {
		codes = append(codes, code.SelectAttrValue("Value", ""))
	}
	return codes
}

func (w *world) signingKey() []crypto.PublicKey {
	pair, err := sharedKey()
	w.Expect(err).NotTo(HaveOccurred())
	block, _ := pem.Decode(pair.Certificate)
	certificate, err := x509.ParseCertificate(block.Bytes)
	w.Expect(err).NotTo(HaveOccurred())
	return []crypto.PublicKey{certificate.PublicKey}
}
