/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// querier reads, in or outside of a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// tx is a write transaction. What it promises to wake is woken after commit.
type tx struct {
	*sql.Tx
	store   *Store
	now     int64
	noticed bool
	mailed  bool
}

// exec runs a statement and tells how many rows it touched.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := t.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// maxRetries bounds how often a transaction that lost against another is run again.
const maxRetries = 8

// write runs a transaction, again where it left nothing behind: it lost against
// another one, its connection broke before the commit, or the server has become
// read-only. A commit whose answer got lost is not repeated: nobody knows whether
// it happened. body may run several times and must keep what it learns to itself
// until it returns nil.
func (s *Store) write(ctx context.Context, body func(*tx) error) error {
	wait := 5 * time.Millisecond
	for attempt := 0; ; attempt++ {
		t, err := s.once(ctx, body)
		if err == nil {
			s.wake(t)
			return nil
		}
		if !isWithoutEffect(err) || attempt == maxRetries {
			return describe(err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return describe(ctx.Err())
		case <-timer.C:
		}
		wait *= 2
	}
}

// brokenError is a connection's end in the middle of a transaction.
type brokenError struct{ cause error }

// Error implements error.
func (e *brokenError) Error() string { return "the connection broke: " + e.cause.Error() }

// Unwrap serves errors.Is.
func (e *brokenError) Unwrap() error { return e.cause }

// isWithoutEffect tells that the transaction left nothing behind and may succeed
// when it is run again at once.
func isWithoutEffect(err error) bool {
	_, broken := errors.AsType[*brokenError](err)
	return broken || isSerializationFailure(err) || isReadOnly(err)
}

func (s *Store) once(ctx context.Context, body func(*tx) error) (*tx, error) {
	// A dead pooled connection does not get through this: database/sql takes another.
	sqlTx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	t := &tx{Tx: sqlTx, store: s, now: s.options.Now().UnixMilli()}
	if err := body(t); err != nil {
		// The failure is what matters; a rollback that fails too ends with the connection.
		_ = sqlTx.Rollback()
		if ctx.Err() == nil && isLost(err) {
			err = &brokenError{cause: err}
		}
		return nil, err
	}
	return t, sqlTx.Commit()
}

func (s *Store) wake(t *tx) {
	if t.noticed {
		s.notices.raise()
	}
	if t.mailed {
		select {
		case s.mails <- struct{}{}:
		default:
		}
	}
}

// collect runs a query and reads all its rows, so that none stays open.
func collect[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // closed by Next already, but after a failure
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
