/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

const version = "/v1.0"

// The priorities that Graph takes while it throttles; none is normal.
const (
	low  = "low"
	high = "high"
)

// pressed is the share of the limit from which on writes are made half as often,
// and pressedFor is how long one such answer counts.
const (
	pressed    = 0.9
	pressedFor = 10 * time.Second
)

// request is one call of Graph.
type request struct {
	method string
	// path is below the version, with its query; or a whole address of a next page.
	path string
	// body is sent as JSON; none where nil.
	body     any
	priority string
	// large allows a large answer, and parse takes it in.
	large bool
	parse func([]byte) error
	// permission is what the app needs, for the message of a refusal.
	permission string
}

func (r request) headers() map[string]string {
	headers := map[string]string{}
	if r.body != nil {
		headers["Content-Type"] = "application/json"
	}
	if r.priority != "" {
		headers["x-ms-throttle-priority"] = r.priority
	}
	return headers
}

// call makes one call and returns the body of its success.
func (t *Target) call(ctx context.Context, r request) ([]byte, error) {
	var body []byte
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode the body: %w", err)
		}
		body = encoded
	}
	address := t.options.Endpoints.Graph + version + r.path
	if r.path != "" && r.path[0] != '/' {
		address = r.path
	}
	answer, err := t.authorized(ctx, client.Request{Method: r.method, URL: address, Header: header(r.headers()), Body: body, Large: r.large, Parse: r.parse})
	if err != nil {
		return nil, err
	}
	t.notePressure(answer.Header)
	if answer.Status < http.StatusOK || answer.Status >= http.StatusMultipleChoices {
		p := parseProblem(answer.Body)
		if p.requestID == "" {
			p.requestID = presentable(answer.Header.Get("request-id"), maxName)
		}
		return nil, t.refusal(p, answer.Status, r.permission, answer.RetryAfter, answer.Header)
	}
	result := believed(r, answer.Body)
	return result.body, result.err
}

// believed is the result of a success. What answers a write without any sign of
// Graph is something else that stands before it, and nothing was written.
func believed(r request, body []byte) result {
	if r.method == http.MethodGet || len(body) == 0 || string(body) == "null" {
		return result{body: body}
	}
	fields := object(body)
	for _, sign := range []string{"id", "value", "responses", "@odata.context"} {
		if _, there := fields[sign]; there {
			return result{body: body}
		}
	}
	return result{err: nonsense("something that is none of its answers")}
}

// authorized sends a request with the token, and once more with a new one where
// the token was refused.
func (t *Target) authorized(ctx context.Context, r client.Request) (*client.Response, error) {
	for renewed := false; ; renewed = true {
		token, err := t.tokens.get(ctx)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := t.options.HTTP.Do(ctx, r)
		if err != nil {
			return nil, err
		}
		if answer.Status != http.StatusUnauthorized || renewed {
			return answer, nil
		}
		t.tokens.forget(token)
	}
}

// refusal makes the error of an answer.
func (t *Target) refusal(p problem, status int, permission string, retryAfter time.Duration, headers http.Header) *provision.Error {
	e := p.failure(status, permission)
	e.RetryAfter, e.Message = retryAfter, t.withoutSecrets(e.Message)
	if scope := presentable(headers.Get("x-ms-throttle-scope"), maxName); status == http.StatusTooManyRequests && scope != "" {
		e.Message += fmt.Sprintf(" Its scope is %s (%s).", scope, presentable(headers.Get("x-ms-throttle-information"), maxName))
	}
	return e
}

// withoutSecrets takes out what a service should not repeat, and might.
func (t *Target) withoutSecrets(message string) string {
	for _, secret := range []string{t.tokens.current(), string(t.options.ClientSecret)} {
		if secret != "" {
			message = strings.ReplaceAll(message, secret, Secret(secret).String())
		}
	}
	return message
}

// notePressure remembers that the limit is nearly used up.
func (t *Target) notePressure(headers http.Header) {
	if share, err := strconv.ParseFloat(headers.Get("x-ms-throttle-limit-percentage"), 64); err == nil && share >= pressed {
		t.pressedUntil.Store(t.options.Now().Add(pressedFor).UnixNano())
	}
}

// spend takes n writes from the budget: twice as many while Graph says that its
// limit is nearly used up.
func (t *Target) spend(ctx context.Context, n int) error {
	if t.options.Budget == nil {
		return nil
	}
	if t.options.Now().UnixNano() < t.pressedUntil.Load() {
		n *= 2
	}
	return t.options.Budget.Spend(ctx, n)
}

func header(values map[string]string) http.Header {
	h := http.Header{}
	for name, value := range values {
		h.Set(name, value)
	}
	return h
}
