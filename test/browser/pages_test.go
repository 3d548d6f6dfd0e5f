/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package browser_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

func TestMailedPasswordLink(t *testing.T) {
	inEveryLook(t, func(w *world, p *tab) {
		link := w.mailedLink(w.ichiro().Mail)
		p.open(link)
		p.Expect(p.heading()).To(Equal(w.text("link.title")))
		p.Expect(p.textOf(".who")).To(ContainSubstring(w.ichiro().Mail))
		p.inspect("link")

		p.choose(weakPassword)
		p.Expect(p.alert()).To(Equal(w.text("password.error.common")))
		p.inspect("link-weak")

		p.choose(firstPassword)
		p.Expect(p.textOf("[role=status]")).To(Equal(w.text("login.notice.passwordSet")))
		p.inspect("password-set")
		p.logIn(w.ichiro().Mail, firstPassword)
		p.Expect(p.location()).To(Equal(w.url + "/"))

		p.open(link)
		p.Expect(p.status()).To(Equal(http.StatusGone))
		p.Expect(p.heading()).To(Equal(w.text("problem.linkGone.title")))
		p.inspect("link-gone")
	})
}

func TestRefusals(t *testing.T) {
	inEveryLook(t, func(w *world, p *tab) {
		w.giveTemporaryPassword("hanako")
		w.giveTemporaryPassword("stranger")
		p.open(w.url + "/login")
		p.logIn(w.stranger().Mail, temporaryPassword)
		p.choose(firstPassword)
		p.Expect(p.textOf(".empty")).To(ContainSubstring(w.text("portal.empty.title")))
		p.inspect("portal-empty")

		p.open(w.url + "/saml/acme/apps/expenses")
		p.Expect(p.heading()).To(Equal(w.text("problem.appForbidden.title")))
		p.inspect("app-forbidden")
		p.open(w.url + "/nowhere")
		p.Expect(p.heading()).To(Equal(w.text("problem.notFound.title")))
		p.inspect("not-found")

		suspended := w.stranger()
		suspended.Suspended = true
		w.apply(member(suspended))
		p.open(w.url + "/")
		p.Expect(p.location()).To(Equal(w.url+"/login"), "suspending ends the session at the next request")
		p.logIn(suspended.Mail, firstPassword)
		p.Expect(p.status()).To(Equal(http.StatusForbidden))
		p.Expect(p.alert()).To(Equal(w.text("login.error.suspended")))
		p.inspect("login-suspended")

		for range 5 {
			p.logIn(w.hanako().Mail, "wrong-Horse-42-stable")
			p.Expect(p.alert()).To(Equal(w.text("login.error.wrong")))
		}
		p.logIn(w.hanako().Mail, temporaryPassword)
		p.Expect(p.status()).To(Equal(http.StatusTooManyRequests))
		p.Expect(p.alert()).To(Equal(w.text("login.error.locked", 1)))
		p.inspect("login-locked")
	})
}

// TestWithoutJavaScript: everything works, and the page that posts itself has a button.
func TestWithoutJavaScript(t *testing.T) {
	inEveryLook(t, func(w *world, p *tab) {
		w.giveTemporaryPassword("hanako")
		command(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		p.open(w.url + "/saml/acme/apps/expenses")
		p.logIn(w.hanako().Mail, temporaryPassword)
		p.choose(firstPassword)
		p.Expect(p.heading()).To(Equal(w.text("post.title")))
		p.Expect(p.textOf("noscript")).To(Equal(w.text("post.noscript")))
		p.Expect(evaluate[string](p, `getComputedStyle(document.querySelector("main .primary")).opacity`)).To(Equal("1"), "the button is there at once")
		p.inspect("post")
		p.press("main .primary")
		p.arrive(w.expenses + "/acs")
		p.Expect(p.heading()).To(HaveSuffix(w.hanako().Mail))
	})
}

// TestLongNames: names have up to 100 characters, with or without spaces to break at.
func TestLongNames(t *testing.T) {
	inEveryLook(t, func(w *world, p *tab) {
		long := "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz寿限無寿限無五劫の擦り切れ海砂利水魚の水行末"
		m := w.hanako()
		m.Mail = "a.very.long.local.part.that.has.sixty.four.characters.in.it.abc@a-rather-long-name-of-a-company-domain.example"
		m.Person = directory.PersonName{Family: long, Given: long}
		company := directory.Tenant{Slug: tenantSlug, DisplayName: long, TimeZone: "Asia/Tokyo", Language: "ja", Plan: directory.PlanPlus}
		key, err := signingKey()
		w.Expect(err).NotTo(HaveOccurred())
		w.apply(member(m), app(linkApp("long", long)),
			admin.Change{Key: admin.Key{Kind: admin.KindTenant, Tenant: tenantSlug}, Tenant: &admin.Tenant{Tenant: company, SigningKey: key}})
		w.giveTemporaryPassword("hanako")
		p.open(w.url + "/login")
		p.logIn(m.Mail, temporaryPassword)
		p.inspect("long-temporary")
		p.choose(firstPassword)
		p.inspect("long-portal")
		p.press(`header a[href="/account"]`)
		p.inspect("long-account")
	})
}
