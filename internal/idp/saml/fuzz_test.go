/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
)

// checkDecoded holds for every input: an error of ours, or a message that has
// what later steps rely on, survives JSON, and validates without a panic.
func checkDecoded(t *testing.T, provider *saml.Provider, message *saml.Message, err error) {
	g := NewWithT(t)
	if err != nil {
		var refused *saml.RequestError
		g.Expect(errors.As(err, &refused)).To(BeTrue())
		g.Expect(message).To(BeNil())
		return
	}
	r := message.Request
	g.Expect(r.ID).NotTo(BeEmpty())
	g.Expect(strings.ContainsAny(r.ID, "<>&\"' \t\r\n:")).To(BeFalse())
	g.Expect(r.Issuer).NotTo(BeEmpty())
	g.Expect(len(message.RelayState)).To(BeNumerically("<=", 4096))
	g.Expect(utf8.ValidString(message.RelayState)).To(BeTrue())

	body, err := json.Marshal(message)
	g.Expect(err).NotTo(HaveOccurred())
	var back saml.Message
	g.Expect(json.Unmarshal(body, &back)).To(Succeed())

	app := testApp()
	app.SAML.EntityID = r.Issuer
	pending, err := provider.Validate(message, prepared(t, app))
	again, errAgain := provider.Validate(&back, prepared(t, app))
	g.Expect(again).To(Equal(pending))
	g.Expect(errAgain == nil).To(Equal(err == nil))
	var refused *saml.RequestError
	if errors.As(err, &refused) {
		pending = refused.Pending
	}
	if pending == nil {
		return
	}
	g.Expect(pending.ACSURL).To(BeElementOf(spACS, spACS2))
	response, err := provider.Refuse(pending, prepared(t, app), saml.StatusRequester, "", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parseXML(t, response).SelectAttrValue("InResponseTo", "")).To(Equal(r.ID))
}

func FuzzDecodePost(f *testing.F) {
	for _, document := range badDocuments() {
		if len(document) < 4096 {
			f.Add(document, "state")
		}
	}
	f.Add(requestXML(), "")
	f.Add(requestXML(end, `<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"/>`+authnContext("exact", saml.ClassPassword)+end), "a\r\nb")
	provider := newProvider(f)
	f.Fuzz(func(t *testing.T, document, relayState string) {
		form := postForm(document)
		form.Set("RelayState", relayState)
		message, err := saml.DecodePost(form)
		checkDecoded(t, provider, message, err)
		message, err = saml.DecodePost(url.Values{"SAMLRequest": {document}})
		checkDecoded(t, provider, message, err)
	})
}

