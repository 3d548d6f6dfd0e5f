/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
)

func TestSessions(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		token := f.session("acme", "hanako")
		session, account, err := f.Session(f.ctx, token)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(token).To(HaveLen(43))
		f.Expect(session.ID).NotTo(BeEmpty())
		f.Expect(token).NotTo(ContainSubstring(session.ID))
		tenant, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(store.AsStored(*session)).To(Equal(store.Session{
			ID: session.ID, Tenant: "acme", Member: "hanako", AuthenticatedAt: f.clock.Now(), ExpiresAt: f.clock.Now().Add(time.Hour),
			Address: "192.0.2.1", UserAgent: "browser", TenantRevision: tenant.Revision,
		}))
		f.Expect(account.LastLogin).To(Equal(f.clock.Now()))
		f.Expect(f.EndSession(f.ctx, token)).To(Succeed())
		f.Expect(f.EndSession(f.ctx, token)).To(Succeed())
		_, _, err = f.Session(f.ctx, token)
		f.Expect(err).To(MatchError(store.ErrNotFound))

		token = f.session("acme", "hanako")
		f.accepted(appChange("acme", "wiki", "urn:wiki"))
		session, _, err = f.Session(f.ctx, token)
		f.Expect(err).NotTo(HaveOccurred())
		changed, err := f.TenantAt(f.ctx, "acme", session.TenantRevision)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(changed.Apps).To(HaveLen(1), "a session tells of a tenant that changed")
		f.Expect(f.TenantAt(f.ctx, "acme", session.TenantRevision)).To(BeIdenticalTo(changed))
		f.clock.Add(time.Hour)
		_, _, err = f.Session(f.ctx, token)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		_, err = f.CreateSession(f.ctx, store.Session{Tenant: "acme", Member: "nobody\x00"})
		f.Expect(err).To(MatchError(store.ErrNotFound))
	})
}

func TestLoginNoticesAreCoalesced(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		f.notices()
		key := memberKey("acme", "hanako")
		f.session("acme", "hanako")
		f.Expect(f.notices()).To(ConsistOf(key), "the first at once")
		f.clock.Add(5 * time.Minute)
		f.session("acme", "hanako")
		f.clock.Add(5 * time.Minute)
		f.session("acme", "hanako")
		f.Expect(f.notices()).To(BeEmpty())
		f.clock.Add(5 * time.Minute)
		f.Expect(f.notices()).To(ConsistOf(key), "the last one is told too")
		f.clock.Add(time.Minute)
		f.session("acme", "hanako")
		f.Expect(f.notices()).To(BeEmpty())
		f.clock.Add(time.Hour)
		f.Expect(f.notices()).To(ConsistOf(key))
		f.session("acme", "hanako")
		f.Expect(f.notices()).To(ConsistOf(key))
	})
}

