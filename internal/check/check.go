/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package check logs in at an identity server's site from within the cluster,
// as a person outside would: through its Service, but with the addresses that
// browsers see.
package check

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tegata.dev/tegata/internal/formclient"
)

const (
	// patience is how long the log-in page may take to come.
	patience = time.Minute
	// interval is between two looks for it.
	interval = time.Second
)

// Site is where to log in.
type Site struct {
	// ExternalURL is the origin that browsers see.
	ExternalURL *url.URL
	// Address is the host:port that answers by plain HTTP, as a Service does.
	Address string
}

// RoundTrip sends what a browser would send to the external URL by plain HTTP
// to the address, as the proxy that ends TLS does.
func (s Site) RoundTrip(request *http.Request) (*http.Response, error) {
	inner := request.Clone(request.Context())
	if request.URL.Host == s.ExternalURL.Host {
		inner.Host, inner.URL.Scheme, inner.URL.Host = request.URL.Host, "http", s.Address
	}
	response, err := http.DefaultTransport.RoundTrip(inner)
	if response != nil {
		// Cookies, redirects and links are of the address that the browser knows.
		response.Request = request
	}
	return response, err
}

// LogIn logs in with a temporary password, chooses a new one, sees the portal
// and logs out. It waits for the log-in page until the context ends, and tells
// by say what was reached.
func (s Site) LogIn(ctx context.Context, mail, temporary string, say func(string)) error {
	browser := formclient.New()
	browser.HTTP.Transport = s
	browser.Language = "en"
	page, err := s.logInPage(ctx, browser)
	if err != nil {
		return fmt.Errorf("the site at %s: %w", s.Address, err)
	}
	say("The log-in page opens")
	if page, err = browser.LogIn(ctx, page, mail, temporary); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	if !asksForNewPassword(page) {
		return unexpected("the page that asks for a new password", page)
	}
	say("The temporary password is accepted and must be changed")
	if page, err = browser.SetPassword(ctx, page, newPassword()); err != nil {
		return fmt.Errorf("choose a new password: %w", err)
	}
	out := logOutForm(page)
	if out == nil {
		return unexpected("the portal after a new password was chosen", page)
	}
	say("A new password is chosen and the portal opens")
	if _, err = browser.Submit(ctx, out, nil); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	if page, err = browser.Get(ctx, s.ExternalURL.String()); err != nil {
		return fmt.Errorf("open the portal after the log-out: %w", err)
	}
	if !asksForLogIn(page) {
		return unexpected("the log-in page after the log-out", page)
	}
	say("The log-out ends the session")
	return nil
}

// logInPage is what the portal leads to. It is looked for again while the site answers otherwise.
func (s Site) logInPage(ctx context.Context, browser *formclient.Client) (*formclient.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for {
		page, err := browser.Get(ctx, s.ExternalURL.String())
		switch {
		case err == nil && asksForLogIn(page):
			return page, nil
		case err == nil:
			err = unexpected("the log-in page", page)
		case last != nil && ctx.Err() != nil:
			// That the time is over is no reason.
			return nil, last
		}
		last = err
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return nil, last
		}
	}
}

func asksForLogIn(page *formclient.Page) bool {
	_, err := page.FormWith("mail", "password")
	return err == nil
}

func asksForNewPassword(page *formclient.Page) bool {
	_, err := page.FormWith("password", "confirmation")
	return err == nil
}

// logOutForm is there on the pages of somebody logged in.
func logOutForm(page *formclient.Page) *formclient.Form {
	for _, form := range page.Forms() {
		if form.Action.Path == "/logout" {
			return form
		}
	}
	return nil
}

// unexpected says what came instead; pages hold no passwords.
func unexpected(want string, page *formclient.Page) error {
	const enough = 400
	text := []rune(page.Text())
	if len(text) > enough {
		text = append(text[:enough], '…')
	}
	return fmt.Errorf("expected %s, got status %d at %s: %s", want, page.Status, "/"+strings.TrimPrefix(page.URL.Path, "/"), string(text))
}

// newPassword is 100 bits of randomness, as a person would be allowed to choose.
func newPassword() string { return rand.Text()[:20] + "-1a" }
