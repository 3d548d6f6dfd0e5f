/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package storetest

import (
	"bytes"
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tegata.dev/tegata/internal/idp/store"
)

// Clock is a clock that stands until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts at a fixed time.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)} }

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Key is the sealing key of test databases.
func Key() []byte { return bytes.Repeat([]byte{7}, 32) }

// Databases runs test with options for a fresh database of each kind.
func Databases(t *testing.T, test func(t *testing.T, options store.Options)) {
	t.Run("sqlite", func(t *testing.T) { test(t, SQLiteOptions(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, store.Options{PostgresDSN: Postgres(t), Key: Key()}) })
}

// SQLiteOptions are options for a fresh SQLite file.
func SQLiteOptions(t testing.TB) store.Options {
	return store.Options{SQLitePath: filepath.Join(t.TempDir(), "tegata.db"), Key: Key()}
}

// Open opens a store that closes with the test.
func Open(t testing.TB, options store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}