func TestFlows(t *testing.T) {
	onBoth(t, func(f *fixture) {
		body := []byte(`{"a":"\u0000"}` + "\x00\xff")
		id, err := f.SaveFlow(f.ctx, body, time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(id).To(HaveLen(22))
		f.Expect(f.Flow(f.ctx, id)).To(Equal(body))
		f.Expect(f.DeleteFlow(f.ctx, id)).To(Succeed())
		_, err = f.Flow(f.ctx, id)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		id, err = f.SaveFlow(f.ctx, nil, time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(f.Flow(f.ctx, id)).To(BeEmpty())
		f.clock.Add(time.Minute)
		_, err = f.Flow(f.ctx, id)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.SaveFlow(f.ctx, make([]byte, store.MaxFlowBytes+1), time.Minute)
		f.Expect(err).To(MatchError(admin.ErrInvalid))
		_, err = f.SaveFlow(f.ctx, make([]byte, store.MaxFlowBytes), time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
	})
}

func TestOutboxLeases(t *testing.T) {
	onBoth(t, func(f *fixture) {
		changes := []admin.Change{tenantChange("acme")}
		for _, name := range strings.Split("abcdefghijklmnopqrst", "") {
			changes = append(changes, memberChange("acme", name))
		}
		f.apply(changes...)
		f.Expect(f.MailPending()).To(Receive())
		f.notices()
		var mu sync.Mutex
		claimed := map[string]int{}
		var first store.Mail
		var waiting sync.WaitGroup
		for range 8 {
			waiting.Go(func() {
				for {
					mails, err := f.ClaimMails(f.ctx, 3, time.Minute)
					if err != nil {
						t.Error(err)
					}
					if len(mails) == 0 {
						return
					}
					mu.Lock()
					for _, mail := range mails {
						claimed[mail.To]++
						first = mail
					}
					mu.Unlock()
				}
			})
		}
		waiting.Wait()
		// A sender may find nothing while another claims; what is left is claimed here.
		rest, err := f.ClaimMails(f.ctx, 100, time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		for _, mail := range rest {
			claimed[mail.To]++
		}
		f.Expect(claimed).To(HaveLen(20))
		for to, times := range claimed {
			f.Expect(times).To(Equal(1), to)
		}

		f.Expect(f.MailSent(f.ctx, first.ID)).To(Succeed())
		f.Expect(f.MailSent(f.ctx, first.ID)).To(Succeed())
		f.clock.Add(2 * time.Minute)
		again, err := f.ClaimMails(f.ctx, 100, time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(again).To(HaveLen(19), "leases ended, the sent one is gone")
		f.Expect(again[0].Attempts).To(Equal(2))

		failed := again[0]
		f.Expect(f.MailFailed(f.ctx, failed.ID, "550 no such mailbox", f.clock.Now().Add(time.Hour))).To(Succeed())
		f.Expect(f.notices()).To(ConsistOf(memberKey("acme", failed.Member)))
		f.Expect(f.accepted(memberChange("acme", failed.Member)).Member.MailError).To(Equal("550 no such mailbox"))
		f.Expect(f.MailFailed(f.ctx, failed.ID, "550 no such mailbox", f.clock.Now().Add(time.Hour))).To(Succeed())
		f.Expect(f.notices()).To(BeEmpty(), "nothing new")
		f.Expect(f.MailSent(f.ctx, failed.ID)).To(Succeed())
		f.Expect(f.notices()).To(ConsistOf(memberKey("acme", failed.Member)))
		f.Expect(f.accepted(memberChange("acme", failed.Member)).Member.MailError).To(BeEmpty())

		f.Expect(f.MailFailed(f.ctx, again[1].ID, "down", f.clock.Now().Add(200*time.Hour))).To(Succeed())
		f.Expect(f.accepted(memberChange("acme", again[1].Member)).Member.MailError).To(Equal("gave up: down"))
		f.clock.Add(170 * time.Hour)
		f.Expect(f.ClaimMails(f.ctx, 100, time.Minute)).To(BeEmpty(), "their links have expired")
	})
}

func TestCountMails(t *testing.T) {
	onBoth(t, func(f *fixture) {
		count := func() [2]int {
			waiting, failing, err := f.CountMails(f.ctx)
			f.Expect(err).NotTo(HaveOccurred())
			return [2]int{waiting, failing}
		}
		f.Expect(count()).To(Equal([2]int{0, 0}))
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"), memberChange("acme", "taro"))
		f.Expect(count()).To(Equal([2]int{2, 0}))
		mails, err := f.ClaimMails(f.ctx, 10, time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(count()).To(Equal([2]int{2, 0}), "mails under way are in the outbox still")
		f.Expect(f.MailFailed(f.ctx, mails[0].ID, "550 no such mailbox", f.clock.Now().Add(time.Hour))).To(Succeed())
		f.Expect(f.MailSent(f.ctx, mails[1].ID)).To(Succeed())
		f.Expect(count()).To(Equal([2]int{0, 1}))
		f.clock.Add(168 * time.Hour)
		f.Expect(count()).To(Equal([2]int{0, 0}), "an expired link is not sent any more")
	})
}

func TestTenantOwnerAndMembers(t *testing.T) {
	onBoth(t, func(f *fixture) {
		stopped := memberChange("acme", "taro")
		stopped.Member.Suspended = true
		f.apply(tenantChange("acme"), tenantChange("other"), memberChange("acme", "hanako"), stopped, memberChange("acme", "gone"))
		f.apply(deletion(memberChange("acme", "gone")))
		tenant, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(tenant.Owner).To(Equal("team/acme"))
		f.Expect(f.CountMembers(f.ctx, "acme")).To(Equal(2))
		f.Expect(f.CountMembers(f.ctx, "other")).To(BeZero())
	})
}

func TestAudit(t *testing.T) {
	onBoth(t, func(f *fixture) {
		start := f.clock.Now()
		for i, action := range []string{admin.LoginFailed, admin.LoginSucceeded, admin.SSOSucceeded, admin.LoginFailed} {
			f.clock.Add(time.Minute)
			f.Expect(f.Audit(f.ctx, admin.AuditEntry{
				Tenant: "acme", Member: "hanako", MemberName: "山田 花子", Mail: "hanako@example.com", App: []string{"", "", "wiki", ""}[i],
				Action: action, Address: "192.0.2.1", UserAgent: "bad\x00\xff" + strings.Repeat("手", 1000), RequestID: "r1", Detail: "detail",
			})).To(Succeed())
		}
		search := func(query admin.AuditQuery) []string {
			entries, err := f.SearchAudit(f.ctx, query)
			f.Expect(err).NotTo(HaveOccurred())
			actions := []string{}
			for _, entry := range entries {
				actions = append(actions, entry.Action)
			}
			return actions
		}
		f.Expect(search(admin.AuditQuery{})).To(Equal([]string{admin.LoginFailed, admin.SSOSucceeded, admin.LoginSucceeded, admin.LoginFailed}))
		f.Expect(search(admin.AuditQuery{Tenant: "other"})).To(BeEmpty())
		f.Expect(search(admin.AuditQuery{App: "wiki"})).To(Equal([]string{admin.SSOSucceeded}))
		f.Expect(search(admin.AuditQuery{Mail: "hanako@example.com", Action: admin.LoginFailed, Limit: 1})).To(HaveLen(1))
		f.Expect(search(admin.AuditQuery{From: start.Add(2 * time.Minute), Until: start.Add(4 * time.Minute)})).To(Equal([]string{admin.SSOSucceeded, admin.LoginSucceeded}))
		f.Expect(search(admin.AuditQuery{Mail: "\x00\xff"})).To(BeEmpty())
		entries, err := f.SearchAudit(f.ctx, admin.AuditQuery{Limit: 1})
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(len(entries[0].UserAgent)).To(BeNumerically("<=", 512))
		f.Expect(entries[0].UserAgent).To(HavePrefix("bad"))
		f.Expect(entries[0].Time).To(Equal(f.clock.Now()))

		f.clock.Add(400*24*time.Hour - 2*time.Minute)
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		f.Expect(search(admin.AuditQuery{})).To(Equal([]string{admin.LoginFailed, admin.SSOSucceeded, admin.LoginSucceeded}))
	})
}

func TestCleanupPurgesTenants(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		id := f.accepted(memberChange("acme", "hanako")).Member.ID
		f.apply(deletion(tenantChange("acme")))
		f.clock.Add(31 * 24 * time.Hour)
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		f.accepted(tenantChange("acme"))
		f.Expect(f.accepted(memberChange("acme", "hanako")).Member.ID).NotTo(Equal(id))
	})
}

func TestAuditRetention(t *testing.T) {
	onBoth(t, func(f *fixture) {
		const retention = 400 * 24 * time.Hour
		f.Expect(f.Audit(f.ctx, admin.AuditEntry{Tenant: "acme", Action: admin.SSOFailed, Detail: "old"})).To(Succeed())
		f.clock.Add(time.Minute)
		f.Expect(f.Audit(f.ctx, admin.AuditEntry{Tenant: "acme", Action: admin.SSOFailed, Detail: "young"})).To(Succeed())
		left := func(query admin.AuditQuery) []string {
			query.Action = admin.SSOFailed
			entries, err := f.SearchAudit(f.ctx, query)
			f.Expect(err).NotTo(HaveOccurred())
			details := []string{}
			for _, entry := range entries {
				details = append(details, entry.Detail)
			}
			return details
		}
		f.Expect(left(admin.AuditQuery{From: f.clock.Now()})).To(Equal([]string{"young"}))
		f.Expect(left(admin.AuditQuery{From: f.clock.Now().Add(-time.Minute), Until: f.clock.Now()})).To(Equal([]string{"old"}))
		for _, step := range []struct {
			passes time.Duration
			left   []string
		}{
			{retention - time.Minute, []string{"young", "old"}},
			{time.Millisecond, []string{"young"}},
			{time.Minute - time.Millisecond, []string{"young"}},
			{time.Millisecond, []string{}},
		} {
			f.clock.Add(step.passes)
			f.Expect(f.Cleanup(f.ctx)).To(Succeed())
			f.Expect(left(admin.AuditQuery{})).To(Equal(step.left))
		}
	})
}

// TestAuditRetentionAfterWrongClocks: what was written by a clock that is right
// goes in its time, whatever clocks said before or elsewhere.
func TestAuditRetentionAfterWrongClocks(t *testing.T) {
	onBoth(t, func(f *fixture) {
		const year = 365 * 24 * time.Hour
		f.clock.Add(10 * year)
		f.Expect(f.Audit(f.ctx, admin.AuditEntry{Tenant: "acme", Action: admin.SSOFailed})).To(Succeed())
		f.clock.Add(-10 * year)
		f.Expect(f.Audit(f.ctx, admin.AuditEntry{Tenant: "acme", Action: admin.SSOSucceeded})).To(Succeed())
		// The operator's clock is ahead as well: 2248.
		recorded := admin.AuditEntry{ID: "07fc5cd6-9000-7000-8000-000000000000", Time: f.clock.Now().Add(10 * year), Tenant: "acme", Action: admin.AccountCreated}
		f.Expect(f.Record(f.ctx, []admin.AuditEntry{recorded})).To(Succeed())
		f.clock.Add(2 * year)
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		f.Expect(f.actions()).To(Equal([]string{admin.SSOFailed}))
	})
}

func TestMemoIsMadeOnceARevision(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.accepted(tenantChange("acme"))
		tenant, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		made := 0
		for range 3 {
			value, err := tenant.Memo("key", func() (any, error) {
				made++
				return made, nil
			})
			f.Expect(err).NotTo(HaveOccurred())
			f.Expect(value).To(Equal(1))
		}
	})
}
