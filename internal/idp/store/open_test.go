/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

// openError is the error of an Open that must fail.
func openError(t *testing.T, options store.Options) string {
	t.Helper()
	s, err := store.Open(t.Context(), options)
	if err == nil {
		t.Fatal(errors.Join(errors.New("opened"), s.Close()))
	}
	return err.Error()
}

func raw(t *testing.T, options store.Options) *sql.DB { return rawDatabase(t, options) }

func rawDatabase(t testing.TB, options store.Options) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", options.PostgresDSN
	if options.SQLitePath != "" {
		driver, dsn = "sqlite", options.SQLitePath
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestOpenKeepsWhatWasWritten(t *testing.T) {
	storetest.Databases(t, func(t *testing.T, options store.Options) {
		g := NewWithT(t)
		first, err := store.Open(t.Context(), options)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = first.Apply(t.Context(), []admin.Change{tenantChange("acme")})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(first.Close()).To(Succeed())
		second := storetest.Open(t, options)
		g.Expect(second.Ping(t.Context())).To(Succeed())
		results, err := second.Apply(t.Context(), []admin.Change{tenantChange("acme")})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(results[0].Changed).To(BeFalse())
	})
}

func TestOpenTogether(t *testing.T) {
	options := store.Options{PostgresDSN: storetest.Postgres(t), Key: storetest.Key()}
	var opening sync.WaitGroup
	for range 5 {
		opening.Go(func() {
			s, err := store.Open(t.Context(), options)
			if err == nil {
				err = s.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	opening.Wait()
}

func TestOpenTellsWhatToMend(t *testing.T) {
	storetest.Databases(t, func(t *testing.T, options store.Options) {
		g := NewWithT(t)
		s, err := store.Open(t.Context(), options)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s.Close()).To(Succeed())
		other := options
		other.Key = bytes.Repeat([]byte{8}, 32)
		g.Expect(openError(t, other)).To(ContainSubstring("the sealing key is not the one"))
		other.Key = nil
		g.Expect(openError(t, other)).To(ContainSubstring("must have 32"))

		_, err = raw(t, options).Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, $1)`, true)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(openError(t, options)).To(ContainSubstring("schema version 999, newer than"))
	})
}

func TestOpenSQLiteTellsWhatToMend(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	g.Expect(openError(t, store.Options{Key: storetest.Key()})).To(ContainSubstring("exactly one"))
	g.Expect(openError(t, store.Options{SQLitePath: filepath.Join(folder, "none", "x.db"), Key: storetest.Key()})).To(ContainSubstring("cannot be opened"))
	text := filepath.Join(folder, "text.db")
	g.Expect(os.WriteFile(text, bytes.Repeat([]byte("no database "), 1000), 0o600)).To(Succeed())
	g.Expect(openError(t, store.Options{SQLitePath: text, Key: storetest.Key()})).To(ContainSubstring("not an SQLite database"))
	odd := filepath.Join(folder, "odd name?mode=ro#%41.db")
	storetest.Open(t, store.Options{SQLitePath: odd, Key: storetest.Key()})
	_, err := os.Stat(odd)
	g.Expect(err).NotTo(HaveOccurred())
}

// TestReadOnlyFileIsTold opens the file as nobody: root may write to anything.
func TestReadOnlyFileIsTold(t *testing.T) {
	g := NewWithT(t)
	options := storetest.SQLiteOptions(t)
	s, err := store.Open(t.Context(), options)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Close()).To(Succeed())
	g.Expect(os.Chmod(options.SQLitePath, 0o444)).To(Succeed()) // #nosec G302 -- read-only is the test
	if os.Geteuid() == 0 {
		for folder := filepath.Dir(options.SQLitePath); folder != os.TempDir() && folder != "/"; folder = filepath.Dir(folder) {
			g.Expect(os.Chmod(folder, 0o755)).To(Succeed()) // #nosec G302 -- nobody must get to the file
		}
	}
	opened := make(chan error)
	go func() {
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and its identity with it
			if err := syscall.Setfsuid(65534); err != nil {
				opened <- err
				return
			}
		}
		s, err := store.Open(t.Context(), options)
		if err == nil {
			err = errors.Join(errors.New("opened"), s.Close())
		}
		opened <- err
	}()
	g.Expect(<-opened).To(MatchError(ContainSubstring("read-only")))
}

func TestFullDiskIsTold(t *testing.T) {
	g := NewWithT(t)
	options := storetest.SQLiteOptions(t)
	// A small file system is not to be had everywhere; a bound on pages fails in the same way.
	s, err := store.OpenWithMaxPages(t.Context(), options, 60)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(s.Close()).To(Succeed()) }()
	_, err = s.SaveFlow(t.Context(), make([]byte, store.MaxFlowBytes), time.Hour)
	for range 10 {
		if err == nil {
			_, err = s.SaveFlow(t.Context(), make([]byte, store.MaxFlowBytes), time.Hour)
		}
	}
	g.Expect(err).To(MatchError(ContainSubstring("the disk is full")))
	g.Expect(s.Ping(t.Context())).To(Succeed(), "reading goes on")
}

func TestOpenPostgresNeverTellsThePassword(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, dsn := range []string{
		"postgres://tegata:hunter2-secret@127.0.0.1:1/tegata?sslmode=disable",
		"host=127.0.0.1 port=1 user=tegata password=hunter2-secret",
		"postgres://tegata:hunter2-secret@127.0.0.1:port/tegata",
		"host=127.0.0.1 password='hunter2-secret",
		"hunter2-secret",
	} {
		_, err := store.Open(ctx, store.Options{PostgresDSN: dsn, Key: storetest.Key()})
		g.Expect(err).To(HaveOccurred(), dsn)
		g.Expect(err.Error()).NotTo(ContainSubstring("hunter2"))
		g.Expect(err.Error()).To(ContainSubstring("PostgreSQL"))
	}
}

// TestInterruptedApplyLeavesNothing ends the context in the middle of a batch.
func TestInterruptedApplyLeavesNothing(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.accepted(tenantChange("acme"))
		changes := make([]admin.Change, 400)
		for i := range changes {
			changes[i] = memberChange("acme", fmt.Sprintf("m%03d", i))
		}
		ctx, cancel := context.WithCancel(f.ctx)
		reads := 0
		// The randomness of each new member is where this stops.
		options := f.options
		options.Random = readerFunc(func(p []byte) (int, error) {
			if reads++; reads == 600 {
				cancel()
			}
			for i := range p {
				p[i] = []byte{byte(reads), byte(reads >> 8)}[i%2] // as no other call gave
			}
			return len(p), nil
		})
		s := storetest.Open(t, options)
		_, err := s.Apply(ctx, changes)
		f.Expect(err).To(HaveOccurred())
		f.Expect(f.accepted(tenantChange("acme")).Tenant.Members).To(BeZero())
		f.Expect(f.actions()).To(Equal([]string{admin.TenantCreated}))
		f.Expect(f.apply(changes...)).To(HaveLen(400))
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestParallelAppliesAgree has several processes claim the same mails and slugs.
func TestParallelAppliesAgree(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), tenantChange("beta"))
		var waiting sync.WaitGroup
		var mu sync.Mutex
		accepted := map[string]int{}
		for worker := range 6 {
			waiting.Go(func() {
				changes := []admin.Change{}
				for i := range 20 {
					change := memberChange([]string{"acme", "beta"}[(worker+i)%2], fmt.Sprintf("w%d-%d", worker, i))
					change.Member.Mail = fmt.Sprintf("shared%d@example.com", i)
					changes = append(changes, change)
				}
				results, err := f.Apply(f.ctx, changes)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for i, result := range results {
					if result.Problem == nil {
						accepted[changes[i].Member.Mail]++
					} else if !strings.Contains(result.Problem.Message, "mail addresses are unique") {
						t.Error(result.Problem.Message)
					}
				}
			})
		}
		waiting.Wait()
		f.Expect(accepted).To(HaveLen(20))
		for mail, times := range accepted {
			f.Expect(times).To(Equal(1), mail)
		}
	})
}

func BenchmarkApply5000Members(b *testing.B) {
	changes := make([]admin.Change, 5000)
	for i := range changes {
		changes[i] = memberChange("acme", fmt.Sprintf("member%04d", i))
		changes[i].Member.Attributes = map[string]string{"employee": fmt.Sprintf("E%04d", i)}
	}
	apply := func(s *store.Store) {
		for start := 0; start < len(changes); start += admin.MaxBatch {
			if _, err := s.Apply(b.Context(), changes[start:start+admin.MaxBatch]); err != nil {
				b.Fatal(err)
			}
		}
	}
	for database, options := range map[string]func() store.Options{
		"sqlite":   func() store.Options { return storetest.SQLiteOptions(b) },
		"postgres": func() store.Options { return store.Options{PostgresDSN: storetest.Postgres(b), Key: storetest.Key()} },
	} {
		for _, unchanged := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/unchanged=%t", database, unchanged), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					s := storetest.Open(b, options())
					if _, err := s.Apply(b.Context(), []admin.Change{tenantChange("acme")}); err != nil {
						b.Fatal(err)
					}
					if unchanged {
						apply(s)
					}
					b.StartTimer()
					apply(s)
				}
			})
		}
	}
}
