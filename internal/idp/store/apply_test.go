/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/store"
)

func payload(f *fixture, mail store.Mail) store.PasswordLinkPayload {
	var p store.PasswordLinkPayload
	f.Expect(json.Unmarshal(mail.Payload, &p)).To(Succeed())
	return p
}

func TestApplyTenant(t *testing.T) {
	onBoth(t, func(f *fixture) {
		first := f.accepted(tenantChange("acme"))
		f.Expect(first.Changed).To(BeTrue())
		f.Expect(first.Tenant).To(Equal(&admin.TenantState{}))
		f.Expect(f.accepted(tenantChange("acme")).Changed).To(BeFalse())

		tenant, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(tenant.DisplayName).To(Equal("手形商事"))
		f.Expect(tenant.SigningKey).To(Equal(admin.KeyPair{Certificate: []byte("certificate"), PrivateKey: []byte(privateKey)}))
		again, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(again).To(BeIdenticalTo(tenant), "unchanged, so from memory")

		changed := tenantChange("acme")
		changed.Tenant.DisplayName = "Tegata"
		f.Expect(f.accepted(changed).Changed).To(BeTrue())
		again, err = f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(again.DisplayName).To(Equal("Tegata"))
		f.Expect(again.Revision).To(BeNumerically(">", tenant.Revision))
		f.Expect(f.notices()).To(BeEmpty(), "the caller has the results")
		f.Expect(f.actions()).To(Equal([]string{admin.TenantCreated, admin.TenantUpdated}))

		_, err = f.Tenant(f.ctx, "none")
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.Tenant(f.ctx, "bad\x00\xff")
		f.Expect(err).To(MatchError(store.ErrNotFound))
	})
}

func TestTenantSlugBelongsToItsOwner(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.accepted(tenantChange("acme"))
		other := tenantChange("acme")
		other.Owner = "other/acme"
		problem := f.refused(other)
		f.Expect(problem.Code).To(Equal(admin.ProblemConflict))
		f.Expect(problem.Message).To(ContainSubstring("team/acme"))
		f.Expect(f.apply(deletion(other))[0].Changed).To(BeFalse(), "not the holder")
		f.accepted(tenantChange("acme"))
		f.Expect(f.notices()).To(BeEmpty())

		f.Expect(f.apply(deletion(tenantChange("acme")))[0].Changed).To(BeTrue())
		f.Expect(f.notices()).To(ConsistOf(other.Key))
		f.Expect(f.accepted(other).Changed).To(BeTrue())
	})
}

func TestDeleteTenantEndsEverything(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"), groupChange("acme", "sales"), appChange("acme", "wiki", "https://wiki"))
		before := f.accepted(memberChange("acme", "hanako")).Member
		token := f.session("acme", "hanako")
		// Somebody elsewhere waits for the mail.
		f.accepted(tenantChange("beta"))
		waiter := memberChange("beta", "double")
		waiter.Member.Mail = "HANAKO@example.com"
		f.Expect(f.refused(waiter).Message).NotTo(ContainSubstring("acme"), "the holder is another tenant's")
		f.notices()

		f.Expect(f.apply(deletion(tenantChange("acme")))[0].Changed).To(BeTrue())
		f.Expect(f.apply(deletion(tenantChange("acme")))[0].Changed).To(BeFalse())
		f.Expect(f.notices()).To(ConsistOf(waiter.Key))
		_, _, err := f.Session(f.ctx, token)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.Tenant(f.ctx, "acme")
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.AccountByMail(f.ctx, "hanako@example.com")
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.Image(f.ctx, "acme", admin.KindSAMLApp, "wiki")
		f.Expect(err).To(MatchError(store.ErrNotFound))
		digests, err := f.Digests(f.ctx, admin.Key{}, 0)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(digests).To(HaveLen(1))
		f.Expect(f.ClaimMails(f.ctx, 10, time.Minute)).To(BeEmpty())

		f.Expect(f.refused(memberChange("acme", "hanako")).Code).To(Equal(admin.ProblemNotFound))
		f.accepted(tenantChange("acme"))
		f.Expect(f.notices()).To(ContainElement(memberKey("acme", "hanako")))
		f.Expect(f.accepted(memberChange("acme", "hanako")).Member.ID).To(Equal(before.ID))
		tenant, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(tenant.Groups).To(BeEmpty())
		f.Expect(tenant.Apps).To(BeEmpty())
	})
}

