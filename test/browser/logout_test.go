/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package browser_test

import (
	"compress/flate"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/crewjam/saml"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
)

// takesLogOuts adds an address for log-out messages to a service provider,
// /slo, which answers by the binding that its query names.
func (w *world) takesLogOuts(next http.Handler, entityID string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("/slo", func(rw http.ResponseWriter, r *http.Request) {
		answer, err := w.logOutAnswer(entityID, r)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		if r.FormValue("answer") == "redirect" {
			http.Redirect(rw, r, answer.Redirect("").String(), http.StatusFound)
			return
		}
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = rw.Write(append([]byte("<!doctype html><title>logged out</title>"), answer.Post("")...))
	})
	return mux
}

func (w *world) logOutAnswer(entityID string, r *http.Request) (*saml.LogoutResponse, error) {
	message, err := base64.StdEncoding.DecodeString(r.FormValue("SAMLRequest"))
	if err != nil {
		return nil, err
	}
	var reader io.Reader = strings.NewReader(string(message))
	if r.Method == http.MethodGet {
		reader = flate.NewReader(reader)
	}
	request := &saml.LogoutRequest{}
	if err := xml.NewDecoder(reader).Decode(request); err != nil {
		return nil, err
	}
	provider := saml.ServiceProvider{EntityID: entityID}
	return provider.MakeLogoutResponse(w.url+"/saml/acme/slo", request.ID)
}

// logsOut declares where the app takes log-out messages; it is told by one
// binding and answers by another.
func (w *world) logsOut(a *directory.App, origin string, binding directory.Binding, answer string) {
	a.SAML.SingleLogoutServices = []directory.SingleLogoutService{{Binding: binding, URL: origin + "/slo?answer=" + answer}}
	w.apply(app(a))
}

func (w *world) logOutEverywhere(p *tab, wiki, expenses directory.Binding, wikiAnswers, expensesAnswers string) {
	w.t.Helper()
	w.logsOut(w.samlApp("wiki", wikiName, directory.FlowSPInitiated, w.wiki+"/saml/metadata", w.wiki+"/saml/acs"), w.wiki, wiki, wikiAnswers)
	w.logsOut(w.samlApp("expenses", expensesName, directory.FlowIdPInitiated, w.expenses, w.expenses+"/acs"), w.expenses, expenses, expensesAnswers)
	w.openApps(p)
	p.press("header form button")
}

// TestLogOutOfEveryApp: the browser's policies let every way there and back pass.
func TestLogOutOfEveryApp(t *testing.T) {
	inEveryLook(t, func(w *world, p *tab) {
		w.giveTemporaryPassword("hanako")
		p.open(w.url + "/login")
		p.logIn(w.hanako().Mail, temporaryPassword)
		p.choose(firstPassword)
		w.logOutEverywhere(p, directory.BindingHTTPRedirect, directory.BindingHTTPPOST, "post", "redirect")
		p.Eventually(p.heading, patience, interval).Should(Equal(w.text("logout.title")))
		p.Expect(p.textOf("[role=status]")).To(Equal(w.text("logout.complete")))
		p.Expect(strings.Count(p.textOf(".outcomes"), w.text("logout.state.succeeded"))).To(Equal(2))
		p.inspect("logged-out-everywhere")
		p.press("main .button")
		p.Expect(p.location()).To(Equal(w.url + "/login"))

		p.logIn(w.hanako().Mail, firstPassword)
		w.logOutEverywhere(p, directory.BindingHTTPPOST, directory.BindingHTTPRedirect, "redirect", "post")
		p.Eventually(p.heading, patience, interval).Should(Equal(w.text("logout.title")))
		p.Expect(p.textOf(".outcomes")).To(ContainSubstring(w.text("logout.state.succeeded")))
	})
}

// TestLogOutWithoutJavaScript: pages go on by themselves or have a button.
func TestLogOutWithoutJavaScript(t *testing.T) {
	once(t, func(w *world, p *tab) {
		w.giveTemporaryPassword("hanako")
		p.open(w.url + "/login")
		p.logIn(w.hanako().Mail, temporaryPassword)
		p.choose(firstPassword)
		w.logsOut(w.samlApp("expenses", expensesName, directory.FlowIdPInitiated, w.expenses, w.expenses+"/acs"), w.expenses, directory.BindingHTTPPOST, "redirect")
		p.inNewTab(`.tiles a[href$="/apps/expenses"]`, w.expenses+"/acs", func(*tab) {})
		command(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		p.press("header form button")
		p.Expect(p.textOf(".lead")).To(Equal(w.text("logout.hop.lead", expensesName)))
		p.Expect(evaluate[string](p, `getComputedStyle(document.querySelector("main .primary")).opacity`)).To(Equal("1"), "the button is there at once")
		p.inspect("logging-out")

		hop := p.location()
		p.press(".stub a")
		p.Expect(p.textOf(".outcomes")).To(ContainSubstring(w.text("logout.state.asked")))
		p.inspect("logout-open")
		p.press("main .button")
		p.Expect(p.textOf(".outcomes")).To(ContainSubstring(w.text("logout.state.silent")))
		p.inspect("logout-silent")
		p.open(hop)
		p.Expect(p.textOf("[role=status]")).To(Equal(w.text("logout.partial")), "an app is told once")
	})
}
