/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// names resolves host names to fixed addresses, one after another.
type names struct {
	answers map[string][][]string
	asked   atomic.Int32
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	answers := n.answers[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	answer := answers[min(int(n.asked.Add(1))-1, len(answers)-1)]
	var addresses []netip.Addr
	for _, text := range answer {
		addresses = append(addresses, netip.MustParseAddr(text))
	}
	return addresses, nil
}

// server answers as told, and counts its requests.
type server struct {
	*httptest.Server
	requests atomic.Int32
	port     string
}

func serve(t *testing.T, start func(*httptest.Server), at string, answer http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		answer(w, r)
	}))
	_ = s.Listener.Close()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(at, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s.Listener = listener
	start(s.Server)
	t.Cleanup(s.Close)
	_, s.port, _ = net.SplitHostPort(listener.Addr().String())
	return s
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<hello/>")) }

func get(t *testing.T, o Options, address string) (*Result, error) {
	t.Helper()
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 20
	}
	return New(o).Get(t.Context(), address, Validators{})
}

func TestFetches(t *testing.T) {
	g := NewWithT(t)
	plain := serve(t, (*httptest.Server).Start, "127.0.0.1", hello)
	result, err := get(t, Options{Allowed: loopback}, plain.URL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(result.Body)).To(Equal("<hello/>"))

	secure := serve(t, (*httptest.Server).StartTLS, "127.0.0.1", hello)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	resolver := &names{answers: map[string][][]string{"example.com": {{"127.0.0.1"}}}}
	result, err = get(t, Options{Allowed: loopback, RootCAs: roots, Resolver: resolver}, "https://example.com:"+secure.port)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(result.Body)).To(Equal("<hello/>"))

	_, err = get(t, Options{Allowed: loopback, Resolver: resolver}, "https://example.com:"+secure.port)
	g.Expect(err).To(MatchError(ContainSubstring("issuer is not known")))
	resolver.answers["other.example"] = [][]string{{"127.0.0.1"}}
	_, err = get(t, Options{Allowed: loopback, RootCAs: roots, Resolver: resolver}, "https://other.example:"+secure.port)
	g.Expect(err).To(MatchError(ContainSubstring("another host name")))
	_, err = get(t, Options{Allowed: loopback}, "https://127.0.0.1:"+plain.port)
	g.Expect(err).To(MatchError(ContainSubstring("does not speak TLS")))
}

func TestAsksOnlyForWhatIsNew(t *testing.T) {
	g := NewWithT(t)
	s := serve(t, (*httptest.Server).Start, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		g.Expect(r.Header.Get("Accept-Encoding")).To(Equal("identity"))
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Last-Modified", "Wed, 01 Apr 2026 00:00:00 GMT")
		if r.Header.Get("If-None-Match") == `"v1"` || r.Header.Get("If-Modified-Since") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		hello(w, r)
	})
	client := New(Options{Allowed: loopback, MaxBytes: 100})
	first, err := client.Get(t.Context(), s.URL, Validators{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first.Validators).To(Equal(Validators{`"v1"`, "Wed, 01 Apr 2026 00:00:00 GMT"}))
	second, err := client.Get(t.Context(), s.URL, first.Validators)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.NotModified).To(BeTrue())
	g.Expect(second.Body).To(BeEmpty())
	g.Expect(second.Validators).To(Equal(first.Validators))
	third, err := client.Get(t.Context(), s.URL, Validators{ETag: `"v0"`})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(third.NotModified).To(BeFalse())
}

