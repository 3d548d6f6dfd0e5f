/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package browser_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/page"
	. "github.com/onsi/gomega"
)

// TestFromTheFirstPasswordToTheLastLogOut is a member's life with the pages.
func TestFromTheFirstPasswordToTheLastLogOut(t *testing.T) {
	inEveryLook(t, func(w *world, p *tab) {
		w.giveTemporaryPassword("hanako")
		w.firstLogIn(p)
		w.openApps(p)
		w.changePassword(p)
		p.press(`header a[href="/help"]`)
		p.inspect("help")

		p.press("header form button")
		p.Expect(p.heading()).To(Equal(w.text("logout.title")))
		p.Expect(p.textOf("[role=status]")).To(Equal(w.text("logout.partial")))
		p.Expect(p.textOf(".outcomes")).To(And(ContainSubstring(expensesName), ContainSubstring(w.text("logout.state.untold"))))
		p.inspect("logged-out")

		p.open(w.url + "/saml/acme/apps/expenses")
		p.Expect(p.textOf(".lead")).To(Equal(w.text("login.for", expensesName, tenantName)), "an app asks to log in again")
		p.inspect("login-for-app")
		p.logIn(w.hanako().Mail, firstPassword)
		p.Expect(p.alert()).To(Equal(w.text("login.error.wrong")), "the old password")
		p.fill("#password", secondPassword)
		p.press("main .primary")
		p.arrive(w.expenses)
		p.Expect(p.heading()).To(HaveSuffix(w.hanako().Mail))
	})
}

// firstLogIn ends at the portal.
func (w *world) firstLogIn(p *tab) {
	w.t.Helper()
	p.open(w.url + "/")
	p.Expect(p.location()).To(Equal(w.url + "/login"))
	p.Expect(p.heading()).To(Equal(w.text("login.title")))
	p.Expect(p.focused()).To(Equal("mail"))
	p.inspect("login")
	w.keepImage(p, "login.png", 720)

	p.logIn(w.hanako().Mail, "wrong-Horse-42-stable")
	p.Expect(p.status()).To(Equal(http.StatusUnauthorized))
	p.Expect(p.alert()).To(Equal(w.text("login.error.wrong")))
	p.Expect(p.valueOf("#mail")).To(Equal(w.hanako().Mail), "what was typed is kept")
	p.Expect(p.valueOf("#password")).To(BeEmpty())
	p.Expect(p.focused()).To(Equal("password"), "the input to mend has the focus")
	p.inspect("login-wrong")

	p.fill("#password", temporaryPassword)
	p.press("main .primary")
	p.Expect(p.heading()).To(Equal(w.text("temporary.title")))
	p.Expect(p.focused()).To(Equal("password"))
	p.inspect("temporary")

	p.choose(weakPassword)
	p.Expect(p.status()).To(Equal(http.StatusUnprocessableEntity))
	p.Expect(p.alert()).To(Equal(w.text("password.error.common")))
	p.Expect(p.focused()).To(Equal("password"))
	p.inspect("temporary-weak")

	p.choose(firstPassword)
	p.Expect(p.location()).To(Equal(w.url + "/"))
	p.Expect(p.heading()).To(Equal(w.text("portal.greeting", w.hanako().Person.Display(w.look.language))))
	p.Expect(evaluate[[]string](p, `[...document.querySelectorAll(".tiles .name")].map((name) => name.textContent)`)).
		To(ConsistOf(wikiName, expensesName, "カレンダー", "勤怠管理", "Employee Handbook", "ヘルプデスク"))
	p.inspect("portal")
	w.keepImage(p, "portal.png", 380)
}

// keepImage makes a picture of the README anew, where that is asked for: the
// upper part of the page, sharp on any screen.
func (w *world) keepImage(p *tab, name string, height float64) {
	w.t.Helper()
	if updateImages && w.look == looks[0] {
		p.keep(filepath.Join(images, name), &page.Viewport{X: 76, Width: 1128, Height: height, Scale: 1.5})
	}
}

func (w *world) openApps(p *tab) {
	w.t.Helper()
	p.inNewTab(`.tiles a[href^="`+w.wiki+`"]`, w.wiki+"/", func(wiki *tab) {
		wiki.Expect(wiki.textOf("body")).To(ContainSubstring(w.hanako().Mail), "the app asked, and the session answered")
	})
	p.inNewTab(`.tiles a[href$="/apps/expenses"]`, w.expenses+"/acs", func(expenses *tab) {
		expenses.Expect(expenses.heading()).To(HaveSuffix(w.hanako().Mail), "the log-in started here")
	})
}

func (w *world) changePassword(p *tab) {
	w.t.Helper()
	p.press(`header a[href="/account"]`)
	p.Expect(p.heading()).To(Equal(w.text("account.title")))
	p.inspect("account")

	change := func(current, password string) {
		p.fill("#current", current)
		p.choose(password)
	}
	change("wrong-Horse-42-stable", secondPassword)
	p.Expect(p.alert()).To(Equal(w.text("account.error.current")))
	p.Expect(p.focused()).To(Equal("current"))
	p.inspect("account-wrong")

	change(firstPassword, weakPassword)
	p.Expect(p.alert()).To(Equal(w.text("password.error.common")))
	p.inspect("account-weak")

	change(firstPassword, secondPassword)
	p.Expect(p.textOf("[role=status]")).To(Equal(w.text("account.notice.passwordChanged")))
	p.inspect("account-changed")
}

// TestStartingAtTheApp logs in on the way from the app's page and back to it.
func TestStartingAtTheApp(t *testing.T) {
	once(t, func(w *world, p *tab) {
		w.giveTemporaryPassword("hanako")
		p.open(w.wiki)
		p.arrive(w.url + "/login")
		p.Expect(p.textOf(".lead")).To(Equal(w.text("login.for", wikiName, tenantName)))
		p.logIn(w.hanako().Mail, temporaryPassword)
		p.choose(firstPassword)
		p.arrive(w.wiki + "/")
		p.Expect(p.textOf("body")).To(ContainSubstring(w.hanako().Mail))
		p.Expect(p.textOf("body")).To(ContainSubstring("山田 花子"))
	})
}

// TestLanguageSwitch keeps what the log-in leads to.
func TestLanguageSwitch(t *testing.T) {
	once(t, func(w *world, p *tab) {
		p.open(w.url + "/saml/acme/apps/expenses")
		p.press(`.languages a[lang="en"]`)
		p.Expect(p.heading()).To(Equal(texts(t, "en")["login.title"]))
		p.Expect(p.textOf(".lead")).To(ContainSubstring(expensesName))
		p.Expect(evaluate[string](p, "document.documentElement.lang")).To(Equal("en"))
		p.open(w.url + "/login")
		p.Expect(p.heading()).To(Equal(texts(t, "en")["login.title"]), "the choice is remembered")
	})
}
