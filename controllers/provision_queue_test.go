/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// request is tenant/target.priority.number; its namespace is the tenant.
func queued(tenant, target string, p priority, number int) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: tenant, Name: fmt.Sprintf("%s.%d.%d", target, p, number)}}
}

func classOf(r reconcile.Request) class {
	parts := strings.Split(r.Name, ".")
	return class{target: types.NamespacedName{Namespace: r.Namespace, Name: parts[0]}, tenant: r.Namespace, priority: priority(parts[1][0] - '0')}
}

func targetNamed(tenant, target string) types.NamespacedName {
	return types.NamespacedName{Namespace: tenant, Name: target}
}

func testQueue(workers int) *provisionQueue {
	return newProvisionQueue(workers, workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry), classOf)
}

// open lets a lane take all its workers at once.
func (q *provisionQueue) openWide(tenant, target string, limit int) {
	q.Open(targetNamed(tenant, target), tenant, limit, false)
}

// take gets all that can be got now, without Done.
func take(q *provisionQueue) []string {
	var got []string
	for {
		q.mu.Lock()
		request, found := q.next(time.Now())
		q.mu.Unlock()
		if !found {
			return got
		}
		got = append(got, request.Namespace+"/"+request.Name)
	}
}

func TestQueueOrders(t *testing.T) {
	for name, test := range map[string]struct {
		add  []reconcile.Request
		want string
	}{
		"leavers first": {[]reconcile.Request{
			queued("a", "t", scheduled, 1), queued("a", "t", creation, 2), queued("a", "t", change, 3), queued("a", "t", leaver, 4), queued("a", "t", leaver, 5),
		}, "a/t.3.4 a/t.3.5 a/t.2.3 a/t.1.2 a/t.0.1"},
		"tenants take turns": {[]reconcile.Request{
			queued("a", "t", creation, 1), queued("a", "t", creation, 2), queued("a", "t", creation, 3), queued("b", "t", creation, 4), queued("c", "t", creation, 5),
		}, "a/t.1.1 b/t.1.4 c/t.1.5 a/t.1.2 a/t.1.3"},
		"a tenant's targets take turns": {[]reconcile.Request{
			queued("a", "t", creation, 1), queued("a", "t", creation, 2), queued("a", "u", creation, 3), queued("a", "u", creation, 4), queued("b", "t", creation, 5), queued("b", "t", creation, 6),
		}, "a/t.1.1 b/t.1.5 a/u.1.3 b/t.1.6 a/t.1.2 a/u.1.4"},
		"once each": {[]reconcile.Request{queued("a", "t", change, 1), queued("a", "t", change, 1)}, "a/t.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			q := testQueue(100)
			for _, target := range []string{"t", "u"} {
				for _, tenant := range []string{"a", "b", "c"} {
					q.openWide(tenant, target, 16)
				}
			}
			for _, request := range test.add {
				q.Add(request)
			}
			NewWithT(t).Expect(strings.Join(take(q), " ")).To(Equal(test.want))
		})
	}
}

func TestQueueRaisesPriorityOfWhatWaits(t *testing.T) {
	g := NewWithT(t)
	q := testQueue(10)
	q.openWide("a", "t", 16)
	q.Add(queued("a", "t", creation, 1))
	q.Add(queued("a", "t", scheduled, 2))
	q.AddAtLeast(queued("a", "t", scheduled, 2), change)
	q.AddAtLeast(queued("a", "t", creation, 1), scheduled)
	q.Add(queued("a", "t", scheduled, 2))
	g.Expect(q.Len()).To(Equal(2))
	g.Expect(take(q)).To(Equal([]string{"a/t.0.2", "a/t.1.1"}))
}

func TestQueueMovesWhatWaitsToItsLane(t *testing.T) {
	g := NewWithT(t)
	elsewhere := targetNamed("a", "u")
	q := testQueue(10)
	q.Add(queued("a", "t", change, 1))
	q.addAs(queued("a", "t", change, 1), class{target: elsewhere, tenant: "a", priority: creation})
	g.Expect(q.Waiting(targetNamed("a", "t"))).To(BeZero())
	g.Expect(q.Waiting(elsewhere)).To(Equal(1))
}

