/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package fault is what can go wrong between a client and a service in memory:
// answers that are refusals, pages of a proxy, nonsense, cut off, or never come.
// The doubles beside it share it.
package fault

import (
	"net/http"
	"strings"
	"sync"
)

// Fault is something that goes wrong. Set one of Status (with Code, or with Text
// and ContentType), Hang, Cut and Half.
type Fault struct {
	// Method and Path are of the calls that fail; Path is below where the service's
	// paths begin, without the query, and ends in * for all that begin so. Empty are
	// all.
	Method, Path string
	// After is how many such calls succeed first, Times how many fail then; 0 are
	// all until the fault is taken away.
	After, Times int
	// Carried tells that the call is carried out, and only its answer is lost.
	Carried bool

	// Status is answered, with the service's form of an error of this Code and Message.
	Status        int
	Code, Message string
	// Header is sent with it.
	Header map[string]string
	// Text replaces the body; ContentType is its kind.
	Text, ContentType string
	// Hang never answers.
	Hang bool
	// Cut ends the connection in the middle of the answer; Half sends half the
	// answer as if it were all. The call is carried out. An answer without a body
	// arrives whole.
	Cut, Half bool
}

// HTML answers with the page of a proxy.
func HTML() Fault {
	return Fault{Status: http.StatusOK, Text: "<!DOCTYPE html><html><body><h1>メンテナンス中です</h1></body></html>", ContentType: "text/html; charset=utf-8"}
}

// Nonsense answers with JSON that is none of the service's.
func Nonsense() Fault {
	return Fault{Status: http.StatusOK, Text: `{"status":"ok","data":[1,2,3]}`, ContentType: "application/json"}
}

// Performs tells whether the call is carried out; f may be nil.
func (f *Fault) Performs() bool { return f == nil || f.Carried || f.Cut || f.Half }

// Refuses tells whether the service answers with an error of its own form; f may be nil.
func (f *Fault) Refuses() bool { return f != nil && f.Status != 0 && f.Text == "" }

// Silences tells whether no answer arrives whole; f may be nil.
func (f *Fault) Silences() bool { return f != nil && (f.Hang || f.Cut) }

func (f *Fault) matches(method, path string) bool {
	if f.Method != "" && f.Method != method {
		return false
	}
	prefix, open := strings.CutSuffix(f.Path, "*")
	return f.Path == "" || f.Path == path || open && strings.HasPrefix(path, prefix)
}

// Faults are those of one service; the zero value has none. They are safe for
// concurrent use.
type Faults struct {
	mu       sync.Mutex
	entries  []*entry
	released chan struct{}
}

type entry struct {
	Fault
	// times is how many more calls fail; less than 0 is without end.
	times int
}

// Inject lets calls fail until the function that it returns is called.
func (s *Faults) Inject(f Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &entry{Fault: f, times: f.Times}
	if f.Times == 0 {
		e.times = -1
	}
	s.entries = append(s.entries, e)
	return func() {
		s.mu.Lock()
		e.times = 0
		s.mu.Unlock()
		s.Close()
	}
}

// Close lets calls that hang end.
func (s *Faults) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released != nil {
		close(s.released)
	}
	s.released = nil
}

// Take is the fault of a call, the first that fits; nil where it goes well.
func (s *Faults) Take(method, path string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.times == 0 || !e.matches(method, path) {
			continue
		}
		if e.After > 0 {
			e.After--
			continue
		}
		if e.times > 0 {
			e.times--
		}
		taken := e.Fault
		return &taken
	}
	return nil
}

// release is closed when calls that hang shall end.
func (s *Faults) release() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released == nil {
		s.released = make(chan struct{})
	}
	return s.released
}
