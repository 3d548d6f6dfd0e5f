/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"container/list"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// priority of work on an account; the higher goes first.
type priority int

// The priorities.
const (
	// scheduled is what nobody waits for: comparisons, and looks at the start.
	scheduled priority = iota
	creation
	// change is of somebody's account that exists.
	change
	// leaver is somebody who must not get in any more.
	leaver

	priorities
)

const (
	// laneWorkers is how many accounts of one target are worked on at once, at
	// best: as many as its budget has writes a second, so that a service that takes
	// a second for an account still gets all of it.
	laneWorkers = 64
	// leaverWorkers are beside them, for leavers only.
	leaverWorkers = 4
	// longestPause of a target that does not answer.
	longestPause = 30 * time.Second
	// longestThrottle is the longest wait for a service that does not say how long.
	longestThrottle = time.Minute
)

// class says how a request is queued.
type class struct {
	// target whose lane it is; zero where there is none.
	target types.NamespacedName
	// tenant among which turns are taken.
	tenant   string
	priority priority
}

// provisionQueue is the queue of the Account controller. Each target has a lane.
// Tenants take turns, then their targets; in a lane, leavers go first. A lane
// whose service does not answer is asked by one worker after another, with
// pauses, so that it delays nobody else.
//
// It keeps to what workqueue promises: a request is worked on by one worker at a
// time, and one added meanwhile is given again afterwards.
type provisionQueue struct {
	// classify is asked at every Add, without the lock. It must not block.
	classify func(reconcile.Request) class
	// workers are all that call Get.
	workers int
	limiter workqueue.TypedRateLimiter[reconcile.Request]

	mu       sync.Mutex
	wanted   *sync.Cond
	lanes    map[types.NamespacedName]*lane
	tenants  []*tenantLanes
	turn     int
	waiting  map[reconcile.Request]*waitingRequest
	working  map[reconcile.Request]*currentWork
	later    delayedRequests
	probing  int // workers on lanes that fail
	shutDown bool
}

// tenantLanes are the lanes of one tenant.
type tenantLanes struct {
	name  string
	lanes []*lane
	turn  int
}

// lane is what waits for one target.
type lane struct {
	target  types.NamespacedName
	tenant  *tenantLanes
	waiting [priorities]list.List // of reconcile.Request
	// working is how many are worked on, and leavers how many of them are leavers.
	working, leavers int
	// limit is how many may be at best, and allowed how many now: a service that
	// was not heard of yet, or that fails, gets one at a time.
	limit, allowed int
	// pausedUntil is when the service takes calls again by its own word, and
	// failingUntil when it is tried again.
	pausedUntil, failingUntil time.Time
	// throttles in a row that did not say how long to wait.
	throttles int
	// failures in a row, of different requests.
	failures   int
	lastFailed reconcile.Request
}

// waitingRequest is where a request waits.
type waitingRequest struct {
	lane     *lane
	priority priority
	element  *list.Element
}

// currentWork is a request that is worked on.
type currentWork struct {
	lane     *lane
	priority priority
	probe    bool
	// again: it was added meanwhile.
	again     bool
	wantsMore class
}

var _ workqueue.TypedRateLimitingInterface[reconcile.Request] = &provisionQueue{}

func newProvisionQueue(workers int, limiter workqueue.TypedRateLimiter[reconcile.Request], classify func(reconcile.Request) class) *provisionQueue {
	q := &provisionQueue{
		classify: classify, workers: workers, limiter: limiter,
		lanes:   map[types.NamespacedName]*lane{},
		waiting: map[reconcile.Request]*waitingRequest{}, working: map[reconcile.Request]*currentWork{},
		later: delayedRequests{at: map[reconcile.Request]time.Time{}, least: map[reconcile.Request]priority{}},
	}
	q.wanted = sync.NewCond(&q.mu)
	return q
}

// Add queues a request. One that waits already keeps the higher priority.
func (q *provisionQueue) Add(request reconcile.Request) {
	q.addAs(request, q.classify(request))
}

// AddAtLeast queues a request with at least a priority.
func (q *provisionQueue) AddAtLeast(request reconcile.Request, least priority) {
	class := q.classify(request)
	class.priority = max(class.priority, least)
	q.addAs(request, class)
}

func (q *provisionQueue) addAs(request reconcile.Request, as class) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutDown {
		return
	}
	if current, busy := q.working[request]; busy {
		if current.again {
			as.priority = max(as.priority, current.wantsMore.priority)
		}
		current.again, current.wantsMore = true, as
		return
	}
	q.enqueue(request, as)
}

// enqueue makes a request wait in its lane; what was to come later comes now.
func (q *provisionQueue) enqueue(request reconcile.Request, as class) {
	q.later.remove(request)
	to := q.laneOf(as)
	if at, waits := q.waiting[request]; waits {
		if at.lane == to && at.priority >= as.priority {
			return
		}
		at.lane.waiting[at.priority].Remove(at.element)
		if at.lane == to {
			as.priority = max(as.priority, at.priority)
		}
	}
	q.waiting[request] = &waitingRequest{lane: to, priority: as.priority, element: to.waiting[as.priority].PushBack(request)}
	q.wanted.Signal()
}

