/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"net/http"
	"strings"
)

// Fault is something that goes wrong. Set one of Status (with Code, or with Text
// and ContentType), Hang, Cut and Half.
type Fault struct {
	// Method and Path are of the calls that fail; Path is below /v1.0, without the
	// query, and ends in * for all that begin so. Empty are all. The token endpoint
	// is /token.
	Method, Path string
	// After is how many such calls succeed first, Times how many fail then; 0 are
	// all until the fault is taken away.
	After, Times int
	// Carried tells that the call is carried out, and only its answer is lost.
	Carried bool

	// Status is answered, with an error of this Code and Message.
	Status        int
	Code, Message string
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
	return Fault{Status: http.StatusInternalServerError, Code: "Service_InternalServerError", Message: "Encountered an internal server error."}
}

// HTML answers with the page of a proxy.
func HTML() Fault {
	return Fault{Status: http.StatusOK, Text: "<!DOCTYPE html><html><body><h1>Access to this site is filtered</h1></body></html>", ContentType: "text/html; charset=utf-8"}
}

// Nonsense answers with JSON that is none of Graph's.
func Nonsense() Fault {
	return Fault{Status: http.StatusOK, Text: `{"status":"ok","data":[1,2,3]}`, ContentType: "application/json"}
}

// Throttled refuses by itself, whatever the limits.
func Throttled(retryAfter string) Fault {
	f := Fault{Status: http.StatusTooManyRequests, Code: "TooManyRequests", Message: "Too many requests."}
	if retryAfter != "" {
		f.Header = map[string]string{"Retry-After": retryAfter}
	}
	return f
}

// Denied refuses as if the permission were missing.
func Denied(method, path string) Fault {
	return Fault{Method: method, Path: path, Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Message: "Insufficient privileges to complete the operation."}
}

// TokenError refuses tokens with a code that passes, for example 90033.
func TokenError(status, code int) Fault {
	a := tokenRefusal(status, "temporarily_unavailable", code, "A transient error has occurred. Please try again.")
	return Fault{Path: "/token", Status: status, Text: string(encode(a.body)), ContentType: "application/json; charset=utf-8"}
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
		defer s.mu.Unlock()
		entry.Times = 0
		close(s.released)
		s.released = make(chan struct{})
	}
}

// take is the fault of a call; nil where it goes well.
func (s *Server) take(c *call) *Fault {
	path := faultPath(c.path)
	for _, f := range s.faults {
		if f.Times == 0 || !f.matches(c.method, path) {
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
	a := refuse(f.Status, f.Code, f.Message)
	a.header = f.Header
	return a
}

func faultPath(path string) string {
	if _, isToken := tokenTenant(path); isToken {
		return "/token"
	}
	return strings.TrimPrefix(path, version)
}
