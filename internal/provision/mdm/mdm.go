/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

// Target is a service that speaks the contract.
type Target struct {
	http   *client.Client
	budget *provision.Budget
	// base is the address without a slash at its end.
	base string
	// authorization is the header's value, in a function so that nothing shows it.
	authorization func() string
	// without is a text without the token.
	without  func(text string) string
	mapping  []provision.Attribute
	roles    map[directory.Role]string
	ofMember func(id string) bool
}

var (
	_ provision.Target       = &Target{}
	_ provision.DeviceTarget = &Target{}
)

// New makes a target. The error tells what is wrong with the options, and what to do.
func New(o Options) (*Target, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	t := &Target{
		http: o.HTTP, budget: o.Budget, base: strings.TrimRight(o.URL, "/"), mapping: o.mapping(), roles: Words(), ofMember: o.OfMember,
		authorization: func() string { return "Bearer " + string(o.Token) },
		without:       func(text string) string { return strings.ReplaceAll(text, string(o.Token), "(hidden)") },
	}
	maps.Copy(t.roles, o.Roles)
	return t, nil
}

// service is what a service says of itself.
type service struct {
	TokenExpires time.Time `json:"tokenExpires"`
	Licenses     *struct {
		Total int `json:"total"`
		Used  int `json:"used"`
	} `json:"licenses"`
}

// Check implements provision.Target: it reads what the service says of itself,
// the first user and the first device.
func (t *Target) Check(ctx context.Context) (provision.Findings, error) {
	var found provision.Findings
	said, err := t.service(ctx)
	if err != nil {
		return found, err
	}
	found.CredentialExpires = said.TokenExpires
	if l := said.Licenses; l != nil && l.Used >= l.Total {
		found.Remarks = append(found.Remarks, fmt.Sprintf("All %d user licences of the MDM are used: buy more, or free some there, before the next member comes.", l.Total))
	}
	for _, list := range []listing{users, devices} {
		if _, err := t.page(ctx, list, url.Values{"limit": {"1"}}, false); err != nil {
			return provision.Findings{}, err
		}
	}
	return found, nil
}

func (t *Target) service(ctx context.Context) (service, error) {
	response, err := t.call(ctx, http.MethodGet, "/service", nil)
	switch {
	case err != nil:
		return service{}, err
	case response.Status == http.StatusNotFound:
		// It need not say anything.
		return service{}, nil
	}
	if err := t.expect(response, http.StatusOK); err != nil {
		return service{}, err
	}
	var said service
	if json.Unmarshal(response.Body, &said) != nil {
		return service{}, nonsense("what it says of itself has another form")
	}
	return said, nil
}

// request is a call; body is sent as JSON where it is not nil.
func (t *Target) request(method, path string, query url.Values, body any) (client.Request, error) {
	r := client.Request{Method: method, URL: t.base + path, Header: http.Header{"Authorization": {t.authorization()}, "Accept": {"application/json, application/problem+json"}}}
	if len(query) > 0 {
		r.URL += "?" + query.Encode()
	}
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return client.Request{}, fmt.Errorf("encode a user: %w", err)
		}
		r.Body = encoded
		r.Header.Set("Content-Type", map[string]string{http.MethodPatch: "application/merge-patch+json"}[method])
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	return r, nil
}

// call makes a call, and takes from the budget where it writes.
func (t *Target) call(ctx context.Context, method, path string, body any) (*client.Response, error) {
	r, err := t.request(method, path, nil, body)
	if err != nil {
		return nil, err
	}
	if method != http.MethodGet && t.budget != nil {
		if err := t.budget.Spend(ctx, 1); err != nil {
			return nil, err
		}
	}
	return t.http.Do(ctx, r)
}

// expect is the error of an answer that has another status.
func (t *Target) expect(response *client.Response, status int) error {
	switch {
	case response.Status == status:
		return nil
	case response.Status < http.StatusBadRequest:
		return nonsense("it answered with status %d, where the contract has %d", response.Status, status)
	default:
		return t.refused(response)
	}
}
