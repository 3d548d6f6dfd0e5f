/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/keypair"
)

// TestMellonAndTheClock: mellon tolerates a minute, an assertion is valid from
// one minute before its issue to five after.
func TestMellonAndTheClock(t *testing.T) {
	for name, c := range map[string]struct {
		ahead  time.Duration
		reason string
	}{
		"a little ahead":  {ahead: 90 * time.Second},
		"a little behind": {ahead: -4 * time.Minute},
		"too far ahead":   {ahead: 10 * time.Minute, reason: "NotBefore in Condition was in the future"},
		"too far behind":  {ahead: -7 * time.Minute, reason: "NotOnOrAfter in SubjectConfirmationData was in the past"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := newMellon(w, mellonOptions{}, func(app *directory.App) {
				app.SAML.Flow = directory.FlowIdPInitiated // its requests would be refused for their time already
			})
			w.ahead.Store(int64(c.ahead))
			browser := formclient.New()
			page := m.relay(browser, m.logIn(browser, m.visit(browser, endpoints.IdPInitiated(w.url, tenant, m.app.Name)+"?RelayState="+m.URL+"/secret")))
			if c.reason == "" {
				m.Expect(m.arrived(page)).To(HaveKeyWithValue("NAME_ID", mail))
				return
			}
			m.refused(page, http.StatusBadRequest, c.reason)
		})
	}
}

// TestRequestsOfMellonAtTheWrongTime: five minutes of difference are too many for us.
func TestRequestsOfMellonAtTheWrongTime(t *testing.T) {
	for _, ahead := range []time.Duration{6 * time.Minute, -6 * time.Minute} {
		w := newWorld(t)
		m := newMellon(w, mellonOptions{}, nil)
		w.ahead.Store(int64(ahead))
		page := m.visit(formclient.New(), m.URL+deepLink)
		w.Expect(page.Status).To(Equal(http.StatusBadRequest), page.Text())
	}
}

// TestMellonRefuses proves that the tests that log in would notice.
func TestMellonRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		tamper func(string) string
		reason string
	}{
		"another NameID":     {replace(mail, "hanako.sato@acme.example"), "Lasso error: [-111]"},
		"another permission": {replace(">viewer<", ">admin<"), "Lasso error"},
		"another time":       {replace(`NotOnOrAfter="20`, `NotOnOrAfter="30`), "Lasso error"},
		"no signatures":      {func(response string) string { return signature.ReplaceAllString(response, "") }, "Lasso error"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := newMellon(w, mellonOptions{}, nil)
			browser := formclient.New()
			form := m.response(m.logIn(browser, m.visit(browser, m.URL+deepLink)))
			m.refused(m.submit(browser, form, c.tamper), http.StatusBadRequest, c.reason)
			// Untouched, it is as good as ever.
			m.expectMember(m.arrived(m.submit(browser, form, nil)), mail)
		})
	}
}

// TestMellonRefusesAReplay: the very response that logged somebody in.
func TestMellonRefusesAReplay(t *testing.T) {
	w := newWorld(t)
	m := newMellon(w, mellonOptions{}, nil)
	browser := formclient.New()
	form := m.response(m.logIn(browser, m.visit(browser, m.URL+deepLink)))
	m.expectMember(m.arrived(m.submit(browser, form, nil)), mail)
	thief := formclient.New()
	m.visit(thief, m.URL+deepLink) // has the cookie that mellon asks for
	m.refused(m.submit(thief, form, nil), http.StatusBadRequest, "has already been used")
}

// TestMellonRefusesAnAssertionForAnotherApp: the audience is the app's own entity ID.
func TestMellonRefusesAnAssertionForAnotherApp(t *testing.T) {
	w := newWorld(t)
	m := newMellon(w, mellonOptions{}, nil)
	other := newApp("other", "https://other.acme.example/saml", m.URL+"/mellon/postResponse")
	other.SAML.Flow = directory.FlowIdPInitiated
	w.publishApp(other)
	browser := formclient.New()
	page := m.relay(browser, m.logIn(browser, m.visit(browser, endpoints.IdPInitiated(w.url, tenant, "other"))))
	m.refused(page, http.StatusBadRequest, "Invalid Audience in Conditions")
}

// TestMellonAcrossARotation: by the metadata of when the next key was announced
// it takes what either signs; a key that it was not told of it refuses.
func TestMellonAcrossARotation(t *testing.T) {
	w := newWorld(t)
	next := mustGenerate(keypair.RSA2048)
	w.announced = [][]byte{next.Certificate}
	w.publishTenant()
	m := newMellon(w, mellonOptions{TrustMetadata: true}, nil)
	m.expectMember(m.logInTo(formclient.New(), deepLink), mail)
	w.key, w.announced = next, [][]byte{w.key.Certificate}
	w.publishTenant()
	m.expectMember(m.logInTo(formclient.New(), deepLink), mail)
	w.key, w.announced = mustGenerate(keypair.RSA2048), nil
	w.publishTenant()
	browser := formclient.New()
	m.refused(m.relay(browser, m.logIn(browser, m.visit(browser, m.URL+deepLink))), http.StatusBadRequest, "Lasso error")
}

// TestMellonVerifiesMetadata: by the certificate that its administrator was
// given; what was changed on the way it does not use.
func TestMellonVerifiesMetadata(t *testing.T) {
	w := newWorld(t)
	m := newMellon(w, mellonOptions{TrustMetadata: true, IdPMetadata: replace("/sso", "/elsewhere")}, nil)
	page := m.visit(formclient.New(), m.URL+deepLink)
	m.refused(page, http.StatusInternalServerError, "Failed to verify signature")
}

func replace(what, by string) func(string) string {
	return func(response string) string { return strings.ReplaceAll(response, what, by) }
}

var signature = regexp.MustCompile(`(?s)<(ds:)?Signature[ >].*?</(ds:)?Signature>`)

// response is the form of a page that carries a SAML response.
func (w *world) response(page *formclient.Page) *formclient.Form {
	w.t.Helper()
	form, err := page.FormWith("SAMLResponse")
	w.Expect(err).NotTo(HaveOccurred(), page.Text())
	return form
}

// text is the XML of a response.
func (w *world) text(form *formclient.Form) string {
	w.t.Helper()
	decoded, err := base64.StdEncoding.DecodeString(form.Fields.Get("SAMLResponse"))
	w.Expect(err).NotTo(HaveOccurred())
	return string(decoded)
}

// submit sends a response, changed by tamper if that is given.
func (w *world) submit(browser *formclient.Client, form *formclient.Form, tamper func(string) string) *formclient.Page {
	w.t.Helper()
	before := w.text(form)
	after := before
	if tamper != nil {
		after = tamper(before)
		w.Expect(after).NotTo(Equal(before))
	}
	page, err := browser.Submit(w.t.Context(), form, map[string]string{"SAMLResponse": base64.StdEncoding.EncodeToString([]byte(after))})
	w.Expect(err).NotTo(HaveOccurred())
	return page
}
