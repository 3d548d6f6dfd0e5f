/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package provision

import (
	"context"

	"golang.org/x/time/rate"
)

// Budget bounds the writes to one service. It is safe for concurrent use.
type Budget struct{ limiter *rate.Limiter }

// NewBudget allows so many writes a second on the average, and as many at once.
func NewBudget(writesPerSecond int) *Budget {
	return &Budget{limiter: rate.NewLimiter(rate.Limit(writesPerSecond), writesPerSecond)}
}

// Spend waits until n writes fit into the budget, one at least at a time.
func (b *Budget) Spend(ctx context.Context, n int) error {
	for range n {
		if err := b.limiter.Wait(ctx); err != nil {
			return &Error{Cause: Unavailable, Message: "The budget of writes left no room in time; it is tried again.", Err: err}
		}
	}
	return nil
}
