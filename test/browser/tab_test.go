/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package browser_test

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	. "github.com/onsi/gomega"
)

const (
	// patience is how long a page may take on a machine that is busy otherwise.
	patience = "20s"
	interval = "15ms"
	output   = "../output/browser"
	images   = "../../docs/images"
)

//go:embed checks.js
var checks string

// tab is a tab of a browser.
type tab struct {
	*WithT
	t       *testing.T
	ctx     context.Context
	look    look
	console *console
}

// newTab opens a tab in a profile of its own: no cookies, no cache.
func (w *world) newTab(browser context.Context) *tab {
	return openTab(browser, w.t, w.look, chromedp.WithNewBrowserContext())
}

// openTab fails the test at its end if the browser complained.
func openTab(parent context.Context, t *testing.T, l look, option chromedp.ContextOption) *tab {
	p := &tab{WithT: NewWithT(t), t: t, look: l, console: &console{}}
	ctx, stop := chromedp.NewContext(parent, option, chromedp.WithListener(p.console.listen))
	p.ctx = ctx
	// A tab that a page opened may be on its way to another one still, which cuts commands off.
	// The tab lives as long as the context of its first step, which has no limit therefore.
	p.Eventually(func() error { return chromedp.Do(ctx) }, patience, interval).Should(Succeed())
	p.Eventually(p.equip, patience, interval).Should(Succeed())
	t.Cleanup(func() {
		stop()
		NewWithT(t).Expect(p.console.all()).To(BeEmpty(), "the browser complained")
	})
	return p
}

// equip gives the tab the size and the language of its look.
func (p *tab) equip() error {
	ctx, stop := p.limited()
	defer stop()
	err := chromedp.Do(ctx, chromedp.EmulateViewport(p.look.width, p.look.height,
		func(metrics *emulation.SetDeviceMetricsOverrideParams, touch *emulation.SetTouchEmulationEnabledParams) {
			metrics.Mobile, touch.Enabled = p.look.phone(), p.look.phone()
		}))
	if err != nil {
		return err
	}
	headers := network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": p.look.language}}
	_, err = chromedp.Call(ctx, network.SetExtraHTTPHeaders, headers)
	return err
}

// limited is the context of one step, so that a browser that hangs fails its test.
func (p *tab) limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.ctx, 20*time.Second)
}

func command[P, R any](p *tab, c cdp.Command[P, R], parameters P) {
	p.t.Helper()
	ctx, stop := p.limited()
	defer stop()
	_, err := chromedp.Call(ctx, c, parameters)
	p.Expect(err).NotTo(HaveOccurred())
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, stop := p.limited()
	defer stop()
	p.Expect(chromedp.Do(ctx, actions...)).To(Succeed())
}

// evaluate runs JavaScript that gives a value.
func evaluate[T any](p *tab, script string) T {
	p.t.Helper()
	ctx, stop := p.limited()
	defer stop()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	p.Expect(err).NotTo(HaveOccurred(), script)
	return value
}

// read is evaluate for scripts that change nothing: a page that goes on by
// itself may cut them off, and then the next page answers.
func read[T any](p *tab, script string) T {
	p.t.Helper()
	var value T
	p.Eventually(func() (err error) {
		ctx, stop := p.limited()
		defer stop()
		value, err = chromedp.Run(ctx, chromedp.Evaluate[T](script))
		return err
	}, patience, interval).Should(Succeed(), script)
	return value
}

// open goes to an address and waits for the page it ends at.
func (p *tab) open(address string) {
	p.t.Helper()
	p.leave(chromedp.Navigate(address))
}

// leave does what makes the browser leave the page, and waits for the next one.
func (p *tab) leave(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	evaluate[chromedp.Void](p, "window.left = true")
	p.do(actions...)
	p.settle()
}

// settle waits for a page that was not left and is loaded with its images.
func (p *tab) settle() {
	p.t.Helper()
	p.Eventually(func() (bool, error) {
		return chromedp.Run(p.ctx, chromedp.Evaluate[bool](
			`!window.left && document.readyState === "complete" && [...document.images].every((image) => image.complete)`))
	}, patience, interval).Should(BeTrue())
}

// arrive waits until the tab shows an address that begins so, however many
// pages post themselves on the way there.
func (p *tab) arrive(address string) {
	p.t.Helper()
	p.Eventually(func() (string, error) { return chromedp.Run(p.ctx, chromedp.Location()) }, patience, interval).Should(HavePrefix(address))
	p.settle()
}