func TestApplyMember(t *testing.T) {
	onBoth(t, func(f *fixture) {
		problem := f.refused(memberChange("acme", "hanako"))
		f.Expect(problem.Code).To(Equal(admin.ProblemNotFound))
		f.accepted(tenantChange("acme"))
		f.Expect(f.notices()).To(ConsistOf(memberKey("acme", "hanako")))

		created := f.accepted(memberChange("acme", "hanako"))
		f.Expect(created.Changed).To(BeTrue())
		f.Expect(created.Member.ID).To(HaveLen(36))
		f.Expect(created.Member.Password).To(Equal(admin.PasswordLinkSent))
		f.Expect(*created.Member.PasswordExpiresAt).To(Equal(f.clock.Now().Add(168 * time.Hour)))
		f.Expect(f.notices()).To(ConsistOf(admin.Key{Kind: admin.KindTenant, Tenant: "acme"}))
		same := f.accepted(memberChange("acme", "hanako"))
		f.Expect(same.Changed).To(BeFalse())
		f.Expect(same.Member).To(Equal(created.Member))

		account, err := f.AccountByMail(f.ctx, " Hanako@EXAMPLE.com ")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(account.Member).To(Equal(memberChange("acme", "hanako").Member.Member))
		f.Expect(account.ID).To(Equal(created.Member.ID))
		_, err = f.AccountByMail(f.ctx, "nobody@example.com\x00")
		f.Expect(err).To(MatchError(store.ErrNotFound))

		token := f.session("acme", "hanako")
		moved := memberChange("acme", "hanako")
		moved.Member.Mail = "new@example.com"
		f.accepted(moved)
		_, _, err = f.Session(f.ctx, token)
		f.Expect(err).NotTo(HaveOccurred(), "a new mail ends no session")
		mails, err := f.ClaimMails(f.ctx, 10, time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(mails).To(HaveLen(1), "the link to the old address died")
		f.Expect(mails[0].To).To(Equal("new@example.com"))
		state, err := f.Apply(f.ctx, []admin.Change{{Key: admin.Key{Kind: admin.KindTenant, Tenant: "acme"}, Owner: "team/acme", Tenant: tenantChange("acme").Tenant}})
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(*state[0].Tenant).To(Equal(admin.TenantState{Members: 1, PendingMembers: 1}))
	})
}

func TestMemberConflicts(t *testing.T) {
	onBoth(t, func(f *fixture) {
		limited := tenantChange("acme")
		limited.Tenant.Licenses = 2
		f.apply(limited, memberChange("acme", "hanako"))
		first := memberChange("acme", "hanako")
		first.Member.Attributes = map[string]string{"employee": "E1", "floor": "3"}
		f.accepted(first)
		f.notices()

		sameMail := memberChange("acme", "taro")
		sameMail.Member.Mail = "hanako@example.com"
		problem := f.refused(sameMail)
		f.Expect(problem.Code).To(Equal(admin.ProblemConflict))
		f.Expect(problem.Field).To(Equal("mail"))
		f.Expect(problem.Message).To(ContainSubstring(`Member "hanako"`))

		sameValue := memberChange("acme", "jiro")
		sameValue.Member.Attributes = map[string]string{"employee": "E1", "floor": "3"}
		problem = f.refused(sameValue)
		f.Expect(problem.Code).To(Equal(admin.ProblemConflict))
		f.Expect(problem.Field).To(Equal("attributes.employee"))

		f.accepted(memberChange("acme", "saburo"))
		fourth := memberChange("acme", "shiro")
		f.Expect(f.refused(fourth).Code).To(Equal(admin.ProblemLimit))
		f.notices()

		// One change frees mail and value; the waiters are told, once.
		first.Member.Mail, first.Member.Attributes = "elsewhere@example.com", map[string]string{"employee": "E2"}
		f.accepted(first)
		f.Expect(f.notices()).To(ConsistOf(sameMail.Key, sameValue.Key))
		f.Expect(f.refused(sameMail).Code).To(Equal(admin.ProblemLimit))

		f.accepted(deletion(memberChange("acme", "saburo")))
		f.Expect(f.notices()).To(ConsistOf(admin.Key{Kind: admin.KindTenant, Tenant: "acme"}, fourth.Key, sameMail.Key))
		f.accepted(sameMail)
		f.Expect(f.refused(sameValue).Code).To(Equal(admin.ProblemLimit))
		limited.Tenant.Licenses = 0
		f.notices()
		f.accepted(limited)
		f.Expect(f.notices()).To(ConsistOf(sameValue.Key))
		f.accepted(sameValue)
	})
}

func TestDeletedMemberComesBackWithinRetention(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		before := f.accepted(memberChange("acme", "hanako")).Member
		f.Expect(f.SetPassword(f.ctx, "acme", "hanako", "$argon2id$hash", "", admin.AuditEntry{Action: admin.PasswordChanged})).To(Succeed())
		token := f.session("acme", "hanako")
		stranger := deletion(memberChange("acme", "hanako"))
		stranger.Owner = "other/hanako"
		f.Expect(f.apply(stranger)[0].Changed).To(BeFalse())
		f.Expect(f.apply(deletion(memberChange("acme", "hanako")))[0].Changed).To(BeTrue())
		f.Expect(f.apply(deletion(memberChange("acme", "hanako")))[0].Changed).To(BeFalse())
		_, _, err := f.Session(f.ctx, token)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.Account(f.ctx, "acme", "hanako")
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.CreateSession(f.ctx, store.Session{Tenant: "acme", Member: "hanako", ExpiresAt: f.clock.Now().Add(time.Hour)})
		f.Expect(err).To(MatchError(store.ErrNotFound))

		f.clock.Add(29 * 24 * time.Hour)
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		restored := f.accepted(memberChange("acme", "hanako")).Member
		f.Expect(restored.ID).To(Equal(before.ID))
		f.Expect(restored.Password).To(Equal(admin.PasswordSet))
		account, err := f.Account(f.ctx, "acme", "hanako")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(account.PasswordHash).To(Equal("$argon2id$hash"))
		f.Expect(f.actions()).To(ContainElement(admin.MemberRestored))

		f.apply(deletion(memberChange("acme", "hanako")))
		f.clock.Add(31 * 24 * time.Hour)
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		purged := f.accepted(memberChange("acme", "hanako")).Member
		f.Expect(purged.ID).NotTo(Equal(before.ID))
		f.Expect(purged.Password).To(Equal(admin.PasswordLinkSent))
	})
}

