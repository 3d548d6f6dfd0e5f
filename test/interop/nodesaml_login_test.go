/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/keypair"
)

// TestNodeSAMLLogsIn: log-in with a forced change of the password on the way,
// then once more without any log-in.
func TestNodeSAMLLogsIn(t *testing.T) {
	decrypts := map[string]any{"decryptionPvk": string(serviceKey().PrivateKey)}
	encrypted := func(algorithm directory.Encryption) func(*directory.App) {
		return func(app *directory.App) { app.SAML.Encryption = algorithm }
	}
	for name, c := range map[string]struct {
		options map[string]any
		signed  bool
		change  func(*directory.App)
	}{
		"SHA-512":                     {change: func(app *directory.App) { app.SAML.Hash = directory.SHA512 }},
		"AES-256-GCM":                 {options: decrypts, change: encrypted(directory.AES256GCM)},
		"AES-128-GCM":                 {options: decrypts, change: encrypted(directory.AES128GCM)},
		"AES-256-CBC":                 {options: decrypts, change: encrypted(directory.AES256CBC)},
		"AES-128-CBC":                 {options: decrypts, change: encrypted(directory.AES128CBC)},
		"unsigned requests":           {},
		"signed requests":             {options: signs(), signed: true},
		"signed with SHA-512":         {options: with(signs(), "signatureAlgorithm", "sha512", "digestAlgorithm", "sha512"), signed: true},
		"signed, though nobody asks":  {options: signs()},
		"without a wish for a format": {options: with(nil, "identifierFormat", nil)},
		"without a wish for a log-in": {options: with(nil, "disableRequestedAuthnContext", true)},
		"without an address":          {options: with(nil, "disableRequestAcsUrl", true)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			n := newNodeSAML(w, c.options, func(app *directory.App) {
				app.SAML.Requests.Signed = c.signed
				if c.change != nil {
					c.change(app)
				}
			})
			for _, binding := range []string{"redirect", "post"} {
				browser := formclient.New()
				first := n.logInBy(browser, binding)
				n.expectProfile(first)
				second := n.logInBy(browser, binding)
				n.expectProfile(second)
				w.Expect(second.Profile["sessionIndex"]).To(Equal(first.Profile["sessionIndex"]))
			}
		})
	}
}

// with is options with more names and values.
func with(options map[string]any, more ...any) map[string]any {
	all := map[string]any{}
	for name, value := range options {
		all[name] = value
	}
	for i := 0; i < len(more); i += 2 {
		all[more[i].(string)] = more[i+1]
	}
	return all
}

// TestUnsignedOrForeignRequestsOfNodeSAMLAreRefused: here, before anybody logs in.
func TestUnsignedOrForeignRequestsOfNodeSAMLAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		options map[string]any
		foreign bool
	}{
		"unsigned":      {},
		"another's key": {options: signs(), foreign: true},
		"SHA-1":         {options: with(signs(), "signatureAlgorithm", "sha1", "digestAlgorithm", "sha1")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			n := newNodeSAML(w, c.options, func(app *directory.App) {
				app.SAML.Requests.Signed = true
				if c.foreign {
					app.SAML.Certificates[0].PEM = string(mustGenerate(keypair.RSA2048).Certificate)
				}
			})
			for _, binding := range []string{"redirect", "post"} {
				page := n.visit(formclient.New(), n.provider+"/"+binding)
				w.Expect(page.Status).To(Equal(http.StatusBadRequest), page.Text())
			}
		})
	}
	t.Run("SHA-1, where the app allows it", func(t *testing.T) {
		w := newWorld(t)
		n := newNodeSAML(w, with(signs(), "signatureAlgorithm", "sha1", "digestAlgorithm", "sha1"), func(app *directory.App) {
			app.SAML.Requests = directory.RequestPolicy{Signed: true, AllowSHA1: true}
		})
		for _, binding := range []string{"redirect", "post"} {
			n.expectProfile(n.logInBy(formclient.New(), binding))
		}
	})
}

// TestNodeSAMLForcesALogIn: the password is asked for though there is a session.
func TestNodeSAMLForcesALogIn(t *testing.T) {
	w := newWorld(t)
	n := newNodeSAML(w, with(nil, "forceAuthn", true), nil)
	browser := formclient.New()
	first := n.logInBy(browser, "redirect")
	n.expectProfile(first)
	page := n.visit(browser, n.provider+"/redirect")
	_, err := page.FormWith("mail", "password")
	w.Expect(err).NotTo(HaveOccurred(), page.Text())
	second := n.arrive(browser, n.logIn(browser, page))
	n.expectProfile(second)
}

// TestNodeSAMLAsksPassively: it takes NoPassive for nobody, as the answer is signed.
func TestNodeSAMLAsksPassively(t *testing.T) {
	w := newWorld(t)
	n := newNodeSAML(w, with(nil, "passive", true), nil)
	browser := formclient.New()
	nobody := n.arrive(browser, n.visit(browser, n.provider+"/redirect"))
	w.Expect(nobody.Error).To(BeEmpty())
	w.Expect(nobody.Profile).To(BeNil())
	page, err := browser.Get(t.Context(), w.url+"/login")
	w.Expect(err).NotTo(HaveOccurred())
	w.logIn(browser, page)
	n.expectProfile(n.logInBy(browser, "redirect"))
}

