/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"cmp"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/keypair"
)

// logInTo begins a log-in at an address and ends it at the deep link.
func (s *shibboleth) logInTo(browser *formclient.Client, address string) map[string]string {
	s.t.Helper()
	return s.arrived(s.relay(browser, s.logIn(browser, s.visit(browser, address))))
}

// expectMember expects the page that was asked for, and the whole member.
func (s *shibboleth) expectMember(got map[string]string) {
	s.t.Helper()
	s.Expect(got).To(HaveKeyWithValue("REQUEST_URI", deepLink))
	s.Expect(got).To(HaveKeyWithValue("Shib_Identity_Provider", s.IdP))
	s.Expect(got).To(HaveKeyWithValue("displayName", shownName))
	s.Expect(got).To(HaveKeyWithValue("employeeNumber", employee))
	s.Expect(strings.Split(got["groups"], ";")).To(ConsistOf("営業部", "東京"))
	s.Expect(got).To(HaveKeyWithValue("permission", "viewer"))
	s.Expect(got).To(HaveKeyWithValue("environment", "production"))
	s.Expect(got).To(HaveKeyWithValue("eppn", mail), "its domain is a scope of our metadata")
}

// run is a part of a test with the same service provider: to start one takes longer than a log-in.
func (s *shibboleth) run(name string, part func()) {
	outer, with := s.t, s.WithT
	defer func() { s.t, s.WithT = outer, with }()
	outer.Run(name, func(t *testing.T) {
		s.t, s.WithT = t, NewWithT(t)
		part()
	})
}

// set declares the app anew, with a change to how it was declared at first.
func (s *shibboleth) set(change func(*directory.SAMLSettings)) {
	changed, settings := *s.app, *s.app.SAML
	if change != nil {
		change(&settings)
	}
	changed.SAML = &settings
	s.publishApp(&changed)
}

const (
	passwordOverTLS = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport" // #nosec G101 -- a class of log-ins
	byPassword      = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
	kerberos        = "urn:oasis:names:tc:SAML:2.0:ac:classes:Kerberos"
)

// TestShibbolethLogsIn: its own signed metadata asks for signed requests and encrypts by a key of its own.
func TestShibbolethLogsIn(t *testing.T) {
	w := newWorld(t)
	s := newShibboleth(w, shibbolethOptions{}, nil)
	s.Expect(s.provider.RequestsSigned).To(BeTrue())
	s.Expect(s.provider.AssertionsSigned).To(BeTrue())
	s.Expect(s.provider.Certificates).To(ConsistOf(
		HaveField("Use", directory.CertificateSigning), HaveField("Use", directory.CertificateEncryption)))
	format := func(format directory.NameIDFormat, attribute string) func(*directory.SAMLSettings) {
		return func(app *directory.SAMLSettings) { app.NameIDFormat, app.NameIDAttribute = format, attribute }
	}
	hash := func(hash directory.Hash) func(*directory.SAMLSettings) {
		return func(app *directory.SAMLSettings) { app.Hash = hash }
	}
	encryption := func(algorithm directory.Encryption) func(*directory.SAMLSettings) {
		return func(app *directory.SAMLSettings) { app.Encryption = algorithm }
	}
	asks := func(format directory.NameIDFormat) string { return s.logInAt("/Login", "NameIDFormat", format.URI()) }
	context := func(class, comparison string) string {
		return s.logInAt("/Login", "authnContextClassRef", class, "authnContextComparison", comparison)
	}
	pairwise := "^" + s.IdP + "!" + s.EntityID + "![a-z2-7]{52}$"
	for name, c := range map[string]struct {
		address string
		change  func(*directory.SAMLSettings)
		// name and class are what it is told; "" are the mail address and the password over TLS.
		name, class string
	}{
		"by Redirect":           {address: s.URL + deepLink},
		"by POST":               {address: s.logInAt("/Login/POST")},
		"by index":              {address: s.logInAt("/Login/Index", "acsIndex", "1")},
		"exactly by password":   {address: context(passwordOverTLS, "exact")},
		"at least by password":  {address: context(byPassword, "minimum"), class: byPassword},
		"at most by password":   {address: context(passwordOverTLS, "maximum")},
		"assertion signed":      {change: func(app *directory.SAMLSettings) { app.Signing = directory.SignAssertion }},
		"not encrypted":         {change: encryption("")},
		"AES-128-GCM":           {change: encryption(directory.AES128GCM)},
		"SHA-384":               {change: hash(directory.SHA384)},
		"SHA-512":               {change: hash(directory.SHA512)},
		"emailAddress":          {address: asks(directory.NameIDEmailAddress)},
		"persistent":            {address: asks(directory.NameIDPersistent), change: format(directory.NameIDPersistent, ""), name: pairwise},
		"persistent, qualified": {address: asks(directory.NameIDPersistent) + "&SPNameQualifier=" + url.QueryEscape(s.EntityID), change: format(directory.NameIDPersistent, ""), name: pairwise},
		"transient":             {address: asks(directory.NameIDTransient), change: format(directory.NameIDTransient, ""), name: "^[^@]{16,}$"},
		"unspecified":           {address: asks(directory.NameIDUnspecified), change: format(directory.NameIDUnspecified, "employeeNumber"), name: employee},
	} {
		s.run(name, func() {
			s.set(c.change)
			got := s.logInTo(formclient.New(), cmp.Or(c.address, s.URL+deepLink))
			s.expectMember(got)
			s.Expect(got).To(HaveKeyWithValue("REMOTE_USER", MatchRegexp(cmp.Or(c.name, "^"+mail+"$"))))
			s.Expect(got).To(HaveKeyWithValue("Shib_AuthnContext_Class", cmp.Or(c.class, passwordOverTLS)))
		})
	}
	s.run("again", func() {
		s.set(nil)
		browser := formclient.New()
		first := s.logInTo(browser, s.URL+deepLink)["Shib_Authentication_Instant"]
		s.expectMember(s.arrived(s.relay(browser, s.visit(browser, s.logInAt("/Login", "isPassive", "true")))))
		again := s.logInTo(browser, s.logInAt("/Login", "forceAuthn", "true"))["Shib_Authentication_Instant"]
		s.Expect(again).NotTo(Equal(first), "the password was asked for anew")
	})
}

