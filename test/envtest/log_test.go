/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
)

// complaints are the errors that the operators of this process logged.
var complaints complaintLog

// complaintLog keeps errors and drops the rest.
type complaintLog struct {
	mu      sync.Mutex
	entries []string
}

func (l *complaintLog) logger() logr.Logger { return logr.New(&complaintSink{log: l}) }

// about are the errors logged about something in the namespace.
func (l *complaintLog) about(namespace string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var about []string
	for _, entry := range l.entries {
		if strings.Contains(entry, fmt.Sprintf("[namespace %s]", namespace)) {
			about = append(about, entry)
		}
	}
	return about
}

// complaintSink implements logr.LogSink.
type complaintSink struct {
	log    *complaintLog
	values []any
}

func (s *complaintSink) Init(logr.RuntimeInfo)        {}
func (s *complaintSink) Enabled(int) bool             { return false }
func (s *complaintSink) Info(int, string, ...any)     {}
func (s *complaintSink) WithName(string) logr.LogSink { return s }

func (s *complaintSink) WithValues(values ...any) logr.LogSink {
	return &complaintSink{log: s.log, values: slices.Concat(s.values, values)}
}

func (s *complaintSink) Error(err error, message string, values ...any) {
	text := fmt.Sprintf("%s: %v", message, err)
	for pair := range slices.Chunk(slices.Concat(s.values, values), 2) {
		text += fmt.Sprintf(" %v", pair)
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.entries = append(s.log.entries, text)
}

// forbidden is the last request of an operator here that its role did not allow.
var forbidden atomic.Pointer[string]

// refusedByEnd counts by path what was refused because its namespace was being deleted.
var refusedByEnd sync.Map

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// noteForbidden remembers what next refused for want of a permission.
func noteForbidden(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		if err != nil || response.StatusCode != http.StatusForbidden {
			return response, err
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		_ = response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(body))
		switch {
		case bytes.Contains(body, []byte("because it is being terminated")):
			count, _ := refusedByEnd.LoadOrStore(request.URL.Path, new(atomic.Int32))
			count.(*atomic.Int32).Add(1)
		case bytes.Contains(body, []byte("exceeded quota")): // a test's own
		default:
			forbidden.Store(ptrTo(request.Method + " " + request.URL.Path))
		}
		return response, nil
	})
}

// refusals is how often something was refused at a path since its namespace ends.
func refusals(path string) int {
	count, ok := refusedByEnd.Load(path)
	if !ok {
		return 0
	}
	return int(count.(*atomic.Int32).Load())
}
