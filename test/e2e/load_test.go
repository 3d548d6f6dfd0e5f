//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/crewjam/saml"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/formclient"
)

const (
	// pace of the load: 20 requests a second, whatever the workers would like.
	pace = 50 * time.Millisecond
	// signOnsPerLogIn is how many log-ins at the app follow one with the password.
	signOnsPerLogIn = 6
	// keptReasons bounds what is printed of failures.
	keptReasons = 5
)

// counts are what happened in one phase.
type counts struct {
	requests, retried, failed, wrong, lost, logIns, signOns atomic.Int64

	mu      sync.Mutex
	reasons []string
}

func (c *counts) note(counter *atomic.Int64, format string, arguments ...any) {
	counter.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.reasons) < keptReasons {
		c.reasons = append(c.reasons, time.Now().UTC().Format("15:04:05.000 ")+fmt.Sprintf(format, arguments...))
	}
}

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("requests %d, failed %d, wrong answers %d, lost sessions %d, connections retried %d, log-ins %d, sign-ons %d %q",
		c.requests.Load(), c.failed.Load(), c.wrong.Load(), c.lost.Load(), c.retried.Load(), c.logIns.Load(), c.signOns.Load(), c.reasons)
}

// load is members who log in to the portal and the app for as long as the test lets them.
type load struct {
	*place
	transport http.RoundTripper
	ticks     <-chan time.Time // nil: no pace
	current   atomic.Pointer[counts]
}

func newLoad(p *place) *load {
	l := &load{place: p}
	l.current.Store(&counts{})
	// A connection for each request, so that the Service chooses a pod for each.
	l.transport = &http.Transport{DisableKeepAlives: true, DialContext: l.dial}
	return l
}

// dial reaches the Service whatever the address. A refused connection is tried
// once more, as every ingress does: no request was sent yet.
func (l *load) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	connection, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, l.address)
	if errors.Is(err, syscall.ECONNREFUSED) {
		l.current.Load().retried.Add(1)
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, l.address)
	}
	return connection, err
}

// RoundTrip implements http.RoundTripper: it keeps the pace and counts.
func (l *load) RoundTrip(request *http.Request) (*http.Response, error) {
	if l.ticks != nil {
		select {
		case <-l.ticks:
		case <-request.Context().Done():
			return nil, request.Context().Err()
		}
	}
	response, err := l.transport.RoundTrip(request)
	if request.Context().Err() != nil {
		return response, err // the test ended it
	}
	now := l.current.Load()
	now.requests.Add(1)
	switch {
	case err != nil:
		now.note(&now.failed, "%s %s: %v", request.Method, request.URL.Path, err)
	case response.StatusCode >= http.StatusInternalServerError:
		now.note(&now.failed, "%s %s: status %d", request.Method, request.URL.Path, response.StatusCode)
	}
	return response, err
}

// start makes every member work until the returned function stops them.
func (l *load) start() (stop func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	ticker := time.NewTicker(pace)
	l.ticks = ticker.C
	var group sync.WaitGroup
	for _, member := range l.members {
		group.Go(func() { l.work(ctx, member) })
	}
	return func() {
		cancel()
		group.Wait()
		ticker.Stop()
		l.ticks = nil
	}
}

// work keeps one session from the first to the last moment, beside short ones.
func (l *load) work(ctx context.Context, member *v1alpha1.Member) {
	lasting := l.browser(l)
	for !l.logIn(ctx, lasting, member) && ctx.Err() == nil {
	}
	for ctx.Err() == nil {
		short := l.browser(l)
		if !l.logIn(ctx, short, member) {
			continue
		}
		for i := range signOnsPerLogIn {
			l.signOn(ctx, short, member, i%2 == 0)
			if i%3 == 0 {
				l.signOn(ctx, lasting, member, i%2 == 0)
			}
		}
		l.portal(ctx, lasting)
	}
}

// answered tells whether a page came; what did not is counted already.
func answered(page *formclient.Page, err error) bool {
	return err == nil && page.Status < http.StatusInternalServerError
}

