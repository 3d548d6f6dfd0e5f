//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/test/sampleprovider"
)

// wikiAddress is where the sample service provider of config/samples is.
const wikiAddress = "127.0.0.1:18081"

// tab is a real browser with one tab.
type tab struct {
	*WithT
	t   *testing.T
	ctx context.Context
}

// newTab starts Chromium with a profile of its own.
func newTab(t *testing.T) *tab {
	t.Helper()
	p := &tab{WithT: NewWithT(t), t: t}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	p.Expect(path).NotTo(BeEmpty(), "Chromium is needed; make e2e installs it")
	ctx, stopAllocator := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		// The pages are ours, and root cannot use the sandbox.
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "ja"),
	)...)
	ctx, stopBrowser := chromedp.NewContext(ctx)
	p.ctx = ctx
	t.Cleanup(func() {
		stopBrowser()
		stopAllocator()
	})
	p.Expect(chromedp.Do(ctx)).To(Succeed(), "start Chromium")
	return p
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, time.Minute)
	defer stop()
	p.Expect(chromedp.Do(ctx, actions...)).To(Succeed())
}

// read evaluates JavaScript that gives a text; an error comes while pages change.
func (p *tab) read(script string) (string, error) {
	ctx, stop := context.WithTimeout(p.ctx, time.Minute)
	defer stop()
	return chromedp.Run(ctx, chromedp.Evaluate[string](script))
}

// shows awaits a loaded page at an address that begins so, with the text in it.
func (p *tab) shows(address, text string) {
	p.t.Helper()
	p.Eventually(func(g Gomega) {
		g.Expect(p.read("location.href")).To(HavePrefix(address))
		g.Expect(p.read("document.readyState")).To(Equal("complete"))
		g.Expect(p.read("document.body.innerText")).To(ContainSubstring(text))
	}, time.Minute, glance).Should(Succeed())
}

// fill writes into inputs and submits the page's form. Its pairs are selectors and texts.
func (p *tab) fill(pairs ...string) {
	p.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		p.do(chromedp.Focus(chromedp.CSS(pairs[i])))
		ctx, stop := context.WithTimeout(p.ctx, time.Minute)
		_, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: pairs[i+1]})
		stop()
		p.Expect(err).NotTo(HaveOccurred())
		p.Expect(p.read(fmt.Sprintf("document.querySelector(%s).value", strconv.Quote(pairs[i])))).To(Equal(pairs[i+1]))
	}
	p.do(chromedp.Click(chromedp.CSS("main .primary")))
}

// firstLogIn is a member's first: with the temporary password, which must be changed, to the portal.
func (p *tab) firstLogIn(mail, temporary, chosen, greeting string) {
	p.t.Helper()
	p.do(chromedp.Navigate(siteURL + "/"))
	p.shows(siteURL+"/login", "")
	p.fill("#mail", mail, "#password", temporary)
	p.Eventually(func() (string, error) {
		return p.read(`String(document.readyState === "complete" && document.querySelector("#confirmation") !== null)`)
	}, time.Minute, glance).Should(Equal("true"), "the temporary password must be changed")
	p.fill("#password", chosen, "#confirmation", chosen)
	p.shows(siteURL+"/", greeting)
}

// startWiki runs the sample service provider, which verifies what the tenant acme says.
func startWiki(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	provider, err := sampleprovider.New(sampleprovider.Options{URL: "http://" + wikiAddress, IdPMetadataURL: siteURL + "/saml/acme/metadata"})
	g.Expect(err).NotTo(HaveOccurred())
	server := &httptest.Server{Listener: listen(t, wikiAddress), Config: &http.Server{Handler: provider, ReadHeaderTimeout: dialTimeout}}
	server.Start()
	t.Cleanup(server.Close)
}