func TestSuspensionEndsSessionsAtOnce(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		token := f.session("acme", "hanako")
		link := f.link()
		suspended := memberChange("acme", "hanako")
		suspended.Member.Suspended = true
		f.accepted(suspended)
		_, _, err := f.Session(f.ctx, token)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.CreateSession(f.ctx, store.Session{Tenant: "acme", Member: "hanako", ExpiresAt: f.clock.Now().Add(time.Hour)})
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.PasswordLink(f.ctx, link)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		_, err = f.UsePasswordLink(f.ctx, link, "$argon2id$x", admin.AuditEntry{})
		f.Expect(err).To(MatchError(store.ErrNotFound))
		account, err := f.AccountByMail(f.ctx, "hanako@example.com")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(account.Suspended).To(BeTrue())

		f.accepted(memberChange("acme", "hanako"))
		_, _, err = f.Session(f.ctx, token)
		f.Expect(err).To(MatchError(store.ErrNotFound), "what ended stays ended")
		_, err = f.PasswordLink(f.ctx, link)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(f.actions()).To(ContainElements(admin.MemberSuspended, admin.MemberResumed))
	})
}

func TestGroupsAndApps(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.Expect(f.refused(groupChange("acme", "sales")).Code).To(Equal(admin.ProblemNotFound))
		f.Expect(f.refused(appChange("acme", "wiki", "https://wiki")).Code).To(Equal(admin.ProblemNotFound))
		f.accepted(tenantChange("acme"))
		f.Expect(f.notices()).To(ConsistOf(groupChange("acme", "sales").Key, appChange("acme", "wiki", "").Key))
		before, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		f.apply(groupChange("acme", "z-group"), groupChange("acme", "Sales"), groupChange("acme", "sales"), appChange("acme", "wiki", "https://wiki"))
		f.Expect(f.accepted(appChange("acme", "wiki", "https://wiki")).Changed).To(BeFalse())

		tenant, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(tenant.Revision).To(BeNumerically(">", before.Revision))
		names := []string{}
		for _, group := range tenant.Groups {
			names = append(names, group.Name)
		}
		f.Expect(names).To(Equal([]string{"Sales", "sales", "z-group"}))
		app, found := tenant.AppByEntityID("https://wiki")
		f.Expect(found).To(BeTrue())
		f.Expect(app.Icon).To(Equal(&directory.Image{ContentType: "image/png"}))
		_, found = tenant.App(directory.KindLinkApp, "wiki")
		f.Expect(found).To(BeFalse())
		f.Expect(f.Image(f.ctx, "acme", admin.KindSAMLApp, "wiki")).To(Equal(&directory.Image{ContentType: "image/png", Data: []byte("icon of wiki")}))

		double := appChange("acme", "double", "https://wiki")
		problem := f.refused(double)
		f.Expect(problem.Code).To(Equal(admin.ProblemConflict))
		f.Expect(problem.Field).To(Equal("serviceProvider.entityID"))
		f.Expect(f.apply(deletion(appChange("acme", "wiki", "")))[0].Changed).To(BeTrue())
		f.Expect(f.notices()).To(ConsistOf(double.Key))
		f.accepted(double)
		_, err = f.Image(f.ctx, "acme", admin.KindSAMLApp, "wiki")
		f.Expect(err).To(MatchError(store.ErrNotFound))
		f.Expect(f.apply(deletion(groupChange("acme", "sales")))[0].Changed).To(BeTrue())
		f.Expect(f.apply(deletion(groupChange("acme", "sales")))[0].Changed).To(BeFalse())
		f.Expect(f.actions()).To(ContainElements(admin.AppUpdated, admin.AppDeleted, admin.GroupUpdated, admin.GroupDeleted))
	})
}

