/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"tegata.dev/tegata/internal/provision"
)

// pageSize is how many are asked for at once.
const pageSize = "500"

// listing is what can be listed: its path, and its name in a page.
type listing struct{ path, name string }

var (
	users   = listing{"/users", "users"}
	devices = listing{"/devices", "devices"}
)

// maxElements bounds a list: more cannot be compared in memory.
const maxElements = 1_000_000

// page is one page of a list.
type page struct {
	items []json.RawMessage
	total int
	// next is where the next one begins; empty on the last.
	next string
}

// page reads a page; only one of a whole list may be large.
func (t *Target) page(ctx context.Context, list listing, query url.Values, large bool) (page, error) {
	r, err := t.request(http.MethodGet, list.path, query, nil)
	if err != nil {
		return page{}, err
	}
	var found page
	r.Large, r.Parse = large, func(body []byte) (err error) {
		found, err = parsePage(body, list)
		return err
	}
	response, err := t.http.Do(ctx, r)
	if err != nil {
		return page{}, err
	}
	return found, t.expect(response, http.StatusOK)
}

func parsePage(body []byte, list listing) (page, error) {
	var document map[string]json.RawMessage
	var p page
	var total *int
	if json.Unmarshal(body, &document) != nil ||
		json.Unmarshal(document[list.name], &p.items) != nil || p.items == nil ||
		json.Unmarshal(document["total"], &total) != nil || total == nil || *total < len(p.items) {
		return page{}, nonsense("a list of %s lacks %[1]s or their total", list.name)
	}
	if *total > maxElements {
		return page{}, nonsense("a list of %s has more than %d", list.name, maxElements)
	}
	p.total = *total
	if next := document["nextCursor"]; next != nil && json.Unmarshal(next, &p.next) != nil {
		return page{}, nonsense("the cursor of a list is no text")
	}
	return p, nil
}

// each visits everything on all pages. A list that ends with fewer than the
// service says it has is an error: what is missing must not be taken for gone.
func (t *Target) each(ctx context.Context, list listing, query url.Values, visit func(json.RawMessage) (id string, err error)) error {
	asked := url.Values{"limit": {pageSize}}
	for name, values := range query {
		asked[name] = values
	}
	visited := map[string]bool{}
	fewest := -1
	for {
		p, err := t.page(ctx, list, asked, true)
		if err != nil {
			return err
		}
		before := len(visited)
		for _, item := range p.items {
			id, err := visit(item)
			if err != nil {
				return err
			}
			visited[id] = true
		}
		if fewest < 0 || p.total < fewest {
			fewest = p.total
		}
		switch {
		case p.next == "" && len(visited) < fewest:
			return nonsense("a list of %s ended after %d of %d", list.name, len(visited), fewest)
		case p.next == "":
			return nil
		case len(visited) > maxElements:
			return nonsense("a list of %s has more than %d", list.name, maxElements)
		case len(visited) == before:
			return nonsense("a list of %s goes on without anything new", list.name)
		}
		asked.Set("cursor", p.next)
	}
}

// user is a user as the service has it.
type user map[string]any

// parseUser takes what has all that the contract requires.
func (t *Target) parseUser(body []byte) (user, error) {
	var u user
	if json.Unmarshal(body, &u) != nil {
		return nil, nonsense("a user has another form")
	}
	_, hasActive := u[activeProperty].(bool)
	_, hasRole := u[roleProperty].(string)
	if !validID(u.text(idProperty)) || u.text(mailProperty) == "" || !hasActive || !hasRole {
		return nil, nonsense("a user lacks id, mail, role or active")
	}
	for _, attribute := range t.mapping {
		if value := u[attribute.Name]; value != nil {
			if _, is := value.(string); !is {
				return nil, nonsense("%s of a user is no text", attribute.Name)
			}
		}
	}
	return u, nil
}

func (u user) text(name string) string {
	value, _ := u[name].(string)
	return value
}

// account is a user as the operator sees it.
func (t *Target) account(u user) provision.Account {
	active, _ := u[activeProperty].(bool)
	a := provision.Account{
		ExternalID: u.text(idProperty), UserName: u.text(mailProperty), DisplayName: u.text("displayName"), Active: active,
		Properties: provision.Properties{},
	}
	if external := u.text(externalIDProperty); publicID.MatchString(external) && (t.ofMember == nil || t.ofMember(external)) {
		a.CorrelationID = external
	}
	for _, attribute := range t.mapping {
		a.Properties[attribute.Name] = u.text(attribute.Name)
	}
	return a
}

// device is a device as the service has it.
type device struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Platform     string `json:"platform"`
	SerialNumber string `json:"serialNumber"`
	Managed      *bool  `json:"managed"`
	Compliant    *bool  `json:"compliant"`
	OwnerID      string `json:"ownerId"`
}

func parseDevice(body []byte) (device, error) {
	var d device
	if json.Unmarshal(body, &d) != nil || !validID(d.ID) || d.Managed == nil {
		return device{}, nonsense("a device lacks id or managed, or has another form")
	}
	return d, nil
}

// Devices implements provision.DeviceTarget. Devices that are not managed any
// more, or not yet, are none.
func (t *Target) Devices(ctx context.Context, visit func(provision.Device) error) error {
	return t.each(ctx, devices, nil, func(item json.RawMessage) (string, error) {
		d, err := parseDevice(item)
		if err != nil || !*d.Managed {
			return d.ID, err
		}
		return d.ID, visit(provision.Device{
			ID: d.ID, Name: d.Name, Platform: d.Platform, SerialNumber: d.SerialNumber, Compliant: d.Compliant,
			Owner: provision.Reference{ExternalID: d.OwnerID},
		})
	})
}

// userPath is the path of one user.
func userPath(id string) string { return fmt.Sprintf("%s/%s", users.path, url.PathEscape(id)) }
