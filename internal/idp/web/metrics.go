/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The outcomes by which log-ins and SAML answers are counted.
const (
	outcomeSucceeded = "succeeded"
	outcomeFailed    = "failed"
	outcomeLocked    = "locked"
	outcomeSuspended = "suspended"
	outcomeExpired   = "expired"
	outcomeTemporary = "temporary"
	outcomeRefused   = "refused"
	outcomeInvalid   = "invalid"
	outcomeForbidden = "forbidden"
	outcomePartial   = "partial"
)

// Metrics count what the site does. A nil Metrics counts nothing.
type Metrics struct {
	logins, responses, logouts *prometheus.CounterVec
	requests                   *prometheus.HistogramVec
	panics                     prometheus.Counter
}

// NewMetrics registers the site's metrics.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tegata_idp_logins_total", Help: "Log-in attempts by outcome."}, []string{"outcome"}),
		responses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tegata_idp_saml_responses_total", Help: "Answers to SAML requests by outcome."}, []string{"outcome"}),
		logouts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tegata_idp_saml_logouts_total", Help: "Single log-outs by outcome."}, []string{"outcome"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tegata_idp_http_request_duration_seconds", Help: "Time to answer HTTP requests by route.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tegata_idp_panics_total", Help: "Panics recovered while answering HTTP requests."}),
	}
	for _, collector := range []prometheus.Collector{m.logins, m.responses, m.logouts, m.requests, m.panics} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) login(outcome string) {
	if m != nil {
		m.logins.WithLabelValues(outcome).Inc()
	}
}

func (m *Metrics) response(outcome string) {
	if m != nil {
		m.responses.WithLabelValues(outcome).Inc()
	}
}

func (m *Metrics) logout(outcome string) {
	if m != nil {
		m.logouts.WithLabelValues(outcome).Inc()
	}
}

func (m *Metrics) panicked() {
	if m != nil {
		m.panics.Inc()
	}
}

func (m *Metrics) request(r *http.Request, status int, took time.Duration) {
	if m == nil {
		return
	}
	method := r.Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		// Any word can stand here; labels must stay few.
		method = "other"
	}
	m.requests.WithLabelValues(routeOf(r), method, strconv.Itoa(status)).Observe(took.Seconds())
}
