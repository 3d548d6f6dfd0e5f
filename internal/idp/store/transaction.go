/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"
)

// querier reads, in or outside of a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// transaction is what *sql.Tx does of what a write needs.
type transaction interface {
	querier
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	Commit() error
	Rollback() error
}

// sqliteTransaction spares every log-in the goroutine that database/sql starts
// for a transaction, and the parsing of its beginning and end.
type sqliteTransaction struct {
	*sql.Conn
	ctx context.Context
}

// beginSQLite waits for its turn to write at once: a transaction that begins to
// write after it has read may be refused.
func beginSQLite(ctx context.Context, db *sql.DB) (transaction, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return sqliteTransaction{conn, ctx}, nil
}

// Commit does nothing but Rollback when the context has ended, as *sql.Tx.
func (t sqliteTransaction) Commit() error {
	if _, err := t.ExecContext(t.ctx, `COMMIT`); err != nil {
		_ = t.Rollback() // the failure to commit is what matters
		return err
	}
	return t.Close()
}

// Rollback works when the context has ended too. Where it fails, because SQLite
// has rolled back already or whatever else, the connection ends, and with it the
// transaction: the next one could not begin in the middle of it.
func (t sqliteTransaction) Rollback() error {
	if _, err := t.ExecContext(context.WithoutCancel(t.ctx), `ROLLBACK`); err != nil {
		return errors.Join(err, t.Raw(func(any) error { return driver.ErrBadConn }))
	}
	return t.Close()
}

// tx is a write transaction. What it promises to wake is woken after commit.
type tx struct {
	transaction
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
	begun, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	t := &tx{transaction: begun, store: s, now: s.options.Now().UnixMilli()}
	if err := t.run(body); err != nil {
		if ctx.Err() == nil && isLost(err) {
			err = &brokenError{cause: err}
		}
		return nil, err
	}
	return t, begun.Commit()
}

func (s *Store) begin(ctx context.Context) (transaction, error) {
	if s.sqlite {
		return beginSQLite(ctx, s.writer)
	}
	// A dead pooled connection does not get through this: database/sql takes another.
	return s.writer.BeginTx(ctx, nil)
}

// run rolls back where body fails, or panics: another writer waits for its turn.
func (t *tx) run(body func(*tx) error) error {
	done := false
	defer func() {
		if !done {
			// The failure is what matters; a rollback that fails too ends with the connection.
			_ = t.Rollback()
		}
	}()
	err := body(t)
	done = err == nil
	return err
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
