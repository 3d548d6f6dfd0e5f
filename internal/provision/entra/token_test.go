/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

func testCertificate(t *testing.T) *Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tegata"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Certificate{Leaf: leaf, Key: key}
}

// at makes options for a server on this machine.
func at(t *testing.T, handler http.Handler, change func(*Options)) Options {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	options := testOptions()
	options.Endpoints = Endpoints{Login: server.URL, Graph: server.URL}
	options.HTTP = client.New(client.Options{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: 5 * time.Second})
	t.Cleanup(options.HTTP.Close)
	if change != nil {
		change(&options)
	}
	return options
}

func serve(t *testing.T, handler http.Handler, change func(*Options)) *Target {
	t.Helper()
	target, err := New(at(t, handler, change))
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func answerJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestTokenIsAskedForOnce(t *testing.T) {
	g := NewWithT(t)
	var asked atomic.Int32
	now := &clock{now: time.Now()}
	target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			g.Expect(r.ParseForm()).To(Succeed())
			g.Expect(r.PostForm.Get("client_secret")).To(Equal("a&b=c+d %"))
			g.Expect(r.PostForm.Get("scope")).To(HaveSuffix("/.default"))
			g.Expect(r.URL.RawQuery).To(BeEmpty())
			answerJSON(w, 200, fmt.Sprintf(`{"token_type":"Bearer","expires_in":3599,"access_token":"token-%d"}`, asked.Add(1)))
			return
		}
		g.Expect(r.Header.Get("Authorization")).To(Equal(fmt.Sprintf("Bearer token-%d", asked.Load())))
		answerJSON(w, 200, `{"value":[]}`)
	}), func(o *Options) { o.Now, o.ClientSecret = now.Now, "a&b=c+d %" })
	list := func() {
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				g.Expect(target.List(context.Background(), func(provision.Account) error { return nil })).To(Succeed())
			})
		}
		all.Wait()
	}
	list()
	g.Expect(asked.Load()).To(BeEquivalentTo(1))
	now.move(54 * time.Minute)
	list()
	g.Expect(asked.Load()).To(BeEquivalentTo(1))
	now.move(2 * time.Minute)
	list()
	g.Expect(asked.Load()).To(BeEquivalentTo(2), "renewed before its end")
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	for name, test := range map[string]struct {
		refused, asked int32
		succeeds       bool
	}{"revoked": {1, 2, true}, "refused always": {100, 2, false}} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var asked, refused atomic.Int32
			target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/token"):
					answerJSON(w, 200, fmt.Sprintf(`{"expires_in":"3599","access_token":"token-%d"}`, asked.Add(1)))
				case refused.Add(1) <= test.refused:
					answerJSON(w, 401, `{"error":{"code":"InvalidAuthenticationToken","message":"Access token has expired or is not yet valid."}}`)
				default:
					answerJSON(w, 200, `{"value":[]}`)
				}
			}), nil)
			err := target.List(t.Context(), func(provision.Account) error { return nil })
			g.Expect(asked.Load()).To(Equal(test.asked))
			if test.succeeds {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(provision.CauseOf(err)).To(Equal(provision.Unauthorized))
			}
		})
	}
}

func TestTokenRefusals(t *testing.T) {
	for code := range tokenAdvice {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			g := NewWithT(t)
			var asked atomic.Int32
			target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				answerJSON(w, 400, fmt.Sprintf(`{"error":"invalid_client","error_description":"AADSTS%d: It is said why. Trace ID: x","error_codes":[%d],"trace_id":"trace-1"}`, code, code))
			}), nil)
			_, err := target.Check(t.Context())
			var e *provision.Error
			g.Expect(errors.As(err, &e)).To(BeTrue())
			g.Expect(e.Message).To(Equal(fmt.Sprintf("%s (AADSTS%d)", tokenAdvice[code], code)))
			g.Expect(e.Code).To(Equal(fmt.Sprintf("AADSTS%d", code)))
			g.Expect(e.RequestID).To(Equal("trace-1"))
			if code == 50196 {
				g.Expect(e.Cause).To(Equal(provision.Throttled))
				return
			}
			g.Expect(e.Cause).To(Equal(provision.Unauthorized))
			g.Expect(asked.Load()).To(BeEquivalentTo(1))
		})
	}
}

func TestRefusalOfATokenIsShared(t *testing.T) {
	g := NewWithT(t)
	var asked atomic.Int32
	arrived, release := make(chan struct{}), make(chan struct{})
	target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			close(arrived)
		}
		<-release
		answerJSON(w, 401, `{"error":"invalid_client","error_codes":[7000215]}`)
	}), nil)
	var all sync.WaitGroup
	wait := func() {
		all.Go(func() {
			_, err := target.tokens.get(context.Background())
			g.Expect(provision.CauseOf(err)).To(Equal(provision.Unauthorized))
		})
	}
	wait()
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := target.tokens.get(ctx)
	g.Expect(err).To(MatchError(context.Canceled), "whoever has no time does not wait")
	close(release)
	for range 20 {
		wait()
	}
	all.Wait()
	g.Expect(asked.Load()).To(BeNumerically("<=", 21))
	target.tokens.mu.Lock()
	defer target.tokens.mu.Unlock()
	g.Expect(target.tokens.asking).To(BeNil())
}

