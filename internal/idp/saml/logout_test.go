/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/samlxml"
)

const (
	spSLO       = "https://sp.example.com/slo?tenant=2"
	spSLOAnswer = "https://sp.example.com/slo/done"
	endLogout   = "</samlp:LogoutRequest>"
)

// logoutXML is a plain LogoutRequest, changed by pairs of old and new text.
func logoutXML(replace ...string) string {
	document := `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"` +
		` ID="_logout1" Version="2.0" IssueInstant="2026-04-01T09:30:00Z" NotOnOrAfter="2026-04-01T09:35:00Z" Destination="` + sloURL + `">` +
		`<saml:Issuer>` + spEntity + `</saml:Issuer>` +
		`<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">hanako@acme.example</saml:NameID>` +
		`<samlp:SessionIndex>s-1</samlp:SessionIndex>` + endLogout
	return strings.NewReplacer(replace...).Replace(document)
}

// logoutResponseXML is a plain LogoutResponse, changed likewise.
func logoutResponseXML(replace ...string) string {
	document := `<samlp:LogoutResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"` +
		` ID="_answer1" Version="2.0" IssueInstant="2026-04-01T09:30:00Z" Destination="` + sloURL + `" InResponseTo="_ours">` +
		`<saml:Issuer>` + spEntity + `</saml:Issuer>` +
		`<samlp:Status><samlp:StatusCode Value="` + saml.StatusSuccess + `"/></samlp:Status></samlp:LogoutResponse>`
	return strings.NewReplacer(replace...).Replace(document)
}

// logoutApp trusts the peers and takes log-out messages by both bindings.
func logoutApp(peers ...*peer) directory.App {
	app := trusting(directory.RequestPolicy{}, peers...)
	app.SAML.SingleLogoutServices = []directory.SingleLogoutService{
		{Binding: directory.BindingHTTPRedirect, URL: spSLO, ResponseURL: spSLOAnswer},
		{Binding: directory.BindingHTTPPOST, URL: spSLO},
	}
	return app
}

// takeLogout decodes what came by either binding, and validates a request.
func takeLogout(t testing.TB, app directory.App, query string, form url.Values) (*saml.PendingLogout, error) {
	t.Helper()
	message, err := saml.DecodeLogoutRedirect(query)
	if form != nil {
		message, err = saml.DecodeLogoutPost(form)
	}
	if err != nil {
		return nil, err
	}
	NewWithT(t).Expect(message.Issuer()).NotTo(BeEmpty())
	return newProvider(t).ValidateLogout(message, prepared(t, app))
}

