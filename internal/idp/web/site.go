/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package web is the IdP's site: the log-in state machine, the portal, the
// account page, the mailed password link and the SAML endpoints. Pages are
// rendered on the server, need no JavaScript and no outside asset.
package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"tegata.dev/tegata/internal/idp/password"
	"tegata.dev/tegata/internal/idp/store"
)

// Bounds of what a request may cost.
const (
	flowLifetime  = 30 * time.Minute
	maxFormBytes  = 64 << 10
	maxSAMLBytes  = 2 << 20
	defaultLogins = 12 * time.Hour
)

// Options are what a Site serves with.
type Options struct {
	Store  *store.Store
	Hasher *password.Hasher
	// ExternalURL is the origin browsers see: https, or http on a loopback host; no path.
	ExternalURL string
	// TrustedProxies may say by X-Forwarded-For whom they speak for.
	TrustedProxies []netip.Prefix
	// SessionLifetime is absolute from the log-in; default 12 h.
	SessionLifetime time.Duration
	// Ready reports why the server is not ready, nil when it is.
	Ready   func(context.Context) error
	Metrics *Metrics
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Random makes cookies, nonces and request IDs; default crypto/rand.
	Random io.Reader
	Log    logr.Logger
}

// Site is the IdP's pages and SAML endpoints. It is safe for concurrent use.
type Site struct {
	Options
	origin      string
	secure      bool
	crossOrigin *http.CrossOriginProtection
	pages       *pages
	handler     http.Handler
}

// New prepares a Site.
func New(o Options) (*Site, error) {
	if o.SessionLifetime <= 0 {
		o.SessionLifetime = defaultLogins
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	origin, err := ParseExternalURL(o.ExternalURL)
	if err != nil {
		return nil, err
	}
	s := &Site{Options: o, origin: origin, secure: strings.HasPrefix(origin, "https:")}
	s.crossOrigin = http.NewCrossOriginProtection()
	if err := s.crossOrigin.AddTrustedOrigin(origin); err != nil {
		return nil, fmt.Errorf("external URL: %w", err)
	}
	if s.pages, err = loadPages(); err != nil {
		return nil, err
	}
	s.handler = s.observe(s.routes())
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// ParseExternalURL checks an external URL and returns it as an origin. It is
// https, or http where the host is a loopback one, and has no path, as the
// cookies of the site hold for the whole host.
func ParseExternalURL(external string) (origin string, err error) {
	u, err := url.Parse(external)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return "", errors.New("the external URL must look like https://id.example.com")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("the external URL must begin with https://")
	case (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("the external URL must have no path, query or fragment: the IdP needs a host of its own")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "", errors.New("the external URL must begin with https:// unless its host is localhost or a loopback address")
	}
	return u.Scheme + "://" + u.Host, nil
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && address.IsLoopback())
}

func (s *Site) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", s.page(s.portal))
	mux.Handle("GET /login", s.page(s.showLogin))
	mux.Handle("POST /login", s.form(s.logIn))
	mux.Handle("POST /login/password", s.form(s.changeTemporaryPassword))
	mux.Handle("POST /logout", s.form(s.logOut))
	mux.Handle("GET /logout/{flow}", s.page(s.showLogout))
	mux.Handle("GET /logout/{flow}/next", s.page(s.goOnLogout))
	mux.Handle("GET /account", s.page(s.showAccount))
	mux.Handle("POST /account/password", s.form(s.changePassword))
	mux.Handle("GET /help", s.page(s.help))
	mux.Handle("GET /password/{token}", s.page(s.showPasswordLink))
	mux.Handle("POST /password/{token}", s.form(s.usePasswordLink))
	mux.Handle("GET /saml/{tenant}/metadata", s.page(s.metadata))
	mux.Handle("GET /saml/{tenant}/certificate.pem", s.page(s.certificatePEM))
	mux.Handle("GET /saml/{tenant}/certificate.cer", s.page(s.certificateDER))
	mux.Handle("GET /saml/{tenant}/sso", s.page(s.redirectBinding))
	mux.Handle("POST /saml/{tenant}/sso", s.page(s.postBinding))
	mux.Handle("GET /saml/{tenant}/slo", s.page(s.logoutRedirectBinding))
	mux.Handle("POST /saml/{tenant}/slo", s.page(s.logoutPostBinding))
	mux.Handle("GET /saml/{tenant}/apps/{app}", s.page(s.openApp))
	mux.Handle("GET /images/{tenant}/app/{kind}/{name}", s.page(s.appIcon))
	mux.Handle("GET /static/{file}", s.page(s.static))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readiness)
	mux.Handle("/", s.page(func(*visit) error { return errPageNotFound }))
	return mux
}

func (s *Site) readiness(w http.ResponseWriter, r *http.Request) {
	if err := s.Ready(r.Context()); err != nil {
		s.Log.Error(err, "Answered that the server is not ready")
		plain(w, http.StatusServiceUnavailable, "not ready")
		return
	}
	plain(w, http.StatusOK, "ok")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	// The client may have gone; there is nobody to tell.
	_, _ = io.WriteString(w, text+"\n")
}
