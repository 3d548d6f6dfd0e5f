/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// laneOf is the lane of a class, made where there is none.
func (q *provisionQueue) laneOf(as class) *lane {
	if found := q.lanes[as.target]; found != nil {
		return found
	}
	made := &lane{target: as.target, limit: laneWorkers, allowed: 1}
	if as.target == (types.NamespacedName{}) {
		made.allowed = made.limit // no service is called
	}
	q.lanes[as.target] = made
	q.join(made, as.tenant)
	return made
}

// join puts a lane among those of a tenant.
func (q *provisionQueue) join(l *lane, tenant string) {
	at := slices.IndexFunc(q.tenants, func(t *tenantLanes) bool { return t.name == tenant })
	if at < 0 {
		at = len(q.tenants)
		q.tenants = append(q.tenants, &tenantLanes{name: tenant})
	}
	l.tenant = q.tenants[at]
	l.tenant.lanes = append(l.tenant.lanes, l)
}

// leave takes a lane from its tenant.
func (q *provisionQueue) leave(l *lane) {
	l.tenant.lanes = slices.DeleteFunc(l.tenant.lanes, func(each *lane) bool { return each == l })
	l.tenant.turn = 0
	if len(l.tenant.lanes) == 0 {
		q.tenants = slices.DeleteFunc(q.tenants, func(each *tenantLanes) bool { return each == l.tenant })
		q.turn = 0
	}
}

// Open lets a lane begin anew: up to limit workers, one at first as the service
// was not heard of yet; or all at once where nothing is called.
func (q *provisionQueue) Open(target types.NamespacedName, tenant string, limit int, calls bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.laneOf(class{target: target, tenant: tenant})
	if l.tenant.name != tenant {
		q.leave(l)
		q.join(l, tenant)
	}
	l.limit = min(max(limit, 2), laneWorkers)
	l.allowed = l.limit
	if calls {
		l.allowed = 1
	}
	l.failures, l.pausedUntil, l.failingUntil = 0, time.Time{}, time.Time{}
	q.wanted.Signal()
}

// Close forgets the lane of a target that is gone, once nothing is in it.
func (q *provisionQueue) Close(target types.NamespacedName) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[target]
	if l == nil || l.working > 0 {
		return
	}
	for p := range l.waiting {
		if l.waiting[p].Len() > 0 {
			return
		}
	}
	delete(q.lanes, target)
	q.leave(l)
}

// Pause gives no work of a target until a time. A later time stays.
func (q *provisionQueue) Pause(target types.NamespacedName, until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.lanes[target]; l != nil && until.After(l.pausedUntil) {
		l.pausedUntil = until
		q.lookAt(until)
	}
}

// lookAt has a worker look at the lanes at a time.
func (q *provisionQueue) lookAt(at time.Time) {
	time.AfterFunc(time.Until(at), func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.wanted.Signal()
	})
}

// Throttle pauses a target whose service asks to wait: as long as it says, else
// longer each time until it answers. It returns the wait.
func (q *provisionQueue) Throttle(target types.NamespacedName, wait time.Duration) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[target]
	if l == nil {
		return max(wait, firstRetry)
	}
	now := time.Now()
	if left := l.pausedUntil.Sub(now); wait <= 0 && left > 0 {
		return left // told by a call that was under way
	}
	if wait <= 0 {
		wait = min(firstRetry<<min(l.throttles, 10), longestThrottle)
		wait += rand.N(wait / 4) // #nosec G404 -- it spreads load
		l.throttles++
	}
	if until := now.Add(wait); until.After(l.pausedUntil) {
		l.pausedUntil = until
		q.lookAt(until)
	}
	return wait
}

// Answered tells that the service of a target answered, whatever it said.
func (q *provisionQueue) Answered(target types.NamespacedName) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[target]
	if l == nil {
		return
	}
	l.throttles = 0
	if l.failures == 0 && l.allowed == l.limit {
		return
	}
	l.failures, l.failingUntil, l.allowed = 0, time.Time{}, min(2*l.allowed, l.limit)
	q.wanted.Signal()
}

// Silent tells that the service of a target gave a request no answer, or no
// sensible one. The lane narrows; where even one at a time fails it pauses,
// longer with each other request that fails. The same one failing again says
// nothing of the lane.
func (q *provisionQueue) Silent(request reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	current := q.working[request]
	if current == nil {
		return
	}
	l := current.lane
	if l.failures > 0 && l.lastFailed == request {
		return
	}
	l.lastFailed = request
	if l.failures++; l.allowed > 1 {
		l.allowed /= 2
		return
	}
	l.failingUntil = time.Now().Add(min(firstRetry<<min(l.failures-1, 10), longestPause))
	q.lookAt(l.failingUntil)
}
