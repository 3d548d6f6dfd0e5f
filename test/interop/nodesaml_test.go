/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
)

// login is what serviceprovider.mjs answers.
type login struct {
	Profile    map[string]any `json:"profile"`
	RelayState string         `json:"relayState"`
	Error      string         `json:"error"`
}

// TestNodeSAMLTakesTheAssertion: both request bindings, log-in with a forced
// change of the password on the way, then once more without any log-in.
func TestNodeSAMLTakesTheAssertion(t *testing.T) {
	for _, binding := range []string{"redirect", "post"} {
		// The library checks InResponseTo only where it is told to.
		for _, inResponseTo := range []string{"never", "always"} {
			t.Run(binding+" "+inResponseTo, func(t *testing.T) {
				w := newWorld(t, map[string]any{"validateInResponseTo": inResponseTo})
				browser := formclient.New()
				page, err := browser.Visit(t.Context(), w.provider+"/"+binding)
				w.Expect(err).NotTo(HaveOccurred())
				first := w.arrive(t, browser, w.logIn(t, browser, page))
				w.Expect(first.Error).To(BeEmpty())
				w.expectProfile(first)

				page, err = browser.Visit(t.Context(), w.provider+"/"+binding)
				w.Expect(err).NotTo(HaveOccurred())
				second := w.read(page)
				w.expectProfile(second)
				w.Expect(second.Profile["sessionIndex"]).To(Equal(first.Profile["sessionIndex"]))
			})
		}
	}
}

func (w *world) expectProfile(got login) {
	w.Expect(got.RelayState).To(Equal("from node-saml"))
	w.Expect(got.Profile).To(HaveKeyWithValue("issuer", endpoints.Issuer(w.url, tenant)))
	w.Expect(got.Profile).To(HaveKeyWithValue("nameID", mail))
	w.Expect(got.Profile).To(HaveKeyWithValue("nameIDFormat", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"))
	w.Expect(got.Profile).To(HaveKeyWithValue("displayName", `山田 太郎 <&"'>`))
	w.Expect(got.Profile).To(HaveKeyWithValue("employeeNumber", "00042"))
	w.Expect(got.Profile).To(HaveKeyWithValue("groups", "営業部"))
	w.Expect(got.Profile).To(HaveKeyWithValue("permission", "viewer"))
	w.Expect(got.Profile).To(HaveKeyWithValue("urn:example:environment", "production"))
	w.Expect(got.Profile["sessionIndex"]).NotTo(BeEmpty())
}

// arrive submits a SAML response and reads the service provider's answer.
func (w *world) arrive(t *testing.T, browser *formclient.Client, page *formclient.Page) login {
	t.Helper()
	page, err := browser.Relay(t.Context(), page)
	w.Expect(err).NotTo(HaveOccurred())
	return w.read(page)
}

func (w *world) read(page *formclient.Page) login {
	var got login
	w.Expect(json.Unmarshal(page.Body, &got)).To(Succeed(), "%s (status %d): %s", page.URL, page.Status, page.Text())
	return got
}

var signature = regexp.MustCompile(`(?s)<(ds:)?Signature[ >].*?</(ds:)?Signature>`)

// TestNodeSAMLRefusesTampering proves that the test above would notice.
func TestNodeSAMLRefusesTampering(t *testing.T) {
	w := newWorld(t, nil)
	browser := formclient.New()
	page, err := browser.Get(t.Context(), w.provider+"/redirect")
	w.Expect(err).NotTo(HaveOccurred())
	page = w.logIn(t, browser, page)
	form, err := page.FormWith("SAMLResponse")
	w.Expect(err).NotTo(HaveOccurred())
	decoded, err := base64.StdEncoding.DecodeString(form.Fields.Get("SAMLResponse"))
	w.Expect(err).NotTo(HaveOccurred())
	response := string(decoded)
	w.Expect(signature.FindAllString(response, -1)).To(HaveLen(2))

	for name, tampered := range map[string]string{
		"another NameID":                 strings.Replace(response, mail, "hanako.sato@acme.example", 1),
		"another permission":             strings.Replace(response, "viewer", "admin", 1),
		"another audience":               strings.Replace(response, entityID+"</", "https://other.acme.example/saml</", 1),
		"another time":                   regexp.MustCompile(`NotOnOrAfter="20`).ReplaceAllString(response, `NotOnOrAfter="30`),
		"no signatures":                  signature.ReplaceAllString(response, ""),
		"the response's signature alone": removeLast(response),
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{WithT: NewWithT(t)}
			w.Expect(tampered).NotTo(Equal(response))
			page, err := browser.Submit(t.Context(), form, map[string]string{"SAMLResponse": base64.StdEncoding.EncodeToString([]byte(tampered))})
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(page.Status).To(Equal(http.StatusForbidden), page.Text())
			w.Expect(w.read(page).Error).NotTo(BeEmpty())
		})
	}
	t.Run("untouched", func(t *testing.T) {
		w := &world{WithT: NewWithT(t), url: w.url}
		page, err := browser.Submit(t.Context(), form, nil)
		w.Expect(err).NotTo(HaveOccurred())
		w.expectProfile(w.read(page))
	})
}

// removeLast takes the assertion's signature away, the last in the document.
func removeLast(response string) string {
	all := signature.FindAllStringIndex(response, -1)
	last := all[len(all)-1]
	return response[:last[0]] + response[last[1]:]
}

// TestNodeSAMLRefusesAnAssertionForAnotherApp: the audience is the app's own entity ID.
func TestNodeSAMLRefusesAnAssertionForAnotherApp(t *testing.T) {
	w := newWorld(t, nil)
	browser := formclient.New()
	page, err := browser.Get(t.Context(), endpoints.IdPInitiated(w.url, tenant, "other"))
	w.Expect(err).NotTo(HaveOccurred())
	got := w.arrive(t, browser, w.logIn(t, browser, page))
	w.Expect(got.Error).To(ContainSubstring("audience"))
}
