/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package client

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

const token = "the-secret-token"

// call makes a call that carries a secret, which no error may repeat.
func call(t *testing.T, o Options, method, url string, body []byte) (*Response, error) {
	t.Helper()
	c := New(o)
	defer c.Close()
	response, err := c.Do(t.Context(), Request{Method: method, URL: url, Body: body, Header: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil && (strings.Contains(err.Error(), token) || strings.Contains(fmt.Sprintf("%#v", err), token)) {
		t.Errorf("the error has the token in it: %v", err)
	}
	return response, err
}

func answerTo(location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
	}
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		} else {
			w.Header()["Content-Type"] = nil
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		answer     http.HandlerFunc
		status     int
		body, want string
	}{
		"JSON":                      {answer(200, "application/json", `{"a":1}`), 200, `{"a":1}`, ""},
		"JSON with a charset":       {answer(200, "application/json; charset=utf-8", ` {"a":1} `), 200, `{"a":1}`, ""},
		"SCIM":                      {answer(409, "application/scim+json", `{"scimType":"uniqueness"}`), 409, `{"scimType":"uniqueness"}`, ""},
		"no type":                   {answer(200, "", `{"a":1}`), 200, `{"a":1}`, ""},
		"nothing":                   {answer(204, "", ""), 204, "", ""},
		"not found, without a word": {answer(404, "text/html", ""), 404, "", ""},
		"a web page":                {answer(200, "text/html", "<html>log in</html>"), 0, "", "not JSON"},
		"a web page called JSON":    {answer(200, "application/json", "<html>log in</html>"), 0, "", "has a fault or is cut off"},
		"half of it":                {answer(200, "application/json", `{"value":[{"id":"1"},`), 0, "", "has a fault or is cut off"},
		"two of them":               {answer(200, "application/json", `{}{}`), 0, "", "has a fault"},
		"JSON that is called text":  {answer(200, "text/plain; charset=utf-8", `{"a":1}`), 200, `{"a":1}`, ""},
		"a list called text":        {answer(200, "text/plain", `[{"a":1}]`), 200, `[{"a":1}]`, ""},
		"text":                      {answer(200, "text/plain", `1`), 0, "", "not JSON"},
		"a page with JSON in it":    {answer(200, "text/html", `{"a":1}`), 0, "", "not JSON"},
		"no type at all":            {answer(200, ";;", `{"a":1}`), 0, "", "not JSON"},
		// A proxy's page must not look as if an account were not there.
		"a proxy's 404":   {answer(404, "text/html", "<html>no such path</html>"), 0, "", "HTTP status 404"},
		"a proxy's 409":   {answer(409, "text/html", "<html>conflict</html>"), 0, "", "HTTP status 409"},
		"a gateway's 401": {answer(401, "text/html", "<html>who are you</html>"), 401, "", ""},
		"a gateway's 429": {answer(429, "text/html", "<html>slow down</html>"), 429, "", ""},
		"a gateway's 502": {answer(502, "text/html", "<html>bad gateway</html>"), 502, "", ""},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?token=x", http.StatusFound)
		}, 0, "", "/elsewhere, which is not followed"},
		"a redirect, elsewhere": {answerTo("https://u:p@login.example:8443/sso;a?SAMLRequest=x#f"), 0, "", "redirects (HTTP status 302) to https://login.example:8443/sso;a, which"},
		"a long redirect":       {answerTo("https://login.example/" + strings.Repeat("x", 500)), 0, "", "redirects (HTTP status 302) to https://login.example, which"},
		"a long host":           {answerTo("https://" + strings.Repeat("x", 500) + ".example/"), 0, "", "redirects (HTTP status 302), which"},
		"a host that misleads":  {answerTo("https://%E2%80%AElogin.example/" + strings.Repeat("x", 500)), 0, "", "to https://%E2%80%AElogin.example, which"},
		"not modified":          {answer(304, "", ""), 0, "", "redirects"},
		"too much":              {answer(200, "application/json", `"`+strings.Repeat("x", 2<<20)+`"`), 0, "", "more than 1 MB"},
		"a broken answer":       {breakOff, 0, "", "broke off its answer"},
		"an endless one":        {endless, 0, "", "more than 1 MB"},
		"a large header":        {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Large", strings.Repeat("x", 1<<20)) }, 0, "", "could not be called"},
		"never":                 {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, "", "did not answer within"},
		"never to the end":      {halfAndWait, 0, "", "did not answer within"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := httptest.NewServer(test.answer)
			defer s.Close()
			timeout := 20 * time.Second
			if strings.HasPrefix(name, "never") {
				timeout = 300 * time.Millisecond
			}
			response, err := call(t, Options{Allowed: loopback, MaxBytes: 1 << 20, Timeout: timeout}, http.MethodGet, s.URL, nil)
			if test.want != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.want)))
				g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
				g.Expect(response).To(BeNil())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(response.Status).To(Equal(test.status))
			g.Expect(string(response.Body)).To(Equal(test.body))
		})
	}
}

