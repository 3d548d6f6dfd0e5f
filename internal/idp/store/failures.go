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
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tegata.dev/tegata/internal/admin"
)

// sqlState is the SQLSTATE of what PostgreSQL answered, or "".
func sqlState(err error) string {
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok && len(failure.Code) == 5 {
		return failure.Code
	}
	return ""
}

// isSerializationFailure tells that the transaction lost against another one and
// left nothing behind.
func isSerializationFailure(err error) bool {
	state := sqlState(err)
	return state == "40001" || state == "40P01"
}

// isReadOnly tells that PostgreSQL takes no writes here: it is a standby, or
// became one. The transaction left nothing behind.
func isReadOnly(err error) bool { return sqlState(err) == "25006" }

// isLost tells that the connection is gone, or never was.
func isLost(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if state := sqlState(err); state != "" {
		return state[:2] == "08" || state[:3] == "57P"
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, sign := range []error{driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return pgconn.SafeToRetry(err)
}

// isUnavailable tells that the database, not what was asked of it, is at fault,
// and that the same may succeed later.
func isUnavailable(err error) bool {
	if isLost(err) || isReadOnly(err) || isSerializationFailure(err) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch state := sqlState(err); state {
	case "":
		return false
	case "40003", "55P03", "57014", "25P03", "25P04":
		// Nobody knows whether it was committed; not locked in time; taken too long.
		return true
	default:
		// Insufficient resources and faults of the system around the server.
		return state[:2] == "53" || state[:2] == "58"
	}
}

// isDataFailure tells that the statement, not the database, is at fault: a
// constraint or a value that no retry would make fit.
func isDataFailure(err error) bool {
	if state := sqlState(err); state != "" {
		return state[:2] == "22" || state[:2] == "23" || state[:2] == "54"
	}
	if failure, ok := errors.AsType[*sqlite.Error](err); ok {
		code := failure.Code() & 0xff
		return code == sqlite3.SQLITE_CONSTRAINT || code == sqlite3.SQLITE_TOOBIG || code == sqlite3.SQLITE_MISMATCH
	}
	return false
}

// describe makes failures of the database an *admin.UnavailableError, and says
// in words what SQLite tells by number. A caller that went away is no failure.
func describe(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if failure, ok := errors.AsType[*sqlite.Error](err); ok {
		return describeSQLite(failure.Code()&0xff, err)
	}
	if err != nil && isUnavailable(err) {
		return &admin.UnavailableError{Reason: "the database does not answer: " + err.Error()}
	}
	return err
}

func describeSQLite(code int, err error) error {
	unavailable := func(reason string) error {
		return &admin.UnavailableError{Reason: fmt.Sprintf("%s: %v", reason, err)}
	}
	switch code {
	case sqlite3.SQLITE_READONLY:
		return unavailable("the database file or its folder is read-only; make it writable")
	case sqlite3.SQLITE_FULL:
		return unavailable("the database cannot grow, the disk is full")
	case sqlite3.SQLITE_CANTOPEN:
		return unavailable("the database file cannot be opened; its folder must exist and be writable")
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM:
		return unavailable("the database file cannot be read or written")
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return unavailable("the database file is in use by another program")
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("the database file is not an SQLite database: %w", err)
	default:
		return err
	}
}
