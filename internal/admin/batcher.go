/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import (
	"context"
	"sync"
)

// Batcher coalesces single changes of many workers into few Apply calls: while
// one call is under way, the changes that arrive form the next. A lone worker
// waits for nobody.
type Batcher struct {
	service Service

	mu      sync.Mutex
	waiting []*pendingChange
	running bool
}

type pendingChange struct {
	change Change
	result Result
	err    error
	done   chan struct{}
}

// NewBatcher batches changes to service.
func NewBatcher(service Service) *Batcher { return &Batcher{service: service} }

// Apply publishes one change. It returns early with ctx's error when ctx ends
// first; the change may then still be carried out.
func (b *Batcher) Apply(ctx context.Context, change Change) (Result, error) {
	pending := &pendingChange{change: change, done: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, pending)
	start := !b.running
	b.running = true
	b.mu.Unlock()
	if start {
		// The batch serves many workers, so one worker's cancellation must not end it.
		go b.run(context.WithoutCancel(ctx))
	}
	select {
	case <-pending.done:
		return pending.result, pending.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

func (b *Batcher) run(ctx context.Context) {
	for {
		batch := b.take()
		if len(batch) == 0 {
			return
		}
		changes := make([]Change, len(batch))
		for i, pending := range batch {
			changes[i] = pending.change
		}
		results, err := b.service.Apply(ctx, changes)
		for i, pending := range batch {
			pending.err = err
			if err == nil {
				pending.result = results[i]
			}
			close(pending.done)
		}
	}
}

// take removes the next batch, or marks the batcher idle.
func (b *Batcher) take() []*pendingChange {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), MaxBatch)
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	if n == 0 {
		b.running, b.waiting = false, nil
	}
	return batch
}
