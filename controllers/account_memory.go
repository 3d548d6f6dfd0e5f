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
)

// settledFailures are what the last attempts of accounts ended with, where only
// a person can help: the digest of what was tried.
type settledFailures struct {
	mu      sync.Mutex
	digests map[types.NamespacedName]string
}

func (s *settledFailures) get(account types.NamespacedName) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.digests[account]
}

// set remembers a digest; an empty one forgets.
func (s *settledFailures) set(account types.NamespacedName, digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if digest == "" {
		delete(s.digests, account)
		return
	}
	if s.digests == nil {
		s.digests = map[types.NamespacedName]string{}
	}
	s.digests[account] = digest
}

// lateAccounts are those that were made, or may have been, a short while ago: their
// services may not find them yet.
type lateAccounts struct {
	mu     sync.Mutex
	made   map[types.NamespacedName]time.Time
	pruned time.Time
	// began is when this process first looked: what another one did before that
	// nobody here saw.
	began time.Time
}

// unseen is how long an account may yet be there that the service does not find.
func (l *lateAccounts) unseen(account types.NamespacedName, now time.Time, lag time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.made[account]
	if last.Before(l.began) {
		last = l.began
	}
	return lag - now.Sub(last)
}

// begin notes when this process first looked.
func (l *lateAccounts) begin(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began.IsZero() {
		l.began = now
	}
}

// note remembers that an account is being made, where its service lags.
func (l *lateAccounts) note(account types.NamespacedName, now time.Time, lag time.Duration) {
	if lag <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made == nil {
		l.made = map[types.NamespacedName]time.Time{}
	}
	if now.Sub(l.pruned) > lag {
		maps.DeleteFunc(l.made, func(_ types.NamespacedName, at time.Time) bool { return now.Sub(at) > longestLag })
		l.pruned = now
	}
	l.made[account] = now
}

// longestLag bounds what is remembered.
const longestLag = time.Hour
