/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"maps"
	"slices"
	"sync"
)

// maxAltered bounds what is remembered of one service.
const maxAltered = 50_000

// alteration is a value that a service answered with when another was sent.
type alteration struct{ sent, kept string }

// alterations are the values that a service makes or formats itself, or keeps not
// at all: it said so in its answers to our writes (RFC 7644 section 3.3 allows it).
// To send them again changes nothing. They are forgotten with the target, so that
// each is sent once more then.
type alterations struct {
	mu sync.Mutex
	// accounts are by ID, and then by property.
	accounts map[string]map[string]alteration
	count    int
}

// learn compares what was sent with what the service answered. What could not be
// removed is no alteration: that is tried again.
func (a *alterations) learn(sent, answered resource, paths []path) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range paths {
		value, kept := sent.value(p), answered.value(p)
		if value == "" || value == kept {
			continue
		}
		known := a.accounts[answered.id()]
		_, again := known[p.String()]
		switch {
		case !again && a.count >= maxAltered:
			continue
		case a.accounts == nil:
			a.accounts = map[string]map[string]alteration{}
		}
		if known == nil {
			known = map[string]alteration{}
			a.accounts[answered.id()] = known
		}
		if !again {
			a.count++
		}
		known[p.String()] = alteration{value, kept}
	}
}

// original is what was sent of a value that stands there now: somebody who changes
// it there is still noticed. A value that stands there as sent was altered by nobody.
func (a *alterations) original(id, property, value string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.accounts[id][property]
	switch {
	case !ok:
		return value
	case value == known.kept:
		return known.sent
	case value == known.sent:
		delete(a.accounts[id], property)
		a.count--
	}
	return value
}

// forget what is known of an account that is gone.
func (a *alterations) forget(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count -= len(a.accounts[id])
	delete(a.accounts, id)
}

// properties are those that some account has otherwise than sent, sorted.
func (a *alterations) properties() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string]bool{}
	for _, properties := range a.accounts {
		for property := range properties {
			all[property] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
