//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
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
	// maxDials is how many pods may refuse in a row when a request is tried again.
	maxDials = 8
	// keptReasons bounds what is printed of failures.
	keptReasons = 5
)

// counts are what happened in one phase.
type counts struct {
	requests, kept, retried, failed, unavailable, wrong, lost, logIns, signOns atomic.Int64

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
	return fmt.Sprintf("requests %d (%d on kept connections), retried %d, failed %d, 503 to come again %d, wrong answers %d, lost sessions %d, log-ins %d, sign-ons %d %q",
		c.requests.Load(), c.kept.Load(), c.retried.Load(), c.failed.Load(), c.unavailable.Load(), c.wrong.Load(), c.lost.Load(), c.logIns.Load(), c.signOns.Load(), c.reasons)
}

// load is members who log in to the portal and the app for as long as the test lets them.
type load struct {
	*place
	ticks   <-chan time.Time // nil: no pace
	current atomic.Pointer[counts]
}

func newLoad(p *place) *load {
	l := &load{place: p}
	l.current.Store(&counts{})
	return l
}

// browser is a new one, with a profile and connections of its own, that finds the site's Service where its address says.
// With keepAlive it uses connections again, as browsers do; without, the Service chooses a pod for each request.
func (l *load) browser(keepAlive bool) *formclient.Client {
	browser := formclient.New()
	browser.HTTP.Transport = &visits{load: l, connections: &http.Transport{
		DisableKeepAlives: !keepAlive,
		DialContext:       l.dial,
	}}
	return browser
}

// againKey marks the context of a request that is tried again.
type againKey struct{}

// dial reaches the site's Service whatever the address. A request that is tried again passes over pods that refuse, as an
// ingress does: it knows the pods, where the Service draws one at random.
func (l *load) dial(ctx context.Context, network, _ string) (connection net.Conn, err error) {
	dials := 1
	if ctx.Value(againKey{}) != nil {
		dials = maxDials
	}
	for range dials {
		connection, err = (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, l.address)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
	}
	return connection, err
}

// visits are one browser's requests: in the load's pace, and counted.
type visits struct {
	load        *load
	connections *http.Transport
}

// CloseIdleConnections lets http.Client do so.
func (v *visits) CloseIdleConnections() { v.connections.CloseIdleConnections() }

// RoundTrip implements http.RoundTripper.
func (v *visits) RoundTrip(request *http.Request) (*http.Response, error) {
	if v.load.ticks != nil {
		select {
		case <-v.load.ticks:
		case <-request.Context().Done():
			return nil, request.Context().Err()
		}
	}
	a, response, err := v.try(request)
	again := err != nil && a.repeatable(request) && request.Context().Err() == nil
	if again {
		_, response, err = v.try(request.WithContext(context.WithValue(request.Context(), againKey{}, true)))
	}
	if request.Context().Err() != nil {
		return response, err // the test ended it
	}
	now := v.load.current.Load() // the phase that it ended in
	now.requests.Add(1)
	if again {
		now.retried.Add(1)
	}
	if a.kept {
		now.kept.Add(1)
	}
	switch {
	case err != nil:
		now.note(&now.failed, "%s %s: %v", request.Method, request.URL.Path, err)
	case response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "":
		now.unavailable.Add(1)
	case response.StatusCode >= http.StatusInternalServerError:
		now.note(&now.failed, "%s %s: status %d", request.Method, request.URL.Path, response.StatusCode)
	}
	return response, err
}

// attempt is how far one try came.
type attempt struct {
	connected, kept bool
	answered        atomic.Bool
}

// repeatable tells whether an ingress would send the request again: nothing came back, and it changes nothing or never left.
func (a *attempt) repeatable(request *http.Request) bool {
	return !a.answered.Load() && (request.Method == http.MethodGet || !a.connected)
}

// try sends the request and reads the whole answer, as half an answer is a failure.
func (v *visits) try(request *http.Request) (*attempt, *http.Response, error) {
	a := &attempt{}
	trace := &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if a.connected { // Go found the kept connection closed and takes another
				v.load.current.Load().retried.Add(1)
			}
			a.connected, a.kept = true, info.Reused
		},
		GotFirstResponseByte: func() { a.answered.Store(true) },
	}
	copied := request.Clone(httptrace.WithClientTrace(request.Context(), trace))
	if request.GetBody != nil {
		body, err := request.GetBody()
		if err != nil {
			return a, nil, err
		}
		copied.Body = body
	}
	response, err := v.connections.RoundTrip(copied)
	if err != nil {
		return a, nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return a, nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return a, response, nil
}

// start makes every member work until the returned function stops them.
func (l *load) start() (stop func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	ticker := time.NewTicker(pace)
	l.ticks = ticker.C
	var group sync.WaitGroup
	for i, member := range l.members {
		group.Go(func() { l.work(ctx, member, i%2 == 0) })
	}
	return func() {
		cancel()
		group.Wait()
		ticker.Stop()
		l.ticks = nil
	}
}

// work keeps one session from the first to the last moment, beside short ones.
func (l *load) work(ctx context.Context, member *v1alpha1.Member, keepAlive bool) {
	lasting := l.browser(keepAlive)
	defer lasting.HTTP.CloseIdleConnections()
	for !l.logIn(ctx, lasting, member) && ctx.Err() == nil {
	}
	for ctx.Err() == nil {
		l.visit(ctx, lasting, member, keepAlive)
	}
}

// visit logs in, and uses that session and the lasting one.
func (l *load) visit(ctx context.Context, lasting *formclient.Client, member *v1alpha1.Member, keepAlive bool) {
	short := l.browser(keepAlive)
	defer short.HTTP.CloseIdleConnections()
	if !l.logIn(ctx, short, member) {
		return
	}
	for i := range signOnsPerLogIn {
		l.signOn(ctx, short, member, i%2 == 0)
		if i%3 == 0 {
			l.signOn(ctx, lasting, member, i%2 == 0)
		}
	}
	l.portal(ctx, lasting)
}

// answered tells whether a page came; what did not is counted already.
func answered(page *formclient.Page, err error) bool {
	return err == nil && page.Status < http.StatusInternalServerError
}

func (l *load) logIn(ctx context.Context, browser *formclient.Client, member *v1alpha1.Member) bool {
	page, err := browser.Get(ctx, l.site()+"/login")
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
	page, err := browser.Get(ctx, l.site()+"/")
	if answered(page, err) && !onPortal(page) {
		l.lostSession(ctx, page)
	}
}

// signOn logs in to the app with the session, started by the app or by the portal.
func (l *load) signOn(ctx context.Context, browser *formclient.Client, member *v1alpha1.Member, byApp bool) {
	address, requests := l.site()+"/saml/"+l.tenant.Spec.Slug+"/apps/"+l.app.Name, []string(nil)
	if byApp {
		request, err := l.provider.MakeAuthenticationRequest(l.site()+"/saml/"+l.tenant.Spec.Slug+"/sso", saml.HTTPRedirectBinding, saml.HTTPPostBinding)
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

// during counts what happens while disturb runs.
func (l *load) during(t *testing.T, name string, disturb func()) *counts {
	t.Helper()
	l.current.Store(&counts{})
	start := time.Now()
	disturb()
	done := phase{name: name, duration: time.Since(start), counts: l.current.Swap(&counts{})}
	summary.addPhase(done)
	t.Logf("PHASE %s: %.0f s, %s", name, done.duration.Seconds(), done.counts)
	return done.counts
}
