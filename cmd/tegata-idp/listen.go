/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tegata.dev/tegata/internal/admin"
)

// tlsFiles are the files of the admin address.
type tlsFiles struct{ certificate, key, clientCA string }

func (f tlsFiles) complete() bool { return f.certificate != "" && f.key != "" && f.clientCA != "" }

// load reads the files as they are now.
func (f tlsFiles) load() (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return nil, fmt.Errorf("admin certificate: %w", err)
	}
	roots, err := os.ReadFile(f.clientCA)
	if err != nil {
		return nil, fmt.Errorf("admin client CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(roots) {
		return nil, fmt.Errorf("admin client CA: %s holds no PEM certificate", f.clientCA)
	}
	return admin.ServerTLSConfig(func() (*tls.Certificate, error) { return &certificate, nil }, pool), nil
}

// config reads the files again for each connection: the operator renews them,
// and it keeps few connections.
func (f tlsFiles) config() (*tls.Config, error) {
	config, err := f.load()
	if err != nil {
		return nil, err
	}
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.load() }
	return config, nil
}

// replaceable is a handler that is replaced while it serves.
type replaceable struct{ current atomic.Pointer[http.Handler] }

func (h *replaceable) set(handler http.Handler) { h.current.Store(&handler) }

// ServeHTTP implements http.Handler.
func (h *replaceable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*h.current.Load()).ServeHTTP(w, r)
}

// clientFaults takes an HTTP server's lines, such as failed handshakes: they come
// from clients, so they are no errors of ours.
func clientFaults(to logr.Logger) *log.Logger {
	return slog.NewLogLogger(logr.ToSlogHandler(to), slog.LevelDebug)
}

// listenSite opens the socket for browsers.
func (c *configuration) listenSite(ctx context.Context, log logr.Logger) (*net.TCPListener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.options.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for browsers: %w", err)
	}
	log.Info("Listening", "for", "browsers", "address", listener.Addr().String())
	return listener.(*net.TCPListener), nil
}

// listenSides serves the operator and Prometheus, each on its own address.
func (c *configuration) listenSides(ctx context.Context, operator http.Handler, registry *prometheus.Registry, log logr.Logger) (stop func(), err error) {
	var servers []*http.Server
	stop = func() {
		for _, side := range servers {
			// What is under way there is asked again by its client.
			_ = side.Close()
		}
	}
	start := func(name, address string, handler http.Handler, config *tls.Config) error {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("listen for %s: %w", name, err)
		}
		side := &http.Server{Handler: handler, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute, ErrorLog: clientFaults(log)}
		servers = append(servers, side)
		go func() {
			serve := side.Serve
			if config != nil {
				serve = func(l net.Listener) error { return side.ServeTLS(l, "", "") }
			}
			if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
				log.Error(err, "Stopped listening", "for", name)
			}
		}()
		log.Info("Listening", "for", name, "address", listener.Addr().String())
		return nil
	}
	if err := errors.Join(c.serveMetrics(start, registry), c.serveOperator(start, operator)); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

type startSide func(name, address string, handler http.Handler, config *tls.Config) error

func (c *configuration) serveMetrics(start startSide, registry *prometheus.Registry) error {
	if c.metricsAddress == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return start("metrics", c.metricsAddress, mux, nil)
}

func (c *configuration) serveOperator(start startSide, operator http.Handler) error {
	if c.adminAddress == "" {
		return nil
	}
	config, err := c.adminFiles.config()
	if err != nil {
		return err
	}
	return start("the operator", c.adminAddress, operator, config)
}