func TestBadItemFailsAlone(t *testing.T) {
	onBoth(t, func(f *fixture) {
		mismatch := memberChange("acme", "taro")
		mismatch.Key.Name = "jiro"
		binary := memberChange("acme", "nul")
		binary.Member.Mail = "a\x00b@example.com"
		unknown := groupChange("acme", "x")
		unknown.Key.Kind = "Planet"
		results := f.apply(tenantChange("acme"), mismatch, memberChange("acme", "hanako"), binary, unknown, memberChange("acme", "shiro"))
		for i, code := range []admin.ProblemCode{"", admin.ProblemInvalid, "", admin.ProblemInvalid, admin.ProblemInvalid, ""} {
			if code == "" {
				f.Expect(results[i].Problem).To(BeNil())
				continue
			}
			f.Expect(results[i].Problem.Code).To(Equal(code))
		}
		_, err := f.Apply(f.ctx, make([]admin.Change, admin.MaxBatch+1))
		f.Expect(err).To(MatchError(admin.ErrInvalid))
	})
}

func TestUniqueAttributeFollowsItsDeclaration(t *testing.T) {
	onBoth(t, func(f *fixture) {
		plain := tenantChange("acme")
		plain.Tenant.Attributes = nil
		first, second := memberChange("acme", "hanako"), memberChange("acme", "taro")
		first.Member.Attributes = map[string]string{"employee": "E1"}
		f.apply(plain, first)
		f.accepted(tenantChange("acme"))
		second.Member.Attributes = map[string]string{"employee": "E1"}
		f.Expect(f.refused(second).Field).To(Equal("attributes.employee"))
		f.notices()
		f.accepted(plain)
		f.Expect(f.notices()).To(ConsistOf(second.Key))
		f.accepted(second)
	})
}

func TestDigestsPage(t *testing.T) {
	onBoth(t, func(f *fixture) {
		changes := []admin.Change{tenantChange("b"), tenantChange("a-z"), tenantChange("aa"), memberChange("aa", "x"), memberChange("a-z", "y-1"),
			memberChange("a-z", "y.1"), memberChange("a-z", "y0"), groupChange("b", "g"), appChange("b", "app", "e")}
		f.apply(changes...)
		var after admin.Key
		var all []admin.KeyDigest
		for {
			page, err := f.Digests(f.ctx, after, 2)
			f.Expect(err).NotTo(HaveOccurred())
			if len(page) == 0 {
				break
			}
			for _, digest := range page {
				f.Expect(digest.Key.Compare(after)).To(Equal(1), "%s after %s", digest.Key, after)
				after = digest.Key
			}
			all = append(all, page...)
		}
		f.Expect(all).To(HaveLen(len(changes)))
		for _, change := range changes {
			f.Expect(all).To(ContainElement(admin.KeyDigest{Key: change.Key, Digest: admin.DigestOf(change), Owner: change.Owner, TenantOwner: change.TenantOwner}))
		}
	})
}
