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
	"fmt"
	"maps"
	"slices"
)

// OpenWithMaxPages opens an SQLite store whose file cannot grow beyond so many pages.
func OpenWithMaxPages(ctx context.Context, o Options, pages int) (*Store, error) {
	s, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if _, err := s.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// MakeReadOnly makes count connections of the pool refuse writes.
func MakeReadOnly(ctx context.Context, s *Store, count int) error {
	var failed error
	for range count {
		conn, err := s.writer.Conn(ctx)
		if err != nil {
			return err
		}
		// All are held until the end, so that each is another one.
		defer func() { failed = errors.Join(failed, conn.Close()) }()
		if _, err := conn.ExecContext(ctx, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"); err != nil {
			return err
		}
	}
	return failed
}

// OpenPreparing opens an SQLite database whose single connection keeps its statements.
func OpenPreparing(location string) (*sql.DB, error) {
	db, err := openSQLite(location)
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// KeptStatements are the queries that the connection of OpenPreparing keeps.
func KeptStatements(ctx context.Context, db *sql.DB) ([]string, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var kept []string
	err = conn.Raw(func(raw any) error {
		kept = slices.Collect(maps.Keys(raw.(*preparingConnection).statements))
		return nil
	})
	return kept, errors.Join(err, conn.Close())
}

// MaxStatements is how many a connection keeps.
const MaxStatements = maxStatements

// RefuseRollback has the writing connection of an SQLite store fail to roll back.
func RefuseRollback(ctx context.Context, s *Store) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	err = conn.Raw(func(raw any) error {
		preparing := raw.(*preparingConnection)
		preparing.sqliteConn = refusingRollback{preparing.sqliteConn}
		return nil
	})
	return errors.Join(err, conn.Close())
}

type refusingRollback struct{ sqliteConn }

// PrepareContext implements driver.ConnPrepareContext.
func (c refusingRollback) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if query == `ROLLBACK` {
		return nil, errors.New("no memory left")
	}
	return c.sqliteConn.PrepareContext(ctx, query)
}

// Write runs body in a write transaction, with what runs a statement in it.
func Write(ctx context.Context, s *Store, body func(run func(statement string) error) error) error {
	return s.write(ctx, func(t *tx) error {
		return body(func(statement string) error {
			_, err := t.exec(ctx, statement)
			return err
		})
	})
}

// AsStored is the session without the member that was read beside it.
func AsStored(session Session) Session {
	session.memberBody = ""
	return session
}

// MaxRemembered is how many sessions a store remembers.
const MaxRemembered = maxRemembered

// Remember has the store remember a session by its token's hash.
func Remember(s *Store, hash string) { s.remembered.keep(hash, Session{}, Account{}) }

// CountRemembered is how many sessions the store remembers.
func CountRemembered(s *Store) int { return len(s.remembered.byHash) }
