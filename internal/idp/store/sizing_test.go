/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"fmt"
	"sync"
	"testing"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

// BenchmarkSizes fills PostgreSQL with 20,000 members, a session, a chosen
// password and three audit entries each, and reports bytes a row, indexes
// and all, as autovacuum would leave it. docs/operations.md counts with them.
// Run it once: go test -run - -bench Sizes -benchtime 1x ./internal/idp/store
func BenchmarkSizes(b *testing.B) {
	const members, workers = 20_000, 8
	options := store.Options{PostgresDSN: storetest.Postgres(b), Key: storetest.Key()}
	s := storetest.Open(b, options)
	changes := []admin.Change{tenantChange("acme")}
	for i := range members {
		change := memberChange("acme", fmt.Sprintf("yamada-taro-%05d", i))
		change.Member.Attributes = map[string]string{"employee": fmt.Sprintf("E%05d", i), "floor": "12F East"}
		change.Member.Labels = map[string]string{"department": "sales-japan-east", "site": "tokyo"}
		changes = append(changes, change)
	}
	b.ResetTimer()
	for start := 0; start < len(changes); start += admin.MaxBatch {
		if _, err := s.Apply(b.Context(), changes[start:min(start+admin.MaxBatch, len(changes))]); err != nil {
			b.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := worker; i < members; i += workers {
				if err := live(b, s, changes[i+1].Key.Name); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	database := rawDatabase(b, options)
	if _, err := database.ExecContext(b.Context(), "VACUUM ANALYZE"); err != nil {
		b.Fatal(err)
	}
	for _, table := range []string{"members", "member_values", "sessions", "audit", "notices"} {
		var bytes, rows float64
		err := database.QueryRowContext(b.Context(), fmt.Sprintf("SELECT pg_total_relation_size('%s'), count(*) FROM %s", table, table)).Scan(&bytes, &rows)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(bytes/max(rows, 1), table+"-B/row")
	}
}

// live is a member's first morning: a password, a log-in and a single sign-on.
func live(b *testing.B, s *store.Store, name string) error {
	const browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
	const hash = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
	entry := admin.AuditEntry{
		Tenant: "acme", Member: name, MemberName: "山田 花子", Mail: name + "@example.com", Address: "203.0.113.77", UserAgent: browser,
		RequestID: "0b6e3c1e-9a3b-4b5c-8a51-0f6f4d5e7a10", Action: admin.PasswordChanged,
	}
	if err := s.SetPassword(b.Context(), "acme", name, hash, "", entry); err != nil {
		return err
	}
	if _, err := s.Attempt(b.Context(), entry.Mail, entry.Address); err != nil {
		return err
	}
	if err := s.AttemptSucceeded(b.Context(), entry.Mail, entry.Address); err != nil {
		return err
	}
	entry.Action = admin.LoginSucceeded
	if err := s.Audit(b.Context(), entry); err != nil {
		return err
	}
	now := storetest.NewClock().Now()
	_, err := s.CreateSession(b.Context(), store.Session{Tenant: "acme", Member: name, AuthenticatedAt: now, ExpiresAt: now.AddDate(10, 0, 0),
		Address: entry.Address, UserAgent: browser})
	if err != nil {
		return err
	}
	entry.Action, entry.App = admin.SSOSucceeded, "Company wiki"
	return s.Audit(b.Context(), entry)
}
