/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
)

// gated is a service whose Apply waits at a gate, so that tests decide what is
// under way while more changes arrive.
type gated struct {
	accepting
	entered chan []Change
	answer  chan error
	limits  chan context.Context
}

func newGated() *gated {
	return &gated{entered: make(chan []Change), answer: make(chan error), limits: make(chan context.Context, 100)}
}

func (s *gated) Apply(ctx context.Context, changes []Change) ([]Result, error) {
	s.limits <- ctx
	s.entered <- changes
	if err := <-s.answer; err != nil {
		return nil, err
	}
	results := make([]Result, len(changes))
	for i, change := range changes {
		// The result tells whose it is.
		results[i] = Result{Changed: true, Member: &MemberState{ID: change.Key.Name}}
	}
	return results, nil
}

// batch waits for a call of Apply, answers it with err, and returns the names.
func (s *gated) batch(t *testing.T, err error) []string {
	t.Helper()
	select {
	case changes := <-s.entered:
		s.answer <- err
		return namesOf(changes)
	case <-time.After(10 * time.Second):
		t.Fatal("no batch came")
		return nil
	}
}

func namesOf(changes []Change) []string {
	var names []string
	for _, change := range changes {
		names = append(names, change.Key.Name)
	}
	return names
}

type outcome struct {
	name   string
	result Result
	err    error
}

// waiting is how many changes the next batches will take.
func (b *Batcher) waitingNow() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

// publish applies one change in a goroutine and returns once it waits in the
// queue, or is taken where nothing is under way.
func publish(ctx context.Context, t *testing.T, b *Batcher, name string, outcomes chan<- outcome, queued int) {
	t.Helper()
	go func() {
		result, err := b.Apply(ctx, Change{Key: Key{Kind: KindMember, Tenant: "acme", Name: name}})
		outcomes <- outcome{name, result, err}
	}()
	NewWithT(t).Eventually(b.waitingNow).WithTimeout(10 * time.Second).WithPolling(time.Millisecond).Should(Equal(queued))
}

func TestBatcherCoalesces(t *testing.T) {
	defer goleak.VerifyNone(t)
	g := NewWithT(t)
	service := newGated()
	batcher := NewBatcher(service)
	outcomes := make(chan outcome, 10)

	publish(t.Context(), t, batcher, "first", outcomes, 0)
	first := <-service.entered
	g.Expect(namesOf(first)).To(Equal([]string{"first"}), "a lone worker waits for nobody")
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprint("next-", i))
		publish(t.Context(), t, batcher, want[i], outcomes, i+1)
	}
	service.answer <- nil
	g.Expect(service.batch(t, nil)).To(Equal(want), "what arrived meanwhile is one call, in order")
	for range 6 {
		got := <-outcomes
		g.Expect(got.err).NotTo(HaveOccurred())
		g.Expect(got.result.Member.ID).To(Equal(got.name), "everybody gets the own result")
	}
}

func TestBatcherTellsAllOfAnError(t *testing.T) {
	defer goleak.VerifyNone(t)
	g := NewWithT(t)
	service := newGated()
	batcher := NewBatcher(service)
	outcomes := make(chan outcome, 10)
	down := errors.New("down")

	publish(t.Context(), t, batcher, "first", outcomes, 0)
	<-service.entered
	publish(t.Context(), t, batcher, "a", outcomes, 1)
	publish(t.Context(), t, batcher, "b", outcomes, 2)
	service.answer <- nil
	service.batch(t, down)
	failed := map[string]error{}
	for range 3 {
		got := <-outcomes
		failed[got.name] = got.err
		if got.err != nil {
			g.Expect(got.result).To(Equal(Result{}))
		}
	}
	g.Expect(failed).To(Equal(map[string]error{"first": nil, "a": down, "b": down}))

	publish(t.Context(), t, batcher, "later", outcomes, 0)
	service.batch(t, nil)
	g.Expect((<-outcomes).err).NotTo(HaveOccurred(), "an error stops nothing")
}

func TestBatcherOutlivesTheCallerThatStartedIt(t *testing.T) {
	defer goleak.VerifyNone(t)
	g := NewWithT(t)
	service := newGated()
	batcher := NewBatcher(service)
	outcomes := make(chan outcome, 10)
	impatient, cancel := context.WithCancel(t.Context())

	publish(impatient, t, batcher, "impatient", outcomes, 0)
	<-service.entered
	publish(t.Context(), t, batcher, "patient", outcomes, 1)
	cancel()
	got := <-outcomes
	g.Expect(got.name).To(Equal("impatient"))
	g.Expect(got.err).To(MatchError(context.Canceled))
	g.Expect((<-service.limits).Err()).NotTo(HaveOccurred(), "the call serves the others")
	service.answer <- nil
	g.Expect(service.batch(t, nil)).To(Equal([]string{"patient"}))
	got = <-outcomes
	g.Expect(got.err).NotTo(HaveOccurred())
	g.Expect(got.result.Member.ID).To(Equal("patient"))
}

func TestBatcherKeepsToTheLargestBatch(t *testing.T) {
	defer goleak.VerifyNone(t)
	g := NewWithT(t)
	service := newGated()
	batcher := NewBatcher(service)
	more := 2*MaxBatch + 1
	outcomes := make(chan outcome, more+1)

	publish(t.Context(), t, batcher, "first", outcomes, 0)
	<-service.entered
	var want []string
	for i := range more {
		want = append(want, fmt.Sprint(i))
		publish(t.Context(), t, batcher, want[i], outcomes, i+1)
	}
	service.answer <- nil
	var sizes []int
	var came []string
	for len(came) < more {
		names := service.batch(t, nil)
		sizes, came = append(sizes, len(names)), append(came, names...)
	}
	g.Expect(sizes).To(Equal([]int{MaxBatch, MaxBatch, 1}))
	g.Expect(came).To(Equal(want), "in the order of arrival")
	for range more + 1 {
		got := <-outcomes
		g.Expect(got.result.Member.ID).To(Equal(got.name))
	}
}

// counting answers at once.
type counting struct {
	accepting
	mu    sync.Mutex
	names []string
	calls int
}

func (s *counting) Apply(_ context.Context, changes []Change) ([]Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.names = append(s.names, namesOf(changes)...)
	return make([]Result, len(changes)), nil
}

func TestBatcherLosesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	g := NewWithT(t)
	service := &counting{}
	batcher := NewBatcher(service)
	var workers sync.WaitGroup
	const members, each = 32, 50
	var want []string
	for worker := range members {
		for i := range each {
			want = append(want, fmt.Sprintf("%d-%d", worker, i))
		}
		workers.Go(func() {
			for i := range each {
				if _, err := batcher.Apply(t.Context(), Change{Key: Key{Name: fmt.Sprintf("%d-%d", worker, i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	slices.Sort(want)
	slices.Sort(service.names)
	g.Expect(service.names).To(Equal(want), "each once")
	g.Expect(service.calls).To(BeNumerically("<=", members*each))
	g.Eventually(func() bool {
		batcher.mu.Lock()
		defer batcher.mu.Unlock()
		return batcher.running
	}).Should(BeFalse(), "it rests when there is nothing to do")
}
