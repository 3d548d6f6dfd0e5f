/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/singleflight"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

// authorization is the header's value.
func (t *Target) authorization(ctx context.Context) (string, error) {
	switch a := t.options.Authentication; {
	case a.Basic != nil:
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.Basic.UserName+":"+string(a.Basic.Password))), nil
	case a.OAuth != nil:
		return t.tokens.authorization(ctx)
	default:
		return "Bearer " + string(a.Bearer), nil
	}
}

// expires is when a bearer token ends that is a JWT and says so (RFC 7519 section
// 4.1.4); zero for all others.
func (s Secret) expires() time.Time {
	parts := strings.Split(string(s), ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	// Beyond the year 9999 no time can be told.
	if json.Unmarshal(payload, &claims) != nil || claims.Expires <= 0 || claims.Expires > 253402300799 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Expires), 0).UTC()
}

// tokens gets access tokens by client credentials, and keeps one while it is valid.
type tokens struct {
	configuration clientcredentials.Config
	http          *http.Client
	// field is what messages call the configuration.
	field  string
	now    func() time.Time
	flight singleflight.Group

	mu    sync.Mutex
	token *oauth2.Token
}

func newTokens(options Options) *tokens {
	o := options.Authentication.OAuth
	return &tokens{
		configuration: clientcredentials.Config{ClientID: o.ClientID, ClientSecret: string(o.ClientSecret), TokenURL: o.TokenURL, Scopes: o.Scopes},
		http:          &http.Client{Transport: transport{options.HTTP}},
		field:         options.field("authentication.oauth"),
		now:           options.Now,
	}
}

func (t *tokens) current() *oauth2.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token
}

func (t *tokens) set(token *oauth2.Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = token
}

// authorization is with a valid token. Many who want one at once share one call.
func (t *tokens) authorization(ctx context.Context) (string, error) {
	if token := t.current(); token.Valid() {
		return authorization(token), nil
	}
	// The one who asks first may give up while others still wait; the client bounds the call.
	detached := context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, t.http)
	done := t.flight.DoChan("", func() (any, error) {
		token, err := t.configuration.Token(detached)
		if err != nil {
			return nil, t.failure(err)
		}
		t.set(token)
		return token, nil
	})
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case result := <-done:
		token, ok := result.Val.(*oauth2.Token)
		if !ok {
			return "", result.Err
		}
		return authorization(token), nil
	}
}

// authorization: services differ in how they name the type, not in what it means.
func authorization(token *oauth2.Token) string { return "Bearer " + token.AccessToken }

// drop forgets a token that the service refused.
func (t *tokens) drop(refused string) {
	if token := t.current(); token != nil && authorization(token) == refused {
		t.set(nil)
	}
}

// failure tells why no token was given. What x/oauth2 says repeats the
// answer, so that nothing of it is passed on.
func (t *tokens) failure(err error) error {
	if e, ok := errors.AsType[*provision.Error](err); ok {
		return e
	}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refused.Response == nil {
		return &provision.Error{Cause: provision.Unavailable, Message: fmt.Sprintf("The address of %s.tokenURL did not answer with a token; check it. It is tried again.", t.field)}
	}
	e := &provision.Error{Code: word(refused.ErrorCode)}
	status := refused.Response.StatusCode
	switch {
	case status == http.StatusTooManyRequests:
		e.Cause, e.Message = provision.Throttled, "The service gives no more tokens for now; it is tried again."
		e.RetryAfter = client.RetryAfter(refused.Response.Header.Get("Retry-After"), t.now())
	case status >= 500:
		e.Cause, e.Message = provision.Unavailable, fmt.Sprintf("The service that gives tokens failed with status %d; it is tried again.", status)
	case e.Code == "invalid_scope":
		e.Cause, e.Message = provision.Unauthorized, fmt.Sprintf("The service gives no token with the scopes of %s.scopes; correct them.", t.field)
	case status == http.StatusNotFound:
		e.Cause, e.Message = provision.Unauthorized, fmt.Sprintf("There is nothing that gives tokens at %s.tokenURL; correct it.", t.field)
	default:
		e.Cause = provision.Unauthorized
		e.Message = fmt.Sprintf("The service gives no token for the client ID and secret: they are wrong, expired or revoked. Make a new secret there, and put it into the Secret that %s.clientSecretRef names.", t.field)
	}
	return e
}

// transport lets x/oauth2 call through the client, which decides where it may connect.
type transport struct{ client *client.Client }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }() // read or given up
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	response, err := t.client.Do(r.Context(), client.Request{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: body})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: response.Status, Header: response.Header, Body: io.NopCloser(bytes.NewReader(response.Body)),
		ContentLength: int64(len(response.Body)), Request: r,
	}, nil
}
