/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scimmy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Gateway stands before a service whose searches do not find new users for a
// while; by their ID, and in lists without a filter, they are there at once. A
// call that arrived is carried out though the client goes away.
type Gateway struct {
	// URL is where its paths begin.
	URL   string
	delay time.Duration

	mu sync.Mutex
	// visible is when searches find a user, by ID.
	visible map[string]time.Time
	gone    int
	changed int
}

// answerTime is how long the answer of a write is under way: whoever watches Made
// and Changed can break the client before it hears of it.
const answerTime = 10 * time.Millisecond

// Lagging puts a gateway before the service until the test ends.
func (s *Service) Lagging(t testing.TB, delay time.Duration) *Gateway {
	t.Helper()
	behind, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := &Gateway{delay: delay, visible: map[string]time.Time{}}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = behind.Scheme, behind.Host },
		Transport: g,
	})
	t.Cleanup(server.Close)
	g.URL = server.URL + behind.Path
	return g
}

// Made counts the users that were made and not deleted since.
func (g *Gateway) Made() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.visible) - g.gone
}

// Changed counts the changes that were made to users.
func (g *Gateway) Changed() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// RoundTrip implements http.RoundTripper.
func (g *Gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	all, one := strings.HasSuffix(r.URL.Path, "/Users"), strings.Contains(r.URL.Path, "/Users/")
	search := r.Method == http.MethodGet && all && r.URL.Query().Get("filter") != ""
	response, err := http.DefaultTransport.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
	switch {
	case err != nil:
		return nil, err
	case r.Method == http.MethodPost && all && response.StatusCode == http.StatusCreated:
		return rewritten(response, g.made)
	case search && response.StatusCode == http.StatusOK:
		return rewritten(response, g.found)
	case r.Method == http.MethodDelete && one && response.StatusCode == http.StatusNoContent:
		g.count(&g.gone)
	case (r.Method == http.MethodPatch || r.Method == http.MethodPut) && one && response.StatusCode < http.StatusMultipleChoices:
		g.count(&g.changed)
	}
	return response, nil
}

// made notes a new user.
func (g *Gateway) made(body map[string]any) {
	g.mu.Lock()
	g.visible[idOf(body)] = time.Now().Add(g.delay)
	g.mu.Unlock()
	<-time.After(answerTime)
}

// count notes something that was done.
func (g *Gateway) count(what *int) {
	g.mu.Lock()
	*what++
	g.mu.Unlock()
	<-time.After(answerTime)
}

// found leaves out those that are too new.
func (g *Gateway) found(body map[string]any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	resources, _ := body["Resources"].([]any)
	shown := []any{}
	for _, resource := range resources {
		if !time.Now().Before(g.visible[idOf(resource)]) {
			shown = append(shown, resource)
		}
	}
	body["Resources"], body["totalResults"], body["itemsPerPage"] = shown, len(shown), len(shown)
}

func idOf(resource any) string {
	fields, _ := resource.(map[string]any)
	id, _ := fields["id"].(string)
	return id
}

// rewritten is an answer whose body a function saw and changed.
func rewritten(response *http.Response, change func(body map[string]any)) (*http.Response, error) {
	content, err := io.ReadAll(response.Body)
	if err == nil {
		err = response.Body.Close()
	}
	var body map[string]any
	if err == nil {
		err = json.Unmarshal(content, &body)
	}
	if err != nil {
		return nil, err
	}
	change(body)
	if content, err = json.Marshal(body); err != nil {
		return nil, err
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	response.Header.Set("Content-Length", strconv.Itoa(len(content)))
	return response, nil
}
