/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/crewjam/saml"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// remembers tells whether the browser's session is remembered.
func (b *browser) remembers() bool {
	b.world.t.Helper()
	request, err := http.NewRequest(http.MethodGet, b.world.server.URL, nil)
	b.world.Expect(err).NotTo(HaveOccurred())
	for _, cookie := range b.client.Jar.Cookies(request.URL) {
		if cookie.Name == "tegata-session" {
			session, _ := b.world.store.Remembered(cookie.Value)
			return session != nil
		}
	}
	return false
}

// TestChangesCountAtOnce opens an app in a session that is remembered, after
// something has changed that the memory does not know of.
func TestChangesCountAtOnce(t *testing.T) {
	yes := true
	for name, c := range map[string]struct {
		change func(*world)
		edit   func(*saml.AuthnRequest)
		check  func(*world, *page)
		// audits and outcome are what is written of the answer, once.
		audits  []string
		outcome string
	}{
		"nothing": {
			check:  func(w *world, p *page) { w.Expect(p.response().Assertion.Subject.NameID.Value).To(Equal(hanako)) },
			audits: []string{admin.SSOSucceeded}, outcome: "succeeded",
		},
		"mail": {
			change: func(w *world) {
				w.apply(member("hanako", func(m *admin.Member) { m.Mail = "sato@acme.example" }))
			},
			check: func(w *world, p *page) {
				w.Expect(p.response().Assertion.Subject.NameID.Value).To(Equal("sato@acme.example"))
			},
			audits: []string{admin.SSOSucceeded}, outcome: "succeeded",
		},
		"access": {
			change: func(w *world) { w.apply(samlApp(func(a *directory.App) { a.Restricted = true })) },
			check:  func(w *world, p *page) { w.Expect(p.status).To(Equal(http.StatusForbidden)) },
			audits: []string{admin.SSOFailed}, outcome: "forbidden",
		},
		"no access before": {
			change: func(w *world) {
				w.apply(samlApp(func(a *directory.App) { a.Restricted = true }))
				w.apply(samlApp(nil))
			},
			check:  func(w *world, p *page) { w.Expect(p.response().Assertion).NotTo(BeNil()) },
			audits: []string{admin.SSOSucceeded}, outcome: "succeeded",
		},
		"app": {
			change: func(w *world) {
				gone := samlApp(nil)
				gone.App = nil
				w.apply(gone)
			},
			check:   func(w *world, p *page) { w.Expect(p.status).To(Equal(http.StatusBadRequest)) },
			outcome: "invalid",
		},
		"suspension": {
			change: func(w *world) { w.apply(member("hanako", func(m *admin.Member) { m.Suspended = true })) },
			check:  func(w *world, p *page) { w.Expect(p.path()).To(Equal("/login")) },
		},
		"sessions ended": {
			change: func(w *world) {
				w.Expect(w.store.EndSessions(context.Background(), admin.Key{Kind: admin.KindMember, Tenant: tenantSlug, Name: "hanako"})).To(Succeed())
			},
			check: func(w *world, p *page) { w.Expect(p.path()).To(Equal("/login")) },
		},
		"time": {
			change: func(w *world) { w.clock.advance(13 * time.Hour) },
			edit:   func(r *saml.AuthnRequest) { r.IssueInstant = r.IssueInstant.Add(13 * time.Hour) },
			check:  func(w *world, p *page) { w.Expect(p.path()).To(Equal("/login")) },
		},
		"passive": {
			change: func(w *world) { w.apply(samlApp(func(a *directory.App) { a.Restricted = true })) },
			edit:   func(r *saml.AuthnRequest) { r.IsPassive = &yes },
			check: func(w *world, p *page) {
				w.Expect(p.response().Status.StatusCode.StatusCode.Value).To(Equal(saml.StatusRequestDenied))
			},
			audits: []string{admin.SSOFailed}, outcome: "refused",
		},
		"a bad request": {
			edit:   func(r *saml.AuthnRequest) { r.AssertionConsumerServiceURL = "https://evil.example/acs" },
			check:  func(w *world, p *page) { w.Expect(p.status).To(Equal(http.StatusBadRequest)) },
			audits: []string{admin.SSOFailed}, outcome: "invalid",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, sp := newSAMLWorld(t)
			b := w.browser()
			b.logIn(hanako, goodPassword)
			w.Expect(b.remembers()).To(BeTrue())
			_, target := sp.request("", c.edit)
			before := len(w.audits())
			if c.change != nil {
				c.change(w)
				before = len(w.audits())
			}
			c.check(w, b.get(target))
			written := w.audits()
			w.Expect(written[:len(written)-before]).To(HaveExactElements(c.audits))
			for _, outcome := range []string{"succeeded", "forbidden", "refused", "invalid"} {
				want := 0.0
				if outcome == c.outcome {
					want = 1
				}
				w.Expect(w.counted("tegata_idp_saml_responses_total", outcome)).To(Equal(want), outcome)
			}
		})
	}
}

// TestFailureAfterTheAnswerWasNoted: what was noted is not noted again by a
// fresh read, though its page cannot be made.
func TestFailureAfterTheAnswerWasNoted(t *testing.T) {
	w, sp := newSAMLWorld(t)
	w.apply(samlApp(func(a *directory.App) { a.SAML.AssertionConsumerServices[0].URL = "urn:nowhere" }))
	b := w.browser()
	b.logIn(hanako, goodPassword)
	w.Expect(b.remembers()).To(BeTrue())
	_, target := sp.request("", func(r *saml.AuthnRequest) { r.AssertionConsumerServiceURL = "" })
	before := len(w.audits())
	w.Expect(b.get(target).status).To(Equal(http.StatusInternalServerError))
	w.Expect(w.audits()).To(HaveLen(before + 1))
	w.Expect(w.counted("tegata_idp_saml_responses_total", "succeeded")).To(Equal(1.0))
}
