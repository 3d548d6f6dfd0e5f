/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
)

// The cookies, without the prefix that binds them to this host.
const (
	sessionCookie  = "tegata-session"
	csrfCookie     = "tegata-csrf"
	languageCookie = "tegata-language"
	// logoutCookie leads back to a log-out that an app keeps from going on.
	logoutCookie = "tegata-logout"
)

// cookieName adds the __Host- prefix, which browsers accept over https only.
func (s *Site) cookieName(name string) string {
	if s.secure {
		return "__Host-" + name
	}
	return name
}

func (s *Site) readCookie(r *http.Request, name string) string {
	cookie, err := r.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// setCookie sets a cookie for maxAge seconds; 0 is until the browser closes, -1 deletes it.
func (s *Site) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	// #nosec G124 -- Secure is left out only for http on a loopback host
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(name), Value: value, Path: "/", MaxAge: maxAge,
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (s *Site) randomToken() (string, error) {
	random := make([]byte, 32)
	if _, err := io.ReadFull(s.Random, random); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(random), nil
}

// csrfToken is what forms carry: a hash of the browser's secret cookie, so
// that a page leaked elsewhere does not give the cookie away.
func csrfToken(cookie string) string { return hashOf("csrf", cookie) }

// browserMark binds server-side state to the browser with this cookie.
func browserMark(cookie string) string { return hashOf("browser", cookie) }

func hashOf(purpose, value string) string {
	sum := sha256.Sum256([]byte("tegata " + purpose + "\x00" + value))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s *Site) csrfMatches(r *http.Request, token string) bool {
	cookie := s.readCookie(r, csrfCookie)
	return cookie != "" && same(csrfToken(cookie), token)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// csrf is the token for a form of this visit. It gives the browser its cookie
// where it has none.
func (v *visit) csrf() (string, error) {
	cookie := v.site.readCookie(v.r, csrfCookie)
	if cookie == "" {
		var err error
		if cookie, err = v.site.randomToken(); err != nil {
			return "", err
		}
		v.site.setCookie(v.w, csrfCookie, cookie, 0)
		// A second form of the same answer must not make a second cookie.
		// #nosec G124 -- a request's cookie has no attributes
		v.r.AddCookie(&http.Cookie{Name: v.site.cookieName(csrfCookie), Value: cookie})
	}
	return csrfToken(cookie), nil
}
