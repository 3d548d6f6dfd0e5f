/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import "time"

// The deletion guard's defaults (X3).
const (
	DefaultGuardPercent = 10
	DefaultGuardCount   = 20
	DefaultGuardWindow  = time.Hour
)

// DeletionGuard says how many of a set, a tenant's members or a service's
// accounts, may be deleted within a window without anybody's approval (X3): a
// wrong change to Git must not take a whole company away.
type DeletionGuard struct {
	// Percent of the set, 0 to 100; rounded down.
	Percent int `json:"percent"`
	// Count of its elements. The larger of the two holds.
	Count int `json:"count"`
	// Window in which deletions are counted; in JSON, nanoseconds.
	Window time.Duration `json:"window"`
}

// OrDefault is the guard, or the default one where nothing is declared: a
// declared guard has a window.
func (g DeletionGuard) OrDefault() DeletionGuard {
	if g.Window <= 0 {
		return DefaultDeletionGuard()
	}
	return g
}

// DefaultDeletionGuard is the guard of a tenant that declares none.
func DefaultDeletionGuard() DeletionGuard {
	return DeletionGuard{Percent: DefaultGuardPercent, Count: DefaultGuardCount, Window: DefaultGuardWindow}
}

// Limit is how many of total may go within the window. Total counts those that
// are there and those that went within the window, so that it does not shrink
// as they go.
func (g DeletionGuard) Limit(total int) int {
	return max(total*g.Percent/100, g.Count)
}

// Holds reports whether a deletion needs approval: whether gone, which counts
// it and those that went within the window, is more of total than may go.
func (g DeletionGuard) Holds(total, gone int) bool { return gone > g.Limit(total) }