// TestShibbolethIsRefused: it shows its user what it is told, so that tells what to do.
func TestShibbolethIsRefused(t *testing.T) {
	w := newWorld(t)
	s := newShibboleth(w, shibbolethOptions{}, nil)
	for name, c := range map[string]struct {
		address string
		change  func(*directory.SAMLSettings)
		reason  string
	}{
		"another log-in":    {address: s.logInAt("/Login", "authnContextClassRef", kerberos), reason: "status:NoAuthnContext"},
		"a better log-in":   {address: s.logInAt("/Login", "authnContextClassRef", passwordOverTLS, "authnContextComparison", "better"), reason: "status:NoAuthnContext"},
		"another NameID":    {address: s.logInAt("/Login", "NameIDFormat", directory.NameIDPersistent.URI()), reason: "status:InvalidNameIDPolicy"},
		"another qualifier": {address: s.logInAt("/Login", "SPNameQualifier", "urn:example:other"), reason: "status:InvalidNameIDPolicy"},
		"nobody is here":    {address: s.logInAt("/Login", "isPassive", "true"), reason: "status:NoPassive"},
		"its entity ID":     {address: s.logInAt("/Login"), change: func(app *directory.SAMLSettings) { app.EntityID += "/" }, reason: "This app is not known"},
		"not signed":        {address: s.logInAt("/Login/Unsigned"), reason: "The request is not signed"},
		"another's key": {address: s.logInAt("/Login"), reason: "none of the known certificates", change: func(app *directory.SAMLSettings) {
			app.Certificates = []directory.ServiceProviderCertificate{{PEM: string(w.key.Certificate)}}
		}},
		"an answer by SimpleSign": {address: s.logInAt("/Login/Index", "acsIndex", "2"), reason: "an address that is not registered"},
	} {
		s.run(name, func() {
			s.set(c.change)
			browser := formclient.New()
			page := s.relay(browser, s.visit(browser, c.address))
			s.Expect(page.Status).To(BeNumerically(">=", http.StatusBadRequest), page.Text())
			s.Expect(page.Text()).To(ContainSubstring(c.reason), "%s", page.URL)
		})
	}
}