// Get waits for a request whose turn it is. The caller must call Done with it.
func (q *provisionQueue) Get() (reconcile.Request, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.shutDown {
			return reconcile.Request{}, true
		}
		if request, found := q.next(time.Now()); found {
			// What woke this worker may have brought work for more of them.
			q.wanted.Signal()
			return request, false
		}
		q.wanted.Wait()
	}
}

// next takes the request whose turn it is.
func (q *provisionQueue) next(now time.Time) (reconcile.Request, bool) {
	for i := range q.tenants {
		at := (q.turn + i) % len(q.tenants)
		tenant := q.tenants[at]
		for j := range tenant.lanes {
			lane := tenant.lanes[(tenant.turn+j)%len(tenant.lanes)]
			priority, ready := q.ready(lane, now)
			if !ready {
				continue
			}
			q.turn, tenant.turn = (at+1)%len(q.tenants), (tenant.turn+j+1)%len(tenant.lanes)
			return q.start(lane, priority), true
		}
	}
	return reconcile.Request{}, false
}

// ready tells whether a lane may give work now, and of which priority.
func (q *provisionQueue) ready(l *lane, now time.Time) (priority, bool) {
	if now.Before(l.pausedUntil) || now.Before(l.failingUntil) || l.failures > 0 && q.probing >= max(1, q.workers/2) {
		return 0, false
	}
	for p := leaver; p >= scheduled; p-- {
		if l.waiting[p].Len() > 0 {
			return p, l.room(p)
		}
	}
	return 0, false
}

// room tells whether one more may be worked on. Leavers have places of their
// own, beside the others, where the service is known to answer.
func (l *lane) room(p priority) bool {
	if l.allowed == 1 || l.failures > 0 {
		return l.working < l.allowed
	}
	return l.working-min(l.leavers, leaverWorkers) < l.allowed || p == leaver && l.leavers < leaverWorkers
}

// start takes the first request of a priority out of a lane.
func (q *provisionQueue) start(l *lane, p priority) reconcile.Request {
	request := l.waiting[p].Remove(l.waiting[p].Front()).(reconcile.Request)
	delete(q.waiting, request)
	current := &currentWork{lane: l, priority: p, probe: l.failures > 0}
	q.working[request] = current
	l.working++
	if p == leaver {
		l.leavers++
	}
	if current.probe {
		q.probing++
	}
	return request
}

// Done tells that a request is no longer worked on.
func (q *provisionQueue) Done(request reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	current, busy := q.working[request]
	if !busy {
		return
	}
	delete(q.working, request)
	current.lane.working--
	if current.priority == leaver {
		current.lane.leavers--
	}
	if current.probe {
		q.probing--
	}
	if current.again && !q.shutDown {
		q.enqueue(request, current.wantsMore)
	}
	if q.shutDown {
		q.wanted.Broadcast()
	}
	q.wanted.Signal()
}

// AddAfter queues a request when d is over. What is worked on and soon tried again
// keeps its priority: the caches may not tell yet why it was urgent.
func (q *provisionQueue) AddAfter(request reconcile.Request, d time.Duration) {
	if d <= 0 {
		q.Add(request)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutDown || q.waiting[request] != nil {
		return
	}
	least := scheduled
	if current := q.working[request]; current != nil && d <= lastRetry {
		least = current.priority
	}
	if q.later.put(request, time.Now().Add(d), least) {
		time.AfterFunc(d, q.releaseLater)
	}
}

// AddRateLimited queues a request when its back-off is over.
func (q *provisionQueue) AddRateLimited(request reconcile.Request) {
	q.AddAfter(request, q.limiter.When(request))
}

// Forget ends the back-off of a request.
func (q *provisionQueue) Forget(request reconcile.Request) { q.limiter.Forget(request) }

// NumRequeues is how often a request was backed off.
func (q *provisionQueue) NumRequeues(request reconcile.Request) int {
	return q.limiter.NumRequeues(request)
}

// Len is how many requests wait.
func (q *provisionQueue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Waiting is how many requests of a target wait or are worked on. silent tells that
// its service gives no sensible answer, even to one at a time.
func (q *provisionQueue) Waiting(target types.NamespacedName) (number int, silent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[target]
	if l == nil {
		return 0, false
	}
	return l.count(), !l.failingUntil.IsZero()
}

// waitingByTarget is Waiting of every target.
func (q *provisionQueue) waitingByTarget() map[types.NamespacedName]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := map[types.NamespacedName]int{}
	for target, l := range q.lanes {
		if target.Name != "" {
			all[target] = l.count()
		}
	}
	return all
}

func (l *lane) count() int {
	n := l.working
	for p := range l.waiting {
		n += l.waiting[p].Len()
	}
	return n
}

// ShutDown ends the queue: what waits is dropped, and the workers go home.
func (q *provisionQueue) ShutDown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shutDown = true
	q.wanted.Broadcast()
}

// ShutDownWithDrain ends the queue, and returns when nothing is worked on any more.
func (q *provisionQueue) ShutDownWithDrain() {
	q.ShutDown()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.working) > 0 {
		q.wanted.Wait()
	}
}

// ShuttingDown reports whether the queue was ended.
func (q *provisionQueue) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shutDown
}
