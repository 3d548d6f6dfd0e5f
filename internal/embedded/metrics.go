/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package embedded

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// registrations registers one server's metrics, labelled with its name, and
// takes them back when the server stops, so that it can start again.
type registrations struct {
	prometheus.Registerer

	mu         sync.Mutex
	collectors []prometheus.Collector
}

func newRegistrations(registerer prometheus.Registerer, name types.NamespacedName) *registrations {
	if registerer == nil {
		registerer = prometheus.NewRegistry()
	}
	return &registrations{Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"identity_server": name.String()}, registerer)}
}

// Register registers and remembers.
func (r *registrations) Register(collector prometheus.Collector) error {
	if err := r.Registerer.Register(collector); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collectors = append(r.collectors, collector)
	return nil
}

// MustRegister registers and remembers, and panics where Register fails.
func (r *registrations) MustRegister(collectors ...prometheus.Collector) {
	for _, collector := range collectors {
		if err := r.Register(collector); err != nil {
			panic(err)
		}
	}
}

func (r *registrations) unregisterAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, collector := range r.collectors {
		r.Unregister(collector)
	}
	r.collectors = nil
}
