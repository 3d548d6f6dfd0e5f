/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/store"
)

var tenantKey = admin.Key{Kind: admin.KindTenant, Tenant: "acme"}

func TestPasswordLinkIsUsedOnce(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		old := f.session("acme", "hanako")
		token := f.link()
		f.notices()
		var used atomic.Int32
		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() {
				if _, err := f.UsePasswordLink(f.ctx, token, "$argon2id$new", admin.AuditEntry{Address: "192.0.2.7"}); err == nil {
					used.Add(1)
				}
			})
		}
		waiting.Wait()
		f.Expect(used.Load()).To(BeEquivalentTo(1))
		account, err := f.Account(f.ctx, "acme", "hanako")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(account.PasswordKind).To(Equal(store.PasswordSet))
		f.Expect(account.PasswordHash).To(Equal("$argon2id$new"))
		_, _, err = f.Session(f.ctx, old)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		f.Expect(f.notices()).To(ConsistOf(memberKey("acme", "hanako"), tenantKey))
		f.Expect(f.accepted(memberChange("acme", "hanako")).Member.Password).To(Equal(admin.PasswordSet))
		entries, err := f.SearchAudit(f.ctx, admin.AuditQuery{Action: admin.PasswordLinkUsed})
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(entries).To(HaveLen(1))
		f.Expect(entries[0].MemberName).To(Equal("山田 花子"))
		f.Expect(entries[0].Address).To(Equal("192.0.2.7"))
	})
}

func TestPasswordLinkExpiresAndIsSentAgain(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		first := f.link()
		again := memberChange("acme", "hanako")
		again.Member.PasswordReset = "1"
		f.Expect(f.accepted(again).Member.PasswordReset).To(Equal("1"))
		_, err := f.PasswordLink(f.ctx, first)
		f.Expect(err).To(MatchError(store.ErrNotFound), "sent again, so the earlier died")
		second := f.link()
		account, err := f.PasswordLink(f.ctx, second)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(account.Name).To(Equal("hanako"))
		renamed := again
		copied := *again.Member
		renamed.Member = &copied
		renamed.Member.Phone = "03-0000-0000"
		f.accepted(renamed)
		f.clock.Add(time.Hour)
		f.Expect(f.ClaimMails(f.ctx, 10, time.Minute)).To(HaveLen(1), "only the second, whose lease ended")

		f.notices()
		f.clock.Add(168 * time.Hour)
		_, err = f.PasswordLink(f.ctx, second)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.UsePasswordLink(f.ctx, second, "$argon2id$x", admin.AuditEntry{})
		f.Expect(err).To(MatchError(store.ErrNotFound))
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		f.Expect(f.notices()).To(ConsistOf(memberKey("acme", "hanako")))
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		f.Expect(f.notices()).To(BeEmpty(), "one notice an expiry")
		state := f.accepted(renamed).Member
		f.Expect(state.Password).To(Equal(admin.PasswordExpired))
		copied.PasswordReset = "2"
		f.Expect(f.accepted(renamed).Member.Password).To(Equal(admin.PasswordLinkSent))
		f.Expect(f.actions()).To(HaveLen(1 + 1 + 3 + 3))
	})
}

func TestTemporaryPassword(t *testing.T) {
	onBoth(t, func(f *fixture) {
		change := memberChange("acme", "hanako")
		change.Member.PasswordSetup = directory.PasswordSetupTemporary
		f.Expect(f.apply(tenantChange("acme"), change)[1].Member.NeedsTemporaryPassword).To(BeTrue())
		token := f.session("acme", "hanako")
		temporary := admin.TemporaryPassword{Member: change.Key, Password: "ABCD-EFGH-JKLM-NPQR", ExpiresAt: f.clock.Now().Add(168 * time.Hour)}
		_, err := f.SetTemporaryPassword(f.ctx, temporary)
		f.Expect(err).NotTo(HaveOccurred())
		_, _, err = f.Session(f.ctx, token)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		account, err := f.Account(f.ctx, "acme", "hanako")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(account.PasswordKind).To(Equal(store.PasswordTemporary))
		f.Expect(account.PasswordHash).To(HavePrefix("$sha256$"))
		f.Expect(account.PasswordExpiresAt).To(Equal(temporary.ExpiresAt))
		_, err = f.SetTemporaryPassword(f.ctx, temporary)
		f.Expect(err).NotTo(HaveOccurred())
		same, err := f.Account(f.ctx, "acme", "hanako")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(same.PasswordHash).To(Equal(account.PasswordHash), "once a reset")

		f.clock.Add(169 * time.Hour)
		f.notices()
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		f.Expect(f.notices()).To(ConsistOf(change.Key))
		expired := f.accepted(change).Member
		f.Expect(expired.Password).To(Equal(admin.PasswordExpired))
		f.Expect(expired.NeedsTemporaryPassword).To(BeFalse(), "an administrator asks for a new one")

		f.Expect(f.SetPassword(f.ctx, "acme", "hanako", "$argon2id$own", "", admin.AuditEntry{Action: admin.PasswordChanged})).To(Succeed())
		f.Expect(f.notices()).To(ConsistOf(change.Key, tenantKey))
		temporary.ExpiresAt = time.Time{}
		_, err = f.SetTemporaryPassword(f.ctx, temporary)
		f.Expect(err).To(MatchError(admin.ErrInvalid))
	})
}

