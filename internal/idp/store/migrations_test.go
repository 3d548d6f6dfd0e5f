/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

// starterVariable turns this test program into one that opens the database it
// names and ends, as a pod that starts.
const starterVariable = "TEGATA_TEST_START"

func start(dsn string) int {
	s, err := store.Open(context.Background(), store.Options{PostgresDSN: dsn, Key: storetest.Key()})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func starter(ctx context.Context, dsn string) *exec.Cmd {
	command := exec.CommandContext(ctx, os.Args[0]) // #nosec G204 -- this program itself
	command.Env = append(os.Environ(), starterVariable+"="+dsn)
	return command
}

func startTogether(t *testing.T, count int, dsn string) {
	t.Helper()
	var starting sync.WaitGroup
	for range count {
		starting.Go(func() {
			if output, err := starter(t.Context(), dsn).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, output)
			}
		})
	}
	starting.Wait()
}

func expectMigratedOnce(t *testing.T, dsn string) {
	t.Helper()
	g := NewWithT(t)
	files, err := os.ReadDir("migrations")
	g.Expect(err).NotTo(HaveOccurred())
	var applied, different int
	g.Expect(raw(t, store.Options{PostgresDSN: dsn}).QueryRowContext(t.Context(),
		`SELECT count(*), count(DISTINCT version_id) FROM goose_db_version WHERE version_id > 0`).Scan(&applied, &different)).To(Succeed())
	g.Expect(applied).To(Equal(len(files)))
	g.Expect(different).To(Equal(len(files)))
}

func TestEightProcessesMigrateOnce(t *testing.T) {
	dsn := storetest.Postgres(t)
	startTogether(t, 8, dsn)
	expectMigratedOnce(t, dsn)
}