func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = w.Write([]byte(`{"a":1}`))
	panic(http.ErrAbortHandler)
}

func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write(bytes.Repeat([]byte("1"), 4096)); err != nil {
			return
		}
	}
}

func halfAndWait(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{"))
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestSendsWhatItIsGiven(t *testing.T) {
	g := NewWithT(t)
	var got *http.Request
	var body bytes.Buffer
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = body.ReadFrom(r.Body)
		w.Header().Set("Retry-After", "2.5")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer s.Close()
	response, err := call(t, Options{Allowed: loopback}, http.MethodPatch, s.URL+"/Users/1?x=%20", []byte(`{"a":1}`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(response.RetryAfter).To(Equal(2500 * time.Millisecond))
	g.Expect(got.Method).To(Equal(http.MethodPatch))
	g.Expect(got.RequestURI).To(Equal("/Users/1?x=%20"))
	g.Expect(got.Header.Get("Accept")).To(Equal("application/json"))
	g.Expect(got.Header.Get("Authorization")).To(Equal("Bearer " + token))
	g.Expect(got.ContentLength).To(BeEquivalentTo(7))
	g.Expect(body.String()).To(Equal(`{"a":1}`))
}

func TestWhereItConnects(t *testing.T) {
	g := NewWithT(t)
	var calls atomic.Int32
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	plain, secure := httptest.NewServer(count), httptest.NewTLSServer(count)
	defer plain.Close()
	defer secure.Close()
	t.Setenv("HTTP_PROXY", plain.URL)
	t.Setenv("HTTPS_PROXY", plain.URL)
	for address, want := range map[string]string{
		plain.URL:                  "plain http is for networks that the IdentityServer allows in spec.provisioningTargets.allowedNetworks",
		secure.URL:                 "is not a public one",
		"http://10.0.0.1/":         "plain http is for networks",
		"https://169.254.169.254/": "is not a public one",
		"ftp://127.0.0.1/":         "is no https or http URL",
		"https://a:b@127.0.0.1/":   "is no https or http URL",
		"https:///Users":           "is no https or http URL",
		"https://exa mple/%zz":     "is no https or http URL",
	} {
		_, err := call(t, Options{}, http.MethodGet, address, nil)
		g.Expect(err).To(MatchError(ContainSubstring(want)), address)
		g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
	}
	g.Expect(calls.Load()).To(BeZero())

	_, err := call(t, Options{Allowed: loopback}, http.MethodGet, secure.URL, nil)
	g.Expect(err).To(MatchError(And(ContainSubstring("could not be called at "+secure.URL+": "), ContainSubstring("issuer is not known"), HaveSuffix("can name that issuer as caBundleRef."))))
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	_, err = call(t, Options{Allowed: loopback, RootCAs: roots}, http.MethodGet, secure.URL, nil)
	g.Expect(err).NotTo(HaveOccurred())
	plain.Close()
	_, err = call(t, Options{Allowed: loopback}, http.MethodGet, plain.URL, nil)
	g.Expect(err).To(MatchError(ContainSubstring("refused the connection")))
}

func TestKeepsConnections(t *testing.T) {
	g := NewWithT(t)
	peers := map[string]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peers[r.RemoteAddr] = true
		_, _ = w.Write(nil)
	}))
	defer s.Close()
	c := New(Options{Allowed: loopback})
	defer c.Close()
	for range 5 {
		_, err := c.Do(t.Context(), Request{Method: http.MethodPost, URL: s.URL, Body: []byte("{}")})
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(peers).To(HaveLen(1))
}

func TestTheCallersEndIsNoFailureOfTheService(t *testing.T) {
	g := NewWithT(t)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	c := New(Options{Allowed: loopback})
	defer c.Close()
	_, err := c.Do(ctx, Request{Method: http.MethodGet, URL: s.URL})
	g.Expect(err).To(MatchError(context.Canceled))
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, " 5 ": 5 * time.Second, "1.5": 1500 * time.Millisecond, "0": 0, "-3": 0, "soon": 0, "NaN": 0,
		"Inf": time.Hour, "1e300": time.Hour, "999999999999": time.Hour,
		"Wed, 01 Apr 2026 09:00:30 GMT": 30 * time.Second, "Wed, 01 Apr 2026 08:00:00 GMT": 0, "Wed, 01 Apr 2099 09:00:00 GMT": time.Hour,
	} {
		NewWithT(t).Expect(RetryAfter(text, now)).To(Equal(want), text)
	}
}
