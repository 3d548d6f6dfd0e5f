/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"net/http"
	"strings"
)

// Fault is something that goes wrong. Set one of Status (with Code, or with Text
// and ContentType), Hang, Cut and Half.
type Fault struct {
	// Method and Path are of the calls that fail; Path is below Path of the package,
	// without the query, and ends in * for all that begin so. Empty are all.
	Method, Path string
	// After is how many such calls succeed first, Times how many fail then; 0 are
	// all until the fault is taken away.
	After, Times int
	// Carried tells that the call is carried out, and only its answer is lost.
	Carried bool

	// Status is answered, with a problem of this Code and Detail.
	Status       int
	Code, Detail string
	// Header is sent with it.
	Header map[string]string
	// Text replaces the body; ContentType is its kind.
	Text, ContentType string
	// Hang never answers.
	Hang bool
	// Cut ends the connection in the middle of the answer; Half sends half the
	// answer as if it were all. The call is carried out.
	Cut, Half bool
}

// ServerError answers 500 to everything.
func ServerError() Fault {
	return Fault{Status: http.StatusInternalServerError, Code: "internal", Detail: "The service failed."}
}

// HTML answers with the page of a proxy.
func HTML() Fault {
	return Fault{Status: http.StatusOK, Text: "<!DOCTYPE html><html><body><h1>メンテナンス中です</h1></body></html>", ContentType: "text/html; charset=utf-8"}
}

// Nonsense answers with JSON that is none of the contract's.
func Nonsense() Fault {
	return Fault{Status: http.StatusOK, Text: `{"status":"ok","data":[1,2,3]}`, ContentType: "application/json"}
}

// Throttled refuses by itself, however few the calls.
func Throttled(retryAfter string) Fault {
	return Fault{Status: http.StatusTooManyRequests, Code: "throttled", Detail: "Too many calls.", Header: map[string]string{"Retry-After": retryAfter}}
}

// Forbidden refuses as if the permission were missing.
func Forbidden() Fault {
	return Fault{Status: http.StatusForbidden, Code: "forbidden", Detail: "The token may not do this."}
}

type fault struct{ Fault }

// Inject lets calls fail until the function that it returns is called.
func (s *Server) Inject(f Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	entry := &fault{f}
	s.faults = append(s.faults, entry)
	return func() {
		s.mu.Lock()
		entry.Times = 0
		s.mu.Unlock()
		s.Close()
	}
}

// Close lets calls that hang end.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.released)
	s.released = make(chan struct{})
}

// take is the fault of a call; nil where it goes well.
func (s *Server) take(c *call) *Fault {
	for _, f := range s.faults {
		if f.Times == 0 || !f.matches(c.method, strings.TrimPrefix(c.path, Path)) {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		taken := f.Fault
		return &taken
	}
	return nil
}

// performs tells whether the call is carried out; f may be nil.
func (f *Fault) performs() bool { return f == nil || f.Carried || f.Cut || f.Half }

func (f *Fault) matches(method, path string) bool {
	if f.Method != "" && f.Method != method {
		return false
	}
	prefix, open := strings.CutSuffix(f.Path, "*")
	return f.Path == "" || f.Path == path || open && strings.HasPrefix(path, prefix)
}

func (f *Fault) answer() answer {
	a := refuse(f.Status, f.Code, f.Detail)
	a.header = f.Header
	return a
}
