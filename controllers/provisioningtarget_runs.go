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

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

const (
	// concurrentRuns keeps slow services from delaying the others for long, and
	// their listings from filling the memory.
	concurrentRuns = 16
	// longestRun bounds one run, which may have a million accounts to list.
	longestRun = 2 * time.Hour
	// longestRunRetry bounds the wait after a run that failed by itself.
	longestRunRetry = 5 * time.Minute
	// longestCheckRetry is that while the service was not found in order yet, and
	// everything waits for it.
	longestCheckRetry = 30 * time.Second
)

// runs checks and lists services in goroutines of its own, so that no reconcile
// waits for a service somewhere. One that ends wakes its target.
type runs struct {
	// lifetime ends when the manager stops.
	lifetime context.Context
	clock    Clock
	wake     func(types.NamespacedName)
	slots    chan struct{}

	mu     sync.Mutex
	states map[types.NamespacedName]*runState
}

func newRuns(lifetime context.Context, clock Clock, wake func(types.NamespacedName)) *runs {
	return &runs{
		lifetime: lifetime, clock: clock, wake: wake,
		slots: make(chan struct{}, concurrentRuns), states: map[types.NamespacedName]*runState{},
	}
}

// runState is what is known of one target's runs.
type runState struct {
	// connection is what the service is reached by; with another everything begins anew.
	connection string
	running    bool
	cancel     context.CancelFunc
	// tried is the value of the sync-now annotation that a run was begun for.
	tried string
	// checked tells that the last check passed.
	checked  bool
	findings provision.Findings
	// failure of the last run; nil after a good one.
	failure  *provision.Error
	failedAt time.Time
	failures int
	retryAt  time.Time
	// synced is what the last sync of all found; nil before the first.
	synced *syncResult
	// groups is what the last sync of groups found.
	groups groupsResult
	// federation is what the last look at the domain found.
	federation federationResult
}

// syncResult is what a sync of all accounts found.
type syncResult struct {
	at time.Time
	// request is the value of the sync-now annotation that it carried out.
	request string
	// unmanaged is how many accounts no member accounts for.
	unmanaged int
	devices   *v1alpha1.DeviceCounts
}

// groupsResult is what a sync of groups found.
type groupsResult struct {
	// digest of the groups that were wanted, as far as they were made, and when.
	digest string
	at     time.Time
	count  int
}

// runReport is what a run brings.
type runReport struct {
	// checked tells that the check passed; findings are of it.
	checked  bool
	findings provision.Findings
	synced   *syncResult
	groups   *groupsResult
	// federation is nil where the domain was not looked at.
	federation *federationResult
}

// run does something at a service. Its report counts although it failed.
type run func(ctx context.Context) (runReport, error)

// state is how far a target's runs are.
func (r *runs) state(name types.NamespacedName, connection string) runState {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.states[name]; s != nil && s.connection == connection {
		return *s
	}
	return runState{connection: connection}
}

// start begins a run, unless one is under way, or failed a short while ago and
// was not asked for anew since. request is the value of the sync-now annotation;
// empty where that asks for nothing.
func (r *runs) start(name types.NamespacedName, connection, request string, do run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.states[name]
	if s == nil || s.connection != connection {
		if s != nil && s.cancel != nil {
			s.cancel()
		}
		s = &runState{connection: connection}
		r.states[name] = s
	}
	asked := request != "" && request != s.tried
	if s.running || !asked && r.clock().Before(s.retryAt) {
		return
	}
	s.tried = request
	ctx, cancel := context.WithTimeout(r.lifetime, longestRun)
	s.running, s.cancel = true, cancel
	go r.run(ctx, name, s, do)
}

func (r *runs) run(ctx context.Context, name types.NamespacedName, s *runState, do run) {
	defer s.cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return
	}
	report, err := do(ctx)
	r.mu.Lock()
	wanted := r.states[name] == s
	s.take(report, err, r.clock())
	r.mu.Unlock()
	if wanted {
		r.wake(name)
	}
}

// take makes what a run brought the state.
func (s *runState) take(report runReport, err error, now time.Time) {
	s.running = false
	// What passes by itself is no reason to leave leavers' accounts alone: they try
	// the service themselves.
	s.checked = report.checked || s.checked && err != nil && asFailure(err).Cause.Passes()
	if report.checked {
		s.findings = report.findings
	}
	if report.synced != nil {
		s.synced = report.synced
	}
	if report.groups != nil {
		s.groups = *report.groups
	}
	if report.federation != nil {
		s.federation = *report.federation
	}
	if err == nil {
		s.failure, s.failures, s.retryAt = nil, 0, time.Time{}
		return
	}
	s.failure, s.failedAt = asFailure(err), now
	longest := longestRunRetry
	if !s.checked {
		longest = longestCheckRetry
	}
	s.retryAt = now.Add(max(retryWait(s.failures, longest), s.failure.RetryAfter))
	s.failures++
}

// halt breaks off what runs for a target.
func (r *runs) halt(name types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.states[name]; s != nil && s.running {
		s.cancel()
	}
}

// forget drops what is known of a target, and breaks off what runs.
func (r *runs) forget(name types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.states[name]; s != nil && s.cancel != nil {
		s.cancel()
	}
	delete(r.states, name)
}
