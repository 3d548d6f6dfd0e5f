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
	"io"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

// newSQLite is an open SQLite store with one tenant.
func newSQLite(t *testing.T) *fixture {
	t.Helper()
	options := storetest.SQLiteOptions(t)
	f := &fixture{Store: storetest.Open(t, options), WithT: NewWithT(t), t: t, ctx: t.Context(), options: options}
	f.accepted(tenantChange("acme"))
	return f
}

// backup takes a backup, and expects that nothing stays in the folder for temporary files.
func (f *fixture) backup() []byte {
	f.t.Helper()
	folder := f.t.TempDir()
	f.t.Setenv("TMPDIR", folder)
	var out bytes.Buffer
	summary, err := store.BackupSQLite(f.ctx, f.options.SQLitePath, &out)
	f.Expect(err).NotTo(HaveOccurred())
	f.Expect(summary.Bytes).To(BeEquivalentTo(out.Len()))
	f.Expect(os.ReadDir(folder)).To(BeEmpty())
	return out.Bytes()
}

func TestBackupWhileTheServerWrites(t *testing.T) {
	const batch = 10
	f := newSQLite(t)
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() {
		for round := 0; ; round++ {
			changes := make([]admin.Change, batch)
			for i := range changes {
				changes[i] = memberChange("acme", fmt.Sprintf("m%d-%d", round, i))
			}
			if _, err := f.Apply(ctx, changes); ctx.Err() != nil {
				written <- nil // called off, whatever words the driver has for it
				return
			} else if err != nil {
				written <- err
				return
			}
		}
	}()
	sizes := map[int64]bool{}
	for range 8 {
		path := filepath.Join(t.TempDir(), "tegata.db")
		_, err := store.RestoreSQLite(t.Context(), path, bytes.NewReader(f.backup()))
		f.Expect(err).NotTo(HaveOccurred())
		file, err := os.Stat(path)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(file.Mode()).To(BeEquivalentTo(0o600))
		copied := storetest.Open(t, store.Options{SQLitePath: path, Key: storetest.Key()})
		results, err := copied.Apply(t.Context(), []admin.Change{tenantChange("acme")})
		f.Expect(err).NotTo(HaveOccurred())
		members := int64(results[0].Tenant.Members)
		f.Expect(members%batch).To(BeZero(), "half a transaction was copied")
		f.Expect(count(t, path, `SELECT count(*) FROM audit WHERE action = '`+admin.MemberCreated+`'`)).To(Equal(members))
		sizes[members] = true
	}
	stop()
	f.Expect(<-written).To(Succeed())
	f.Expect(len(sizes)).To(BeNumerically(">", 1), "the writer did not go on")
}

func count(t *testing.T, path, query string) (n int64) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// altered is a copy of the backup after statements.
func altered(t *testing.T, backup []byte, statements string) []byte {
	t.Helper()
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "altered.db")
	g.Expect(os.WriteFile(path, backup, 0o600)).To(Succeed())
	db, err := sql.Open("sqlite", path)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = db.ExecContext(t.Context(), statements)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(db.Close()).To(Succeed())
	content, err := os.ReadFile(path) // #nosec G304 -- the test's own file
	g.Expect(err).NotTo(HaveOccurred())
	return content
}

func TestRestoreRefuses(t *testing.T) {
	f := newSQLite(t)
	backup := f.backup()
	damaged := bytes.Clone(backup)
	for i := len(damaged) / 2; i < len(damaged); i++ {
		damaged[i] = 0xff
	}
	for _, c := range []struct {
		want  string
		input []byte
	}{
		{"it is empty", nil},
		{"not an SQLite database", []byte("-- PostgreSQL database dump")},
		{"even its header", backup[:50]},
		{"cut short: 20000 of", backup[:20000]},
		{"cut short", backup[:len(backup)-1]},
		{"its header tells", append(bytes.Clone(backup), 0)},
		{"it is damaged", damaged},
		{"not one of Tegata", altered(t, nil, `CREATE TABLE settings (name TEXT)`)},
		{"not one of Tegata", altered(t, backup, `DELETE FROM settings`)},
		{"schema version 99999, newer than", altered(t, backup, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)},
	} {
		folder := t.TempDir()
		_, err := store.RestoreSQLite(t.Context(), filepath.Join(folder, "tegata.db"), bytes.NewReader(c.input))
		f.Expect(err).To(MatchError(ContainSubstring(c.want)))
		f.Expect(os.ReadDir(folder)).To(BeEmpty(), c.want)
	}
	for _, suffix := range []string{"", "-wal"} {
		path := filepath.Join(t.TempDir(), "tegata.db")
		f.Expect(os.WriteFile(path+suffix, []byte("precious"), 0o600)).To(Succeed())
		_, err := store.RestoreSQLite(t.Context(), path, bytes.NewReader(backup))
		f.Expect(err).To(MatchError(ContainSubstring("tegata.db" + suffix + " exists")))
		f.Expect(os.ReadFile(path + suffix)).To(BeEquivalentTo("precious"))
	}
}

func TestRestoreNeverOverwritesWhatAppearsMeanwhile(t *testing.T) {
	f := newSQLite(t)
	backup := f.backup()
	path := filepath.Join(t.TempDir(), "tegata.db")
	late := readerFunc(func([]byte) (int, error) {
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			return 0, err
		}
		return 0, io.EOF
	})
	_, err := store.RestoreSQLite(t.Context(), path, io.MultiReader(bytes.NewReader(backup), late))
	f.Expect(err).To(MatchError(os.ErrExist))
	f.Expect(os.ReadFile(path)).To(BeEquivalentTo("precious"))
	f.Expect(os.ReadDir(filepath.Dir(path))).To(HaveLen(1))
}

func TestRestoreIsCalledOff(t *testing.T) {
	g := NewWithT(t)
	ctx, stop := context.WithCancel(t.Context())
	in, typing := io.Pipe()
	defer func() { _ = typing.Close() }()
	folder, ended := t.TempDir(), make(chan error, 1)
	go func() {
		_, err := store.RestoreSQLite(ctx, filepath.Join(folder, "tegata.db"), in)
		ended <- err
	}()
	_, err := typing.Write([]byte("SQLite"))
	g.Expect(err).NotTo(HaveOccurred())
	stop()
	g.Expect(<-ended).To(MatchError(context.Canceled))
	g.Expect(os.ReadDir(folder)).To(BeEmpty())
}

func TestBackupRefuses(t *testing.T) {
	f := newSQLite(t)
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	f.Expect(os.WriteFile(foreign, altered(t, nil, `CREATE TABLE settings (name TEXT)`), 0o600)).To(Succeed())
	for path, want := range map[string]string{
		filepath.Join(t.TempDir(), "absent.db"): "no such file",
		foreign:                                 "not one of Tegata",
	} {
		var out bytes.Buffer
		_, err := store.BackupSQLite(t.Context(), path, &out)
		f.Expect(err).To(MatchError(ContainSubstring(want)))
		f.Expect(out.Len()).To(BeZero())
	}
	broken := errors.New("the connection broke")
	_, err := store.BackupSQLite(t.Context(), f.options.SQLitePath, writerFunc(func([]byte) (int, error) { return 0, broken }))
	f.Expect(err).To(MatchError(broken))
	f.Expect(os.ReadDir(folder)).To(BeEmpty())

	t.Setenv("TMPDIR", filepath.Join(folder, "absent"))
	_, err = store.BackupSQLite(t.Context(), f.options.SQLitePath, io.Discard)
	f.Expect(err).To(MatchError(ContainSubstring("room for the copy")))
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