func TestLogoutRequestsByRedirect(t *testing.T) {
	signer, stranger, curve := rsaPeer(t), rsaPeer(t), ecdsaPeer(t)
	app := logoutApp(signer)
	plain := redirectQuery(t, logoutXML())
	signed := signer.signQuery(t, plain+"&RelayState=x", rsaSHA256)
	changed := func(replace ...string) string {
		return signer.signQuery(t, redirectQuery(t, logoutXML(replace...)), rsaSHA256)
	}
	allowed := logoutApp(signer)
	allowed.SAML.Requests.AllowSHA1 = true
	nowhere := trusting(directory.RequestPolicy{}, signer)
	for name, test := range map[string]struct {
		app      directory.App
		query    string
		want     string // "" is accepted
		answered bool
	}{
		"signed":                {app, signed, "", true},
		"ECDSA":                 {logoutApp(signer, curve), curve.signQuery(t, plain, ecdsaSHA256), "", true},
		"SHA-1 by opt-in":       {allowed, signer.signQuery(t, plain, rsaSHA1), "", true},
		"no end":                {app, changed(` NotOnOrAfter="2026-04-01T09:35:00Z"`, ""), "", true},
		"a little late":         {app, changed("09:30:00Z", "09:34:00Z"), "", true},
		"unsigned":              {app, plain, "not signed", false},
		"a stranger's key":      {app, stranger.signQuery(t, plain, rsaSHA256), "none of the known certificates", false},
		"no certificate":        {logoutApp(), signed, "no certificate is known", false},
		"SHA-1":                 {app, signer.signQuery(t, plain, rsaSHA1), "SHA-1", false},
		"HMAC":                  {app, strings.Replace(signed, "rsa-sha256", "hmac-sha256", 1), "not accepted", false},
		"RelayState changed":    {app, strings.Replace(signed, "RelayState=x", "RelayState=https://evil.example", 1), "none of the known certificates", false},
		"RelayState taken":      {app, strings.Replace(signed, "&RelayState=x", "", 1), "none of the known certificates", false},
		"message twice":         {app, signed + "&" + plain, "parameter twice", false},
		"request and response":  {app, signed + "&SAMLResponse=x", "at once", false},
		"enveloped":             {app, redirectQuery(t, signer.signXML(t, logoutXML(), rsaSHA256)), "sign the query", false},
		"no address known":      {nowhere, signed, "no address for log-out", false},
		"another entity":        {app, changed(spEntity, "https://evil.example"), "not the app's entity ID", false},
		"an AuthnRequest":       {app, signer.signQuery(t, redirectQuery(t, requestXML()), rsaSHA256), "not a SAML 2.0 LogoutRequest", false},
		"a response as request": {app, changed("samlp:LogoutRequest", "samlp:LogoutResponse"), "not a SAML 2.0 LogoutRequest", false},
		"wrong destination":     {app, changed("/acme/slo", "/other/slo"), "another address", true},
		"no destination":        {app, changed(` Destination="`+sloURL+`"`, ""), "another address", true},
		"old":                   {app, changed("09:30:00Z", "08:30:00Z"), "too old", true},
		"from the future":       {app, changed("09:30:00Z", "09:36:00Z"), "too old", true},
		"run out":               {app, changed("09:35:00Z", "09:25:00Z"), "run out", true},
		"end malformed":         {app, changed("2026-04-01T09:35:00Z", "soon"), "NotOnOrAfter is malformed", false},
		"encrypted name":        {app, changed("saml:NameID ", "saml:EncryptedID ", "</saml:NameID>", "</saml:EncryptedID>"), "another way", true},
		"no name":               {app, changed("hanako@acme.example", ""), "another way", true},
		"comment in the name":   {app, changed("hanako@acme.example", "hanako@acme.example<!-- -->.evil.example"), "not plain text", false},
		"name of another kind":  {app, changed("<saml:NameID ", `<e:NameID xmlns:e="urn:evil" `, "</saml:NameID>", "</e:NameID>"), "does not know", false},
		"element in the name":   {app, changed("hanako@acme.example", "hanako@acme.example<x>.evil.example</x>"), "not plain text", false},
		"two names":             {app, changed("<samlp:SessionIndex>", "<saml:NameID>taro</saml:NameID><samlp:SessionIndex>"), "twice", false},
		"17 sessions":           {app, changed("<samlp:SessionIndex>", strings.Repeat("<samlp:SessionIndex>x</samlp:SessionIndex>", 16)+"<samlp:SessionIndex>"), "more than 16", false},
		"an empty session":      {app, changed("s-1", " "), "SessionIndex that is empty", false},
		"two issuers":           {app, changed("</saml:Issuer>", "</saml:Issuer><saml:Issuer>x</saml:Issuer>"), "exactly one Issuer", false},
		"doctype":               {app, signer.signQuery(t, redirectQuery(t, "<!DOCTYPE x>"+logoutXML()), rsaSHA256), "document type", false},
		"unknown element":       {app, changed(endLogout, "<samlp:Status/>"+endLogout), "does not know", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pending, err := takeLogout(t, test.app, test.query, nil)
			g.Expect(pending != nil).To(Equal(test.answered), "%v", err)
			if test.answered {
				g.Expect(pending.RequestID).To(Equal("_logout1"))
				g.Expect(pending.URL).To(Equal(spSLOAnswer))
			}
			if test.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
			var refused *saml.RequestError
			g.Expect(errors.As(err, &refused)).To(BeTrue())
			g.Expect(refused.Pending).To(BeNil())
		})
	}
}

