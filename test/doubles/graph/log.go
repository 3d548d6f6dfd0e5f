/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"maps"
	"slices"
	"time"
)

// Call is one that was made; those in batches are told apart from the batch.
type Call struct {
	Method, Path, Query string
	Status              int
	At                  time.Time
	InBatch             bool
	// Priority is the x-ms-throttle-priority that was asked for.
	Priority string
	Body     string
}

// maxLog is how many calls are remembered.
const maxLog = 2000

func (s *Server) record(c *call, a answer, f *Fault) {
	status := a.status
	if f.Silences() {
		status = 0
	}
	path := faultPath(c.path)
	s.counts[c.method+" "+path]++
	if len(s.log) >= maxLog {
		s.log = append([]Call(nil), s.log[maxLog/2:]...)
	}
	entry := Call{c.method, path, c.query, status, c.now, c.inBatch, c.header.Get("x-ms-throttle-priority"), ""}
	if path != "/token" {
		entry.Body = string(c.body)
	}
	s.log = append(s.log, entry)
}

// Calls are the last ones, at least a thousand.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Counts are how often each method and path was called since the start or the
// last Forget, for example "POST /users".
func (s *Server) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// Forget forgets the calls.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.counts = nil, map[string]int{}
}
