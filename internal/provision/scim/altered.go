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

// maxAltered bounds what is remembered of one service, maxAlteredValue how long a
// value of it may be, in bytes: a longer one is sent again each time.
const (
	maxAltered      = 50_000
	maxAlteredValue = 1024
)

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

// learn compares what was sent with what the service answered, and forgets what it
// keeps as sent. What could not be removed is no alteration: that is tried again.
func (a *alterations) learn(sent, answered resource, paths []path) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range paths {
		value, kept := sent.value(p), answered.value(p)
		switch {
		case value == "":
		case value == kept || max(len(value), len(kept)) > maxAlteredValue:
			a.drop(answered.id(), p.String())
		default:
			a.note(answered.id(), p.String(), alteration{value, kept})
		}
	}
}

// note remembers an alteration while there is room.
func (a *alterations) note(id, property string, altered alteration) {
	known := a.accounts[id]
	if _, again := known[property]; !again {
		if a.count >= maxAltered {
			return
		}
		a.count++
	}
	if a.accounts == nil {
		a.accounts = map[string]map[string]alteration{}
	}
	if known == nil {
		known = map[string]alteration{}
		a.accounts[id] = known
	}
	known[property] = altered
}

func (a *alterations) drop(id, property string) {
	known := a.accounts[id]
	if _, ok := known[property]; !ok {
		return
	}
	a.count--
	delete(known, property)
	if len(known) == 0 {
		delete(a.accounts, id)
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
		a.drop(id, property)
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