// TestShibbolethRefuses proves that the tests that log in would notice.
func TestShibbolethRefuses(t *testing.T) {
	w := newWorld(t)
	s := newShibboleth(w, shibbolethOptions{}, func(app *directory.App) { app.SAML.Encryption = "" })
	onlyResponse := func(app *directory.SAMLSettings) { app.Signing = directory.SignResponse }
	for name, c := range map[string]struct {
		change func(*directory.SAMLSettings)
		tamper func(string) string
		reason string
	}{
		"another NameID":      {tamper: replace(mail, "hanako.sato@acme.example"), reason: "signature could not be verified"},
		"no signatures":       {tamper: func(response string) string { return signature.ReplaceAllString(response, "") }, reason: "Unable to establish security"},
		"assertion unsigned":  {change: onlyResponse, reason: "The incoming assertion was unsigned"},
		"against the schema":  {tamper: replace(`<saml:AudienceRestriction>`, `<saml:AudienceRestriction Other="1">`), reason: "error(s) during parsing"},
		"for another address": {tamper: replace("/SAML2/POST", "/SAML2/PUT"), reason: "signature could not be verified"},
	} {
		s.run(name, func() {
			s.set(c.change)
			browser := formclient.New()
			form := s.response(s.logIn(browser, s.visit(browser, s.URL+deepLink)))
			s.refused(s.submit(browser, form, c.tamper), c.reason)
		})
	}
	s.run("a replay", func() {
		s.set(nil)
		browser := formclient.New()
		form := s.response(s.logIn(browser, s.visit(browser, s.URL+deepLink)))
		s.expectMember(s.arrived(s.submit(browser, form, nil)))
		s.refused(s.submit(browser, form, nil), "Response correlation failed")
	})
	s.run("what it did not ask for", func() {
		s.set(nil)
		browser := formclient.New()
		form := s.response(s.logIn(browser, s.visit(browser, endpoints.IdPInitiated(w.url, tenant, s.app.Name))))
		s.refused(s.submit(browser, form, nil), "Unsolicited response rejected")
	})
}

// TestShibbolethAsDocumented: the lines of docs/saml.md, with files and
// addresses of the test, over what Debian's package brings.
func TestShibbolethAsDocumented(t *testing.T) {
	w := newWorld(t)
	page, err := os.ReadFile("../../docs/saml.md")
	w.Expect(err).NotTo(HaveOccurred())
	_, rest, _ := strings.Cut(string(page), "\n```xml\n")
	lines, _, _ := strings.Cut(rest, "\n```\n")
	folder := t.TempDir()
	for name, key := range map[string]admin.KeyPair{"acme": w.key, "sp": serviceKey()} {
		w.Expect(os.WriteFile(filepath.Join(folder, name+".pem"), key.Certificate, 0o600)).To(Succeed())
		w.Expect(os.WriteFile(filepath.Join(folder, name+".key"), key.PrivateKey, 0o600)).To(Succeed())
	}
	application := strings.NewReplacer(
		"https://id.acme.example", w.url, `"acme.`, `"`+folder+`/acme.`, `handlerSSL="true" cookieProps="https"`, `handlerSSL="false" cookieProps="http"`,
		"<!-- AttributeExtractor, AttributeFilter and CredentialResolver stay as they are. -->", `<AttributeExtractor type="XML" path="attribute-map.xml"/>
			<AttributeFilter type="XML" path="attribute-policy.xml"/><CredentialResolver type="File" key="`+folder+`/sp.key" certificate="`+folder+`/sp.pem"/>`,
	).Replace(lines)
	s := newShibboleth(w, shibbolethOptions{Application: application}, func(app *directory.App) { app.SAML.NameIDFormat = directory.NameIDPersistent })
	browser := formclient.New()
	got := s.logInTo(browser, s.logInAt("/Login"))
	w.Expect(got).To(HaveKeyWithValue("REMOTE_USER", MatchRegexp("^"+s.IdP+"!"+s.EntityID+"![a-z2-7]{52}$")))
	left := s.follow(browser, s.visit(browser, s.handler("/Logout")))
	w.Expect(left.Text()).To(ContainSubstring("Logout completed successfully"), s.log())
}

// TestShibbolethVerifiesMetadata: by the certificate that its administrator was given.
func TestShibbolethVerifiesMetadata(t *testing.T) {
	w := newWorld(t)
	s := newShibboleth(w, shibbolethOptions{IdPMetadata: replace("/sso", "/elsewhere")}, nil)
	s.refused(s.visit(formclient.New(), s.URL+deepLink), "Unknown Identity Provider")
}

