/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package idp

import (
	"bytes"
	"context"
	"errors"
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
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tegata_idp_password_hashes_waiting", Help: "Password hashes that wait for their turn.",
	}, func() float64 { return float64(hasher.Waiting()) })
	return errors.Join(s.options.Registerer.Register(waiting), s.options.Registerer.Register(outboxCollector{s}))
}

// countTimeout bounds a scrape's look into the database.
const countTimeout = 5 * time.Second

var outboxMails = prometheus.NewDesc("tegata_idp_outbox_mails",
	"Mails in the outbox: waiting to be sent, or failing and to be tried again. The same in every replica.", []string{"state"}, nil)

// outboxCollector counts the mails at each scrape.
type outboxCollector struct{ server *Server }

// Describe implements prometheus.Collector.
func (c outboxCollector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- outboxMails }

// Collect implements prometheus.Collector. Without the database there is no
// value, and the other metrics are told all the same.
func (c outboxCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	waiting, failing, err := c.server.store.CountMails(ctx)
	if err != nil {
		c.server.options.Log.Error(err, "Failed to count the mails in the outbox")
		return
	}
	metrics <- prometheus.MustNewConstMetric(outboxMails, prometheus.GaugeValue, float64(waiting), "waiting")
	metrics <- prometheus.MustNewConstMetric(outboxMails, prometheus.GaugeValue, float64(failing), "failing")
}

// errorWriter turns the HTTP server's lines, such as failed handshakes, into
// log entries. They come from clients, so they are no errors of ours.
type errorWriter struct{ log logr.Logger }

// Write implements io.Writer.
func (w errorWriter) Write(line []byte) (int, error) {
	w.log.V(1).Info("Reported by the HTTP server", "message", string(bytes.TrimSpace(line)))
	return len(line), nil
}
