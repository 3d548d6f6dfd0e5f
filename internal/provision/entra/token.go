/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

const (
	// renewBefore is how long before its end a token is used no more.
	renewBefore = 5 * time.Minute
	// maxSkew is how far clocks may differ without a remark.
	maxSkew = 2 * time.Minute
)

// tokens gets and keeps the token of the app. One request is made at a time, and
// whoever waits for it shares its outcome, a refusal too: many requests in a row
// are taken for a loop.
type tokens struct {
	options Options

	mu    sync.Mutex
	token string
	until time.Time
	// asking is the request under way; nil where there is none.
	asking *asking
	// skew is how far Microsoft's clock is ahead of ours.
	skew time.Duration
}

// asking is a request for a token. Its outcome is set before done is closed.
type asking struct {
	token string
	err   error
	done  chan struct{}
}

func newTokens(o Options) *tokens { return &tokens{options: o} }

// get is a token that is still good.
func (s *tokens) get(ctx context.Context) (string, error) {
	s.mu.Lock()
	if s.token != "" && s.options.Now().Before(s.until) {
		defer s.mu.Unlock()
		return s.token, nil
	}
	under := s.asking
	if under == nil {
		under = &asking{done: make(chan struct{})}
		s.asking = under
		// Many wait for it, so no one's cancellation ends it. The client bounds it.
		go s.ask(context.WithoutCancel(ctx), under)
	}
	s.mu.Unlock()
	select {
	case <-under.done:
		return under.token, under.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (s *tokens) ask(ctx context.Context, under *asking) {
	before := s.clockSkew()
	token, lifetime, err := s.request(ctx)
	if skew := s.clockSkew() - before; err != nil && s.options.Certificate != nil && skew.Abs() > maxSkew {
		// The proof bore a wrong time, and the answer told the right one.
		token, lifetime, err = s.request(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A token that lives shortly is used for half its life at least.
	s.token, s.until = token, s.options.Now().Add(max(lifetime-renewBefore, lifetime/2))
	under.token, under.err = token, err
	s.asking = nil
	close(under.done)
}

// forget drops a token that was refused, unless it was renewed meanwhile.
func (s *tokens) forget(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == token {
		s.token, s.until = "", time.Time{}
	}
}

func (s *tokens) clockSkew() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.skew
}

// request asks for a token by client credentials (RFC 6749 section 4.4).
func (s *tokens) request(ctx context.Context) (string, time.Duration, error) {
	address := s.options.Endpoints.Login + "/" + url.PathEscape(s.options.TenantID) + "/oauth2/v2.0/token"
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.options.ClientID}, "scope": {s.options.Endpoints.Graph + "/.default"}}
	if certificate := s.options.Certificate; certificate != nil {
		assertion, err := certificate.assertion(s.options.ClientID, address, s.options.Now().Add(s.clockSkew()), s.options.Random)
		if err != nil {
			return "", 0, &provision.Error{Cause: provision.Unauthorized, Message: "The client certificate could not sign; check the key in the Secret.", Err: err}
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	} else {
		form.Set("client_secret", string(s.options.ClientSecret))
	}
	answer, err := s.options.HTTP.Do(ctx, client.Request{
		Method: http.MethodPost, URL: address, Header: header(map[string]string{"Content-Type": "application/x-www-form-urlencoded"}), Body: []byte(form.Encode()),
	})
	if err != nil {
		return "", 0, err
	}
	s.noteClock(answer.Header)
	if answer.Status != http.StatusOK {
		e := parseTokenProblem(answer.Body).failure(answer.Status)
		e.RetryAfter = answer.RetryAfter
		return "", 0, e
	}
	return parseToken(answer.Body)
}

// noteClock compares clocks by the Date of an answer (RFC 9110 section 6.6.1).
func (s *tokens) noteClock(headers http.Header) {
	date, err := http.ParseTime(headers.Get("Date"))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.skew = date.Sub(s.options.Now()).Round(time.Second); s.skew.Abs() <= maxSkew {
		s.skew = 0
	}
}

func parseToken(body []byte) (string, time.Duration, error) {
	var answer struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"`
	}
	err := json.Unmarshal(body, &answer)
	seconds, numberErr := answer.Expires.Int64()
	if err != nil || numberErr != nil || answer.Token == "" || seconds <= 0 || seconds > int64((24*time.Hour*7).Seconds()) {
		return "", 0, &provision.Error{Cause: provision.Unavailable, Message: "Microsoft's log-in service answered without a usable token; it is tried again. Check spec.entraID.endpoints where they are set."}
	}
	return answer.Token, time.Duration(seconds) * time.Second, nil
}

// current is the token that was last got; empty where there is none.
func (s *tokens) current() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}