// TestShibbolethLogsOut: signed both ways, with keys on elliptic curves on both sides; and it takes log-ins that start here.
func TestShibbolethLogsOut(t *testing.T) {
	w := newWorld(t)
	w.key = mustGenerate(keypair.ECDSAP256)
	w.publishTenant()
	s := newShibboleth(w, shibbolethOptions{Unsolicited: true, Key: keypair.ECDSAP256}, nil)
	s.Expect(s.app.SAML.SingleLogoutServices).To(ConsistOf(HaveField("Binding", directory.BindingHTTPRedirect), HaveField("Binding", directory.BindingHTTPPOST)))
	loggedOut := func(browser *formclient.Client) {
		s.t.Helper()
		page := s.visit(browser, s.URL+deepLink)
		_, err := page.FormWith("mail", "password")
		s.Expect(err).NotTo(HaveOccurred(), "%s: %s", page.URL, page.Text())
	}
	for name, path := range map[string]string{"Redirect": "/Logout", "POST": "/Logout/POST"} {
		s.run("there, by "+name, func() {
			s.set(nil)
			browser := formclient.New()
			s.expectMember(s.logInTo(browser, s.logInAt(strings.Replace(path, "Logout", "Login", 1))))
			page := s.follow(browser, s.visit(browser, s.handler(path)+"?return="+url.QueryEscape(s.handler("/Metadata"))))
			s.Expect(page.URL.String()).To(Equal(s.handler("/Metadata")), "%s\n%s", page.Text(), s.log())
			loggedOut(browser)
		})
	}
	for i, service := range s.app.SAML.SingleLogoutServices {
		for _, format := range []directory.NameIDFormat{directory.NameIDEmailAddress, directory.NameIDTransient} {
			s.run("here, by "+string(service.Binding)+", "+string(format), func() {
				s.set(func(app *directory.SAMLSettings) {
					app.SingleLogoutServices, app.NameIDFormat = app.SingleLogoutServices[i:i+1], format
				})
				browser := formclient.New()
				start := endpoints.IdPInitiated(w.url, tenant, s.app.Name) + "?RelayState=" + url.QueryEscape(s.URL+deepLink)
				s.expectMember(s.logInTo(browser, start))
				page := w.logOutHere(browser)
				s.Expect(string(page.Body)).To(ContainSubstring("state-succeeded"), "%s\n%s", page.Text(), s.log())
				loggedOut(browser)
			})
		}
	}
	s.run("not signed", func() {
		s.set(nil)
		browser := formclient.New()
		s.logInTo(browser, s.URL+deepLink)
		page := s.follow(browser, s.visit(browser, s.handler("/Logout/Unsigned")))
		s.Expect(page.Status).To(Equal(http.StatusBadRequest), page.Text())
		s.expectMember(s.arrived(s.relay(browser, s.visit(browser, s.URL+deepLink)))) // the session here goes on
	})
}

// TestShibbolethAcrossRotations: it fetches what is announced, and goes on
// trusting the document while it knows the certificate of each key in turn.
func TestShibbolethAcrossRotations(t *testing.T) {
	w := newWorld(t)
	first, second, third := w.key, mustGenerate(keypair.RSA2048), mustGenerate(keypair.ECDSAP256)
	s := newShibboleth(w, shibbolethOptions{Trusted: [][]byte{first.Certificate, second.Certificate}}, nil)
	learns := func(certificate []byte) {
		s.t.Helper()
		s.Eventually(func() (string, error) {
			content, err := os.ReadFile(filepath.Join(s.Directory, "backing.xml"))
			return string(content), err
		}, startPatience, 20*time.Millisecond).Should(ContainSubstring(base64Of(certificate)), s.log)
	}
	w.announced = [][]byte{second.Certificate}
	w.publishTenant()
	learns(second.Certificate)
	w.key, w.announced = second, [][]byte{first.Certificate}
	w.publishTenant()
	s.expectMember(s.logInTo(formclient.New(), s.URL+deepLink))

	w.announced = [][]byte{third.Certificate}
	w.publishTenant()
	learns(third.Certificate)
	w.key, w.announced = third, [][]byte{second.Certificate}
	w.publishTenant()
	s.expectMember(s.logInTo(formclient.New(), s.URL+deepLink))
}
