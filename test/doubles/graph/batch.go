/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"encoding/json"
	"net/http"
	"strings"
)

const maxBatch = 20

// item is one request of a batch.
type item struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

// batch is POST /$batch: each request succeeds or fails by itself, and the answers
// come in another order than the requests.
func (s *Server) batch(c *call) answer {
	if c.method != http.MethodPost {
		return refuse(http.StatusMethodNotAllowed, badRequest, "Specified HTTP method is not allowed for the request target.")
	}
	if _, refused := c.fields(); refused != nil {
		return *refused
	}
	var body struct {
		Requests []item `json:"requests"`
	}
	if json.Unmarshal(c.body, &body) != nil || len(body.Requests) == 0 {
		return refuse(http.StatusBadRequest, "BadRequest", "Invalid batch payload format.")
	}
	if len(body.Requests) > maxBatch {
		return refuse(http.StatusBadRequest, "BadRequest", "The number of batch requests exceeds the maximum limit of 20.")
	}
	statuses := map[string]int{}
	responses := []any{}
	for _, r := range body.Requests {
		if _, twice := statuses[r.ID]; twice || r.ID == "" || !strings.HasPrefix(r.URL, "/") || strings.HasPrefix(r.URL, version+"/") {
			return refuse(http.StatusBadRequest, "BadRequest", "Invalid batch payload format: each request needs an id of its own and a url below the version.")
		}
		a := s.item(c, r, statuses)
		statuses[r.ID] = a.status
		response := map[string]any{"id": r.ID, "status": a.status, "headers": withType(a)}
		if a.body != nil {
			response["body"] = a.body
		}
		responses = append([]any{response}, responses...)
	}
	return ok(http.StatusOK, map[string]any{"responses": responses})
}

func withType(a answer) map[string]string {
	if a.body != nil {
		a.header["Content-Type"] = "application/json"
	}
	return a.header
}

// item answers one request of a batch.
func (s *Server) item(c *call, r item, statuses map[string]int) answer {
	path, query, _ := strings.Cut(r.URL, "?")
	part := &call{
		method: strings.ToUpper(r.Method), path: version + path, query: query, header: http.Header{}, body: r.Body,
		origin: c.origin, requestID: c.requestID, now: c.now, app: c.app, granted: c.granted, inBatch: true,
	}
	for name, value := range r.Headers {
		part.header.Set(name, value)
	}
	for _, id := range r.DependsOn {
		status, before := statuses[id]
		if !before {
			return refuse(http.StatusBadRequest, "BadRequest", "dependsOn names a request that is not there.").finish(part)
		}
		if status >= http.StatusBadRequest {
			return refuse(http.StatusFailedDependency, "FailedDependency", "The request failed because a request that it depends on failed.").finish(part)
		}
	}
	f := s.fault(part)
	var a answer
	if f.Performs() {
		a = s.one(part)
	}
	switch {
	case f == nil:
	case f.Refuses():
		a = refusal(f)
	default:
		c.broken = f
	}
	s.record(part, a, f)
	return a.finish(part)
}
