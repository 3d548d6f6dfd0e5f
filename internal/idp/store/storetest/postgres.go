/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package storetest gives tests real databases: SQLite files, and databases of
// a private PostgreSQL server.
package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver "pgx"
	"go.uber.org/goleak"
)

// RequireVariable names the environment variable that, set to 1, makes tests
// fail rather than skip where PostgreSQL is not installed.
const RequireVariable = "TEGATA_TEST_REQUIRE"

// errNotInstalled tells that the machine has no PostgreSQL server programs.
var errNotInstalled = errors.New("PostgreSQL (initdb and postgres) is not installed")

var (
	server    = &postgres{}
	databases atomic.Int64
)

// Main runs the tests of a package, stops the PostgreSQL server they started,
// and fails where they left goroutines behind:
// func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }.
func Main(m *testing.M) int {
	code := m.Run()
	server.stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Postgres returns the DSN of a fresh, empty database. The server is private to
// the test process, on a Unix socket only, and starts at the first call; the
// package's TestMain must call Main, which stops it. Without PostgreSQL the test
// is skipped, or fails where RequireVariable is 1.
func Postgres(t testing.TB) string {
	t.Helper()
	err := server.start()
	if errors.Is(err, errNotInstalled) && os.Getenv(RequireVariable) != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test%d", databases.Add(1))
	if err := server.execute("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.execute("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return server.dsn(name)
}

// postgres is the process's server.
type postgres struct {
	once    sync.Once
	err     error
	folder  string
	command *exec.Cmd
	log     bytes.Buffer
}

func (p *postgres) start() error {
	p.once.Do(func() { p.err = p.run() })
	return p.err
}

func (p *postgres) run() error {
	binaries, err := findBinaries()
	if err != nil {
		return err
	}
	if p.folder, err = os.MkdirTemp("", "tegata-postgres-"); err != nil {
		return err
	}
	attributes, err := p.unprivileged()
	if err != nil {
		return err
	}
	data := filepath.Join(p.folder, "data")
	initialize := exec.CommandContext(context.Background(), filepath.Join(binaries, "initdb"), // #nosec G204 -- found on this machine
		"--pgdata="+data, "--username=tegata", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
	initialize.SysProcAttr, initialize.Dir = attributes, p.folder
	if output, err := initialize.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	p.command = exec.CommandContext(context.Background(), filepath.Join(binaries, "postgres"), // #nosec G204 -- found on this machine
		"-D", data, "-k", p.folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "synchronous_commit=off", "-c", "max_connections=200")
	p.command.SysProcAttr, p.command.Dir = attributes, p.folder
	p.command.Stdout, p.command.Stderr = &p.log, &p.log
	if err := p.command.Start(); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return p.awaitReady()
}

// unprivileged is what the server's processes run as: PostgreSQL refuses root.
// The server ends with this process, however that ends.
func (p *postgres) unprivileged() (*syscall.SysProcAttr, error) {
	attributes := endWithUs()
	if os.Geteuid() != 0 {
		return attributes, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, os.Chown(p.folder, int(uid), int(gid))
}

func (p *postgres) awaitReady() error {
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = p.execute("SELECT 1"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("postgres does not get ready: %w", err)
}

func (p *postgres) dsn(database string) string {
	return fmt.Sprintf("host=%s user=tegata dbname=%s sslmode=disable", p.folder, database)
}

func (p *postgres) execute(statement string) error {
	db, err := sql.Open("pgx", p.dsn("postgres"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(context.Background(), statement)
	return errors.Join(err, db.Close())
}

// stop ends the server and removes its files.
func (p *postgres) stop() {
	if p.command != nil && p.command.Process != nil {
		// SIGINT is PostgreSQL's fast shutdown; its exit status tells nothing that tests need.
		_ = p.command.Process.Signal(os.Interrupt)
		_ = p.command.Wait()
	}
	if p.folder != "" {
		_ = os.RemoveAll(p.folder)
	}
}

// findBinaries is the folder with initdb and postgres: the newest that Debian
// installed, or that of initdb in PATH.
func findBinaries() (string, error) {
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(folders, func(a, b string) int { return version(b) - version(a) })
	if found, err := exec.LookPath("initdb"); err == nil {
		folders = append(folders, filepath.Dir(found))
	}
	for _, folder := range folders {
		_, initdb := exec.LookPath(filepath.Join(folder, "initdb"))
		_, postgres := exec.LookPath(filepath.Join(folder, "postgres"))
		if initdb == nil && postgres == nil {
			return folder, nil
		}
	}
	return "", errNotInstalled
}

// version is the major version in /usr/lib/postgresql/<version>/bin, or 0.
func version(folder string) int {
	number, err := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
	if err != nil {
		return 0
	}
	return number
}
