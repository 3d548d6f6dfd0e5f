/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

// replicas are two stores on one database, as in two pods.
func replicas(t *testing.T) [2]*fixture {
	t.Helper()
	clock := storetest.NewClock()
	options := store.Options{PostgresDSN: storetest.Postgres(t), Key: storetest.Key(), Now: clock.Now}
	var both [2]*fixture
	for i := range both {
		both[i] = &fixture{Store: storetest.Open(t, options), WithT: NewWithT(t), t: t, ctx: t.Context(), clock: clock, options: options}
	}
	both[0].apply(tenantChange("acme"), memberChange("acme", "hanako"))
	return both
}

// together runs count calls of run on each replica at once.
func together(both [2]*fixture, count int, run func(f *fixture, i int)) {
	var all sync.WaitGroup
	for _, f := range both {
		for i := range count {
			all.Go(func() { run(f, i) })
		}
	}
	all.Wait()
}

func TestReplicasSendEachMailOnce(t *testing.T) {
	both := replicas(t)
	f := both[0]
	f.link()
	changes := make([]admin.Change, 300)
	for i := range changes {
		changes[i] = memberChange("acme", fmt.Sprintf("m%03d", i))
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		for start := 0; start < len(changes); start += 20 {
			if _, err := f.Apply(f.ctx, changes[start:start+20]); err != nil {
				t.Error(err)
			}
		}
	})
	var sent sync.Map
	var count, dropped atomic.Int64
	sending.Go(func() {
		together(both, 4, func(f *fixture, i int) {
			for count.Load()+dropped.Load() < int64(len(changes)) {
				mails, err := f.ClaimMails(f.ctx, 5, time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				for n, mail := range mails {
					if _, twice := sent.LoadOrStore(mail.To, true); twice {
						t.Errorf("%s was claimed twice", mail.To)
					}
					if i == 0 && n == 0 {
						dropped.Add(1) // this sender dies between claim and sent
						continue
					}
					if err := f.MailSent(f.ctx, mail.ID); err != nil {
						t.Error(err)
					}
					count.Add(1)
				}
			}
		})
	})
	sending.Wait()
	f.Expect(dropped.Load()).To(BeNumerically(">", 0))
	f.Expect(both[1].ClaimMails(f.ctx, 500, time.Minute)).To(BeEmpty(), "all are sent or leased")
	f.clock.Add(61 * time.Second)
	rest, err := both[1].ClaimMails(f.ctx, 500, time.Minute)
	f.Expect(err).NotTo(HaveOccurred())
	// The one that link claimed is among them.
	f.Expect(rest).To(HaveLen(int(dropped.Load())+1), "what a dead sender held comes again, once")
	f.Expect(rest).To(HaveEach(HaveField("Attempts", 2)))
}

func TestReplicasCountGuessesTogether(t *testing.T) {
	both := replicas(t)
	var through atomic.Int32
	together(both, 40, func(f *fixture, i int) {
		wait, err := f.Attempt(f.ctx, "hanako@example.com", fmt.Sprintf("192.0.2.%d", i))
		if err != nil {
			t.Error(err)
		} else if wait == 0 {
			through.Add(1)
		}
	})
	both[0].Expect(through.Load()).To(BeEquivalentTo(5))
	both[0].Expect(both[1].attempt("hanako@example.com", "")).To(BeNumerically(">", 0))
}

func TestReplicasUseALinkOnce(t *testing.T) {
	both := replicas(t)
	token := both[0].link()
	var used atomic.Int32
	together(both, 10, func(f *fixture, i int) {
		if _, err := f.UsePasswordLink(f.ctx, token, fmt.Sprintf("$argon2id$%d", i), admin.AuditEntry{}); err == nil {
			used.Add(1)
		}
	})
	both[0].Expect(used.Load()).To(BeEquivalentTo(1))
}

func TestReplicasCleanUpTogether(t *testing.T) {
	both := replicas(t)
	f := both[0]
	changes := make([]admin.Change, 200)
	for i := range changes {
		changes[i] = memberChange("acme", fmt.Sprintf("m%03d", i))
	}
	f.apply(changes...)
	for i := range 200 {
		f.session("acme", fmt.Sprintf("m%03d", i))
		f.attempt(fmt.Sprintf("m%03d@example.com", i), fmt.Sprintf("192.0.2.%d", i))
	}
	gone := make([]admin.Change, 50)
	for i := range gone {
		gone[i] = deletion(changes[i])
	}
	f.apply(gone...)
	f.approval("yes")
	f.apply(gone...)
	f.notices()
	f.clock.Add(401 * 24 * time.Hour)
	together(both, 3, func(f *fixture, _ int) {
		if err := f.Cleanup(f.ctx); err != nil {
			t.Error(err)
		}
	})
	database := raw(t, f.options)
	for table, left := range map[string]int{"sessions": 0, "attempts": 0, "outbox": 0, "password_links": 0, "audit": 0, "members": 151, "tenants": 1} {
		var rows int
		f.Expect(database.QueryRowContext(f.ctx, "SELECT count(*) FROM "+table).Scan(&rows)).To(Succeed())
		f.Expect(rows).To(Equal(left), table)
	}
	f.Expect(f.notices()).To(HaveLen(151), "one for each expired link")
	together(both, 1, func(f *fixture, _ int) { f.Expect(f.Cleanup(f.ctx)).To(Succeed()) })
	f.Expect(f.notices()).To(BeEmpty())
}

func TestReplicasSeeEachOther(t *testing.T) {
	both := replicas(t)
	here, there := both[0], both[1]
	token := here.session("acme", "hanako")
	_, _, err := there.Session(there.ctx, token)
	there.Expect(err).NotTo(HaveOccurred())
	_, err = there.Tenant(there.ctx, "acme")
	there.Expect(err).NotTo(HaveOccurred())
	here.accepted(appChange("acme", "wiki", "https://wiki.example.com"))
	tenant, err := there.Tenant(there.ctx, "acme")
	there.Expect(err).NotTo(HaveOccurred())
	there.Expect(tenant.Apps).To(HaveLen(1), "no cache outlives a change")
	there.Expect(there.EndSession(there.ctx, token)).To(Succeed())
	_, _, err = here.Session(here.ctx, token)
	here.Expect(err).To(MatchError(store.ErrNotFound))
}
