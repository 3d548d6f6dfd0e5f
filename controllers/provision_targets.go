/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// liveTarget is a ProvisioningTarget as it can be used now.
type liveTarget struct {
	name types.NamespacedName
	// tenant is the name of its Tenant, in the same namespace.
	tenant string
	uid    types.UID
	// generation of the spec that the service was made from. What a service took
	// by an older one has to be looked at again.
	generation int64
	// fingerprint is of everything that the service was made from: spec, Secrets
	// and certificates.
	fingerprint string
	// service is nil while the target cannot be used; reason and message say why
	// in the words of a condition.
	service         provision.Target
	reason, message string
	removal         provision.Removal
	adoptByUserName bool
	writesPerSecond int
}

// trouble is what the last calls of a service ended with, where all others would
// end likewise.
type trouble struct {
	fingerprint string
	// failure is of cause Unauthorized, and at when it came; nil while there is none.
	failure *provision.Error
	at      time.Time
	// throttledUntil is zero, or past, where the service takes calls.
	throttledUntil time.Time
}

// liveTargets is the registry of ProvisioningTargets: their controller fills it,
// and those of accounts use it. The zero value is not ready.
type liveTargets struct {
	clock Clock
	// wakeTarget asks for a reconcile of a ProvisioningTarget.
	wakeTarget func(types.NamespacedName)

	mu       sync.Mutex
	targets  map[types.NamespacedName]liveTarget
	troubles map[types.NamespacedName]trouble
	// suspects are the Accounts that have to be compared with the service although
	// nothing has changed here, each with a mark of its own.
	suspects  map[types.NamespacedName]uint64
	nextMark  uint64
	listeners []func(now liveTarget, usable bool)
}

func newLiveTargets(clock Clock, wakeTarget func(types.NamespacedName)) *liveTargets {
	return &liveTargets{
		clock: clock, wakeTarget: wakeTarget,
		targets: map[types.NamespacedName]liveTarget{}, troubles: map[types.NamespacedName]trouble{}, suspects: map[types.NamespacedName]uint64{},
	}
}

// get is a target as it is now. Where it is not usable its service is nil, and
// reason and message say why.
func (t *liveTargets) get(name types.NamespacedName) liveTarget {
	t.mu.Lock()
	defer t.mu.Unlock()
	if live, known := t.targets[name]; known {
		return live
	}
	return liveTarget{name: name, reason: v1alpha1.PendingReason, message: "The ProvisioningTarget is not ready yet."}
}

// onChange has a function called after a target became usable or ceased to be,
// or was made anew. usable is false where it cannot be used or is gone.
// It must not block.
func (t *liveTargets) onChange(listener func(now liveTarget, usable bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listeners = append(t.listeners, listener)
}

// set makes a target what it is from now on.
func (t *liveTargets) set(live liveTarget) {
	t.mu.Lock()
	before := t.targets[live.name]
	t.targets[live.name] = live
	listeners := t.listeners
	t.mu.Unlock()
	if before.service != live.service || before.reason != live.reason || before.generation != live.generation || before.uid != live.uid {
		for _, listener := range listeners {
			listener(live, live.service != nil)
		}
	}
}

// remove forgets a target that is gone.
func (t *liveTargets) remove(name types.NamespacedName) {
	t.mu.Lock()
	_, known := t.targets[name]
	delete(t.targets, name)
	delete(t.troubles, name)
	listeners := t.listeners
	t.mu.Unlock()
	if known {
		for _, listener := range listeners {
			listener(liveTarget{name: name, reason: v1alpha1.ReferenceNotFoundReason, message: "The ProvisioningTarget does not exist."}, false)
		}
	}
}

// failed tells of a call's error, where live is the target that was called. Where
// every other call would fail likewise, the target's controller learns of it;
// other errors are the account's own.
func (t *liveTargets) failed(live liveTarget, err error) {
	failure, ok := errors.AsType[*provision.Error](err)
	if !ok || !failure.Cause.Pauses() {
		return
	}
	t.mu.Lock()
	now := trouble{fingerprint: live.fingerprint}
	if before := t.troubles[live.name]; before.fingerprint == live.fingerprint {
		now = before
	}
	changed := false
	if failure.Cause == provision.Unauthorized {
		changed = now.failure == nil
		now.failure, now.at = failure, t.clock()
	} else if until := t.clock().Add(max(failure.RetryAfter, firstRetry)); until.After(now.throttledUntil) {
		// Told once for a while, not for each of the calls that were under way.
		changed = now.throttledUntil.Before(t.clock())
		now.throttledUntil = until
	}
	t.troubles[live.name] = now
	t.mu.Unlock()
	if changed {
		t.wakeTarget(live.name)
	}
}

// trouble is what a target's calls ended with, as far as it was made from the same.
func (t *liveTargets) trouble(name types.NamespacedName, fingerprint string) trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.troubles[name]; found.fingerprint == fingerprint {
		return found
	}
	return trouble{}
}

// recovered forgets that a target's credentials were refused.
func (t *liveTargets) recovered(name types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found, ok := t.troubles[name]; ok {
		found.failure = nil
		t.troubles[name] = found
	}
}

// suspect marks Accounts to be compared with the service although nothing has
// changed here. Whoever marks them wakes them.
func (t *liveTargets) suspect(accounts ...types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, account := range accounts {
		t.nextMark++
		t.suspects[account] = t.nextMark
	}
}

// suspected is an Account's mark, 0 where it has none.
func (t *liveTargets) suspected(account types.NamespacedName) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.suspects[account]
}

// compared takes away the mark that an Account had when it was looked at; one
// that it got meanwhile stays.
func (t *liveTargets) compared(account types.NamespacedName, mark uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.suspects[account] == mark {
		delete(t.suspects, account)
	}
}
