/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Server is a PostgreSQL server of a test's own, on a loopback port, to be
// stopped, killed and replaced as the shared one must not be.
type Server struct {
	t        *testing.T
	binaries string
	server   *postgres
	port     int
}

// NewServer starts an empty server, which ends with the test. Without PostgreSQL
// it does as Postgres does.
func NewServer(t *testing.T) *Server {
	t.Helper()
	s := newServer(t)
	s.run("initdb", "--pgdata="+s.data(), "--username=tegata", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
	s.Start()
	return s
}

func newServer(t *testing.T) *Server {
	t.Helper()
	binaries, err := findBinaries()
	if errors.Is(err, errNotInstalled) && os.Getenv(RequireVariable) != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "tegata-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, binaries: binaries, server: &postgres{folder: folder}, port: freePort(t)}
	t.Cleanup(s.server.stop)
	return s
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err := errors.Join(err, listener.Close()); err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func (s *Server) data() string { return filepath.Join(s.server.folder, "data") }

// command is one of PostgreSQL's programs, as the user it may run as.
func (s *Server) command(program string, arguments ...string) *exec.Cmd {
	s.t.Helper()
	attributes, err := s.server.unprivileged()
	if err != nil {
		s.t.Fatal(err)
	}
	command := exec.CommandContext(context.Background(), filepath.Join(s.binaries, program), arguments...) // #nosec G204 -- found on this machine
	command.SysProcAttr, command.Dir = attributes, s.server.folder
	return command
}

func (s *Server) run(program string, arguments ...string) {
	s.t.Helper()
	if output, err := s.command(program, arguments...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", program, err, output)
	}
}

// Start starts the server, as a standby where it is one, and waits until it
// answers. Commits outlast the processes, if not the machine.
func (s *Server) Start() {
	s.t.Helper()
	command := s.command("postgres", "-D", s.data(), "-k", s.server.folder, "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "hot_standby=on", "-c", "wal_level=replica", "-c", "fsync=off")
	command.Stdout, command.Stderr = &s.server.log, &s.server.log
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.server.command = command
	s.Eventually("SELECT 1")
}

// Stop ends the server at once, as pg_ctl stop -m immediate does; connections break.
func (s *Server) Stop() { s.end(syscall.SIGQUIT) }

// Kill ends it without a word to anybody.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(signal os.Signal) {
	s.t.Helper()
	if err := s.server.command.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
	_ = s.server.command.Wait() // its status tells of the signal
	s.server.command = nil
}

// Standby starts a server that follows this one.
func (s *Server) Standby() *Server {
	s.t.Helper()
	standby := newServer(s.t)
	standby.run("pg_basebackup", "-D", standby.data(), "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "tegata",
		"-X", "stream", "-R", "--checkpoint=fast", "--no-sync")
	standby.Start()
	return standby
}

// CaughtUp waits until the standby has all that this server has committed.
func (s *Server) CaughtUp() {
	s.t.Helper()
	s.Eventually("SELECT 1 / count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()")
}

// Promote makes a standby take writes.
func (s *Server) Promote() {
	s.t.Helper()
	s.Eventually("SELECT pg_promote()")
	s.Eventually("SELECT 1 / (1 - pg_is_in_recovery()::int)")
}

// Host is the server's host:port.
func (s *Server) Host() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// DSN leads to the database "postgres" of this server by way of the hosts, or
// straight there where none is given.
func (s *Server) DSN(hosts ...string) string {
	list := s.Host()
	for i, host := range hosts {
		if list += "," + host; i == 0 {
			list = host
		}
	}
	return fmt.Sprintf("postgres://tegata@%s/postgres?sslmode=disable", list)
}

// Eventually waits until the statement succeeds.
func (s *Server) Eventually(statement string) {
	s.t.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = s.Execute(statement); err == nil {
			return
		}
	}
	s.t.Fatalf("%s: %v", statement, err)
}

// Execute runs a statement over a connection of its own.
func (s *Server) Execute(statement string) error {
	db, err := sql.Open("pgx", s.DSN())
	if err != nil {
		return err
	}
	_, err = db.ExecContext(context.Background(), statement)
	return errors.Join(err, db.Close())
}
