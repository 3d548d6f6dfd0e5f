/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"modernc.org/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	sqliteReaders       = 4
	postgresConnections = 16

	// migrationLease is how long a starter that died holds up the others, and
	// migrationWait how long a starter waits for another's migrations.
	migrationLease = 15 * time.Second
	migrationWait  = 10 * time.Minute
)

func (s *Store) connect(ctx context.Context) error {
	if s.sqlite {
		return s.connectSQLite(ctx)
	}
	return s.connectPostgres(ctx)
}

func (s *Store) connectSQLite(ctx context.Context) error {
	path, err := filepath.Abs(s.options.SQLitePath)
	if err != nil {
		return fmt.Errorf("database file: %w", err)
	}
	// Made here, because SQLite would make it readable for everybody; its other files follow.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // #nosec G304 -- the administrator names it
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the database file is read-only for this process; make it writable: %w", err)
	case err != nil:
		return fmt.Errorf("the database file cannot be opened: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("database file: %w", err)
	}
	// WAL lets readers go on while one writes; FULL keeps a commit through a power cut.
	pragmas := "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
	location := (&url.URL{Scheme: "file", OmitHost: true, Path: path}).String()
	if s.writer, err = openSQLite(location + "?_txlock=immediate&" + pragmas); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if s.reader, err = openSQLite(location + "?" + pragmas + "&_pragma=query_only(1)"); err != nil {
		return errors.Join(err, s.writer.Close())
	}
	s.reader.SetMaxOpenConns(sqliteReaders)
	s.reader.SetMaxIdleConns(sqliteReaders)
	if err := s.writer.PingContext(ctx); err != nil {
		return errors.Join(describe(err), s.Close())
	}
	return nil
}

func openSQLite(location string) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(location)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(preparingConnector{connector}), nil
}

func (s *Store) connectPostgres(ctx context.Context) error {
	config, err := pgx.ParseConfig(s.options.PostgresDSN)
	if err != nil {
		// pgx's own message quotes the string, and with it perhaps the password.
		return errors.New("the PostgreSQL connection string cannot be parsed; use a URL such as postgres://user@host/database or keyword=value pairs")
	}
	s.connector = newConnector(config)
	s.writer = sql.OpenDB(s.connector)
	s.reader = s.writer
	s.writer.SetMaxOpenConns(postgresConnections)
	s.writer.SetMaxIdleConns(postgresConnections)
	s.writer.SetConnMaxIdleTime(5 * time.Minute)
	if err := s.writer.PingContext(ctx); err != nil {
		return errors.Join(fmt.Errorf("the PostgreSQL server does not answer or refuses us: %w", err), s.Close())
	}
	return nil
}

// migrationLock lets one process migrate at a time, by a row of a table: advisory
// locks are there in name only in some engines that speak PostgreSQL's protocol. A
// process that dies holds the others up until its lease has passed. Where one was
// only frozen for that long, a migration that two ran fails in one of them and
// leaves nothing behind, as each is one transaction.
func migrationLock() (lock.Locker, error) {
	return lock.NewPostgresTableLocker(
		lock.WithTableName("migration_lock"),
		lock.WithTableLeaseDuration(migrationLease),
		lock.WithTableHeartbeatInterval(migrationLease/5),
		lock.WithTableLockTimeout(250*time.Millisecond, uint64(migrationWait/(250*time.Millisecond))),
		lock.WithTableUnlockTimeout(250*time.Millisecond, 20),
		lock.WithTableLogger(slog.New(slog.DiscardHandler)),
	)
}

// migrate brings the schema up to date, forward only.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	dialect := goose.DialectPostgres
	options := []goose.ProviderOption{goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true)}
	if s.sqlite {
		dialect = goose.DialectSQLite3
	} else {
		locker, err := migrationLock()
		if err != nil {
			return err
		}
		options = append(options, goose.WithLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, s.writer, files, options...)
	if err != nil {
		return err
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("schema version: %w", err)
	}
	if current > known {
		return fmt.Errorf("the database has schema version %d, newer than version %d that this program knows; use the newer program or restore a backup", current, known)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migration: %w", err)
	}
	return nil
}