// TestNodeSAMLAndTheClock: it tolerates nothing; the assertion's validity does.
func TestNodeSAMLAndTheClock(t *testing.T) {
	for name, c := range map[string]struct {
		ahead  time.Duration
		reason string
	}{
		"a little ahead":  {ahead: 50 * time.Second},
		"a little behind": {ahead: -4 * time.Minute},
		"too far ahead":   {ahead: 10 * time.Minute, reason: "not yet valid"},
		"too far behind":  {ahead: -6 * time.Minute, reason: "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			n := newNodeSAML(w, with(nil, "validateInResponseTo", "never"), func(app *directory.App) {
				app.SAML.Flow = directory.FlowIdPInitiated // its requests would be refused for their time already
			})
			w.ahead.Store(int64(c.ahead))
			browser := formclient.New()
			got := n.arrive(browser, n.logIn(browser, n.visit(browser, endpoints.IdPInitiated(w.url, tenant, "wiki")+"?RelayState="+url.QueryEscape(relayState))))
			if c.reason == "" {
				n.expectProfile(got)
				return
			}
			w.Expect(got.Error).To(ContainSubstring(c.reason))
		})
	}
}

// TestNodeSAMLRefusesTampering proves that the tests that log in would notice.
func TestNodeSAMLRefusesTampering(t *testing.T) {
	for name, tamper := range map[string]func(string) string{
		"another NameID":                 replace(mail, "hanako.sato@acme.example"),
		"another permission":             replace(">viewer<", ">admin<"),
		"another audience":               replace(entityID+"</", "https://other.acme.example/saml</"),
		"another time":                   replace(`NotOnOrAfter="20`, `NotOnOrAfter="30`),
		"no signatures":                  func(response string) string { return signature.ReplaceAllString(response, "") },
		"the response's signature alone": withoutLastSignature,
		"the assertion's alone":          withoutFirstSignature,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			n := newNodeSAML(w, with(nil, "validateInResponseTo", "never"), nil)
			browser := formclient.New()
			form := n.response(n.logIn(browser, n.visit(browser, n.provider+"/redirect")))
			w.Expect(signature.FindAllString(n.text(form), -1)).To(HaveLen(2))
			page := n.submit(browser, form, tamper)
			w.Expect(page.Status).To(Equal(http.StatusForbidden), page.Text())
			w.Expect(strings.ToLower(n.read(page).Error)).To(ContainSubstring("signature"))
			n.expectProfile(n.read(n.submit(browser, form, nil)))
		})
	}
}

// withoutLastSignature takes the assertion's away, the last in the document.
func withoutLastSignature(response string) string {
	all := signature.FindAllStringIndex(response, -1)
	last := all[len(all)-1]
	return response[:last[0]] + response[last[1]:]
}

// withoutFirstSignature takes the response's away.
func withoutFirstSignature(response string) string {
	return strings.Replace(response, signature.FindString(response), "", 1)
}

// TestNodeSAMLRefusesAReplay: it takes an answer to a request of its own, once.
func TestNodeSAMLRefusesAReplay(t *testing.T) {
	w := newWorld(t)
	n := newNodeSAML(w, nil, func(app *directory.App) { app.SAML.Flow = directory.FlowSPInitiated })
	browser := formclient.New()
	form := n.response(n.logIn(browser, n.visit(browser, n.provider+"/redirect")))
	n.expectProfile(n.read(n.submit(browser, form, nil)))
	w.Expect(n.read(n.submit(formclient.New(), form, nil)).Error).To(ContainSubstring("InResponseTo is not valid"))

	// An answer that nobody asked for has no InResponseTo at all.
	page := n.visit(browser, endpoints.IdPInitiated(w.url, tenant, "wiki"))
	w.Expect(n.arrive(browser, page).Error).To(ContainSubstring("InResponseTo is missing"))
}

// TestNodeSAMLRefusesAnAssertionForAnotherApp: the audience is the app's own entity ID.
func TestNodeSAMLRefusesAnAssertionForAnotherApp(t *testing.T) {
	w := newWorld(t)
	n := newNodeSAML(w, with(nil, "validateInResponseTo", "never"), nil)
	w.publishApp(newApp("other", "https://other.acme.example/saml", n.provider+"/acs"))
	browser := formclient.New()
	got := n.arrive(browser, n.logIn(browser, n.visit(browser, endpoints.IdPInitiated(w.url, tenant, "other"))))
	w.Expect(got.Error).To(ContainSubstring("audience"))
}

// TestNodeSAMLRefusesWhatIsSignedByHalves: strict as it is here, it wants both.
func TestNodeSAMLRefusesWhatIsSignedByHalves(t *testing.T) {
	for _, mode := range []directory.SigningMode{directory.SignResponse, directory.SignAssertion} {
		for name, lenient := range map[string]map[string]any{
			"strict":  nil,
			"lenient": {"wantAuthnResponseSigned": mode == directory.SignResponse, "wantAssertionsSigned": mode == directory.SignAssertion},
		} {
			t.Run(string(mode)+", "+name, func(t *testing.T) {
				w := newWorld(t)
				n := newNodeSAML(w, lenient, func(app *directory.App) { app.SAML.Signing = mode })
				got := n.logInBy(formclient.New(), "redirect")
				if lenient == nil {
					w.Expect(got.Error).To(ContainSubstring("signature"))
					return
				}
				n.expectProfile(got)
			})
		}
	}
}
