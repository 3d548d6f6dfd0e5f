/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/seal"
)

var _ admin.Service = (*Store)(nil)

// Store is an open database. It is safe for concurrent use, and several
// processes may share a PostgreSQL database.
type Store struct {
	options Options
	sqlite  bool
	// reader and writer are one pool for PostgreSQL; SQLite has a single writer.
	reader, writer *sql.DB
	connector      *connector // nil for SQLite
	sealer         *seal.Sealer
	log            logr.Logger
	ids            identifiers

	tenantsMu sync.RWMutex
	tenants   map[string]*Tenant

	remembered sessionMemory

	mails   chan struct{}
	notices signal
}

// Open opens or makes the database and brings its schema up to date. Its
// errors say what to mend (file read-only, disk full, server unreachable, wrong
// key, schema of a newer version) and never hold the DSN's password.
func Open(ctx context.Context, o Options) (*Store, error) {
	if (o.SQLitePath == "") == (o.PostgresDSN == "") {
		return nil, errors.New("exactly one of SQLite path and PostgreSQL connection string must be set")
	}
	o = withDefaults(o)
	sealer, err := seal.New(o.Key, o.Random)
	if err != nil {
		return nil, err
	}
	s := &Store{
		options: o, sqlite: o.SQLitePath != "", sealer: sealer, log: o.Log,
		ids:     identifiers{random: o.Random, now: o.Now},
		tenants: map[string]*Tenant{},
		mails:   make(chan struct{}, 1),
		notices: signal{changed: make(chan struct{})},
	}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func withDefaults(o Options) Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	o.Random = &lockedReader{reader: o.Random}
	if o.PasswordLinkLifetime == 0 {
		o.PasswordLinkLifetime = 168 * time.Hour
	}
	if o.DeletedRetention == 0 {
		o.DeletedRetention = 30 * 24 * time.Hour
	}
	if o.AuditRetention == 0 {
		o.AuditRetention = 400 * 24 * time.Hour
	}
	if o.Log.GetSink() == nil {
		o.Log = logr.Discard()
	}
	return o
}

// prepare migrates the schema and makes sure that the key is the database's.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return describe(err)
	}
	return s.checkKey(ctx)
}

// Close closes the database; calls under way fail.
func (s *Store) Close() error {
	if s.reader == s.writer {
		return s.writer.Close()
	}
	return errors.Join(s.reader.Close(), s.writer.Close())
}

// pingTimeout bounds how long Ping waits for an answer.
const pingTimeout = 5 * time.Second

// Ping reports whether the database answers within pingTimeout and, of
// PostgreSQL, takes writes.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	question := `SELECT current_setting('transaction_read_only')`
	if s.sqlite {
		question = `SELECT 'off'`
	}
	var readOnly string
	if err := s.reader.QueryRowContext(ctx, question).Scan(&readOnly); err != nil {
		if unavailable, ok := errors.AsType[*admin.UnavailableError](describe(err)); ok {
			return unavailable
		}
		return &admin.UnavailableError{Reason: "the database does not answer: " + err.Error()}
	}
	if readOnly == "on" {
		s.connector.doubt()
		return &admin.UnavailableError{Reason: "the PostgreSQL server is read-only, a standby perhaps"}
	}
	return nil
}

// About tells the version, where the database answers.
func (s *Store) About(ctx context.Context) (admin.About, error) {
	if err := s.Ping(ctx); err != nil {
		return admin.About{}, err
	}
	return admin.About{Version: s.options.Version}, nil
}

// keyCheck is what the settings row "seal" holds, sealed.
const keyCheck = "tegata"

// checkKey writes a sealed word at the first start and opens it at every later
// one, so that a wrong key is told at the start and not at the first log-in.
func (s *Store) checkKey(ctx context.Context) error {
	return s.write(ctx, func(t *tx) error {
		sealed, err := s.sealer.Seal([]byte(keyCheck), "settings", "seal")
		if err != nil {
			return err
		}
		_, err = t.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES ('seal', $1) ON CONFLICT (name) DO NOTHING`, sealed)
		if err != nil {
			return err
		}
		if err := t.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = 'seal'`).Scan(&sealed); err != nil {
			return err
		}
		if _, err := s.sealer.Open(sealed, "settings", "seal"); err != nil {
			return errors.New("the sealing key is not the one this database was made with; give back the old key")
		}
		return nil
	})
}

// lockedReader makes any source of randomness safe for concurrent use.
type lockedReader struct {
	mu     sync.Mutex
	reader io.Reader
}

func (r *lockedReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reader.Read(p)
}

// signal wakes everybody who waits.
type signal struct {
	mu      sync.Mutex
	changed chan struct{}
}

// wait returns a channel that closes at the next raise.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}
