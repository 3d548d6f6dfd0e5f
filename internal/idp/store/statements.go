/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
)

// maxStatements bounds how many statements a connection to SQLite keeps: more
// than the busiest of our transactions runs, and about a megabyte of memory.
const maxStatements = 64

// preparingConnector makes connections to SQLite that parse each statement
// once, and not at each call. pgx does the same for PostgreSQL by itself.
type preparingConnector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c preparingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := made.(sqliteConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver made a %T", made), made.Close())
	}
	return &preparingConnection{sqliteConn: conn, statements: map[string]*statement{}}, nil
}

// sqliteConn is all that database/sql makes use of in the driver's connection.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// sqliteStatement is all that is used of the driver's statement.
type sqliteStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// preparingConnection is a pooled connection; database/sql uses it for one
// caller at a time. A call that has begun goes on to its end, whatever becomes of
// its context: none of ours takes long, a lock is waited for as long as
// busy_timeout says, and the goroutine by which the driver watches a context
// costs more than most statements.
type preparingConnection struct {
	sqliteConn
	statements map[string]*statement
	calls      int64
}

// statement is one that its connection keeps.
type statement struct {
	sqliteStatement
	lastCall int64
	// reading tells that rows of it are open: a second call would take them away.
	reading bool
}

// BeginTx implements driver.ConnBeginTx.
func (c *preparingConnection) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.sqliteConn.BeginTx(context.WithoutCancel(ctx), options)
}

// ExecContext implements driver.ExecerContext.
func (c *preparingConnection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	kept, err := c.keep(ctx, query)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	if kept.reading {
		return c.sqliteConn.ExecContext(ctx, query, args)
	}
	return kept.ExecContext(ctx, args)
}

// QueryContext implements driver.QueryerContext.
func (c *preparingConnection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	kept, err := c.keep(ctx, query)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	if kept.reading {
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	rows, err := kept.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	kept.reading = true
	return &keptRows{Rows: rows, statement: kept}, nil
}

// keep returns the prepared statement of the query, unless the context has ended.
func (c *preparingConnection) keep(ctx context.Context, query string) (*statement, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.calls++
	if kept, ok := c.statements[query]; ok {
		kept.lastCall = c.calls
		return kept, nil
	}
	if err := c.makeRoom(); err != nil {
		return nil, err
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	driverStatement, ok := prepared.(sqliteStatement)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver prepared a %T", prepared), prepared.Close())
	}
	kept := &statement{sqliteStatement: driverStatement, lastCall: c.calls}
	c.statements[query] = kept
	return kept, nil
}

// makeRoom lets go of the statement that was not called for longest, but of
// none whose rows are open.
func (c *preparingConnection) makeRoom() error {
	if len(c.statements) < maxStatements {
		return nil
	}
	oldest := ""
	for query, kept := range c.statements {
		if !kept.reading && (oldest == "" || kept.lastCall < c.statements[oldest].lastCall) {
			oldest = query
		}
	}
	kept, found := c.statements[oldest]
	if !found {
		return nil
	}
	delete(c.statements, oldest)
	return kept.Close()
}

// Close implements driver.Conn. SQLite keeps a file open until its last
// statement has gone.
func (c *preparingConnection) Close() error {
	var failed error
	for _, kept := range c.statements {
		failed = errors.Join(failed, kept.Close())
	}
	clear(c.statements)
	return errors.Join(failed, c.sqliteConn.Close())
}

// keptRows give their statement back when they are closed.
type keptRows struct {
	driver.Rows
	statement *statement
}

// Close implements driver.Rows.
func (r *keptRows) Close() error {
	r.statement.reading = false
	return r.Rows.Close()
}
