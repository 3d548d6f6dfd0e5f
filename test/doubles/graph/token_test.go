/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestTokenErrors(t *testing.T) {
	other := "99999999-2222-3333-4444-555555555555"
	for name, test := range map[string]struct {
		change func(w *world, form url.Values) (tenant string)
		status int
		word   string
		code   float64
	}{
		"wrong secret":     {func(_ *world, f url.Values) string { f.Set("client_secret", "wrong"); return "" }, 401, "invalid_client", 7000215},
		"unknown app":      {func(_ *world, f url.Values) string { f.Set("client_id", other); return "" }, 400, "unauthorized_client", 700016},
		"unknown tenant":   {func(_ *world, _ url.Values) string { return other }, 400, "invalid_request", 90002},
		"other cloud":      {func(_ *world, _ url.Values) string { return "elsewhere" }, 400, "invalid_request", 90038},
		"unknown resource": {func(_ *world, f url.Values) string { f.Set("scope", "https://graph.example/.default"); return "" }, 400, "invalid_resource", 500011},
		"no default scope": {func(w *world, f url.Values) string { f.Set("scope", w.url+"/User.Read.All"); return "" }, 400, "invalid_scope", 1002012},
		"no grant type":    {func(_ *world, f url.Values) string { f.Del("grant_type"); return "" }, 400, "invalid_request", 900144},
		"another grant":    {func(_ *world, f url.Values) string { f.Set("grant_type", "password"); return "" }, 400, "unsupported_grant_type", 70003},
		"no proof":         {func(_ *world, f url.Values) string { f.Del("client_secret"); return "" }, 401, "invalid_client", 7000218},
		"expired secret":   {func(w *world, _ url.Values) string { w.Advance(3 * 365 * 24 * time.Hour); return "" }, 401, "invalid_client", 7000222},
		"app disabled": {func(w *world, _ url.Values) string {
			w.SetApp(App{ClientID: DefaultClientID, Disabled: true})
			return ""
		}, 400, "unauthorized_client", 7000112},
		"malformed proof":   {func(_ *world, f url.Values) string { assert(f, "a.b.c"); return "" }, 401, "invalid_client", 50027},
		"two kinds at once": {func(_ *world, f url.Values) string { f.Set("client_assertion", "a.b.c"); return "" }, 401, "invalid_client", 7000216},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{Elsewhere: []string{"elsewhere"}})
			form := w.form()
			tenant := test.change(w, form)
			if tenant == "" {
				tenant = DefaultTenantID
			}
			status, body := w.ask(tenant, form)
			w.Expect(status).To(Equal(test.status))
			w.Expect(body["error"]).To(Equal(test.word))
			w.Expect(body["error_codes"]).To(ConsistOf(test.code))
			w.Expect(body).To(HaveKey("trace_id"))
		})
	}
}

func TestTokenLoop(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{Tokens: 3}})
	w.newToken()
	w.newToken()
	status, body := w.ask(DefaultTenantID, w.form())
	w.Expect(status).To(Equal(http.StatusBadRequest))
	w.Expect(body["error_codes"]).To(ConsistOf(50196.0))
	w.clock = w.clock.Add(tokensWindow)
	w.newToken()
}

func TestTokensEnd(t *testing.T) {
	w := newWorld(t, Options{})
	w.expect(http.StatusOK, http.MethodGet, "/users", nil)
	w.clock = w.clock.Add(time.Hour)
	code, _ := w.fails(http.StatusUnauthorized, http.MethodGet, "/users", nil)
	w.Expect(code).To(Equal("InvalidAuthenticationToken"))
	w.token = w.newToken()
	w.expect(http.StatusOK, http.MethodGet, "/users", nil)
	w.Revoke()
	w.fails(http.StatusUnauthorized, http.MethodGet, "/users", nil)
	w.token = ""
	w.fails(http.StatusUnauthorized, http.MethodGet, "/users", nil)
}

// TestPermissionsOfToken: a token keeps what was granted when it was given.
func TestPermissionsOfToken(t *testing.T) {
	w := newWorld(t, Options{})
	w.SetApp(App{ClientID: DefaultClientID, Secrets: []Secret{{Value: "secret"}}, Permissions: []string{"User.Read.All"}})
	w.create("hanako", nil)
	w.token = w.newToken()
	code, _ := w.fails(http.StatusForbidden, http.MethodPost, "/users", person("jiro", nil))
	w.Expect(code).To(Equal("Authorization_RequestDenied"))
	w.expect(http.StatusOK, http.MethodGet, "/users", nil)
	w.fails(http.StatusForbidden, http.MethodGet, "/organization", nil)
}

func assert(form url.Values, proof string) {
	form.Del("client_secret")
	form.Set("client_assertion", proof)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
}

func newCertificate(g *WithT, ends time.Time) (*x509.Certificate, *rsa.PrivateKey) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	g.Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: ends.AddDate(-1, 0, 0), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	g.Expect(err).NotTo(HaveOccurred())
	certificate, err := x509.ParseCertificate(der)
	g.Expect(err).NotTo(HaveOccurred())
	return certificate, key
}

func signed(g *WithT, certificate *x509.Certificate, key *rsa.PrivateKey, claims map[string]any) string {
	thumbprint := sha256.Sum256(certificate.Raw)
	part := func(value any) string {
		encoded, err := json.Marshal(value)
		g.Expect(err).NotTo(HaveOccurred())
		return base64.RawURLEncoding.EncodeToString(encoded)
	}
	text := part(map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(thumbprint[:])}) + "." + part(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], nil)
	g.Expect(err).NotTo(HaveOccurred())
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestAssertions(t *testing.T) {
	w := newWorld(t, Options{})
	certificate, key := newCertificate(w.WithT, w.clock.AddDate(1, 0, 0))
	another, anotherKey := newCertificate(w.WithT, w.clock.AddDate(1, 0, 0))
	w.SetApp(App{ClientID: DefaultClientID, Certificates: []*x509.Certificate{certificate}})
	good := map[string]any{
		"aud": w.url + "/" + DefaultTenantID + tokenPath, "iss": DefaultClientID, "sub": DefaultClientID, "jti": "1",
		"nbf": w.clock.Unix(), "exp": w.clock.Add(5 * time.Minute).Unix(),
	}
	with := func(name string, value any) map[string]any {
		changed := maps.Clone(good)
		changed[name] = value
		return changed
	}
	for name, test := range map[string]struct {
		proof string
		code  float64
	}{
		"good":            {signed(w.WithT, certificate, key, good), 0},
		"another key":     {signed(w.WithT, certificate, anotherKey, good), 700027},
		"unknown":         {signed(w.WithT, another, anotherKey, good), 700027},
		"old":             {signed(w.WithT, certificate, key, with("exp", w.clock.Add(-time.Hour).Unix())), 700024},
		"too long":        {signed(w.WithT, certificate, key, with("exp", w.clock.Add(time.Hour).Unix())), 700024},
		"of tomorrow":     {signed(w.WithT, certificate, key, with("nbf", w.clock.Add(24*time.Hour).Unix())), 700024},
		"without an ID":   {signed(w.WithT, certificate, key, with("jti", "")), 50027},
		"of another":      {signed(w.WithT, certificate, key, with("iss", "x")), 700021},
		"for another one": {signed(w.WithT, certificate, key, with("aud", "https://login.example")), 700023},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			form := w.form()
			assert(form, test.proof)
			_, body := w.ask(DefaultTenantID, form)
			if test.code == 0 {
				g.Expect(body).To(HaveKey("access_token"))
				return
			}
			g.Expect(body["error_codes"]).To(ConsistOf(test.code))
		})
	}
}
