/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/internal/fetch"
)

// concurrentFetches keeps slow servers from delaying the metadata of others for long.
const concurrentFetches = 16

// fetches gets metadata in goroutines of its own, so that no reconcile waits
// for a server somewhere. One that ends wakes its app.
type fetches struct {
	// lifetime ends when the manager stops.
	lifetime context.Context
	clock    Clock
	wake     func(types.NamespacedName)
	slots    chan struct{}

	mu     sync.Mutex
	states map[types.NamespacedName]*fetchState
}

func newFetches(lifetime context.Context, clock Clock, wake func(types.NamespacedName)) *fetches {
	return &fetches{
		lifetime: lifetime, clock: clock, wake: wake,
		slots: make(chan struct{}, concurrentFetches), states: map[types.NamespacedName]*fetchState{},
	}
}

// fetchState is what is known of one app's fetches.
type fetchState struct {
	// source is what was fetched from, and by which rules.
	source  string
	running bool
	// fetched waits to be taken; nil before and after.
	fetched *fetchedDocument
	// failure is the last fetch's, a sentence without a full stop; empty after a good one.
	failure  string
	failures int
	retryAt  time.Time
	// accepted is the last document that was taken. Status says it too, but may
	// be read before it is written.
	accepted acceptance
}

// acceptance says which document was found good, and when it was last fetched.
type acceptance struct {
	digest string
	at     time.Time
}

// fetchedDocument is a document that can be used.
type fetchedDocument struct {
	// unchanged: the one in use is current; body is empty then.
	unchanged  bool
	body       []byte
	validators fetch.Validators
	at         time.Time
}

// fetchJob fetches a document and checks it. Errors are sentences for the app's status.
type fetchJob func(ctx context.Context) (*fetchedDocument, error)

// accepted is what was last taken from the source in this process; zero where
// nothing was.
func (f *fetches) accepted(name types.NamespacedName, source string) acceptance {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.states[name]; s != nil && s.source == source {
		return s.accepted
	}
	return acceptance{}
}

// get returns how far the fetch of an app's metadata is. It starts one where
// none runs, unless the last one failed a short while ago.
func (f *fetches) get(name types.NamespacedName, source string, longest time.Duration, job fetchJob) fetchState {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.states[name]
	if s == nil || s.source != source {
		s = &fetchState{source: source}
		f.states[name] = s
	}
	if !s.running && s.fetched == nil && !f.clock().Before(s.retryAt) {
		s.running = true
		go f.run(name, s, longest, job)
	}
	return *s
}

// take marks what was fetched as taken.
func (f *fetches) take(name types.NamespacedName, accepted acceptance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.states[name]; s != nil {
		s.fetched, s.accepted = nil, accepted
	}
}

// forget drops what is known of an app.
func (f *fetches) forget(name types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.states, name)
}

func (f *fetches) run(name types.NamespacedName, s *fetchState, longest time.Duration, job fetchJob) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-f.lifetime.Done():
		return
	}
	document, err := job(f.lifetime)
	f.mu.Lock()
	s.running = false
	if err != nil {
		s.failure, s.retryAt = err.Error(), f.clock().Add(retryWait(s.failures, longest))
		s.failures++
	} else {
		document.at = f.clock()
		s.fetched, s.failure, s.failures = document, "", 0
	}
	wanted := f.states[name] == s
	f.mu.Unlock()
	if wanted {
		f.wake(name)
	}
}

// retryWait doubles from a second to an hour, and never exceeds the app's own interval.
func retryWait(failures int, longest time.Duration) time.Duration {
	return min(firstRetry<<min(failures, 12), time.Hour, longest)
}