func (p *tab) location() string { return read[string](p, "location.href") }

// status is the HTTP status of the page.
func (p *tab) status() int {
	return evaluate[int](p, `performance.getEntriesByType("navigation")[0].responseStatus`)
}

func (p *tab) heading() string { return p.textOf("h1") }

// textOf is the visible text of the element.
func (p *tab) textOf(selector string) string {
	p.t.Helper()
	return read[string](p, fmt.Sprintf("document.querySelector(%s)?.innerText ?? ''", strconv.Quote(selector)))
}

func (p *tab) valueOf(selector string) string {
	p.t.Helper()
	return evaluate[string](p, fmt.Sprintf("document.querySelector(%s).value", strconv.Quote(selector)))
}

// focused is the ID of the element that has the focus, else its tag and text.
func (p *tab) focused() string {
	return evaluate[string](p, `((e) => e.id || e.tagName.toLowerCase() + " " + e.textContent.trim())(document.activeElement)`)
}

// fill empties an input and writes into it.
func (p *tab) fill(selector, text string) {
	p.t.Helper()
	p.do(chromedp.Focus(chromedp.CSS(selector)))
	evaluate[chromedp.Void](p, "document.activeElement.select()")
	command(p, input.InsertText, input.InsertTextParams{Text: text})
	p.Expect(p.valueOf(selector)).To(Equal(text))
}

// press clicks what leads to another page.
func (p *tab) press(selector string) {
	p.t.Helper()
	p.leave(chromedp.Click(chromedp.CSS(selector)))
}

// inNewTab clicks what opens another tab, looks at that, closes it and comes
// back: a tab that is behind another one draws nothing.
func (p *tab) inNewTab(selector, address string, look func(*tab)) {
	p.t.Helper()
	opened := chromedp.WaitNewTarget(p.ctx, func(*target.Info) bool { return true })
	p.do(chromedp.Click(chromedp.CSS(selector)))
	var id target.ID
	p.Eventually(opened, patience).Should(Receive(&id))
	other := openTab(p.ctx, p.t, p.look, chromedp.WithTargetID(id))
	other.arrive(address)
	look(other)
	p.Expect(chromedp.Cancel(other.ctx)).To(Succeed())
	command(p, page.BringToFront, cdp.Empty{})
	p.Eventually(func() (string, error) {
		return chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.visibilityState"))
	}, patience, interval).Should(Equal("visible"))
}

func (p *tab) scheme(name string) {
	p.t.Helper()
	command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
}

// inspect checks the page and keeps its picture, in both colour schemes.
func (p *tab) inspect(name string) {
	p.t.Helper()
	for _, scheme := range []string{"dark", "light"} {
		p.scheme(scheme)
		faults := evaluate[[]string](p, fmt.Sprintf("(%s)(%q)", checks, p.look.language))
		p.Expect(faults).To(BeEmpty(), "page %s, %s", name, scheme)
		file := strings.Join([]string{name, p.look.language, p.look.device}, "-")
		if scheme == "dark" {
			file += "-dark"
		}
		p.keep(filepath.Join(output, file+".png"), nil)
	}
}

// keep writes a picture of the page, or of a part of it.
func (p *tab) keep(file string, part *page.Viewport) {
	p.t.Helper()
	ctx, stop := p.limited()
	defer stop()
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: new(true), Clip: part, OptimizeForSpeed: new(part == nil),
	})
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(os.MkdirAll(filepath.Dir(file), 0o750)).To(Succeed())
	p.Expect(os.WriteFile(file, shot.Data, 0o600)).To(Succeed())
}

// logIn fills in the log-in page and submits it.
func (p *tab) logIn(mail, password string) {
	p.t.Helper()
	p.fill("#mail", mail)
	p.fill("#password", password)
	p.press("main .primary")
}

// choose fills in a new password twice and submits it.
func (p *tab) choose(password string) {
	p.t.Helper()
	p.fill("#password", password)
	p.fill("#confirmation", password)
	p.press("main .primary")
}

// alert is the message of an error, which must be announced and in sight.
func (p *tab) alert() string {
	p.t.Helper()
	p.Expect(evaluate[bool](p, `((box) => box.top >= 0 && box.bottom <= innerHeight)(document.querySelector("[role=alert]").getBoundingClientRect())`)).
		To(BeTrue(), "the message is out of sight")
	return p.textOf("[role=alert]")
}
