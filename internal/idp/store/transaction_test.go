/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
)

// TestTransactionsLeaveNothingBehind has bodies end in each way that is not a
// success; the next writer gets its turn, and finds nothing of them.
func TestTransactionsLeaveNothingBehind(t *testing.T) {
	onBoth(t, func(f *fixture) {
		const insert = `INSERT INTO flows (id_hash, body, expires_at) VALUES ('x', 'x', 0)`
		failed := errors.New("failed")
		ends := map[string]func(run func(string) error, cancel context.CancelFunc) error{
			"error":     func(func(string) error, context.CancelFunc) error { return failed },
			"statement": func(run func(string) error, _ context.CancelFunc) error { return run(insert) },
			"cancelled": func(run func(string) error, cancel context.CancelFunc) error {
				cancel()
				return run(`SELECT 1`)
			},
			"cancelled at the end": func(_ func(string) error, cancel context.CancelFunc) error {
				cancel()
				return nil
			},
			"panic": func(func(string) error, context.CancelFunc) error { panic(failed) },
		}
		for name, end := range ends {
			ctx, cancel := context.WithCancel(f.ctx)
			err := func() (err error) {
				defer func() {
					if cause := recover(); cause != nil {
						err = failed
					}
				}()
				return store.Write(ctx, f.Store, func(run func(string) error) error {
					f.Expect(run(insert)).To(Succeed())
					return end(run, cancel)
				})
			}()
			cancel()
			f.Expect(err).To(HaveOccurred(), name)
			f.Expect(f.Audit(f.ctx, admin.AuditEntry{Action: admin.SSOFailed})).To(Succeed(), name)
			f.Expect(store.Write(f.ctx, f.Store, func(run func(string) error) error {
				return errors.Join(run(insert), run(`DELETE FROM flows`))
			})).To(Succeed(), "%s left its row behind", name)
		}
	})
}

// TestFailedEndsOfTransactions: SQLite's only writer outlives a ROLLBACK and a
// COMMIT that fail.
func TestFailedEndsOfTransactions(t *testing.T) {
	f := newSQLite(t)
	const insert = `INSERT INTO flows (id_hash, body, expires_at) VALUES ('x', 'x', 0)`
	expectClean := func(why string) {
		t.Helper()
		f.Expect(store.Write(f.ctx, f.Store, func(run func(string) error) error {
			return errors.Join(run(insert), run(`DELETE FROM flows`))
		})).To(Succeed(), why)
	}
	f.Expect(store.RefuseRollback(f.ctx, f.Store)).To(Succeed())
	failed := errors.New("failed")
	f.Expect(store.Write(f.ctx, f.Store, func(run func(string) error) error {
		return errors.Join(run(insert), failed)
	})).To(MatchError(failed))
	expectClean("not rolled back")

	f.Expect(store.Write(f.ctx, f.Store, func(run func(string) error) error {
		return errors.Join(run(`PRAGMA defer_foreign_keys = ON`), run(insert),
			run(`INSERT INTO certificate_warnings (tenant, fingerprint, days) VALUES ('nobody', 'x', 7)`))
	})).To(MatchError(ContainSubstring("FOREIGN KEY")), "at its commit")
	expectClean("not committed")
}
