/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tegata.dev/tegata/internal/idp/store"
)

// visit is one request on its way through a page.
type visit struct {
	site *Site
	w    http.ResponseWriter
	r    *http.Request
	// chosen is the page's language once it is known; see language.
	chosen string
	// lastTenant is what readTenant found last.
	lastTenant *store.Tenant
	// token, session and account are set by authenticate where the browser is logged in.
	token   string
	session *store.Session
	account *store.Account
	// tentative visits go by what is remembered of the session, which may be out
	// of date: they may neither tell nor write anything, but end with errTentative,
	// until Participate finds that it still holds.
	tentative bool
	// bare pages hold no form of ours, so they give the browser no cookie: a
	// cross-site POST comes without those that it has.
	bare bool
}

func (v *visit) context() context.Context { return v.r.Context() }

// requestTimeout bounds what a request waits for the database and for its turn
// at hashing; it leaves time to answer before the connection's own limit.
const requestTimeout = 20 * time.Second

// page serves a handler whose errors become pages.
func (s *Site) page(serve func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		v := &visit{site: s, w: w, r: r}
		if err := serve(v); err != nil {
			s.fail(v, err)
		}
	})
}

// form serves a posted form of our own pages: bounded, from our own origin and
// with the token of the browser that asked for it.
func (s *Site) form(serve func(*visit) error) http.Handler {
	return s.page(func(v *visit) error {
		if err := s.crossOrigin.Check(v.r); err != nil {
			return errForgedForm
		}
		if err := v.parseForm(maxFormBytes); err != nil {
			return err
		}
		if !s.csrfMatches(v.r, v.r.PostForm.Get("csrf")) {
			return errForgedForm
		}
		return serve(v)
	})
}

func (v *visit) parseForm(limit int64) error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, limit)
	err := v.r.ParseForm()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return errTooLarge
	case err != nil:
		return errBadForm
	default:
		return nil
	}
}

// authenticate reads the browser's session; without a live one it leaves the
// visit a guest's.
func (v *visit) authenticate() error {
	token := v.site.readCookie(v.r, sessionCookie)
	if token == "" {
		return nil
	}
	session, account, err := v.site.Store.Session(v.context(), token)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read session: %w", err)
	}
	v.token, v.session, v.account = token, session, account
	v.speak(account.Language)
	return nil
}

// errTentative is why a tentative visit ends; see answerByMemory.
var errTentative = errors.New("this needs the session as it is now")

// answerByMemory serves what has a session, if it can, by what is remembered of
// it, and so without a query of its own: Participate tells whether it still
// holds. Nothing has been sent or written where done is false.
func (v *visit) answerByMemory(serve func() error) (done bool, err error) {
	token := v.site.readCookie(v.r, sessionCookie)
	session, account := v.site.Store.Remembered(token)
	if session == nil {
		return false, nil
	}
	v.tentative, v.token, v.session, v.account = true, token, session, account
	v.speak(account.Language)
	if err := serve(); err == nil || !v.tentative {
		return true, err
	}
	*v = visit{site: v.site, w: v.w, r: v.r}
	return false, nil
}

// speak turns to a member's language where it is one of ours.
func (v *visit) speak(language string) {
	if known, ok := matchLanguage(language); ok {
		v.chosen = known
	}
}

// language is the page's: a member's, else what the browser asks for.
func (v *visit) language() string {
	if v.chosen == "" {
		v.chosen = v.site.guestLanguage(v.r)
	}
	return v.chosen
}

// readTenant finds a tenant as it was when this visit first saw it.
func (v *visit) readTenant(slug string) (*store.Tenant, error) {
	if v.lastTenant != nil && v.lastTenant.Slug == slug {
		return v.lastTenant, nil
	}
	var tenant *store.Tenant
	var err error
	if v.session != nil && v.session.Tenant == slug {
		tenant, err = v.site.Store.TenantAt(v.context(), slug, v.session.TenantRevision)
	} else {
		tenant, err = v.site.Store.Tenant(v.context(), slug)
	}
	if err != nil {
		return nil, err
	}
	v.lastTenant = tenant
	return tenant, nil
}

func (v *visit) redirect(target string) error {
	http.Redirect(v.w, v.r, target, http.StatusSeeOther)
	return nil
}

// requireSession authenticates, or sends the browser to log in.
func (v *visit) requireSession() (ok bool, err error) {
	if err := v.authenticate(); err != nil {
		return false, err
	}
	if v.session == nil {
		return false, v.redirect("/login")
	}
	return true, nil
}
