/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"net/netip"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/internal/admin"
)

// Launcher runs identity servers as their specs say. The operator's command
// implements it for mode Embedded; other modes come behind the same interface.
type Launcher interface {
	// Ensure starts the server, or restarts it where the configuration changed,
	// and returns its service once it serves. It is idempotent.
	Ensure(ctx context.Context, name types.NamespacedName, config ServerConfig) (admin.Service, error)
	// Stop stops the server gracefully; unknown names are ignored.
	Stop(ctx context.Context, name types.NamespacedName) error
	// OnExit registers who is told of a server that ended by itself.
	OnExit(func(types.NamespacedName))
	// Version is the version of the servers it runs.
	Version() string
}

// ServerConfig is an identity server's configuration with every Secret read.
// It never prints.
type ServerConfig struct {
	ExternalURL string
	Listen      string
	// PostgresDSN is empty for SQLite.
	PostgresDSN string
	// Key is 32 bytes and seals secrets at rest.
	Key            []byte
	Mail           *MailConfig
	TrustedProxies []netip.Prefix
}

// String hides the secrets.
func (ServerConfig) String() string { return "[server configuration]" }

// GoString hides the secrets from %#v.
func (ServerConfig) GoString() string { return "[server configuration]" }

// MailConfig is how mail is sent.
type MailConfig struct {
	From string
	Host string
	Port int
	// TLS is StartTLS, TLS or None.
	TLS      string
	Username string
	Password string
}

// Server is a running identity server as the controllers use it.
type Server struct {
	admin.Service
	batcher     *admin.Batcher
	externalURL string
	stop        context.CancelFunc

	mu sync.Mutex
	// digests are those of what this process published, to compare with what the server holds.
	digests map[admin.Key]string
}

// publish applies one change, batched with those of other workers, and
// remembers its digest where it was accepted.
func (s *Server) publish(ctx context.Context, change admin.Change) (admin.Result, error) {
	result, err := s.batcher.Apply(ctx, change)
	if err != nil || result.Problem != nil {
		return result, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if change.IsDelete() {
		delete(s.digests, change.Key)
	} else {
		s.digests[change.Key] = admin.DigestOf(change)
	}
	return result, nil
}

// publishedDigests copies what this process published.
func (s *Server) publishedDigests() map[admin.Key]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	digests := make(map[admin.Key]string, len(s.digests))
	for key, digest := range s.digests {
		digests[key] = digest
	}
	return digests
}

// Servers are the identity servers that run now, by the name of their resource.
type Servers struct {
	mu      sync.RWMutex
	running map[types.NamespacedName]*Server
}

// NewServers knows of none yet.
func NewServers() *Servers { return &Servers{running: map[types.NamespacedName]*Server{}} }

// Get returns the running server, or nil.
func (s *Servers) Get(name types.NamespacedName) *Server {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.running[name]
}

// set records a service that runs and reports whether it is new: then follow
// is started with a context that ends when the server is replaced or removed.
func (s *Servers) set(ctx context.Context, name types.NamespacedName, service admin.Service, externalURL string, follow func(context.Context, *Server)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.running[name]; old != nil {
		if old.Service == service && old.externalURL == externalURL {
			return false
		}
		old.stop()
	}
	following, stop := context.WithCancel(ctx)
	server := &Server{
		Service: service, batcher: admin.NewBatcher(service), externalURL: externalURL,
		stop: stop, digests: map[admin.Key]string{},
	}
	s.running[name] = server
	go follow(following, server)
	return true
}

// remove forgets a server that no longer runs, and reports whether it was known.
func (s *Servers) remove(name types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	server := s.running[name]
	if server != nil {
		server.stop()
		delete(s.running, name)
	}
	return server != nil
}
