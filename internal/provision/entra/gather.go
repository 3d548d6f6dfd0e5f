/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"slices"
	"sync"
)

// maxSending is how many calls for writes are under way at once. Writes that
// come while so many are go together in the next ones, so a bulk load at 15
// writes a second needs a third of the calls where each takes a second, and a
// lone write waits for nobody.
const maxSending = 8

// gatherer coalesces writes of many workers into batches.
type gatherer struct {
	send func(ctx context.Context, requests []request) []result

	mu      sync.Mutex
	waiting []*pending
	sending int
}

type pending struct {
	request request
	// ctx ends when nobody waits any more.
	ctx context.Context //nolint:containedctx // it belongs to the one write, not to the batch
	// result is set before done is closed.
	result result
	done   chan struct{}
}

func newGatherer(send func(ctx context.Context, requests []request) []result) *gatherer {
	return &gatherer{send: send}
}

// do makes one call. It returns early with the context's error when that ends;
// the call may then still be made.
func (g *gatherer) do(ctx context.Context, r request) ([]byte, error) {
	p := &pending{request: r, ctx: ctx, done: make(chan struct{})}
	g.mu.Lock()
	if r.priority == high {
		// A leaver's account goes before those of joiners.
		g.waiting = slices.Insert(g.waiting, 0, p)
	} else {
		g.waiting = append(g.waiting, p)
	}
	start := g.sending < maxSending
	if start {
		g.sending++
	}
	g.mu.Unlock()
	if start {
		// A batch serves many workers: no one's cancellation ends it. The client
		// bounds each call.
		go g.run(context.WithoutCancel(ctx))
	}
	select {
	case <-p.done:
		return p.result.body, p.result.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run sends what waits until nothing does.
func (g *gatherer) run(ctx context.Context) {
	for batch := g.take(); len(batch) > 0; batch = g.take() {
		requests := make([]request, len(batch))
		for i, p := range batch {
			requests[i] = p.request
		}
		for i, result := range g.send(ctx, requests) {
			batch[i].result = result
			close(batch[i].done)
		}
	}
}

// take removes the next batch, or gives the sender's place back. What nobody
// waits for any more is not begun.
func (g *gatherer) take() []*pending {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(p *pending) bool { return p.ctx.Err() != nil })
	n := min(len(g.waiting), maxBatch)
	batch := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	if n == 0 {
		g.sending--
	}
	return batch
}

// sendWrites makes the calls, alone or as a batch.
func (t *Target) sendWrites(ctx context.Context, requests []request) []result {
	results, err := t.batch(ctx, requests, nil)
	if err != nil {
		results = make([]result, len(requests))
		for i := range results {
			results[i].err = err
		}
	}
	return results
}

// write makes a call that changes something.
func (t *Target) write(ctx context.Context, r request) ([]byte, error) {
	if err := t.spend(ctx, 1); err != nil {
		return nil, err
	}
	return t.writes.do(ctx, r)
}
