/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

// Target is a service that speaks SCIM 2.0.
type Target struct {
	options Options
	// base is the address without a slash at its end.
	base string
	// mapped are the paths of the options' attributes, and of their role path.
	mapped []path
	tokens *tokens
	// known is what the service said of itself.
	known     atomic.Pointer[features]
	discovery singleflight.Group
	// unfiltered are the attributes by which the service refused to filter.
	unfiltered sync.Map
	// patchless tells that the service refused a PATCH as such, and took a PUT.
	patchless atomic.Bool
	// unmarked tells that the service did not keep the externalId of a group.
	unmarked atomic.Bool
	shared   *listings
	altered  alterations
}

// New makes a target. The error tells what is wrong with the options, and what to do.
func New(o Options) (*Target, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	mapped, err := o.paths()
	if err != nil {
		return nil, err
	}
	t := &Target{options: o, base: strings.TrimRight(o.URL, "/"), mapped: mapped}
	t.shared = &listings{now: o.Now}
	if o.Authentication.OAuth != nil {
		t.tokens = newTokens(o)
	}
	return t, nil
}

// String implements fmt.Stringer, and shows no credentials.
func (t *Target) String() string { return "SCIM 2.0 at " + t.base }

// GoString implements fmt.GoStringer.
func (t *Target) GoString() string { return t.String() }

// Check implements provision.Target: it reads what the service says of itself,
// and the first account.
func (t *Target) Check(ctx context.Context) (provision.Findings, error) {
	f, err := t.refresh(ctx)
	if err != nil {
		return provision.Findings{}, err
	}
	if _, err := t.page(ctx, users, nil, 1, 1, false); err != nil {
		return provision.Findings{}, err
	}
	return provision.Findings{CredentialExpires: t.options.Authentication.Bearer.expires(), Remarks: t.remarks(f)}, nil
}

// request is a call of the service.
type request struct {
	method string
	// path is an endpoint such as /Users, id one resource of it; may be empty.
	path, id string
	query    url.Values
	// body is sent as JSON; nil sends none.
	body any
	// version makes the call depend on the resource being the same still.
	version string
	// large allows a large answer, and parse takes it in.
	large bool
	parse func([]byte) error
}

func (q request) collection() bool { return q.id == "" }

// kind is what the call is about, in words.
func (q request) kind() string {
	if q.path == groups {
		return "groups"
	}
	return "users"
}

func (q request) url(base string) string {
	address := base + q.path
	if q.id != "" {
		address += "/" + url.PathEscape(q.id)
	}
	if len(q.query) > 0 {
		// Some services read a + in a filter as what it is, and not as a space.
		address += "?" + strings.ReplaceAll(q.query.Encode(), "+", "%20")
	}
	return address
}

// answer is what a service answered; it is empty where it did not.
type answer struct {
	status     int
	header     http.Header
	body       []byte
	retryAfter time.Duration
	// authorization is what was sent; it is never shown.
	authorization string
}

const scimJSON = "application/scim+json"

// call makes a call, and takes from the budget where it writes. A token that the
// service takes no longer is replaced once.
func (t *Target) call(ctx context.Context, q request) (answer, error) {
	if q.method != http.MethodGet && t.options.Budget != nil {
		if err := t.options.Budget.Spend(ctx, 1); err != nil {
			return answer{}, err
		}
	}
	a, err := t.send(ctx, q)
	if t.tokens != nil && a.status == http.StatusUnauthorized {
		t.tokens.drop(a.authorization)
		return t.send(ctx, q)
	}
	return a, err
}

func (t *Target) send(ctx context.Context, q request) (answer, error) {
	r := client.Request{Method: q.method, URL: q.url(t.base), Header: http.Header{"Accept": {scimJSON + ", application/json"}}, Parse: q.parse}
	// A group comes with all its members.
	r.Large = q.large || q.path == groups
	if q.body != nil {
		body, err := json.Marshal(q.body)
		if err != nil {
			return answer{}, fmt.Errorf("encode a SCIM request: %w", err)
		}
		r.Body = body
		r.Header.Set("Content-Type", scimJSON)
	}
	if q.version != "" {
		r.Header.Set("If-Match", q.version)
	}
	authorization, err := t.authorization(ctx)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", authorization)
	response, err := t.options.HTTP.Do(ctx, r)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.Status, header: response.Header, body: response.Body, retryAfter: response.RetryAfter, authorization: authorization}
	return a, t.failure(q, a)
}
