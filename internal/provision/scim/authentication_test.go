/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

func TestOptions(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no address":        {func(o *Options) { o.URL = "" }, "absolute"},
		"another scheme":    {func(o *Options) { o.URL = "ftp://x.example" }, "absolute"},
		"a query":           {func(o *Options) { o.URL = "https://x.example/?a=b" }, "without a query"},
		"credentials in it": {func(o *Options) { o.URL = "https://a:b@x.example/" }, "without"},
		"no credentials":    {func(o *Options) { o.Authentication = Authentication{} }, "exactly one"},
		"two credentials":   {func(o *Options) { o.Authentication.Basic = &Basic{"a", "b"} }, "exactly one"},
		"a line break":      {func(o *Options) { o.Authentication.Bearer = "abc\n" }, "line break"},
		"a half user":       {func(o *Options) { o.Authentication = Authentication{Basic: &Basic{UserName: "a"}} }, "username"},
		"a colon":           {func(o *Options) { o.Authentication = Authentication{Basic: &Basic{"a:b", "c"}} }, "colon"},
		"no client":         {func(o *Options) { o.Authentication = Authentication{OAuth: &OAuth{TokenURL: "https://x.example/"}} }, "client ID"},
		"no token URL":      {func(o *Options) { o.Authentication = Authentication{OAuth: &OAuth{ClientID: "a", ClientSecret: "b"}} }, "absolute"},
		"no HTTP":           {func(o *Options) { o.HTTP = nil }, "HTTP client"},
		"updates":           {func(o *Options) { o.Updates = "POST" }, "PATCH or PUT"},
		"user name":         {func(o *Options) { o.UserName = "phone" }, "mail or name"},
		"no path":           {func(o *Options) { o.Attributes = []provision.Attribute{{Name: "a b"}} }, "no path of SCIM"},
		"twice":             {func(o *Options) { o.Attributes = []provision.Attribute{{Name: "title"}, {Name: "Title"}} }, "filled twice"},
		"one of ours":       {func(o *Options) { o.Attributes = []provision.Attribute{{Name: "ACTIVE"}} }, "cannot be mapped"},
		"a password":        {func(o *Options) { o.Attributes = []provision.Attribute{{Name: coreUser + ":password"}} }, "cannot be mapped"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := newTarget(t, "https://x.example/scim/v2/", nil).options
			test.change(&o)
			_, err := New(o)
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
		})
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	g := NewWithT(t)
	const secret = "very-secret"
	o := Options{Authentication: Authentication{Bearer: secret, Basic: &Basic{"a", secret}, OAuth: &OAuth{ClientSecret: secret}}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		g.Expect(fmt.Sprintf(verb, o)).NotTo(ContainSubstring(secret))
		g.Expect(fmt.Sprintf(verb, *o.Authentication.Basic)).NotTo(ContainSubstring(secret))
		g.Expect(fmt.Sprintf(verb, *o.Authentication.OAuth)).NotTo(ContainSubstring(secret))
	}
	g.Expect(o.Authentication.without("a " + secret + " b")).To(Equal("a (hidden) b"))
}

func TestTokensThatEnd(t *testing.T) {
	jwt := func(payload string) Secret {
		return Secret("e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln")
	}
	for name, test := range map[string]struct {
		token Secret
		want  time.Time
	}{
		"told":        {jwt(`{"exp":1798761600}`), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		"a decimal":   {jwt(`{"exp":1798761600.5}`), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		"not told":    {jwt(`{"sub":"x"}`), time.Time{}},
		"a text":      {jwt(`{"exp":"1798761600"}`), time.Time{}},
		"never":       {jwt(`{"exp":1e300}`), time.Time{}},
		"before time": {jwt(`{"exp":-1}`), time.Time{}},
		"no JSON":     {jwt(`exp`), time.Time{}},
		"no base64":   {"a.!.b", time.Time{}},
		"opaque":      {"xoxp-1234", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(test.token.expires()).To(Equal(test.want))
		})
	}
}

func TestBasic(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		name, password, _ := r.BasicAuth()
		if name != "tegata" || password != "pass:wörd" {
			refuse(w, http.StatusUnauthorized, "", "pass:wörd is wrong")
			return true
		}
		r.Header.Set("Authorization", "Bearer "+fakeToken)
		return false
	}
	_, err := newTarget(t, address, func(o *Options) { o.Authentication = Authentication{Basic: &Basic{"tegata", "pass:wörd"}} }).Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = newTarget(t, address, func(o *Options) { o.Authentication = Authentication{Basic: &Basic{"other", "pass:wörd"}} }).Check(t.Context())
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Unauthorized))
	g.Expect(err.Error()).To(HaveSuffix("(The service says: (hidden) is wrong)"))
}