// TestNeverReaches: section 4D of the catalogue of attacks. A server that must
// not be reached listens at each address that one can listen at here.
func TestNeverReaches(t *testing.T) {
	inside := serve(t, (*httptest.Server).Start, "127.0.0.1", hello)
	inside6 := serve(t, (*httptest.Server).Start, "::1", hello)
	resolver := &names{answers: map[string][][]string{"rebound.example": {{"127.0.0.1"}}, "localhost": {{"127.0.0.1", "::1"}}, "mapped.example": {{"::ffff:127.0.0.1"}}, "empty.example": {{}}}}
	for address, want := range map[string]string{
		"http://169.254.169.254/latest/meta-data/":            "plain http is for networks",
		"https://169.254.169.254/":                            "not a public one",
		"https://127.0.0.1:" + inside.port:                    "not a public one",
		"http://127.0.0.1:" + inside.port:                     "plain http is for networks",
		"https://[::1]:" + inside6.port:                       "not a public one",
		"https://[::ffff:127.0.0.1]:" + inside.port:           "not a public one",
		"https://[64:ff9b::7f00:1]:" + inside.port:            "not a public one",
		"https://0.0.0.0:" + inside.port:                      "not a public one",
		"https://[::]:" + inside.port:                         "not a public one",
		"https://10.0.0.1/":                                   "not a public one",
		"https://[fe80::1%25eth0]/":                           "not a public one",
		"https://localhost:" + inside.port:                    "not a public one",
		"https://rebound.example:" + inside.port:              "not a public one",
		"https://mapped.example:" + inside.port:               "not a public one",
		"https://empty.example:" + inside.port:                "not a public one",
		"https://2130706433:" + inside.port:                   "not known to DNS",
		"https://0x7f.1:" + inside.port:                       "not known to DNS",
		"http://8.8.8.8/":                                     "plain http is for networks",
		"file:///etc/passwd":                                  "no absolute URL",
		"file://localhost/etc/passwd":                         "neither https nor http",
		"gopher://127.0.0.1:70/":                              "neither https nor http",
		"https://user:secret@rebound.example:" + inside.port:  "user name",
		"https:rebound.example":                               "no absolute URL",
		"//127.0.0.1/":                                        "neither https nor http",
		"":                                                    "no absolute URL",
		"https://no-such.example/":                            "not known to DNS",
		"https://exa mple.example/":                           "no absolute URL",
		"https://rebound.example:" + inside.port + "/%zz":     "no absolute URL",
		"https://rebound.example\r\nHost: evil.example/saml/": "no absolute URL",
	} {
		t.Run(address, func(t *testing.T) {
			g := NewWithT(t)
			result, err := get(t, Options{Resolver: resolver}, address)
			g.Expect(err).To(MatchError(ContainSubstring(want)))
			g.Expect(err).To(BeAssignableToTypeOf(&Error{}))
			g.Expect(err.Error()).NotTo(ContainSubstring("secret"))
			g.Expect(result).To(BeNil())
		})
	}
	// Nor by redirect, from a server that is allowed.
	for _, target := range []string{
		"http://169.254.169.254/", "http://[::1]:" + inside6.port, "http://[::ffff:7f00:2]/", "https://10.0.0.1/", "file:///etc/passwd", "http://127.0.0.2:" + inside.port,
		"//169.254.169.254/", "https://user@127.0.0.1/", "javascript:alert(1)",
	} {
		t.Run("302 to "+target, func(t *testing.T) {
			g := NewWithT(t)
			outside := serve(t, (*httptest.Server).Start, "127.0.0.1", func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Location"] = []string{target}
				w.WriteHeader(http.StatusFound)
			})
			_, err := get(t, Options{Allowed: loopback}, outside.URL)
			g.Expect(err).To(MatchError(Or(ContainSubstring("plain http is for networks"), ContainSubstring("not a public one"), ContainSubstring("not fetched from"))))
			g.Expect(outside.requests.Load()).To(BeEquivalentTo(1))
		})
	}
	g := NewWithT(t)
	g.Expect(inside.requests.Load() + inside6.requests.Load()).To(BeZero())
}

