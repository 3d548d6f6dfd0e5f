/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/internal/admin"
)

// Launcher runs identity servers as their specs say, in one way of running them.
type Launcher interface {
	// Ensure brings the server to its configuration. It is idempotent, and its
	// errors are transient or say what to mend; an InvalidError is not tried
	// again. Beside an error, Serving tells what serves nevertheless.
	Ensure(ctx context.Context, name types.NamespacedName, config ServerConfig) (Serving, error)
	// Stop stops the server gracefully; unknown names are ignored.
	Stop(ctx context.Context, name types.NamespacedName) error
	// OnExit registers who is told of a server that ended by itself.
	OnExit(func(types.NamespacedName))
}

// Serving is what Ensure found.
type Serving struct {
	// Service is nil while nothing serves yet.
	Service admin.Service
	// Waiting says what a rollout waits for; empty where all is as declared.
	Waiting string
	// Failing tells that Waiting is a failure, which may need a person.
	Failing bool
	// Version is what serves says of itself; empty while nothing does.
	Version string
	// Replicas and ServiceName are set for servers in pods of their own.
	Replicas    *int32
	ServiceName string
	// LookAgain is when Ensure must be called again without any event; zero is never.
	LookAgain time.Duration
	// Unresolved is something that the spec names and that cannot be used; nil
	// where all can.
	Unresolved *Unresolved
	// Remark is a sentence on what a server that runs as declared still lacks; may be empty.
	Remark string
}

// Unresolved tells of something outside that the spec names and that cannot be
// used. The server serves nevertheless.
type Unresolved struct {
	// Missing is set where it does not exist at all.
	Missing bool
	// Message says what to do; a whole sentence.
	Message string
}

// InvalidError is an error of Ensure that lasts until a person changes the spec.
type InvalidError struct {
	// Message says what to change; a whole sentence without secrets.
	Message string
}

func (e *InvalidError) Error() string { return e.Message }

// ConflictError is an error of Ensure that lasts until a person clears away an
// object of somebody else.
type ConflictError struct {
	// Message says which object is in the way; a whole sentence.
	Message string
}

func (e *ConflictError) Error() string { return e.Message }

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
	// Deployment is set for servers in pods of their own.
	Deployment *DeploymentConfig
}

// DeploymentConfig is how a server runs in pods of its own. Pods mount the
// Secrets themselves; the operator only watches over them.
type DeploymentConfig struct {
	// Owner is the IdentityServer, which takes what is made for it along.
	Owner    metav1.OwnerReference
	Replicas int32
	// Image is empty for that of the operator, at Version or else its own.
	Image   string
	Version string
	// PodTemplate is a strategic merge patch in JSON; may be empty.
	PodTemplate []byte
	// KeySecret holds the sealing key.
	KeySecret SecretKey
	// PostgresSecret holds the connection string; empty for SQLite.
	PostgresSecret SecretKey
	// MailSecret holds username and password; may be empty.
	MailSecret string
	// VolumeSize and StorageClassName are SQLite's.
	VolumeSize       resource.Quantity
	StorageClassName string
	// Ingress and HTTPRoute bring requests from outside; nil is none.
	Ingress   *IngressConfig
	HTTPRoute *HTTPRouteConfig
}

// IngressConfig is an Ingress to a server.
type IngressConfig struct {
	// ClassName is empty for the cluster's default, TLSSecretName for the
	// controller's default certificate.
	ClassName, TLSSecretName string
	Annotations, Labels      map[string]string
}

// HTTPRouteConfig is an HTTPRoute to a server.
type HTTPRouteConfig struct {
	Parents             []RouteParent
	Annotations, Labels map[string]string
}

// RouteParent is a Gateway or a listener of it, in the words of the Gateway
// API's ParentReference. All but Name may be empty.
type RouteParent struct {
	Name        string `json:"name"`
	Namespace   string `json:"namespace,omitempty"`
	SectionName string `json:"sectionName,omitempty"`
	Port        int32  `json:"port,omitempty"`
}

// SecretKey names a key of a Secret in the server's namespace.
type SecretKey struct{ Name, Key string }

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
