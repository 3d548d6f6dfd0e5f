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
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// connectTimeout bounds the connecting to one host, where the connection
	// string sets none; the next host of the string must still be reached within
	// the time that a readiness probe waits.
	connectTimeout = 2 * time.Second
	// checkTimeout bounds the check of a pooled connection before it is used.
	checkTimeout = 2 * time.Second
	// silenceTimeout is how long a server may acknowledge nothing before a
	// connection to it counts as dead.
	silenceTimeout = 30 * time.Second
)

// connector makes connections to PostgreSQL that survive its servers: what
// fails because a pooled connection is dead, or leads to a server that has become
// a standby, is run on another one, where nothing can be done twice by that.
type connector struct {
	driver.Connector
	validate pgconn.ValidateConnectFunc
	// doubts counts how often a server turned out to be gone or read-only. Each
	// connection made before that is checked, as a new one would be, before it is used.
	doubts atomic.Int64
}

func newConnector(config *pgx.ConnConfig) *connector {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	config.DialFunc = newDialer().DialContext
	if config.ValidateConnect == nil {
		// Among several hosts, and behind one name, only a server that takes writes is of use.
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return &connector{Connector: stdlib.GetConnector(*config), validate: config.ValidateConnect}
}

// newDialer makes connections that notice a peer that is gone without a word.
func newDialer() *net.Dialer {
	return &net.Dialer{
		Control:         limitSilence,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silenceTimeout / 2, Interval: silenceTimeout / 6, Count: 3},
	}
}

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	doubts := c.doubts.Load()
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := made.(*stdlib.Conn)
	if !ok {
		return nil, fmt.Errorf("the driver made a %T", made)
	}
	return &connection{Conn: conn, connector: c, doubts: doubts}, nil
}

// doubt has every pooled connection checked before it is used again.
func (c *connector) doubt() { c.doubts.Add(1) }

// connection is a pooled connection; database/sql uses it for one caller at a time.
type connection struct {
	*stdlib.Conn
	connector *connector
	// doubts are those that this connection was checked after.
	doubts int64
}

// BeginTx implements driver.ConnBeginTx.
func (c *connection) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	begun, err := c.Conn.BeginTx(ctx, options)
	return begun, c.judge(ctx, err, true)
}

// QueryContext implements driver.QueryerContext.
func (c *connection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	reads := strings.HasPrefix(query, "SELECT") && c.outsideTransaction()
	rows, err := c.Conn.QueryContext(ctx, query, args)
	return rows, c.judge(ctx, err, reads)
}

// ExecContext implements driver.ExecerContext.
func (c *connection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.Conn.ExecContext(ctx, query, args)
	return result, c.judge(ctx, err, false)
}

func (c *connection) outsideTransaction() bool { return c.Conn.Conn().PgConn().TxStatus() == 'I' }

// judge doubts the server after a failure that is its own, and asks database/sql
// for another connection where the call can be repeated.
func (c *connection) judge(ctx context.Context, err error, repeatable bool) error {
	if err == nil || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	lost := c.Conn.Conn().IsClosed()
	if lost || isReadOnly(err) {
		// Failures on connections that are in doubt already tell nothing new.
		c.connector.doubts.CompareAndSwap(c.doubts, c.doubts+1)
	}
	if lost && repeatable && ctx.Err() == nil {
		return driver.ErrBadConn
	}
	return err
}

// IsValid implements driver.Validator.
func (c *connection) IsValid() bool { return !c.Conn.Conn().IsClosed() }

// ResetSession implements driver.SessionResetter: it is asked before each use.
func (c *connection) ResetSession(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if doubts := c.connector.doubts.Load(); c.doubts != doubts {
		if c.Conn.Conn().IsClosed() || c.connector.validate(ctx, c.Conn.Conn().PgConn()) != nil {
			return driver.ErrBadConn
		}
		c.doubts = doubts
	}
	return c.Conn.ResetSession(ctx)
}