func TestSetPasswordKeepsTheSessionInUse(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		kept, ended, link := f.session("acme", "hanako"), f.session("acme", "hanako"), f.link()
		f.Expect(f.SetPassword(f.ctx, "acme", "hanako", "$argon2id$own", kept, admin.AuditEntry{Action: admin.PasswordChanged})).To(Succeed())
		_, _, err := f.Session(f.ctx, kept)
		f.Expect(err).NotTo(HaveOccurred())
		_, _, err = f.Session(f.ctx, ended)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.PasswordLink(f.ctx, link)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		f.Expect(f.SetPassword(f.ctx, "acme", "nobody", "x", "", admin.AuditEntry{})).To(MatchError(store.ErrNotFound))
		f.Expect(f.EndSessions(f.ctx, memberKey("acme", "hanako"))).To(Succeed())
		_, _, err = f.Session(f.ctx, kept)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		f.Expect(f.actions()).To(ContainElement(admin.SessionsEnded))
		f.Expect(f.SetPassword(f.ctx, "acme", "hanako", "$argon2id$late", kept, admin.AuditEntry{Action: admin.PasswordChanged})).To(MatchError(store.ErrNotFound))
		account, err := f.Account(f.ctx, "acme", "hanako")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(account.PasswordHash).To(Equal("$argon2id$own"), "a session that was ended changes nothing any more")
	})
}

func TestRenewHash(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		f.Expect(f.SetPassword(f.ctx, "acme", "hanako", "$argon2id$old", "", admin.AuditEntry{Action: admin.PasswordChanged})).To(Succeed())
		session, actions := f.session("acme", "hanako"), f.actions()
		f.notices()
		account, err := f.Account(f.ctx, "acme", "hanako")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(f.RenewHash(f.ctx, account, "$argon2id$new")).To(Succeed())
		f.Expect(f.RenewHash(f.ctx, account, "$argon2id$late")).To(Succeed())
		renewed, err := f.Account(f.ctx, "acme", "hanako")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(renewed.PasswordHash).To(Equal("$argon2id$new"), "a hash that was replaced meanwhile stays")
		_, _, err = f.Session(f.ctx, session)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(f.actions()).To(Equal(actions))
		f.Expect(f.notices()).To(BeEmpty())
	})
}

func TestSecretsAreNotInTheDatabaseFile(t *testing.T) {
	onBoth(t, func(f *fixture) {
		if f.options.SQLitePath == "" {
			return // the file is the server's; the columns are the same
		}
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		session, link := f.session("acme", "hanako"), f.link()
		flow, err := f.SaveFlow(f.ctx, []byte("{}"), time.Hour)
		f.Expect(err).NotTo(HaveOccurred())
		_, err = f.SetTemporaryPassword(f.ctx, admin.TemporaryPassword{Member: memberKey("acme", "hanako"), Password: "ABCD-EFGH-JKLM-NPQR", ExpiresAt: f.clock.Now().Add(time.Hour)})
		f.Expect(err).NotTo(HaveOccurred())
		for _, suffix := range []string{"", "-wal"} {
			raw, err := os.ReadFile(f.options.SQLitePath + suffix)
			f.Expect(err).NotTo(HaveOccurred())
			for _, secret := range []string{"very-private-bytes", session, link, flow, "ABCD-EFGH"} {
				f.Expect(bytes.Contains(raw, []byte(secret))).To(BeFalse(), "%q in %s", secret, suffix)
			}
			info, err := os.Stat(f.options.SQLitePath + suffix)
			f.Expect(err).NotTo(HaveOccurred())
			f.Expect(info.Mode().Perm()).To(BeEquivalentTo(0o600))
		}
		raw, err := os.ReadFile(f.options.SQLitePath + "-wal")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(strings.Contains(string(raw), "手形商事")).To(BeTrue(), "the search finds what is there")
	})
}