func TestTokenFailuresThatPass(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		cause  provision.Cause
	}{
		"transient":       {400, `{"error":"temporarily_unavailable","error_codes":[90033]}`, provision.Unavailable},
		"code in text":    {400, `{"error":"invalid_request","error_description":"AADSTS90006: Service is unavailable."}`, provision.Unavailable},
		"server error":    {503, `{"error":"server_error"}`, provision.Unavailable},
		"throttled":       {429, `{}`, provision.Throttled},
		"unknown refusal": {400, `{"error":"invalid_client","error_codes":[999999]}`, provision.Unauthorized},
		"odd refusal":     {400, `{"error":{"code":1},"error_codes":"x"}`, provision.Unavailable},
		"a proxy's":       {403, ``, provision.Unavailable},
		"no token":        {200, `{"expires_in":3600}`, provision.Unavailable},
		"no lifetime":     {200, `{"access_token":"x"}`, provision.Unavailable},
		"odd lifetime":    {200, `{"access_token":"x","expires_in":1e300}`, provision.Unavailable},
		"nonsense":        {200, `[]`, provision.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "0.249")
				answerJSON(w, test.status, test.body)
			}), nil)
			_, err := target.Check(t.Context())
			var e *provision.Error
			g.Expect(errors.As(err, &e)).To(BeTrue())
			g.Expect(e.Cause).To(Equal(test.cause))
			if test.status != 200 {
				g.Expect(e.RetryAfter).To(Equal(249 * time.Millisecond))
			}
		})
	}
}

func TestCertificateAndClock(t *testing.T) {
	g := NewWithT(t)
	certificate := testCertificate(t)
	theirs := time.Now().Add(17 * time.Minute).Truncate(time.Second)
	var asked atomic.Int32
	var audience string
	target := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", theirs.UTC().Format(http.TimeFormat))
		if !strings.HasSuffix(r.URL.Path, "/token") {
			answerJSON(w, 404, `{"error":{"code":"Request_ResourceNotFound"}}`)
			return
		}
		asked.Add(1)
		g.Expect(r.ParseForm()).To(Succeed())
		g.Expect(r.PostForm).NotTo(HaveKey("client_secret"))
		g.Expect(r.PostForm.Get("client_assertion_type")).To(Equal("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
		claims := verifyAssertion(g, r.PostForm.Get("client_assertion"), certificate)
		g.Expect(claims["aud"]).To(Equal(audience))
		g.Expect(claims["iss"]).To(Equal(testOptions().ClientID))
		g.Expect(claims["sub"]).To(Equal(testOptions().ClientID))
		begin, end := time.Unix(int64(claims["nbf"].(float64)), 0), time.Unix(int64(claims["exp"].(float64)), 0)
		if theirs.Before(begin) || theirs.After(end) {
			answerJSON(w, 401, `{"error":"invalid_client","error_description":"AADSTS700024: Client assertion is not within its valid time range."}`)
			return
		}
		answerJSON(w, 200, `{"expires_in":3599,"access_token":"x"}`)
	}), func(o *Options) {
		o.ClientSecret, o.Certificate = "", certificate
		audience = o.Endpoints.Login + "/" + o.TenantID + "/oauth2/v2.0/token"
	})
	_, err := target.tokens.get(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(asked.Load()).To(BeEquivalentTo(2), "asked again by Microsoft's clock")
	g.Expect(target.tokens.clockSkew()).To(BeNumerically("~", 17*time.Minute, 5*time.Second))
}

func verifyAssertion(g *WithT, assertion string, certificate *Certificate) map[string]any {
	parts := strings.Split(assertion, ".")
	g.Expect(parts).To(HaveLen(3))
	var header, claims map[string]any
	for part, into := range map[string]*map[string]any{parts[0]: &header, parts[1]: &claims} {
		decoded, err := base64.RawURLEncoding.DecodeString(part)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(json.Unmarshal(decoded, into)).To(Succeed())
	}
	thumbprint := sha256.Sum256(certificate.Leaf.Raw)
	g.Expect(header).To(Equal(map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(thumbprint[:])}))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	g.Expect(err).NotTo(HaveOccurred())
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	g.Expect(rsa.VerifyPSS(&certificate.Key.PublicKey, crypto.SHA256, digest[:], signature, nil)).To(Succeed())
	return claims
}
