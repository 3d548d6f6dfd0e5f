/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package browser_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	. "github.com/onsi/gomega"
)

// TestKeyboardAlone logs in and opens an app without a mouse.
func TestKeyboardAlone(t *testing.T) {
	once(t, func(w *world, p *tab) {
		w.giveTemporaryPassword("hanako")
		p.open(w.url + "/login")
		p.awaitFocus("mail")
		p.tabTo("password", "button "+w.text("login.submit"), "a 日本語", "a English")

		p.open(w.url + "/login")
		p.awaitFocus("mail")
		p.do(chromedp.KeyEvent(w.hanako().Mail), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(temporaryPassword))
		p.Expect(p.valueOf("#mail")).To(Equal(w.hanako().Mail))
		p.Expect(p.valueOf("#password")).To(Equal(temporaryPassword))
		p.leave(chromedp.KeyEvent(kb.Enter))
		p.Expect(p.heading()).To(Equal(w.text("temporary.title")))
		p.awaitFocus("password")
		p.do(chromedp.KeyEvent(firstPassword), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(firstPassword))
		p.leave(chromedp.KeyEvent(kb.Enter))
		p.Expect(p.location()).To(Equal(w.url + "/"))

		p.tabTo("a "+w.text("layout.skip"), "a Tegata", "a "+w.text("layout.apps"), "a "+w.text("layout.account"),
			"a "+w.text("layout.help"), "a "+w.text("layout.administration"), "button "+w.text("layout.logOut"))
		p.open(w.url + "/")
		p.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
		p.Expect(p.focused()).To(Equal("content"), "the first stop skips the menu")
	})
}

// awaitFocus waits for an autofocus: the browser gives it with the first frame,
// which comes after the load.
func (p *tab) awaitFocus(id string) {
	p.t.Helper()
	p.Eventually(p.focused, patience, interval).Should(Equal(id))
}

// tabTo presses Tab and expects the focus where the eye expects it, visibly.
func (p *tab) tabTo(stops ...string) {
	p.t.Helper()
	for _, stop := range stops {
		p.do(chromedp.KeyEvent(kb.Tab))
		p.Expect(p.focused()).To(Equal(stop))
		p.Expect(evaluate[bool](p, `((e, s, b) => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 && b.left >= 0 && b.top >= 0)(
			document.activeElement, getComputedStyle(document.activeElement), document.activeElement.getBoundingClientRect())`)).
			To(BeTrue(), "%s has the focus and does not show it", stop)
	}
}

// TestChecksFindFaults: a check that cannot fail proves nothing.
func TestChecksFindFaults(t *testing.T) {
	g := NewWithT(t)
	browser := requireChromium(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src-attr 'unsafe-inline'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="de"><title> </title><h1>One</h1><h1 id="twice">Two</h1>
			<p id="twice" style="color:#888">pale</p><input style="border: 1px solid #eee"><a href="/">.</a><button></button>
			<input aria-hidden="true"><label for="nobody">x</label><div style="width:200vw">wide</div><script>alert(1)</script>`))
	}))
	t.Cleanup(server.Close)
	ctx, stop := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	p := &tab{WithT: g, t: t, ctx: ctx, console: &console{}}
	g.Expect(chromedp.Listen(ctx, p.console.listen)).To(Succeed())
	p.open(server.URL)
	faults := evaluate[[]string](p, "("+checks+`)("ja")`)
	for _, want := range []string{
		`language is "de", not "ja"`, "2 h1 elements", "0 main elements", "no title", "no viewport", `ID "twice" is used twice`,
		`for names "nobody"`, "no label", "can be focused", "no name", "too small to tap", "scrolls sideways",
		"text has a contrast of 3.54", "border has a contrast of",
	} {
		g.Expect(faults).To(ContainElement(ContainSubstring(want)))
	}
	g.Eventually(p.console.all, patience).Should(ContainElement(ContainSubstring("Content Security Policy")))
}