func TestLogoutRequestsByPost(t *testing.T) {
	signer, stranger := rsaPeer(t), rsaPeer(t)
	app := logoutApp(signer)
	signed := signer.signXML(t, logoutXML(), rsaSHA256)
	wrapped := strings.Replace(logoutXML(`ID="_logout1"`, `ID="_evil"`), endLogout, "<samlp:Extensions>"+signed+"</samlp:Extensions>"+endLogout, 1)
	for name, test := range map[string]struct{ document, want string }{
		"signed":           {signed, ""},
		"unsigned":         {logoutXML(), "not signed"},
		"a stranger's key": {stranger.signXML(t, logoutXML(), rsaSHA256), "none of the known certificates"},
		"SHA-1":            {signer.signXML(t, logoutXML(), rsaSHA1), "not accepted"},
		"another member":   {strings.Replace(signed, "hanako@", "taro@", 1), "was changed"},
		"another session":  {strings.Replace(signed, "s-1", "s-2", 1), "was changed"},
		"wrapped":          {wrapped, "wrong place"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pending, err := takeLogout(t, app, "", postForm(test.document))
			if test.want != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.want)))
				g.Expect(pending).To(BeNil())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(*pending).To(Equal(saml.PendingLogout{RequestID: "_logout1", EntityID: spEntity, Binding: directory.BindingHTTPPOST, URL: spSLO}))
		})
	}
}

func TestWhomALogoutNames(t *testing.T) {
	name := saml.NameID{Value: "hanako@acme.example", Format: directory.NameIDEmailAddress.URI(), SPNameQualifier: "team"}
	for change, want := range map[string]bool{
		"":                         true,
		"s-1|s-2":                  false,
		"hanako@|taro@":            false,
		"hanako@|Hanako@":          false,
		"1.1:nameid|2.0:nameid":    true, // senders mix them up
		"emailAddress|persistent":  false,
		"emailAddress|unspecified": true,
		` Format=|  SPNameQualifier="team" Format=`:                                             true,
		` Format=|  SPNameQualifier="` + spEntity + `" Format=`:                                 true,
		` Format=|  SPNameQualifier="x" Format=`:                                                false,
		"<samlp:SessionIndex>s-1</samlp:SessionIndex>|":                                         true, // whether that will do is the caller's
		"<samlp:SessionIndex>|<samlp:SessionIndex>s-0</samlp:SessionIndex><samlp:SessionIndex>": true,
	} {
		g := NewWithT(t)
		from, to, _ := strings.Cut(change, "|")
		document := logoutXML()
		if from != "" {
			document = logoutXML(from, to)
		}
		message, err := saml.DecodeLogoutPost(postForm(document))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(message.Request.Names(name, "s-1")).To(Equal(want), change)
	}
	NewWithT(t).Expect((&saml.LogoutRequest{}).Names(saml.NameID{}, "")).To(BeFalse())
}

