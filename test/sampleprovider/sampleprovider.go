/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package sampleprovider is a small SAML service provider on crewjam/saml: one
// page that needs a log-in and shows what the assertion said. It starts log-ins
// itself, by the Redirect binding, and refuses responses it did not ask for.
package sampleprovider

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"html/template"
	"math/big"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/crewjam/saml"
	"github.com/crewjam/saml/samlsp"
)

// Options are what a Provider is made with.
type Options struct {
	// URL is where browsers find the provider, without a path. Its entity ID is
	// URL/saml/metadata, its assertion consumer service URL/saml/acs.
	URL string
	// IdPMetadataURL is read at the first visit, and again until it can be read.
	IdPMetadataURL string
	// Binding of its requests: saml.HTTPRedirectBinding where empty, or saml.HTTPPostBinding.
	Binding string
}

// Provider is a service provider.
type Provider struct {
	options     Options
	url         *url.URL
	key         *rsa.PrivateKey
	certificate *x509.Certificate

	mu         sync.Mutex
	middleware *samlsp.Middleware
}

// New makes a provider with a key pair of its own.
func New(o Options) (*Provider, error) {
	address, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("the sample service provider's URL: %w", err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: address.Host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Provider{options: o, url: address, key: key, certificate: certificate}, nil
}

// ready is the SAML middleware, made as soon as the IdP's metadata can be read.
func (p *Provider) ready(ctx context.Context) (*samlsp.Middleware, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.middleware != nil {
		return p.middleware, nil
	}
	address, err := url.Parse(p.options.IdPMetadataURL)
	if err != nil {
		return nil, err
	}
	metadata, err := samlsp.FetchMetadata(ctx, &http.Client{Timeout: 10 * time.Second}, *address)
	if err != nil {
		return nil, fmt.Errorf("read the identity provider's metadata: %w", err)
	}
	middleware, err := samlsp.New(samlsp.Options{
		URL: *p.url, Key: p.key, Certificate: p.certificate, IDPMetadata: metadata,
		// No SameSite: the answer is posted from another site, and over plain HTTP browsers
		// send a cookie with such a post only where it does not say Lax itself.
		CookieName: "sample_session",
	})
	if err != nil {
		return nil, err
	}
	middleware.Binding = p.options.Binding
	// crewjam/saml asks for a transient one by default, which an app set to mail addresses must refuse.
	middleware.ServiceProvider.AuthnNameIDFormat = saml.EmailAddressNameIDFormat
	middleware.OnError = refuse
	p.middleware = middleware
	return middleware, nil
}

// ServeHTTP implements http.Handler: / shows the attributes after a log-in,
// /saml/metadata and /saml/acs speak SAML, /logout ends the session here.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	middleware, err := p.ready(r.Context())
	if err != nil {
		show(w, http.StatusServiceUnavailable, view{Problem: err.Error()})
		return
	}
	switch r.URL.Path {
	case "/":
		middleware.RequireAccount(http.HandlerFunc(attributes)).ServeHTTP(w, r)
	case "/logout":
		if err := middleware.Session.DeleteSession(w, r); err != nil {
			refuse(w, r, err)
			return
		}
		show(w, http.StatusOK, view{LoggedOut: true})
	default:
		middleware.ServeHTTP(w, r)
	}
}

func attributes(w http.ResponseWriter, r *http.Request) {
	session, ok := samlsp.SessionFromContext(r.Context()).(samlsp.JWTSessionClaims)
	if !ok {
		show(w, http.StatusInternalServerError, view{Problem: "the session is of an unknown type"})
		return
	}
	show(w, http.StatusOK, view{Subject: session.Subject, Attributes: session.Attributes})
}

// refuse says why a response was not taken: this provider is for trying things.
func refuse(w http.ResponseWriter, _ *http.Request, err error) {
	reason := err.Error()
	var invalid *saml.InvalidResponseError
	if errors.As(err, &invalid) {
		reason = invalid.PrivateErr.Error()
	}
	show(w, http.StatusForbidden, view{Problem: reason})
}

type view struct {
	Subject    string
	Attributes samlsp.Attributes
	LoggedOut  bool
	Problem    string
}

func show(w http.ResponseWriter, status int, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.WriteHeader(status)
	// A browser that went away is the only thing that can fail here.
	_ = page.Execute(w, v)
}

var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="ja">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>社内Wiki (sample service provider)</title>
<style>
body { font-family: system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #1f2933 }
th { text-align: left; vertical-align: top; padding: .4rem 2rem .4rem 0; font-weight: 600 }
td { padding: .4rem 0 }
.problem { border-left: .3rem solid #b42318; padding-left: 1rem }
</style>
</head>
<body>
<h1>社内Wiki</h1>
<p>Sample SAML service provider of the demo</p>
{{if .Problem}}<p class="problem"><strong>ログインできませんでした。 The log-in was refused.</strong><br>{{.Problem}}</p>
<p><a href="/">もう一度 / Try again</a></p>
{{else if .LoggedOut}}<p>ログアウトしました。 You are logged out here; the identity provider still knows you.</p>
<p><a href="/">ログイン / Log in</a></p>
{{else}}<p>ログインしました。 You are logged in. This is what the identity provider said:</p>
<table>
<tr><th>NameID</th><td>{{.Subject}}</td></tr>
{{range $name, $values := .Attributes}}<tr><th>{{$name}}</th>{{range $values}}<td>{{.}}</td>{{end}}</tr>
{{end}}</table>
<p><a href="/logout">ログアウト / Log out</a></p>
{{end}}</body>
</html>
`))