// TestRebinding: a name that is public when it is checked and inside when it is
// connected to gains nothing, as it is resolved once for each connection.
func TestRebinding(t *testing.T) {
	g := NewWithT(t)
	outside := serve(t, (*httptest.Server).Start, "127.0.0.1", hello)
	inside := serve(t, (*httptest.Server).Start, "127.0.0.2", hello)
	resolver := &names{answers: map[string][][]string{"rebound.example": {{"127.0.0.1"}, {"127.0.0.2"}}}}
	client := New(Options{Allowed: loopback, Resolver: resolver, MaxBytes: 100})
	_, err := client.Get(t.Context(), "http://rebound.example:"+outside.port, Validators{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(resolver.asked.Load()).To(BeEquivalentTo(1))
	_, err = client.Get(t.Context(), "http://rebound.example:"+inside.port, Validators{})
	g.Expect(err).To(MatchError(ContainSubstring("plain http is for networks")))

	mixed := &names{answers: map[string][][]string{"mixed.example": {{"127.0.0.2", "127.0.0.1"}}}}
	_, err = get(t, Options{Allowed: loopback, Resolver: mixed}, "http://mixed.example:"+outside.port)
	g.Expect(err).NotTo(HaveOccurred(), "of several addresses the permitted one is used")
	g.Expect(inside.requests.Load()).To(BeZero())
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	g := NewWithT(t)
	proxy := serve(t, (*httptest.Server).Start, "127.0.0.1", hello)
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	_, err := get(t, Options{Allowed: loopback}, "http://10.0.0.1/")
	g.Expect(err).To(HaveOccurred())
	g.Expect(proxy.requests.Load()).To(BeZero())
}

func TestRedirects(t *testing.T) {
	g := NewWithT(t)
	s := serve(t, (*httptest.Server).Start, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		var left int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &left); err == nil && left > 0 {
			http.Redirect(w, r, fmt.Sprintf("/%d", left-1), []int{301, 302, 303, 307, 308}[left%5])
			return
		}
		hello(w, r)
	})
	_, err := get(t, Options{Allowed: loopback}, s.URL+"/5")
	g.Expect(err).NotTo(HaveOccurred())
	s.requests.Store(0)
	_, err = get(t, Options{Allowed: loopback}, s.URL+"/1000")
	g.Expect(err).To(MatchError(ContainSubstring("more than 5 times")))
	g.Expect(s.requests.Load()).To(BeEquivalentTo(6))

	nowhere := serve(t, (*httptest.Server).Start, "127.0.0.1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) })
	_, err = get(t, Options{Allowed: loopback}, nowhere.URL)
	g.Expect(err).To(MatchError(ContainSubstring("redirects to nowhere")))

	downgrade := serve(t, (*httptest.Server).StartTLS, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL, http.StatusFound) })
	roots := x509.NewCertPool()
	roots.AddCert(downgrade.Certificate())
	_, err = get(t, Options{Allowed: loopback, RootCAs: roots}, downgrade.URL)
	g.Expect(err).To(MatchError(ContainSubstring("from https to plain http")))
}

func TestBadAnswers(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 4096)); err != nil {
				return
			}
		}
	}
	wait := func(r *http.Request) { <-r.Context().Done() }
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"404":           {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "the secret body", http.StatusNotFound) }, "HTTP status 404"},
		"500":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "HTTP status 500"},
		"204":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "HTTP status 204"},
		"304 unasked":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, "304"},
		"300":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMultipleChoices) }, "HTTP status 300"},
		"endless body":  {endless, "larger than 64 kB"},
		"one too large": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 64<<10+1)) }, "larger than 64 kB"},
		"slow header":   {func(_ http.ResponseWriter, r *http.Request) { wait(r) }, "did not answer within"},
		"slow body": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("<"))
			_ = http.NewResponseController(w).Flush()
			wait(r)
		}, "did not answer within"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("<hello"))
			panic(http.ErrAbortHandler)
		}, "broke off its answer"},
		"compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 10<<20))
			_ = z.Close()
		}, "compressed although it was not asked to"},
		"large header": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Large", strings.Repeat("x", 1<<20)) }, "could not be reached, or broke off"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := serve(t, (*httptest.Server).Start, "127.0.0.1", test.answer)
			timeout := 10 * time.Second
			if strings.HasPrefix(name, "slow") {
				timeout = 500 * time.Millisecond
			}
			result, err := get(t, Options{Allowed: loopback, MaxBytes: 64 << 10, Timeout: timeout}, s.URL)
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
			g.Expect(err.Error()).NotTo(ContainSubstring("secret"))
			g.Expect(result).To(BeNil())
		})
	}
	g := NewWithT(t)
	gone := serve(t, (*httptest.Server).Start, "127.0.0.1", hello)
	gone.Close()
	_, err := get(t, Options{Allowed: loopback}, gone.URL)
	g.Expect(err).To(MatchError(ContainSubstring("refused the connection")))
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = New(Options{Allowed: loopback, MaxBytes: 1}).Get(stopped, gone.URL, Validators{})
	g.Expect(err).To(MatchError(ContainSubstring("was stopped")))
}

func TestOddValidatorsAreDropped(t *testing.T) {
	g := NewWithT(t)
	s := serve(t, (*httptest.Server).Start, "127.0.0.1", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+strings.Repeat("x", 600)+`"`)
		w.Header().Set("Last-Modified", "日本語")
		hello(w, r)
	})
	result, err := get(t, Options{Allowed: loopback}, s.URL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.Validators).To(BeZero())
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{"https://sp.example/metadata", "http://[::1]:80/", "https://user@sp.example", "file:///etc/passwd", "https:\\\\127.0.0.1", "https://sp.example:443?a#b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		parsed, err := parseURL(address)
		if err != nil {
			return
		}
		if parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.User != nil || parsed.Hostname() == "" {
			t.Fatalf("%q was taken", address)
		}
		if _, err := url.Parse(parsed.String()); err != nil {
			t.Fatalf("%q became %q", address, parsed)
		}
	})
}