func (l *load) logIn(ctx context.Context, browser *formclient.Client, member *v1alpha1.Member) bool {
	page, err := browser.Get(ctx, siteURL+"/login")
	if !answered(page, err) {
		return false
	}
	form, err := page.FormWith("mail", "password")
	if err != nil {
		l.wrongAnswer(ctx, "no log-in form: %v", err)
		return false
	}
	page, err = browser.Submit(ctx, form, map[string]string{"mail": member.Spec.Mail, "password": chosenPassword})
	if !answered(page, err) {
		return false
	}
	if !onPortal(page) {
		l.wrongAnswer(ctx, "log-in with the right password ended at %s (status %d): %.200s", page.URL, page.Status, page.Text())
		return false
	}
	l.current.Load().logIns.Add(1)
	return true
}

func (l *load) portal(ctx context.Context, browser *formclient.Client) {
	page, err := browser.Get(ctx, siteURL+"/")
	if answered(page, err) && !onPortal(page) {
		l.lostSession(ctx, page)
	}
}

// signOn logs in to the app with the session, started by the app or by the portal.
func (l *load) signOn(ctx context.Context, browser *formclient.Client, member *v1alpha1.Member, byApp bool) {
	address, requests := siteURL+"/saml/acme/apps/wiki", []string(nil)
	if byApp {
		request, err := l.provider.MakeAuthenticationRequest(siteURL+"/saml/acme/sso", saml.HTTPRedirectBinding, saml.HTTPPostBinding)
		if err != nil {
			l.wrongAnswer(ctx, "make a request: %v", err)
			return
		}
		target, err := request.Redirect("", l.provider)
		if err != nil {
			l.wrongAnswer(ctx, "make a request: %v", err)
			return
		}
		address, requests = target.String(), []string{request.ID}
	}
	page, err := browser.Get(ctx, address)
	if !answered(page, err) {
		return
	}
	if _, err := page.FormWith("mail", "password"); err == nil {
		l.lostSession(ctx, page)
		return
	}
	if err := l.check(page, member, requests); err != nil {
		l.wrongAnswer(ctx, "sign-on of %s at %s: %v", member.Spec.Mail, page.URL.Path, err)
		return
	}
	l.current.Load().signOns.Add(1)
}

// check is an error unless the page posts to the app that this member logged in.
func (l *load) check(page *formclient.Page, member *v1alpha1.Member, requests []string) error {
	form, err := page.FormWith("SAMLResponse")
	if err != nil {
		return err
	}
	if form.Action.String() != appURL+"/saml/acs" {
		return fmt.Errorf("the answer goes to %s", form.Action)
	}
	response, err := base64.StdEncoding.DecodeString(form.Fields.Get("SAMLResponse"))
	if err != nil {
		return err
	}
	assertion, err := l.provider.ParseXMLResponse(response, requests, l.provider.AcsURL)
	var invalid *saml.InvalidResponseError
	if errors.As(err, &invalid) {
		return invalid.PrivateErr
	}
	if err != nil {
		return err
	}
	if got := assertion.Subject.NameID.Value; got != member.Spec.Mail {
		return fmt.Errorf("the answer is about %s", got)
	}
	return nil
}

func (l *load) wrongAnswer(ctx context.Context, format string, arguments ...any) {
	if ctx.Err() == nil {
		now := l.current.Load()
		now.note(&now.wrong, format, arguments...)
	}
}

func (l *load) lostSession(ctx context.Context, page *formclient.Page) {
	if ctx.Err() == nil {
		now := l.current.Load()
		now.note(&now.lost, "a session ended at %s", page.URL.Path)
	}
}

// phase counts what happens while disturb runs, and logs it.
func (l *load) phase(t *testing.T, name string, disturb func()) *counts {
	t.Helper()
	l.current.Store(&counts{})
	start := time.Now()
	disturb()
	done := l.current.Swap(&counts{})
	t.Logf("PHASE %s: %.0f s, %s", name, time.Since(start).Seconds(), done)
	return done
}
