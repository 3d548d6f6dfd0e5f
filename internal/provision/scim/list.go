/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

const (
	// pageSize is how many resources are asked for at once.
	pageSize = 100
	// maxResources bounds a list: more cannot be compared in memory.
	maxResources = 1_000_000
	// maxPasses is how often a list is read that changes while it is read.
	maxPasses = 3
)

// page is a part of a list (RFC 7644 section 3.4.2).
type page struct {
	total     int
	resources []resource
}

// has tells that an entry is on the page; there is none without an ID to be missed.
func (p page) has(id string) bool {
	return id == "" || slices.ContainsFunc(p.resources, func(r resource) bool { return r.id() == id })
}

// last is the ID of the last entry; empty where the next page could not begin with it.
func (p page) last() string {
	if len(p.resources) < 2 {
		return ""
	}
	return p.resources[len(p.resources)-1].id()
}

// parsePage reads a ListResponse. One without a total says nothing about where
// the list ends.
func parsePage(body []byte) (page, error) {
	r, err := parseResource(body)
	if err != nil {
		return page{}, err
	}
	total, err := strconv.Atoi(r.text("totalResults"))
	if err != nil || total < 0 || total > maxResources {
		return page{}, nonsense("The service answered with a list that does not say how long it is, or is longer than %d; nothing was concluded from it.", maxResources)
	}
	elements, ok := r.get("Resources").([]any)
	if !ok && r.get("Resources") != nil {
		return page{}, nonsense("The service answered with something other than a list; nothing was concluded from it.")
	}
	p := page{total: total, resources: make([]resource, len(elements))}
	for i, element := range elements {
		if p.resources[i], ok = object(element); !ok || !validID(p.resources[i].id()) {
			return page{}, nonsense("The service answered with a list of which an entry has no usable id; nothing was concluded from it.")
		}
	}
	return p, nil
}

// parseResource reads one JSON object, and keeps its numbers as they are.
func parseResource(body []byte) (resource, error) {
	var r resource
	if err := decode(body, &r); err != nil || r == nil {
		return nil, nonsense("The service answered with something other than a JSON object; it is tried again.")
	}
	return r, nil
}

// maxID is what status takes of an ID.
const maxID = 512

// validID tells that an ID can stand in an address and in a status.
func validID(id string) bool {
	if id == "" || id == "." || id == ".." || len(id) > maxID {
		return false
	}
	for _, r := range id {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}

// each visits every resource of a list once, and returns nil only after the last
// one. A list that changes while it is read is read again. Only large lists may
// have large pages: searches are made many at once.
func (t *Target) each(ctx context.Context, endpoint string, query url.Values, large bool, visit func(resource) error) error {
	f, err := t.features(ctx)
	if err != nil {
		return err
	}
	size := pageSize
	if f.page > 0 {
		size = f.page
	}
	visited := map[string]bool{}
	once := func(r resource) error {
		if visited[r.id()] {
			return nil
		}
		visited[r.id()] = true
		return visit(r)
	}
	for range maxPasses {
		changed, err := t.pass(ctx, endpoint, query, size, large, once)
		if err != nil || !changed {
			return err
		}
	}
	return nonsense("The service's list changed each time that it was read; it is tried again.")
}

// pass reads a list from its first to its last page. It tells whether entries may
// have been missed because the list changed meanwhile.
func (t *Target) pass(ctx context.Context, endpoint string, query url.Values, size int, large bool, visit func(resource) error) (changed bool, err error) {
	seen := map[string]bool{}
	// last is the last entry of the page before; the next begins with it.
	total, moved, last := -1, false, ""
	for start := 1; total < 0 || start <= total; {
		from := start
		if last != "" {
			from--
		}
		p, err := t.page(ctx, endpoint, query, from, size, large)
		if err != nil {
			return false, err
		}
		// What is deleted draws later ones onto pages that were read, however many are
		// added meanwhile; what is added pushes them on, and they come twice.
		changed = changed || p.total < total || !p.has(last)
		moved = moved || total >= 0 && p.total != total
		total = p.total
		fresh := 0
		for _, r := range p.resources {
			if !seen[r.id()] {
				seen[r.id()] = true
				fresh++
			}
			if err := visit(r); err != nil {
				return false, err
			}
		}
		if fresh == 0 && start <= total {
			if last != "" && len(p.resources) == 1 {
				last = "" // a page may have but one entry
				continue
			}
			if moved {
				return true, nil
			}
			return false, nonsense("The service's list broke off after %d of %d entries; nothing was concluded from it.", len(seen), total)
		}
		start, last = from+len(p.resources), p.last()
	}
	switch {
	case len(seen) >= total:
		return changed, nil
	case moved:
		return true, nil
	default:
		return false, nonsense("The service's list has %d entries, but says that it has %d; nothing was concluded from it.", len(seen), total)
	}
}

func (t *Target) page(ctx context.Context, endpoint string, query url.Values, start, size int, large bool) (page, error) {
	asked := url.Values{"startIndex": {strconv.Itoa(start)}, "count": {strconv.Itoa(size)}}
	for name, values := range query {
		asked[name] = values
	}
	var found page
	_, err := t.call(ctx, request{method: http.MethodGet, path: endpoint, query: asked, large: large, parse: func(body []byte) (err error) {
		found, err = parsePage(body)
		return err
	}})
	return found, err
}

// decode reads exactly one JSON value.
func decode(body []byte, into any) error {
	if !json.Valid(body) {
		return errors.New("not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	return decoder.Decode(into)
}