func TestLogoutResponses(t *testing.T) {
	signer, stranger := rsaPeer(t), rsaPeer(t)
	form := func(document string) url.Values {
		return url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(document))}}
	}
	query := func(document string) string {
		return strings.Replace(redirectQuery(t, document), "SAMLRequest", "SAMLResponse", 1)
	}
	byQuery, byForm := saml.DecodeLogoutRedirect, saml.DecodeLogoutPost
	for name, test := range map[string]struct {
		message   func() (*saml.LogoutMessage, error)
		want      string
		succeeded bool
	}{
		"signed query": {func() (*saml.LogoutMessage, error) {
			return byQuery(signer.signQuery(t, query(logoutResponseXML()), rsaSHA256))
		}, "", true},
		"signed form": {func() (*saml.LogoutMessage, error) {
			return byForm(form(signer.signXML(t, logoutResponseXML(), rsaSHA256)))
		}, "", true},
		"unsigned": {func() (*saml.LogoutMessage, error) { return byQuery(query(logoutResponseXML())) }, "", true},
		"a failure": {func() (*saml.LogoutMessage, error) {
			return byForm(form(logoutResponseXML("status:Success", "status:Responder")))
		}, "", false},
		"partial": {func() (*saml.LogoutMessage, error) {
			return byForm(form(logoutResponseXML(`Success"/>`, `Success"><samlp:StatusCode Value="`+saml.StatusPartialLogout+`"/></samlp:StatusCode>`)))
		}, "", false},
		"words of its own": {func() (*saml.LogoutMessage, error) {
			return byForm(form(logoutResponseXML(`Success"/>`, `Requester"><samlp:StatusCode Value="urn:example:busy"/></samlp:StatusCode>`)))
		}, "", false},
		"no status": {func() (*saml.LogoutMessage, error) {
			return byForm(form(logoutResponseXML(`<samlp:StatusCode Value="`+saml.StatusSuccess+`"/>`, "")))
		}, "", false},
		"a stranger's key": {func() (*saml.LogoutMessage, error) {
			return byQuery(stranger.signQuery(t, query(logoutResponseXML()), rsaSHA256))
		}, "none of the known certificates", true},
		"tampered": {func() (*saml.LogoutMessage, error) {
			return byForm(form(strings.Replace(signer.signXML(t, logoutResponseXML("status:Success", "status:Responder"), rsaSHA256), "status:Responder", "status:Success", 1)))
		}, "was changed", true},
		"another request": {func() (*saml.LogoutMessage, error) { return byForm(form(logoutResponseXML(`"_ours"`, `"_theirs"`))) }, "another request", true},
		"another issuer": {func() (*saml.LogoutMessage, error) {
			return byForm(form(logoutResponseXML(spEntity, "https://evil.example")))
		}, "not the app's entity ID", true},
		"wrong destination": {func() (*saml.LogoutMessage, error) { return byForm(form(logoutResponseXML("/acme/slo", "/other/slo"))) }, "another address", true},
		"no destination": {func() (*saml.LogoutMessage, error) {
			return byForm(form(logoutResponseXML(` Destination="`+sloURL+`"`, "")))
		}, "", true},
		"old": {func() (*saml.LogoutMessage, error) { return byForm(form(logoutResponseXML("09:30:00Z", "08:30:00Z"))) }, "too old", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			message, err := test.message()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(message.Response.Succeeded).To(Equal(test.succeeded))
			if !test.succeeded {
				g.Expect(message.Response.Status).To(Equal(map[string][]string{
					"a failure": {"Responder"}, "partial": {"Success", "PartialLogout"}, "no status": nil, "words of its own": {"Requester"},
				}[name]))
			}
			g.Expect(message.Issuer()).NotTo(BeEmpty())
			err = newProvider(t).ValidateLogoutResponse(message, prepared(t, logoutApp(signer)), "_ours")
			if test.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
		})
	}
	for _, document := range []string{logoutXML(), logoutResponseXML(` InResponseTo="_ours"`, "")} {
		_, err := byForm(form(document))
		NewWithT(t).Expect(err).To(HaveOccurred())
	}
}

// peerApp takes log-out messages by one binding.
func peerApp(binding directory.Binding) directory.App {
	app := testApp()
	app.SAML.SingleLogoutServices = []directory.SingleLogoutService{{Binding: binding, URL: spSLO}}
	return app
}

