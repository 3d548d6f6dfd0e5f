/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"tegata.dev/tegata/test/doubles/fault"
)

// DefaultTenantID and DefaultClientID are those of New where Options say nothing.
const (
	DefaultTenantID = "11111111-2222-3333-4444-555555555555"
	DefaultClientID = "66666666-7777-4888-9999-aaaaaaaaaaaa"
)

// Names of roles' templates, as Microsoft documents them.
const (
	GlobalAdministrator                   = "62e90394-69f5-4237-9190-012177145e10"
	PrivilegedAuthenticationAdministrator = "7be44c8a-adaf-4e2a-84d6-ab2649e08a13"
	PrivilegedRoleAdministrator           = "e8611ab8-c189-46e8-94e1-60213ab1f814"
	UserAdministrator                     = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	HelpdeskAdministrator                 = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	GlobalReader                          = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
)

var roleTemplates = map[string]bool{
	GlobalAdministrator: true, PrivilegedAuthenticationAdministrator: true, PrivilegedRoleAdministrator: true,
	UserAdministrator: true, HelpdeskAdministrator: true, GlobalReader: true,
}

// Options say what a tenant is like.
type Options struct {
	// TenantID is a GUID; empty is DefaultTenantID.
	TenantID string
	// Elsewhere are tenants of another national cloud.
	Elsewhere []string
	// Domains of the tenant; none are acme.onmicrosoft.com (initial and default)
	// and acme.example (verified).
	Domains []Domain
	// Apps are registrations; none are one of DefaultClientID, with the secret
	// "secret" and the permissions of AllPermissions.
	Apps []App
	// Resource is the origin of Graph that tokens are for; empty is the origin that
	// the token is asked of.
	Resource string
	// Now is the clock; nil is the machine's. Advance goes on top of it.
	Now func() time.Time
	// ReplicationDelay is how long reads do not see what was written.
	ReplicationDelay time.Duration
	// Limits of the calls; zero are Microsoft's for a small tenant.
	Limits Limits
	// RetryAfter is the header of throttled answers; empty sends none, as Microsoft
	// does at times. Examples: 3, 0.249.
	RetryAfter string
	// TokenLifetime is how long tokens hold; zero is an hour.
	TokenLifetime time.Duration
}

// Server is a tenant. It is an http.Handler for both the log-in service and Graph,
// and safe for concurrent use.
type Server struct {
	fault.Faults
	options Options

	mu      sync.Mutex
	offset  time.Duration
	apps    map[string]*App
	tokens  map[string]token
	issued  map[string][]time.Time
	domains []*domain
	users   map[string]*user
	order   []*user
	index   map[string]map[string]*user
	changes []change
	roles   []*assignment
	devices []map[string]any
	usage   map[string]*usage
	log     []Call
	counts  map[string]int
	refused int
}

// New makes a tenant.
func New(o Options) *Server {
	if o.TenantID == "" {
		o.TenantID = DefaultTenantID
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = time.Hour
	}
	if o.Domains == nil {
		o.Domains = []Domain{{Name: "acme.onmicrosoft.com", Initial: true, Default: true}, {Name: "acme.example"}}
	}
	if o.Apps == nil {
		o.Apps = []App{{ClientID: DefaultClientID, Secrets: []Secret{{Value: "secret"}}, Permissions: AllPermissions()}}
	}
	o.Limits = o.Limits.orDefaults()
	s := &Server{
		options: o, apps: map[string]*App{}, tokens: map[string]token{}, issued: map[string][]time.Time{},
		users: map[string]*user{}, index: map[string]map[string]*user{}, usage: map[string]*usage{}, counts: map[string]int{},
	}
	for _, d := range o.Domains {
		s.domains = append(s.domains, &domain{Domain: d})
	}
	for _, a := range o.Apps {
		s.apps[a.ClientID] = a.withDefaults(s.now())
	}
	return s
}

// now is the tenant's time; the caller holds the lock, or is New.
func (s *Server) now() time.Time { return s.options.Now().Add(s.offset) }

// Advance moves the tenant's clock, against the client's too.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	c := &call{
		method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery, header: r.Header, body: body,
		origin: originOf(r), requestID: uuid.NewString(),
	}
	a, f := s.perform(c)
	s.send(w, r, c, a, f)
}

// perform answers a call, or lets it fail.
func (s *Server) perform(c *call) (answer, *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now = s.now()
	f := s.fault(c)
	var a answer
	if f.Performs() {
		a = s.answer(c)
	}
	if f == nil {
		f = c.broken
	}
	if f.Refuses() {
		a = refusal(f)
	}
	s.record(c, a, f)
	return a, f
}

func (s *Server) answer(c *call) answer {
	if tenant, isToken := tokenTenant(c.path); isToken {
		return s.giveToken(c, tenant)
	}
	return s.graph(c)
}

func originOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
