/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package docs

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/formclient"
)

const (
	requestID = "_0a1b2c3d4e5f"
	// chosenPassword is what the member chooses in place of the temporary one.
	chosenPassword = "Kisaragi-Eki-0229"
)

// answer is what a service reads in a response.
type answer struct {
	// address is where the browser would post it.
	address, destination, recipient, inResponseTo string
	responseSigned, assertionSigned               error
	// issuers are those of response and assertion.
	issuers                        []string
	audience, context              string
	format, nameID                 string
	nameQualifier, spNameQualifier string
	attributes                     map[string][]string
	nameFormats                    []string
}

// logIn returns a browser that is logged in.
func (s *site) logIn(mail, password string) *formclient.Client {
	s.t.Helper()
	browser := formclient.New()
	page, err := browser.Get(s.t.Context(), s.url+"/login")
	s.Expect(err).NotTo(HaveOccurred())
	page, err = browser.LogIn(s.t.Context(), page, mail, password)
	s.Expect(err).NotTo(HaveOccurred())
	_, err = browser.SetPassword(s.t.Context(), page, chosenPassword)
	s.Expect(err).NotTo(HaveOccurred())
	return browser
}

// request sends a log-in request as the service does, and stops at the response.
func (s *site) request(browser *formclient.Client, app *v1alpha1.SAMLApp, want service) *formclient.Form {
	s.t.Helper()
	text := authnRequest(app.Status.SingleSignOnURL, want)
	if want.post {
		return s.response(s.post(browser, app.Status.SingleSignOnURL, text))
	}
	var deflated bytes.Buffer
	writer, err := flate.NewWriter(&deflated, flate.DefaultCompression)
	s.Expect(err).NotTo(HaveOccurred())
	_, err = writer.Write([]byte(text))
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(writer.Close()).To(Succeed())
	query := "?SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(deflated.Bytes())) + "&RelayState=opaque" + want.extra
	page, err := browser.Get(s.t.Context(), app.Status.SingleSignOnURL+query)
	s.Expect(err).NotTo(HaveOccurred())
	form := s.response(page)
	s.Expect(form.Fields.Get("RelayState")).To(Equal("opaque"))
	return form
}

func (s *site) post(browser *formclient.Client, address, text string) *formclient.Page {
	s.t.Helper()
	fields := url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString([]byte(text))}}
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, address, strings.NewReader(fields.Encode()))
	s.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// What follows a post is told by a redirect, which another look at it repeats.
	browser.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := browser.HTTP.Do(request)
	browser.HTTP.CheckRedirect = nil
	s.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	s.Expect(response.StatusCode).To(Equal(http.StatusSeeOther))
	next, err := response.Location()
	s.Expect(err).NotTo(HaveOccurred())
	page, err := browser.Get(s.t.Context(), next.String())
	s.Expect(err).NotTo(HaveOccurred())
	return page
}

// start logs in to the app from here.
func (s *site) start(browser *formclient.Client, app *v1alpha1.SAMLApp) *formclient.Form {
	s.t.Helper()
	page, err := browser.Get(s.t.Context(), app.Status.InitiateURL)
	s.Expect(err).NotTo(HaveOccurred())
	return s.response(page)
}

func (s *site) response(page *formclient.Page) *formclient.Form {
	s.t.Helper()
	form, err := page.FormWith("SAMLResponse")
	s.Expect(err).NotTo(HaveOccurred(), page.Text())
	return form
}

func authnRequest(destination string, want service) string {
	var acs, policy string
	if want.acs != "" {
		acs = ` AssertionConsumerServiceURL="` + escape(want.acs) + `"`
	}
	if want.asks != "" {
		policy = `<samlp:NameIDPolicy AllowCreate="true" Format="` + want.asks + `"/>`
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID=%q Version="2.0" IssueInstant=%q `+
		`ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Destination=%q%s>`+
		`<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">%s</saml:Issuer>%s</samlp:AuthnRequest>`,
		requestID, time.Now().UTC().Format(time.RFC3339), destination, acs, escape(want.issuer), policy)
}

func escape(text string) string {
	var escaped strings.Builder
	if err := xml.EscapeText(&escaped, []byte(text)); err != nil {
		panic(err)
	}
	return escaped.String()
}

// parsedResponse is the part of a response that services read.
type parsedResponse struct {
	Destination  string `xml:",attr"`
	InResponseTo string `xml:",attr"`
	Issuer       string
	Assertion    struct {
		Issuer  string
		Subject struct {
			NameID struct {
				Format          string `xml:",attr"`
				NameQualifier   string `xml:",attr"`
				SPNameQualifier string `xml:",attr"`
				Value           string `xml:",chardata"`
			}
			SubjectConfirmation struct {
				SubjectConfirmationData struct {
					Recipient string `xml:",attr"`
				}
			}
		}
		Conditions struct {
			AudienceRestriction struct{ Audience string }
		}
		AuthnStatement struct {
			AuthnContext struct{ AuthnContextClassRef string }
		}
		AttributeStatement struct {
			Attribute []struct {
				Name           string `xml:",attr"`
				NameFormat     string `xml:",attr"`
				AttributeValue []string
			}
		}
	}
}

// read takes a response apart and verifies its signatures by the certificate
// that the app's status tells.
func (s *site) read(form *formclient.Form, app *v1alpha1.SAMLApp) answer {
	s.t.Helper()
	text, err := base64.StdEncoding.DecodeString(form.Fields.Get("SAMLResponse"))
	s.Expect(err).NotTo(HaveOccurred())
	certificate := app.Status.Certificates[0].PEM
	var r parsedResponse
	s.Expect(xml.Unmarshal(text, &r)).To(Succeed())
	subject := r.Assertion.Subject
	got := answer{
		address: form.Action.String(), destination: r.Destination, inResponseTo: r.InResponseTo,
		recipient: subject.SubjectConfirmation.SubjectConfirmationData.Recipient,
		issuers:   []string{r.Issuer, r.Assertion.Issuer}, audience: r.Assertion.Conditions.AudienceRestriction.Audience,
		format: subject.NameID.Format, nameID: subject.NameID.Value,
		nameQualifier: subject.NameID.NameQualifier, spNameQualifier: subject.NameID.SPNameQualifier,
		context:        r.Assertion.AuthnStatement.AuthnContext.AuthnContextClassRef,
		responseSigned: s.verify(text, certificate, "Response"), assertionSigned: s.verify(text, certificate, "Assertion"),
		attributes: map[string][]string{},
	}
	for _, a := range r.Assertion.AttributeStatement.Attribute {
		got.attributes[a.Name] = a.AttributeValue
		got.nameFormats = append(got.nameFormats, a.NameFormat)
	}
	return got
}

// verify checks one signature of a document with the xmlsec1 tool, which shares
// no code with us.
func (s *site) verify(document []byte, certificate, element string) error {
	s.t.Helper()
	folder := s.t.TempDir()
	file, key := filepath.Join(folder, "response.xml"), filepath.Join(folder, "idp.crt")
	s.Expect(os.WriteFile(file, document, 0o600)).To(Succeed())
	s.Expect(os.WriteFile(key, []byte(certificate), 0o600)).To(Succeed())
	output, err := exec.CommandContext(s.t.Context(), "xmlsec1", "--verify", "--pubkey-cert-pem", key,
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response",
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
		"--node-xpath", "//*[local-name()='"+element+"']/*[local-name()='Signature']", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("xmlsec1: %w: %s", err, output)
	}
	return nil
}