func FuzzDecodeRedirect(f *testing.F) {
	good := redirectQuery(f, requestXML())
	f.Add(good, []byte(requestXML()))
	f.Add(good+"&RelayState=a%20b", deflate(f, requestXML()))
	f.Add(good+"&"+good, []byte{})
	f.Add("SAMLRequest=%zz", []byte{0x78, 0x9c})
	f.Add("RelayState=%ff&SAMLEncoding=x;y=z", []byte{3, 0})
	provider := newProvider(f)
	f.Fuzz(func(t *testing.T, query string, compressed []byte) {
		message, err := saml.DecodeRedirect(query)
		checkDecoded(t, provider, message, err)
		message, err = saml.DecodeRedirect("SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(compressed)))
		checkDecoded(t, provider, message, err)
	})
}

// FuzzRelayState: what comes back is what was sent, byte by byte, and where it
// was signed as node-saml does, what was signed; whatever its escapes look like.
func FuzzRelayState(f *testing.F) {
	for _, state := range []string{"/start", "a b+c%20d", "!'()~*", "営業", "\r\nSet-Cookie: x=y", `"><script>`, "https://evil.example/", "a&SigAlg=b", "\xff", "\x00"} {
		f.Add(state, url.QueryEscape(state))
		f.Add(state, nodeEscape(state))
	}
	// A key made anew in each process would make coverage a matter of chance.
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	signer := newPeer(f, key)
	provider, sp := newProvider(f), prepared(f, trusting(directory.RequestPolicy{}, signer))
	take := func(message *saml.Message, err error) (*saml.Pending, error) {
		if err != nil {
			return nil, err
		}
		return provider.Validate(message, sp)
	}
	plain := redirectQuery(f, requestXML())
	f.Fuzz(func(t *testing.T, state, raw string) {
		g := NewWithT(t)
		usable := len(state) <= 4096 && utf8.ValidString(state) && !strings.Contains(state, "\x00")
		form := postForm(requestXML())
		form.Set("RelayState", state)
		for _, decode := range []func() (*saml.Message, error){
			func() (*saml.Message, error) {
				return saml.DecodeRedirect(plain + "&RelayState=" + url.QueryEscape(state))
			},
			func() (*saml.Message, error) { return saml.DecodePost(form) },
		} {
			pending, err := take(decode())
			g.Expect(err == nil).To(Equal(usable))
			if usable {
				g.Expect(pending.RelayState).To(Equal(state))
			}
		}
		signed := signer.signQuery(t, plain+"&RelayState="+nodeEscape(state), ecdsaSHA256)
		pending, err := take(saml.DecodeRedirect(plain + "&RelayState=" + raw + signed[strings.Index(signed, "&SigAlg="):]))
		if err == nil {
			g.Expect(pending.RelayState).To(Equal(state))
			return
		}
		decoded, errDecode := url.QueryUnescape(raw)
		g.Expect(usable && errDecode == nil && decoded == state && !strings.Contains(raw, "&")).To(BeFalse(), "%v", err)
	})
}

// FuzzDecodeLogout: whatever comes is refused by an error of ours, or validates
// without a panic; and what nobody signed is never answered.
func FuzzDecodeLogout(f *testing.F) {
	for _, document := range []string{logoutXML(), logoutResponseXML(), logoutXML("<samlp:SessionIndex>", "<samlp:SessionIndex>s-0</samlp:SessionIndex><samlp:SessionIndex>"),
		logoutXML("saml:NameID", "saml:EncryptedID"), logoutResponseXML(`Success"/>`, `Success"><samlp:StatusCode/></samlp:StatusCode>`), requestXML()} {
		f.Add(document, redirectQuery(f, document), "state")
		f.Add(document, strings.Replace(redirectQuery(f, document), "SAMLRequest", "SAMLResponse", 1)+"&SigAlg=x&Signature=eA", "")
	}
	// A key made anew in each process would make coverage a matter of chance.
	provider, app := newProvider(f), logoutApp(&peer{certificate: testCertificate(f).Raw})
	f.Fuzz(func(t *testing.T, document, query, relayState string) {
		encoded := base64.StdEncoding.EncodeToString([]byte(document))
		for _, form := range []url.Values{
			{"SAMLRequest": {encoded}, "RelayState": {relayState}}, {"SAMLResponse": {encoded}, "RelayState": {relayState}},
		} {
			message, err := saml.DecodeLogoutPost(form)
			checkLogout(t, provider, app, message, err)
		}
		message, err := saml.DecodeLogoutRedirect(query)
		checkLogout(t, provider, app, message, err)
	})
}

func checkLogout(t *testing.T, provider *saml.Provider, app directory.App, message *saml.LogoutMessage, err error) {
	g := NewWithT(t)
	var refused *saml.RequestError
	if err != nil {
		g.Expect(errors.As(err, &refused)).To(BeTrue())
		g.Expect(message).To(BeNil())
		return
	}
	g.Expect((message.Request == nil) != (message.Response == nil)).To(BeTrue())
	g.Expect(utf8.ValidString(message.RelayState)).To(BeTrue())
	app.SAML.EntityID = message.Issuer()
	g.Expect(app.SAML.EntityID).NotTo(BeEmpty())
	sp := prepared(t, app)
	if message.Response != nil {
		err := provider.ValidateLogoutResponse(message, sp, message.Response.InResponseTo)
		g.Expect(err == nil || errors.As(err, &refused)).To(BeTrue())
		return
	}
	g.Expect(len(message.Request.SessionIndexes)).To(BeNumerically("<=", 16))
	message.Request.Names(saml.NameID{Value: "x"}, "y")
	pending, err := provider.ValidateLogout(message, sp)
	g.Expect(pending).To(BeNil())
	g.Expect(errors.As(err, &refused)).To(BeTrue())
}