func TestRequestsToLogOut(t *testing.T) {
	name := saml.NameID{Value: `hanako<&">@acme.example`, Format: directory.NameIDPersistent.URI(), NameQualifier: entityID, SPNameQualifier: spEntity}
	for _, algorithm := range []keypair.Algorithm{keypair.RSA2048, keypair.ECDSAP256} {
		pair, err := keypair.Generate(algorithm, "acme", clock.Add(-time.Hour), 24*time.Hour, nil)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		provider := newProvider(t, func(o *saml.ProviderOptions) { o.KeyPair = pair })
		for _, binding := range []directory.Binding{directory.BindingHTTPRedirect, directory.BindingHTTPPOST} {
			t.Run(string(algorithm)+" "+string(binding), func(t *testing.T) {
				g := NewWithT(t)
				sp := prepared(t, peerApp(binding))
				g.Expect(sp.HasLogout()).To(BeTrue())
				out, err := provider.RequestLogout(sp, "_ours", name, "s-1")
				g.Expect(err).NotTo(HaveOccurred())
				root := expectSigned(t, provider, out, "SAMLRequest")
				g.Expect(names(root)).To(Equal(receivedChildren(binding, "NameID", "SessionIndex")))
				g.Expect(root.Tag).To(Equal("LogoutRequest"))
				g.Expect(root.SelectAttrValue("ID", "")).To(Equal("_ours"))
				g.Expect(root.SelectAttrValue("Destination", "")).To(Equal(spSLO))
				g.Expect(root.SelectAttrValue("NotOnOrAfter", "")).To(Equal("2026-04-01T09:35:15.250Z"))
				id := root.FindElement("./NameID")
				g.Expect(id.Text()).To(Equal(name.Value))
				g.Expect(id.SelectAttrValue("SPNameQualifier", "")).To(Equal(spEntity))
				g.Expect(root.FindElement("./SessionIndex").Text()).To(Equal("s-1"))

				pending := &saml.PendingLogout{RequestID: "_theirs", EntityID: spEntity, Binding: binding, URL: spSLO, RelayState: `a&b="é"`}
				out, err = provider.AnswerLogout(pending, sp, saml.StatusSuccess, saml.StatusPartialLogout, "One <app> is left.")
				g.Expect(err).NotTo(HaveOccurred())
				root = expectSigned(t, provider, out, "SAMLResponse")
				g.Expect(names(root)).To(Equal(receivedChildren(binding, "Status")))
				g.Expect(root.SelectAttrValue("InResponseTo", "")).To(Equal("_theirs"))
				g.Expect(root.FindElement("./Status/StatusCode/StatusCode").SelectAttrValue("Value", "")).To(Equal(saml.StatusPartialLogout))
				g.Expect(out.RelayState).To(Equal(`a&b="é"`))
			})
		}
	}
	g := NewWithT(t)
	_, err := newProvider(t).RequestLogout(prepared(t, testApp()), "_ours", name, "")
	g.Expect(err).To(HaveOccurred())
	for _, pending := range []saml.PendingLogout{
		{EntityID: spEntity, Binding: directory.BindingHTTPPOST, URL: "https://evil.example/"},
		{EntityID: "https://evil.example", Binding: directory.BindingHTTPPOST, URL: spSLO},
		{EntityID: spEntity, Binding: directory.BindingHTTPRedirect, URL: spSLO},
	} {
		_, err := newProvider(t).AnswerLogout(&pending, prepared(t, peerApp(directory.BindingHTTPPOST)), saml.StatusSuccess, "", "")
		g.Expect(err).To(MatchError(ContainSubstring("settings were changed")))
	}
}

func receivedChildren(binding directory.Binding, rest ...string) []string {
	children := []string{"Issuer"}
	if binding == directory.BindingHTTPPOST {
		children = append(children, "Signature")
	}
	return append(children, rest...)
}

// expectSigned verifies a message as a peer does, and reads it.
func expectSigned(t *testing.T, provider *saml.Provider, out *saml.Outgoing, parameter string) *etree.Element {
	t.Helper()
	g := NewWithT(t)
	g.Expect(out.Parameter).To(Equal(parameter))
	key := publicKey(t, provider)
	if out.Binding == directory.BindingHTTPPOST {
		g.Expect(out.URL).To(Equal(spSLO))
		document, err := base64.StdEncoding.DecodeString(out.Value)
		g.Expect(err).NotTo(HaveOccurred())
		root, err := samlxml.Parse(document, samlxml.Limits{Bytes: 1 << 16, Elements: 100, Depth: 10, Attributes: 10})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(root.VerifyEnveloped(key, samlxml.Policy{})).To(Succeed())
		return parseXML(t, document)
	}
	g.Expect(out.URL).To(HavePrefix(spSLO + "&" + parameter + "="))
	signed, rawValue, found := strings.Cut(strings.TrimPrefix(out.URL, spSLO+"&"), "&Signature=")
	g.Expect(found).To(BeTrue())
	query, err := url.ParseQuery(strings.TrimPrefix(out.URL, spSLO+"&"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rawValue).NotTo(ContainSubstring("&"))
	value, err := base64.StdEncoding.DecodeString(query.Get("Signature"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(samlxml.VerifyDetached([]byte(signed), query.Get("SigAlg"), value, key, samlxml.Policy{})).To(Succeed())
	g.Expect(query.Get("RelayState")).To(Equal(out.RelayState))
	deflated, err := base64.StdEncoding.DecodeString(query.Get(parameter))
	g.Expect(err).NotTo(HaveOccurred())
	document, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
	g.Expect(err).NotTo(HaveOccurred())
	return parseXML(t, document)
}

// publicKey is the provider's, as its certificate gives it.
func publicKey(t *testing.T, provider *saml.Provider) []crypto.PublicKey {
	t.Helper()
	certificate, err := x509.ParseCertificate(provider.Certificate())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return []crypto.PublicKey{certificate.PublicKey}
}