func TestQueueGivesOneWorkerEachRequest(t *testing.T) {
	g := NewWithT(t)
	q := testQueue(10)
	q.openWide("a", "t", 16)
	request := queued("a", "t", scheduled, 1)
	q.Add(request)
	got, down := q.Get()
	g.Expect(down).To(BeFalse())
	g.Expect(got).To(Equal(request))

	q.Add(request)
	q.AddAtLeast(request, leaver)
	q.Add(request)
	g.Expect(q.Len()).To(BeZero())
	g.Expect(take(q)).To(BeEmpty(), "not while it is worked on")
	g.Expect(q.Waiting(targetNamed("a", "t"))).To(Equal(1))
	q.Add(queued("a", "t", change, 2))
	q.Done(request)
	g.Expect(take(q)).To(Equal([]string{"a/t.0.1", "a/t.2.2"}), "again, and as what it was added for")
	q.Done(request)
	q.Done(request)
	g.Expect(take(q)).To(BeEmpty())
	q.Done(queued("a", "t", change, 2))
	g.Expect(q.Waiting(targetNamed("a", "t"))).To(BeZero())
}

func TestQueueDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := testQueue(10)
		q.openWide("a", "t", 16)
		one, two := queued("a", "t", change, 1), queued("a", "t", change, 2)
		q.AddAfter(one, 10*time.Second)
		q.AddAfter(one, time.Minute)
		q.AddAfter(two, 20*time.Second)
		q.AddAfter(two, 5*time.Second)
		elapse(5 * time.Second)
		g.Expect(take(q)).To(Equal([]string{"a/t.2.2"}))
		q.AddAfter(two, time.Second)
		elapse(5 * time.Second)
		g.Expect(take(q)).To(Equal([]string{"a/t.2.1"}))
		q.Done(two)
		g.Expect(take(q)).To(Equal([]string{"a/t.2.2"}), "what came due while it was worked on")
		q.Done(one)
		q.Done(two)

		q.AddAfter(one, 10*time.Second)
		q.Add(one)
		g.Expect(take(q)).To(HaveLen(1))
		q.Done(one)
		elapse(time.Minute)
		g.Expect(take(q)).To(BeEmpty(), "what comes now does not come again later")
		q.Add(one)
		q.AddAfter(one, time.Second)
		g.Expect(take(q)).To(HaveLen(1))
		q.Done(one)
		elapse(time.Minute)
		g.Expect(take(q)).To(BeEmpty())
		q.AddAfter(one, 0)
		g.Expect(take(q)).To(HaveLen(1))
		g.Expect(q.later.at).To(BeEmpty())
		g.Expect(q.later.order).To(BeEmpty())
	})
}

// TestWhatIsTriedAgainKeepsItsPriority: at the second try the caches may not tell
// why it was urgent.
func TestWhatIsTriedAgainKeepsItsPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := testQueue(10)
		q.openWide("a", "t", 16)
		joiner, other, stale, removed := queued("a", "t", creation, 1), queued("a", "t", creation, 2), queued("a", "t", creation, 3), queued("a", "t", scheduled, 4)
		q.AddAtLeast(stale, change)
		q.AddAtLeast(removed, leaver)
		g.Expect(take(q)).To(Equal([]string{"a/t.0.4", "a/t.1.3"}))
		q.AddAfter(stale, time.Second)
		q.AddAfter(removed, time.Hour)
		q.Done(stale)
		q.Done(removed)
		q.Add(joiner)
		elapse(2 * time.Second)
		q.Add(other)
		g.Expect(take(q)).To(Equal([]string{"a/t.1.3", "a/t.1.1", "a/t.1.2"}))
		q.Done(stale)
		elapse(2 * time.Hour)
		q.Add(stale)
		g.Expect(take(q)).To(Equal([]string{"a/t.1.3", "a/t.0.4"}), "but not for what is due much later, or anew")
	})
}

// elapse lets time pass in a bubble, until everything has come to rest.
func elapse(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

func TestQueueBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := testQueue(10)
		q.openWide("a", "t", 16)
		request := queued("a", "t", change, 1)
		for _, wait := range []time.Duration{1, 2, 4, 8} {
			q.AddRateLimited(request)
			elapse(wait*time.Second - time.Millisecond)
			g.Expect(take(q)).To(BeEmpty())
			elapse(time.Millisecond)
			g.Expect(take(q)).To(HaveLen(1))
			q.Done(request)
		}
		g.Expect(q.NumRequeues(request)).To(Equal(4))
		q.Forget(request)
		g.Expect(q.NumRequeues(request)).To(BeZero())
	})
}

