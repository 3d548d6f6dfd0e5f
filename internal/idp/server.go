/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package idp

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/mail"
	"tegata.dev/tegata/internal/idp/password"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/web"
)

const (
	shutdownTimeout = 25 * time.Second
	cleanupInterval = 10 * time.Minute
)

// Server is an identity provider. Make it with New, then call Run once.
type Server struct {
	options  Options
	store    *store.Store
	site     *web.Site
	sender   *mail.Sender
	listener net.Listener
	draining atomic.Bool
}

// ErrDatabase is in the errors of New that may mend by themselves: the database
// cannot be opened now.
var ErrDatabase = errors.New("open the database")

// New opens the database, brings its schema up to date and listens. Its errors
// say what to mend; after one, a Listener given stays open. Run, or Close where
// Run is not called, frees it all.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	origin, err := web.ParseExternalURL(o.ExternalURL)
	if err != nil {
		return nil, err
	}
	o.ExternalURL = origin
	opened, err := store.Open(ctx, store.Options{
		SQLitePath: o.SQLitePath, PostgresDSN: o.PostgresDSN, Key: o.Key, AuditRetention: o.AuditRetention, Version: o.Version,
		Now: o.Now, Random: o.Random, Log: o.Log.WithName("store"),
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDatabase, err)
	}
	s := &Server{options: o, store: opened}
	if err := s.assemble(ctx); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return s, nil
}

func (s *Server) assemble(ctx context.Context) error {
	o := s.options
	metrics, err := web.NewMetrics(o.Registerer)
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if o.Password.Random == nil {
		o.Password.Random = o.Random
	}
	hasher := password.NewHasher(o.Password)
	if err := s.registerGauges(hasher); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	s.site, err = web.New(web.Options{
		Store: s.store, Hasher: hasher, ExternalURL: o.ExternalURL, TrustedProxies: o.TrustedProxies,
		SessionLifetime: o.SessionLifetime, Ready: s.ready, Metrics: metrics, Now: o.Now, Random: o.Random, Log: o.Log.WithName("web"),
	})
	if err != nil {
		return fmt.Errorf("prepare the site: %w", err)
	}
	s.sender, err = mail.NewSender(mail.Options{Queue: s.store, ExternalURL: o.ExternalURL, SMTP: o.SMTP, Now: o.Now, Log: o.Log.WithName("mail")})
	if err != nil {
		return fmt.Errorf("prepare mail: %w", err)
	}
	if s.listener = o.Listener; s.listener == nil {
		if s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", o.Address); err != nil {
			return fmt.Errorf("listen for browsers: %w", err)
		}
	}
	return nil
}

// Admin is the contract with the operator, in this process.
func (s *Server) Admin() admin.Service { return s.store }

// SetSMTP changes where mail goes from now on; nil lets mails wait.
func (s *Server) SetSMTP(o *mail.SMTPOptions) error { return s.sender.SetOptions(o) }

// Handler is what browsers are served by.
func (s *Server) Handler() http.Handler { return s.site }

// Address is where the server listens for browsers.
func (s *Server) Address() net.Addr { return s.listener.Addr() }

// Close frees a server that Run was never called on.
func (s *Server) Close() error { return errors.Join(s.listener.Close(), s.store.Close()) }

var errDraining = errors.New("the server is shutting down")

func (s *Server) ready(ctx context.Context) error {
	if s.draining.Load() {
		return errDraining
	}
	return s.store.Ping(ctx)
}

// Run serves until ctx ends, then turns readiness off, finishes the requests
// under way, stops the workers and closes the database. It returns nil after
// an orderly shutdown.
func (s *Server) Run(ctx context.Context) error {
	server := s.httpServer()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(s.listener) }()
	workers, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	s.startWorkers(workers, &running)
	s.options.Log.Info("Started", "address", s.listener.Addr().String(), "externalURL", s.options.ExternalURL)

	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("serve browsers: %w", err)
	case <-ctx.Done():
		err = s.drain(ctx, server)
	}
	stopWorkers()
	running.Wait()
	err = errors.Join(err, s.store.Close())
	s.options.Log.Info("Stopped")
	return err
}

func (s *Server) drain(ctx context.Context, server *http.Server) error {
	s.draining.Store(true)
	s.options.Log.Info("Turned readiness off")
	time.Sleep(s.options.DrainDelay)
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(limited); err != nil {
		return errors.Join(fmt.Errorf("finish requests under way: %w", err), server.Close())
	}
	return nil
}

// serveSite ends connections with their next answer once the server shuts
// down: clients then connect elsewhere before this end closes in their face.
func (s *Server) serveSite(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	s.site.ServeHTTP(w, r)
}

func (s *Server) httpServer() *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(s.serveSite),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// A SAML request by redirect is a few kilobytes; this leaves ample room.
		MaxHeaderBytes: 128 << 10,
		ErrorLog:       log.New(errorWriter{s.options.Log.WithName("http")}, "", 0),
	}
}
