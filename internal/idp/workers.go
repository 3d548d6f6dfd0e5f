/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package idp

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"tegata.dev/tegata/internal/idp/password"
)

func (s *Server) startWorkers(ctx context.Context, running *sync.WaitGroup) {
	running.Go(func() { s.cleanUp(ctx) })
	running.Go(func() { s.sender.Run(ctx) })
}

// cleanUp removes what has expired, now and then; with several replicas each
// does, which the database bears.
func (s *Server) cleanUp(ctx context.Context) {
	ticker := time.NewTicker(cleanupInterval)
	defer ticker.Stop()
	for {
		if err := s.store.Cleanup(ctx); err != nil && ctx.Err() == nil {
			s.options.Log.Error(err, "Failed to remove what has expired")
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) registerGauges(hasher *password.Hasher) error {
	return s.options.Registerer.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tegata_idp_password_hashes_waiting", Help: "Password hashes that wait for their turn.",
	}, func() float64 { return float64(hasher.Waiting()) }))
}

// errorWriter turns the HTTP server's lines, such as failed handshakes, into
// log entries. They come from clients, so they are no errors of ours.
type errorWriter struct{ log logr.Logger }

// Write implements io.Writer.
func (w errorWriter) Write(line []byte) (int, error) {
	w.log.V(1).Info("Reported by the HTTP server", "message", string(bytes.TrimSpace(line)))
	return len(line), nil
}