// issuer gives tokens, of which the service takes the ones that are good still.
type issuer struct {
	mu     sync.Mutex
	given  int
	good   string
	fault  func(w http.ResponseWriter) bool
	expiry int
	scopes string
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fault != nil && i.fault(w) {
		return
	}
	id, secret, _ := r.BasicAuth()
	if r.FormValue("grant_type") != "client_credentials" || id != "tegata" || secret != "client-secret" {
		answerWith(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client", "error_description": "client-secret is wrong"})
		return
	}
	i.given++
	i.scopes = r.FormValue("scope")
	i.good = fmt.Sprintf("token-%d", i.given)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": i.good, "token_type": "Bearer", "expires_in": i.expiry})
}

func newOAuth(t *testing.T) (*issuer, *fake, *Target) {
	t.Helper()
	i := &issuer{expiry: 3600}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	f, address := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer "+i.good {
			refuse(w, http.StatusUnauthorized, "", "expired")
			return true
		}
		r.Header.Set("Authorization", "Bearer "+fakeToken)
		return false
	}
	return i, f, newTarget(t, address, func(o *Options) {
		o.Authentication = Authentication{OAuth: &OAuth{TokenURL: server.URL + "/token", ClientID: "tegata", ClientSecret: "client-secret", Scopes: []string{"users", "groups"}}}
	})
}

func TestOAuth(t *testing.T) {
	g := NewWithT(t)
	i, f, target := newOAuth(t)
	var wait sync.WaitGroup
	var failed atomic.Int32
	for range 8 {
		wait.Go(func() {
			if _, err := target.Check(t.Context()); err != nil {
				failed.Add(1)
			}
		})
	}
	wait.Wait()
	g.Expect(failed.Load()).To(BeZero())
	g.Expect(i.given).To(Equal(1), "they share one token")
	g.Expect(i.scopes).To(Equal("users groups"))

	// The service takes the token no longer.
	i.good = "none"
	_, err := target.Create(t.Context(), desired(t, target, 1))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(i.given).To(Equal(2))
	g.Expect(f.kept[users]).To(HaveLen(1))

	// Nor any other.
	f.fault = func(w http.ResponseWriter, _ *http.Request) bool {
		refuse(w, http.StatusUnauthorized, "", "no")
		return true
	}
	before := len(f.gets())
	_, err = target.Find(t.Context(), provision.Reference{UserName: "a"})
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Unauthorized))
	g.Expect(f.gets()[before:]).To(HaveLen(2))
}

func TestTokensThatAreNotGiven(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		cause  provision.Cause
		code   string
		want   string
	}{
		"wrong secret": {func(w http.ResponseWriter) {
			answerWith(w, 401, map[string]string{"error": "invalid_client", "error_description": "client-secret"})
		}, provision.Unauthorized, "invalid_client", "oauth.clientSecretRef"},
		"wrong scope":     {func(w http.ResponseWriter) { answerWith(w, 400, map[string]string{"error": "invalid_scope"}) }, provision.Unauthorized, "invalid_scope", "oauth.scopes"},
		"no such address": {func(w http.ResponseWriter) { w.WriteHeader(404) }, provision.Unauthorized, "", "oauth.tokenURL"},
		"too often": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "9")
			answerWith(w, 429, map[string]string{"error": "slow_down"})
		}, provision.Throttled, "slow_down", "no more tokens"},
		"failing": {func(w http.ResponseWriter) { answerWith(w, 503, map[string]string{}) }, provision.Unavailable, "", "status 503"},
		"HTML": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>"))
		}, provision.Unavailable, "200", "not JSON"},
		"no token": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"token_type":"Bearer"}`))
		}, provision.Unavailable, "", "did not answer with a token"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			i, _, target := newOAuth(t)
			i.fault = func(w http.ResponseWriter) bool { test.answer(w); return true }
			_, err := target.Check(t.Context())
			g.Expect(provision.CauseOf(err)).To(Equal(test.cause))
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
			g.Expect(err.Error()).NotTo(ContainSubstring("client-secret"))
			refused, ok := err.(*provision.Error) //nolint:errorlint // it is not wrapped
			g.Expect(ok).To(BeTrue())
			g.Expect(refused.Code).To(Equal(test.code))
			if test.cause == provision.Throttled {
				g.Expect(refused.RetryAfter).To(Equal(9 * time.Second))
			}
		})
	}
}

func TestATokenThatIsAwaitedHoldsUpNobody(t *testing.T) {
	g := NewWithT(t)
	i, _, target := newOAuth(t)
	release := make(chan struct{})
	i.fault = func(http.ResponseWriter) bool { <-release; return false }
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := target.Check(ctx); first <- err }()
	cancel()
	g.Eventually(first).Should(Receive(MatchError(context.Canceled)))
	close(release)
	_, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(i.given).To(Equal(1))
}

func TestWritesSpendTheBudget(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, func(o *Options) { o.Budget = provision.NewBudget(1) })
	account, want := made(t, target)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	want.Properties["displayName"] = "X"
	_, err := target.Update(ctx, account, want)
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
	g.Expect(f.writes()).To(HaveLen(1))
	_, err = target.Find(t.Context(), provision.Reference{ExternalID: account.ExternalID})
	g.Expect(err).NotTo(HaveOccurred(), "reading costs nothing")
}

func TestRequestsAreSCIM(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		bad := r.Header.Get("Accept") != "application/scim+json, application/json" || r.Method == http.MethodPost && r.Header.Get("Content-Type") != scimJSON
		if bad || strings.Contains(r.URL.Path, "//") {
			refuse(w, http.StatusBadRequest, "", "bad headers or address")
		}
		return bad
	}
	target := newTarget(t, address+"///", nil)
	_, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	made(t, target)
}
