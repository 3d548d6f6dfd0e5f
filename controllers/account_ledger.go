/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/internal/directory"
)

// recountEvery is how long a count of a target's accounts serves.
const recountEvery = time.Second

// removalLedger remembers which accounts this process took away: caches show it
// later, and many workers ask at once.
type removalLedger struct {
	mu      sync.Mutex
	targets map[types.NamespacedName]*removals
}

// removals of one target.
type removals struct {
	counted   removalCount
	countedAt time.Time
	// passed are when accounts were let go.
	passed map[types.NamespacedName]time.Time
}

// removalCount is what the cache says: how many accounts there are, those that
// went within the window included, and which went.
type removalCount struct {
	total int
	gone  map[types.NamespacedName]bool
}

func newRemovalLedger() *removalLedger {
	return &removalLedger{targets: map[types.NamespacedName]*removals{}}
}

// pass asks the guard for one account, and remembers where it lets it go.
func (l *removalLedger) pass(target, account types.NamespacedName, guard directory.DeletionGuard, now time.Time, count func() (removalCount, error)) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.targets[target]
	if r == nil {
		r = &removals{passed: map[types.NamespacedName]time.Time{}}
		l.targets[target] = r
	}
	if now.Sub(r.countedAt) >= recountEvery {
		counted, err := count()
		if err != nil {
			return false, err
		}
		r.counted, r.countedAt = counted, now
	}
	maps.DeleteFunc(r.passed, func(_ types.NamespacedName, at time.Time) bool { return now.Sub(at) >= guard.Window })
	gone := len(r.counted.gone)
	for name := range r.passed {
		if !r.counted.gone[name] {
			gone++
		}
	}
	_, before := r.passed[account]
	if !before && !r.counted.gone[account] {
		gone++
	}
	if guard.Holds(r.counted.total, gone) {
		return false, nil
	}
	if !before {
		r.passed[account] = now
	}
	return true, nil
}

// returned forgets that an account went: somebody has it again.
func (l *removalLedger) returned(target, account types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.targets[target]; r != nil {
		delete(r.passed, account)
		delete(r.counted.gone, account)
	}
}

// forget drops a target that is gone.
func (l *removalLedger) forget(target types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.targets, target)
}
