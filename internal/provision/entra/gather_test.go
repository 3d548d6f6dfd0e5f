/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

// Leavers go first, what nobody waits for is not sent, and no batch is too large.
func TestGatherer(t *testing.T) {
	g := NewWithT(t)
	var mu sync.Mutex
	var batches [][]string
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	gatherer := newGatherer(func(_ context.Context, requests []request) []result {
		paths := make([]string, len(requests))
		for i, r := range requests {
			paths[i] = r.path
		}
		mu.Lock()
		batches = append(batches, paths)
		mu.Unlock()
		arrived <- struct{}{}
		<-release
		return make([]result, len(requests))
	})
	var all sync.WaitGroup
	send := func(path, priority string) {
		all.Go(func() {
			_, err := gatherer.do(context.Background(), request{path: path, priority: priority})
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
	waiting := func(n int) {
		t.Helper()
		g.Eventually(func() int {
			gatherer.mu.Lock()
			defer gatherer.mu.Unlock()
			return len(gatherer.waiting)
		}).Should(Equal(n))
	}
	for n := range maxSending {
		send(fmt.Sprintf("first-%d", n), "")
		<-arrived
	}
	for n := range 30 {
		send(fmt.Sprintf("joiner-%d", n), "")
	}
	waiting(30)
	send("leaver", high)
	waiting(31)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error, 1)
	go func() {
		_, err := gatherer.do(ctx, request{path: "given-up", priority: high})
		given <- err
	}()
	waiting(32)
	cancel()
	g.Expect(<-given).To(MatchError(context.Canceled))
	close(release)
	all.Wait()

	g.Expect(batches[:maxSending]).To(HaveEach(HaveLen(1)), "a lone write waits for nobody")
	later := slices.Concat(batches[maxSending:]...)
	g.Expect(later).To(HaveLen(31))
	g.Expect(later).NotTo(ContainElement("given-up"))
	g.Expect(batches[maxSending:]).To(HaveEach(WithTransform(func(b []string) int { return len(b) }, BeNumerically("<=", maxBatch))))
	g.Expect(slices.ContainsFunc(batches[maxSending:], func(b []string) bool { return b[0] == "leaver" })).To(BeTrue())
	g.Eventually(func() int {
		gatherer.mu.Lock()
		defer gatherer.mu.Unlock()
		return gatherer.sending
	}).Should(BeZero())
}