// TestMigratorKilled kills a process in the middle of the first migration, while
// it holds the lock.
func TestMigratorKilled(t *testing.T) {
	g := NewWithT(t)
	server := storetest.NewServer(t)
	proxy := storetest.NewProxy(t, server.Host())
	killed := starter(t.Context(), server.DSN(proxy.Host()))
	reached := make(chan struct{})
	sends := storetest.Sends("CREATE TABLE sessions")
	proxy.BreakOn(func(sent []byte) bool {
		if sends(sent) {
			close(reached)
			<-t.Context().Done() // held until the process is dead
		}
		return false
	})
	g.Expect(killed.Start()).To(Succeed())
	g.Eventually(reached, "20s").Should(BeClosed())
	g.Expect(killed.Process.Kill()).To(Succeed())
	g.Expect(killed.Wait()).NotTo(Succeed())
	server.Eventually("SELECT 1 / count(*) FROM migration_lock WHERE locked")
	g.Expect(server.Execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")).To(Succeed())
	started := time.Now()
	startTogether(t, 7, server.DSN())
	g.Expect(time.Since(started)).To(BeNumerically("<", 40*time.Second))
	expectMigratedOnce(t, server.DSN())
}

// Statements that the program of the version before does not survive, or that
// not every engine has.
var (
	newTable  = regexp.MustCompile(`(?is)^CREATE\s+TABLE\s+`)
	newIndex  = regexp.MustCompile(`(?is)^CREATE\s+INDEX\s+`)
	newColumn = regexp.MustCompile(`(?is)^ALTER\s+TABLE\s+\w+\s+ADD\s+COLUMN\s+\w+\s+(.*)$`)
	// An index gone makes it slower, unless a conflict is told by it.
	goneIndex   = regexp.MustCompile(`(?is)^DROP\s+INDEX\s+(\w+)$`)
	changedRows = regexp.MustCompile(`(?is)^(INSERT\s+INTO|UPDATE)\s+`)
	comment     = regexp.MustCompile(`--[^\n]*`)
)

// checkMigration tells what a migration does that must not happen while the
// version before still serves.
func checkMigration(text string, uniqueIndexes []string) error {
	if strings.Contains(text, "+goose Down") {
		return errors.New("migrations go forward only")
	}
	if strings.Contains(text, "+goose NO TRANSACTION") {
		return errors.New("a migration is one transaction, or one that failed half-way could not be run again")
	}
	made := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?is)CREATE\s+TABLE\s+(\w+)`).FindAllStringSubmatch(text, -1) {
		made[match[1]] = true
	}
	uniqueOn := regexp.MustCompile(`(?is)^CREATE\s+UNIQUE\s+INDEX\s+\w+\s+ON\s+(\w+)`)
	for statement := range strings.SplitSeq(comment.ReplaceAllString(text, ""), ";") {
		statement = strings.TrimSpace(statement)
		column, unique := newColumn.FindStringSubmatch(statement), uniqueOn.FindStringSubmatch(statement)
		gone := goneIndex.FindStringSubmatch(statement)
		switch {
		case statement == "", newTable.MatchString(statement), newIndex.MatchString(statement), changedRows.MatchString(statement):
		case unique != nil && made[unique[1]]:
		case gone != nil && !slices.Contains(uniqueIndexes, gone[1]):
		case column == nil:
			return fmt.Errorf("not a statement that only adds: %s", statement)
		case strings.Contains(strings.ToUpper(column[1]), "NOT NULL") && !strings.Contains(strings.ToUpper(column[1]), "DEFAULT"),
			strings.Contains(strings.ToUpper(column[1]), "UNIQUE"), strings.Contains(strings.ToUpper(column[1]), "CHECK"):
			return fmt.Errorf("the version before knows nothing of this column and writes rows without it: %s", statement)
		}
	}
	return nil
}

// TestMigrationsOnlyAdd lets the pods of the version before go on in a rollout.
func TestMigrationsOnlyAdd(t *testing.T) {
	g := NewWithT(t)
	files, err := filepath.Glob("migrations/*.sql")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).NotTo(BeEmpty())
	var uniqueIndexes []string
	for i, file := range files {
		text, err := os.ReadFile(file) // #nosec G304 -- our own files
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(filepath.Base(file)).To(HavePrefix(fmt.Sprintf("%05d_", i+1)), "numbered without a gap")
		g.Expect(string(text)).NotTo(ContainSubstring("+goose Down"))
		for _, match := range regexp.MustCompile(`CREATE UNIQUE INDEX (\w+)`).FindAllStringSubmatch(string(text), -1) {
			uniqueIndexes = append(uniqueIndexes, match[1])
		}
		if i > 0 {
			g.Expect(checkMigration(string(text), uniqueIndexes)).To(Succeed(), file)
		}
	}
	for _, good := range []string{
		"-- +goose Up\nALTER TABLE members ADD COLUMN nickname TEXT NOT NULL DEFAULT '';\nCREATE INDEX members_nickname ON members (nickname);",
		"-- +goose Up\nCREATE TABLE factors (id TEXT PRIMARY KEY);\nCREATE UNIQUE INDEX factors_id ON factors (id);\nUPDATE members SET mail_error = '';",
		"-- +goose Up\nALTER TABLE members ADD COLUMN nickname TEXT; -- DROP nothing;",
		"-- +goose Up\nDROP INDEX audit_at;",
	} {
		g.Expect(checkMigration(good, uniqueIndexes)).To(Succeed())
	}
	for _, bad := range []string{
		"ALTER TABLE members DROP COLUMN mail;", "DROP TABLE flows;", "ALTER TABLE members RENAME COLUMN mail TO email;",
		"ALTER TABLE members ALTER COLUMN mail TYPE BYTEA;", "ALTER TABLE members ADD COLUMN x TEXT NOT NULL;", "ALTER TABLE flows RENAME TO flow;",
		"ALTER TABLE members ADD COLUMN x TEXT UNIQUE;", "CREATE UNIQUE INDEX x ON members (body);", "ALTER TABLE members ADD CONSTRAINT x CHECK (name <> '');",
		"DELETE FROM flows;", "DROP INDEX members_mail;", "TRUNCATE flows;", "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 1;", "-- +goose NO TRANSACTION\n-- +goose Up\n",
	} {
		g.Expect(checkMigration(bad, uniqueIndexes)).NotTo(Succeed(), bad)
	}
}

// TestOlderStoreGoesOnAfterAMigration migrates under a store that knows nothing of it.
func TestOlderStoreGoesOnAfterAMigration(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"), appChange("acme", "wiki", "https://wiki.example.com"))
		token := f.session("acme", "hanako")
		f.warm()
		database := raw(t, f.options)
		for _, statement := range []string{
			`ALTER TABLE members ADD COLUMN nickname TEXT NOT NULL DEFAULT ''`,
			`ALTER TABLE sessions ADD COLUMN factor TEXT`,
			`ALTER TABLE tenants ADD COLUMN colour BIGINT NOT NULL DEFAULT 7`,
			`ALTER TABLE audit ADD COLUMN weight BIGINT NOT NULL DEFAULT 0`,
			`CREATE TABLE factors (id TEXT PRIMARY KEY)`,
			`DROP INDEX audit_tenant`,
			`CREATE INDEX members_nickname ON members (nickname)`,
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, true)`,
		} {
			_, err := database.ExecContext(f.ctx, statement)
			f.Expect(err).NotTo(HaveOccurred(), statement)
		}
		_, _, err := f.Session(f.ctx, token)
		f.Expect(err).NotTo(HaveOccurred())
		f.accepted(memberChange("acme", "taro"))
		f.accepted(groupChange("acme", "sales"))
		tenant, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(tenant.Groups).To(HaveLen(1))
		f.session("acme", "taro")
		mails, err := f.ClaimMails(f.ctx, 10, time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(mails).To(HaveLen(2))
		_, err = f.UsePasswordLink(f.ctx, payload(f, mails[0]).Token, "$argon2id$x", admin.AuditEntry{})
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(f.MailSent(f.ctx, mails[0].ID)).To(Succeed())
		f.Expect(f.attempt("taro@example.com", "192.0.2.1")).To(BeZero())
		f.Expect(f.AttemptSucceeded(f.ctx, "taro@example.com", "192.0.2.1")).To(Succeed())
		f.clock.Add(24 * time.Hour)
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		f.Expect(f.Ping(f.ctx)).To(Succeed())
	})
}
