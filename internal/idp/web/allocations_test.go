/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// TestSingleSignOnAllocatesTheSameForAnyNumber of tenants and of apps: what a
// log-in to an app costs does not depend on what else there is.
func TestSingleSignOnAllocatesTheSameForAnyNumber(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	b.logIn(hanako, goodPassword)
	_, target := sp.request("state", nil)
	count, size := w.allocations(b, target)

	key, err := sharedKey()
	w.Expect(err).NotTo(HaveOccurred())
	var changes []admin.Change
	for i := range 100 {
		changes = append(changes, samlApp(func(a *directory.App) {
			a.Name, a.SAML.EntityID = fmt.Sprintf("app-%d", i), fmt.Sprintf("urn:app:%d", i)
		}))
	}
	for i := range 40 {
		slug := fmt.Sprintf("tenant-%d", i)
		changes = append(changes, admin.Change{Key: admin.Key{Kind: admin.KindTenant, Tenant: slug}, Tenant: &admin.Tenant{SigningKey: key,
			Tenant: directory.Tenant{Slug: slug, DisplayName: slug, TimeZone: "UTC", Language: "en", Plan: directory.PlanPlus}}})
	}
	w.apply(changes...)
	for i := range 40 { // so that each is in memory, prepared
		w.Expect(b.get(fmt.Sprintf("/saml/tenant-%d/metadata", i)).status).To(Equal(http.StatusOK))
	}
	moreCount, moreSize := w.allocations(b, target)
	w.Expect(moreCount).To(BeNumerically("~", count, 10))
	w.Expect(moreSize).To(BeNumerically("~", size, size/4), "pools are emptied now and then")
}

// goneBrowser takes no answer, but reads it later all the same.
type goneBrowser struct {
	*httptest.ResponseRecorder
	page []byte
}

// Write implements io.Writer.
func (g *goneBrowser) Write(page []byte) (int, error) {
	g.page = page
	return 0, errors.New("stream closed")
}

// TestPagesThatWereNotSentAreLeftAlone: HTTP/2 may still read a page after its
// write has failed, while other members get theirs.
func TestPagesThatWereNotSentAreLeftAlone(t *testing.T) {
	w, sp := newSAMLWorld(t)
	b := w.browser()
	b.logIn(hanako, goodPassword)
	_, target := sp.request("state", nil)
	request := w.requestOf(b, target)
	for range 20 {
		gone := &goneBrowser{ResponseRecorder: httptest.NewRecorder()}
		w.server.Config.Handler.ServeHTTP(gone, request)
		kept := string(gone.page)
		w.Expect(kept).To(ContainSubstring("SAMLResponse"))
		w.server.Config.Handler.ServeHTTP(httptest.NewRecorder(), request)
		w.Expect(string(gone.page) == kept).To(BeTrue())
	}
}

// requestOf is the browser's request for an address.
func (w *world) requestOf(b *browser, target string) *http.Request {
	w.t.Helper()
	address, err := url.Parse(target)
	w.Expect(err).NotTo(HaveOccurred())
	request := httptest.NewRequest(http.MethodGet, address.RequestURI(), nil)
	for _, cookie := range b.client.Jar.Cookies(address) {
		request.AddCookie(cookie)
	}
	return request
}

// allocations are how many a log-in to an app makes by a session, and their bytes.
func (w *world) allocations(b *browser, target string) (count, size float64) {
	w.t.Helper()
	request := w.requestOf(b, target)
	answer := func() {
		recorder := httptest.NewRecorder()
		w.server.Config.Handler.ServeHTTP(recorder, request)
		w.Expect(recorder.Code).To(Equal(http.StatusOK))
		w.Expect(recorder.Body.Len()).To(BeNumerically(">", 8<<10))
	}
	answer()
	const runs = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		answer()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / runs, float64(after.TotalAlloc-before.TotalAlloc) / runs
}