func TestLaneBounds(t *testing.T) {
	g := NewWithT(t)
	q := testQueue(100)
	q.openWide("a", "t", 3)
	for i := range 10 {
		q.Add(queued("a", "t", creation, i))
	}
	g.Expect(take(q)).To(HaveLen(3))
	for i := range 10 {
		q.Add(queued("a", "t", leaver, i))
	}
	g.Expect(take(q)).To(HaveLen(leaverWorkers), "leavers have places of their own")
	q.Done(queued("a", "t", creation, 0))
	g.Expect(take(q)).To(Equal([]string{"a/t.3.4"}), "and the others' before them")
	q.Done(queued("a", "t", leaver, 0))
	g.Expect(take(q)).To(Equal([]string{"a/t.3.5"}))
	g.Expect(q.Waiting(targetNamed("a", "t"))).To(Equal(18))
	g.Expect(q.Waiting(targetNamed("a", "u"))).To(BeZero())
}

func TestLaneBeginsSlowly(t *testing.T) {
	g := NewWithT(t)
	q := testQueue(100)
	target := targetNamed("a", "t")
	q.Open(target, "a", 12, true)
	for i := range 100 {
		q.Add(queued("a", "t", leaver, i))
	}
	for _, more := range []int{1, 5, 2, 4, 4, 0} {
		g.Expect(take(q)).To(HaveLen(more))
		q.Answered(target)
	}
	g.Expect(q.lanes[target].allowed).To(Equal(12))
}

func TestLaneThatFailsNarrowsAndPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := testQueue(100)
		target := targetNamed("a", "t")
		q.openWide("a", "t", 4)
		for i := range 20 {
			q.Add(queued("a", "t", creation, i))
		}
		fail := func(i int) {
			q.Silent(queued("a", "t", creation, i))
			q.Done(queued("a", "t", creation, i))
		}
		g.Expect(take(q)).To(HaveLen(4))
		fail(0)
		fail(1)
		g.Expect(take(q)).To(BeEmpty(), "two work yet, and one may")
		fail(2)
		fail(3)
		_, silent := q.Waiting(target)
		g.Expect(silent).To(BeTrue())
		elapse(2*time.Second - time.Millisecond)
		g.Expect(take(q)).To(BeEmpty())
		for i, pause := range []time.Duration{16, 30, 30} {
			elapse(8*time.Second + time.Millisecond)
			g.Expect(take(q)).To(HaveLen(1))
			elapse(30 * time.Second) // as long as calls take
			fail(4 + i)
			elapse(pause*time.Second - 8*time.Second - time.Millisecond)
			g.Expect(take(q)).To(BeEmpty())
		}
		elapse(8*time.Second + time.Millisecond)
		g.Expect(take(q)).To(HaveLen(1))
		q.Answered(target)
		_, silent = q.Waiting(target)
		g.Expect(silent).To(BeFalse())
		q.Done(queued("a", "t", creation, 7))
		g.Expect(take(q)).To(HaveLen(2))
	})
}

func TestOneThatFailsAgainSaysNothingOfTheLane(t *testing.T) {
	g := NewWithT(t)
	q := testQueue(100)
	q.openWide("a", "t", 16)
	bad := queued("a", "t", change, 1)
	for range 10 {
		q.Add(bad)
		g.Expect(take(q)).To(HaveLen(1))
		q.Silent(bad)
		q.Done(bad)
	}
	g.Expect(q.lanes[targetNamed("a", "t")].allowed).To(Equal(8))
	q.Silent(queued("a", "t", change, 2)) // nobody works on it
	g.Expect(q.lanes[targetNamed("a", "t")].allowed).To(Equal(8))
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := testQueue(10)
		got := make(chan reconcile.Request)
		go func() {
			for {
				request, down := q.Get()
				if down {
					close(got)
					return
				}
				q.Done(request)
				got <- request
			}
		}()
		q.openWide("a", "t", 16)
		q.openWide("b", "t", 16)
		q.Pause(targetNamed("a", "t"), time.Now().Add(10*time.Second))
		q.Pause(targetNamed("a", "t"), time.Now().Add(5*time.Second))
		q.Pause(targetNamed("nobody", "t"), time.Now().Add(time.Hour))
		q.Add(queued("a", "t", leaver, 1))
		q.Add(queued("b", "t", scheduled, 1))
		began := time.Now()
		g.Expect((<-got).Namespace).To(Equal("b"))
		g.Expect(time.Since(began)).To(BeZero())
		g.Expect((<-got).Namespace).To(Equal("a"))
		g.Expect(time.Since(began)).To(Equal(10 * time.Second))

		q.Pause(targetNamed("a", "t"), time.Now().Add(time.Hour))
		q.Add(queued("a", "t", leaver, 1))
		q.Open(targetNamed("a", "t"), "a", 16, true)
		g.Expect((<-got).Namespace).To(Equal("a"), "a lane that begins anew is not paused")
		q.ShutDown()
		<-got
	})
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := testQueue(10)
		target := targetNamed("a", "t")
		g.Expect(q.Throttle(target, 0)).To(Equal(firstRetry), "a lane that is not there")
		q.openWide("a", "t", 16)
		q.Add(queued("a", "t", leaver, 1))
		g.Expect(q.Throttle(target, 5*time.Second)).To(Equal(5 * time.Second))
		g.Expect(q.Throttle(target, 0)).To(Equal(5*time.Second), "the others that were under way wait with it")
		elapse(5*time.Second - time.Millisecond)
		g.Expect(take(q)).To(BeEmpty())
		elapse(time.Millisecond)
		g.Expect(take(q)).To(HaveLen(1))
		for _, atLeast := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			wait := q.Throttle(target, 0)
			g.Expect(wait).To(And(BeNumerically(">=", atLeast*time.Second), BeNumerically("<=", atLeast*time.Second*5/4)), "a service that does not say how long")
			elapse(wait)
		}
		q.Answered(target)
		g.Expect(q.Throttle(target, 0)).To(BeNumerically("<", 2*time.Second), "from the beginning once it answered")
	})
}

