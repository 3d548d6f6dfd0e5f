/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"tegata.dev/tegata/test/doubles/fault"
)

// DefaultToken is that of New where Options say nothing.
const DefaultToken = "mdm-token" // #nosec G101 -- of a double

// Path is where the contract's paths begin.
const Path = "/api"

// DefaultRefused are characters that New's service does not take in texts where
// Options say nothing: what stands in markup, and what only some Japanese
// character sets have. Characters beyond the first 65536 are refused always.
const DefaultRefused = `<>&;\` + "①②③④⑤⑥⑦⑧⑨⑩㈱№℡㍻髙﨑"

// Options say what a service is like.
type Options struct {
	// Token is the bearer token; empty is DefaultToken.
	Token string
	// TokenExpires is told; zero is not.
	TokenExpires time.Time
	// Licenses is how many active users there can be; 0 is without bounds.
	Licenses int
	// Refused are characters that no text may have; empty is DefaultRefused.
	Refused string
	// Properties are kept beside the contract's own; nil are phone and department.
	Properties []string
	// Roles are those that a user can have; nil are administrator and general.
	Roles []string
	// PageSize is the longest page; 0 is 100.
	PageSize int
	// CallsPerMinute are taken before calls are refused; 0 is without bounds.
	CallsPerMinute int
	// Silent: the service says nothing of itself.
	Silent bool
	// Now is the clock; nil is the machine's. Advance goes on top of it.
	Now func() time.Time
}

// Server is a service. It is an http.Handler, and safe for concurrent use.
type Server struct {
	fault.Faults
	options Options

	mu       sync.Mutex
	offset   time.Duration
	token    string
	readOnly bool
	licenses int
	last     int
	users    []*user
	devices  []*device
	window   time.Time
	calls    int
	log      []Call
}

// New makes a service.
func New(o Options) *Server {
	if o.Token == "" {
		o.Token = DefaultToken
	}
	if o.Refused == "" {
		o.Refused = DefaultRefused
	}
	if o.Properties == nil {
		o.Properties = []string{"phone", "department"}
	}
	if o.Roles == nil {
		o.Roles = []string{"administrator", "general"}
	}
	if o.PageSize == 0 {
		o.PageSize = 100
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{options: o, token: o.Token, licenses: o.Licenses}
}

// now is the service's time; the caller holds the lock.
func (s *Server) now() time.Time { return s.options.Now().Add(s.offset) }

// call is a request.
type call struct {
	method, path string
	query        map[string][]string
	header       http.Header
	body         []byte
	requestID    string
}

const maxBody = 1 << 20

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	c := &call{method: r.Method, path: r.URL.Path, query: r.URL.Query(), header: r.Header, body: body, requestID: uuid.NewString()}
	a, f := s.perform(c)
	s.send(w, r, c, a, f)
}

// perform answers a call, or lets it fail.
func (s *Server) perform(c *call) (answer, *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.Take(c.method, strings.TrimPrefix(c.path, Path))
	var a answer
	if f.Performs() {
		a = s.answer(c)
	}
	if f != nil && f.Status != 0 {
		a = refusal(f)
	}
	s.log = append(s.log, Call{Method: c.method, Path: strings.TrimPrefix(c.path, Path), Status: a.status, Body: string(c.body)})
	return a, f
}

func (s *Server) answer(c *call) answer {
	if refusal, refused := s.refuseCall(c); refused {
		return refusal
	}
	path, within := strings.CutPrefix(c.path, Path)
	id, one := strings.CutPrefix(path, "/users/")
	switch {
	case !within:
		return refuse(http.StatusNotFound, "not_found", "There is nothing here.")
	case !utf8.Valid(c.body):
		return refuse(http.StatusBadRequest, "bad_request", "The body is not UTF-8.")
	case c.method == http.MethodGet && path == "/service" && !s.options.Silent:
		return s.service(c)
	case c.method == http.MethodGet && path == "/users":
		return s.listUsers(c)
	case c.method == http.MethodPost && path == "/users":
		return s.createUser(c)
	case c.method == http.MethodGet && path == "/devices":
		return s.listDevices(c)
	case one && id != "" && !strings.Contains(id, "/"):
		return s.oneUser(c, id)
	default:
		return refuse(http.StatusNotFound, "not_found", "There is nothing here.")
	}
}

// refuseCall refuses whoever has no token, lacks the permission, or calls too often.
func (s *Server) refuseCall(c *call) (answer, bool) {
	if c.header.Get("Authorization") != "Bearer "+s.token {
		a := refuse(http.StatusUnauthorized, "unauthorized", "The token is not valid.")
		a.header = map[string]string{"WWW-Authenticate": "Bearer"}
		return a, true
	}
	if now := s.now(); s.options.CallsPerMinute > 0 {
		if window := now.Truncate(time.Minute); !window.Equal(s.window) {
			s.window, s.calls = window, 0
		}
		if s.calls++; s.calls > s.options.CallsPerMinute {
			return throttle(s.window.Add(time.Minute).Sub(now)), true
		}
	}
	if s.readOnly && c.method != http.MethodGet {
		return refuse(http.StatusForbidden, "forbidden", "The token may only read."), true
	}
	return answer{}, false
}

func (s *Server) service(c *call) answer {
	if bad, is := c.unexpected(); is {
		return bad
	}
	said := map[string]any{"name": "MDM"}
	if !s.options.TokenExpires.IsZero() {
		said["tokenExpires"] = s.options.TokenExpires.UTC().Format(time.RFC3339)
	}
	if s.licenses > 0 {
		said["licenses"] = map[string]int{"total": s.licenses, "used": s.used()}
	}
	return answer{status: http.StatusOK, body: said}
}

// unexpected refuses a call with parameters that it does not have, or a body where
// none belongs.
func (c *call) unexpected(known ...string) (answer, bool) {
	for name, values := range c.query {
		if !slices.Contains(known, name) || len(values) != 1 || values[0] == "" {
			return refuse(http.StatusBadRequest, "bad_request", "The parameter "+name+" is unknown, empty or given twice."), true
		}
	}
	if (c.method == http.MethodGet || c.method == http.MethodDelete) && len(c.body) > 0 {
		return refuse(http.StatusBadRequest, "bad_request", "A body does not belong here."), true
	}
	return answer{}, false
}
