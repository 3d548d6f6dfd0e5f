/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
	"tegata.dev/tegata/internal/idp/store"
)

// flow is what a log-in is on its way to, kept on the server while the person
// logs in. Without any field set it ends at the portal.
type flow struct {
	// StartedAt tells a log-in made for this flow from an older one (ForceAuthn);
	// in whole milliseconds, as sessions are kept.
	StartedAt time.Time `json:"startedAt"`
	// Tenant, App and Pending are set where an app is to be answered.
	Tenant  string        `json:"tenant,omitempty"`
	App     string        `json:"app,omitempty"`
	Pending *saml.Pending `json:"pending,omitempty"`
	// Change is set once a temporary password was right: a new one is due
	// before there is any session.
	Change *change `json:"change,omitempty"`
	// Logout is set where a log-out is under way instead.
	Logout *logout `json:"logout,omitempty"`
}

// change is the state between a right temporary password and the new one.
type change struct {
	Tenant string `json:"tenant"`
	Member string `json:"member"`
	// Credential marks the temporary password, so that a newer one ends this flow.
	Credential string `json:"credential"`
	// Browser marks the browser that entered it: the flow's ID alone is no credential.
	Browser string `json:"browser"`
}

// appFlow starts a flow that ends at an app.
func (s *Site) appFlow(tenant string, app directory.App, pending *saml.Pending) *flow {
	return &flow{StartedAt: s.Now().Truncate(time.Millisecond), Tenant: tenant, App: app.Name, Pending: pending}
}

func (v *visit) saveFlow(f *flow) (id string, err error) {
	if v.tentative {
		return "", errTentative
	}
	body, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("marshal flow: %w", err)
	}
	if id, err = v.site.Store.SaveFlow(v.context(), body, flowLifetime); err != nil {
		return "", fmt.Errorf("save flow: %w", err)
	}
	return id, nil
}

// flow reads a flow; nil where it is unknown, expired or another browser's.
func (v *visit) flow(id string) (*flow, error) {
	if id == "" {
		return nil, nil
	}
	body, err := v.site.Store.Flow(v.context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read flow: %w", err)
	}
	f := &flow{}
	if err := json.Unmarshal(body, f); err != nil {
		return nil, fmt.Errorf("unmarshal flow: %w", err)
	}
	if f.Logout != nil {
		return nil, nil // no way to log in
	}
	if f.Change != nil && !same(f.Change.Browser, browserMark(v.site.readCookie(v.r, csrfCookie))) {
		return nil, nil
	}
	return f, nil
}

func (v *visit) dropFlow(id string) error {
	if id == "" {
		return nil
	}
	if err := v.site.Store.DeleteFlow(v.context(), id); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("delete flow: %w", err)
	}
	return nil
}

// loginURL is the page that goes on with a flow.
func loginURL(flowID string) string {
	if flowID == "" {
		return "/login"
	}
	// IDs are base64url, which needs no escaping.
	return "/login?flow=" + flowID
}