// TestDeadTargetsDelayNobody has 99 of 100 targets let every call hang until it
// times out.
func TestDeadTargetsDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		const workers, each, callTimeout, call = 256, 200, 30 * time.Second, 100 * time.Millisecond
		q := testQueue(workers)
		var busy, busiest atomic.Int32
		var finished sync.WaitGroup
		done := make(chan time.Time, each)
		began := time.Now()
		for range workers {
			finished.Go(func() {
				for {
					request, down := q.Get()
					if down {
						return
					}
					busiest.Store(max(busiest.Load(), busy.Add(1)))
					if request.Namespace == "alive" {
						time.Sleep(call)
						q.Answered(classOf(request).target)
						done <- time.Now()
					} else {
						time.Sleep(callTimeout)
						q.Silent(request)
						q.AddRateLimited(request)
					}
					busy.Add(-1)
					q.Done(request)
				}
			})
		}
		for i := range each {
			for target := range 99 {
				q.Add(queued(fmt.Sprintf("tenant%d", target), "dead", creation, i))
			}
			q.Add(queued("alive", "t", scheduled, i))
		}
		var last time.Time
		for range each {
			last = <-done
		}
		took := last.Sub(began)
		g.Expect(took).To(BeNumerically("<", 3*time.Second), "as if the others were not there")

		for i := range 5 {
			time.Sleep(time.Minute)
			q.Add(queued("alive", "t", leaver, i))
			asked := time.Now()
			g.Expect((<-done).Sub(asked)).To(Equal(call), "a leaver does not wait")
		}
		t.Logf("%d accounts of the living target took %s; at most %d workers were busy", each, took, busiest.Load())
		q.ShutDown()
		finished.Wait()
	})
}

func TestMoreDeadTargetsThanWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		const workers = 32
		q := testQueue(workers)
		var finished sync.WaitGroup
		alive := make(chan time.Time, 1)
		for range workers {
			finished.Go(func() {
				for {
					request, down := q.Get()
					if down {
						return
					}
					if request.Namespace == "alive" {
						q.Answered(classOf(request).target)
						alive <- time.Now()
					} else {
						time.Sleep(30 * time.Second)
						q.Silent(request)
						q.AddRateLimited(request)
					}
					q.Done(request)
				}
			})
		}
		for i := range 10 {
			for target := range 300 {
				q.Add(queued(fmt.Sprintf("tenant%d", target), "dead", creation, i))
			}
		}
		time.Sleep(time.Hour)
		asked := time.Now()
		q.Add(queued("alive", "t", scheduled, 1))
		g.Expect(<-alive).To(Equal(asked), "half of the workers are kept from targets that fail")
		q.ShutDown()
		finished.Wait()
	})
}

func TestShutDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := testQueue(10)
		q.openWide("a", "t", 16)
		request := queued("a", "t", change, 1)
		q.Add(request)
		_, _ = q.Get()
		var waiting sync.WaitGroup
		for range 5 {
			waiting.Go(func() {
				_, down := q.Get()
				g.Expect(down).To(BeTrue())
			})
		}
		synctest.Wait()
		q.Add(request)
		q.AddAfter(queued("a", "t", change, 2), time.Second)
		drained := make(chan struct{})
		go func() {
			q.ShutDownWithDrain()
			close(drained)
		}()
		waiting.Wait()
		synctest.Wait()
		g.Expect(drained).NotTo(BeClosed())
		g.Expect(q.ShuttingDown()).To(BeTrue())
		q.Done(request)
		<-drained
		q.Add(request)
		q.AddAfter(request, time.Second)
		time.Sleep(time.Minute)
		g.Expect(q.Len()).To(BeZero())
		_, down := q.Get()
		g.Expect(down).To(BeTrue())
	})
}

func TestLaneCloses(t *testing.T) {
	g := NewWithT(t)
	q := testQueue(10)
	target := targetNamed("a", "t")
	q.openWide("a", "t", 16)
	q.Open(targetNamed("a", "u"), "a", 16, true)
	q.Add(queued("a", "t", change, 1))
	q.Close(target)
	g.Expect(take(q)).To(HaveLen(1), "what waits is not lost")
	q.Close(target)
	g.Expect(q.lanes).To(HaveKey(target))
	q.Done(queued("a", "t", change, 1))
	q.Close(target)
	q.Close(target)
	g.Expect(q.lanes).NotTo(HaveKey(target))
	g.Expect(q.tenants).To(HaveLen(1))
	q.Open(targetNamed("a", "u"), "b", 16, true)
	g.Expect(q.tenants).To(HaveLen(1))
	g.Expect(q.tenants[0].name).To(Equal("b"), "a lane moves to the tenant that turns out to be its")
	q.Close(targetNamed("a", "u"))
	g.Expect(q.tenants).To(BeEmpty())
	q.Add(queued("a", "t", change, 1))
	g.Expect(take(q)).To(HaveLen(1))
}

// TestQueueUnderManyHands has everything happen at once; what was added last is
// always worked on afterwards, and nothing by two at once.
func TestQueueUnderManyHands(t *testing.T) {
	g := NewWithT(t)
	const workers, adders, rounds, requests = 16, 8, 2000, 60
	q := testQueue(workers)
	all := make([]reconcile.Request, requests)
	var asked, seen [requests]atomic.Int64
	var busy [requests]atomic.Bool
	index := map[reconcile.Request]int{}
	for i := range all {
		all[i] = queued(fmt.Sprintf("tenant%d", i%5), fmt.Sprintf("t%d", i%3), priority(i%int(priorities)), i)
		index[all[i]] = i
	}
	var working, adding sync.WaitGroup
	for range workers {
		working.Go(func() {
			for {
				request, down := q.Get()
				if down {
					return
				}
				i := index[request]
				if busy[i].Swap(true) {
					t.Errorf("%s is worked on twice at once", request)
				}
				now := asked[i].Load()
				switch rand.IntN(4) {
				case 0:
					q.Silent(request)
					q.Open(classOf(request).target, request.Namespace, 8, true)
				case 1:
					q.AddAfter(request, time.Duration(rand.IntN(int(time.Millisecond))))
				default:
					q.Answered(classOf(request).target)
				}
				seen[i].Store(now)
				busy[i].Store(false)
				q.Done(request)
			}
		})
	}
	for range adders {
		adding.Go(func() {
			for range rounds {
				i := rand.IntN(requests)
				asked[i].Add(1)
				switch rand.IntN(8) {
				case 0:
					q.AddAtLeast(all[i], leaver)
				case 1:
					q.AddAfter(all[i], time.Duration(rand.IntN(int(time.Millisecond))))
				case 2:
					q.Pause(classOf(all[i]).target, time.Now().Add(time.Millisecond))
					q.Add(all[i])
				case 3:
					q.Waiting(classOf(all[i]).target)
					q.Len()
					q.Close(classOf(all[i]).target)
					q.Add(all[i])
				default:
					q.Add(all[i])
				}
			}
		})
	}
	adding.Wait()
	for i := range all {
		g.Eventually(func() bool { return seen[i].Load() == asked[i].Load() }, 10*time.Second, time.Millisecond).Should(BeTrue(), "%s", all[i])
	}
	g.Eventually(q.Len).Should(BeZero())
	q.ShutDownWithDrain()
	working.Wait()
	g.Expect(q.probing).To(BeZero())
	for _, l := range q.lanes {
		g.Expect([]int{l.working, l.leavers}).To(Equal([]int{0, 0}))
	}
}
