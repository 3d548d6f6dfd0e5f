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
	"tegata.dev/tegata/internal/idp/store/storetest"
)

func participant(app, index string) store.Participant {
	return store.Participant{
		App: app, EntityID: "https://" + app + ".example/saml", SessionIndex: index, NameID: "hanako@example.com",
		NameIDFormat: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", NameQualifier: "idp", SPNameQualifier: "sp",
	}
}

func (f *fixture) participate(token string, participants ...store.Participant) {
	f.t.Helper()
	session := f.read(token)
	for _, p := range participants {
		f.Expect(f.Participate(f.ctx, token, session, p, admin.AuditEntry{Tenant: "acme", Action: admin.SSOSucceeded, App: p.App})).To(Succeed())
	}
}

// read is the token's session as it is now.
func (f *fixture) read(token string) *store.Session {
	f.t.Helper()
	session, _, err := f.Session(f.ctx, token)
	f.Expect(err).NotTo(HaveOccurred())
	return session
}

func TestParticipants(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), tenantChange("other"), memberChange("acme", "hanako"), memberChange("acme", "taro"))
		mine, elsewhere, taros := f.session("acme", "hanako"), f.session("acme", "hanako"), f.session("acme", "taro")
		wiki, chat := participant("wiki", "i-1"), participant("chat", "i-1")
		f.participate(mine, participant("wiki", "i-0"), chat, wiki) // the later answer counts
		f.participate(elsewhere, participant("wiki", "i-2"))
		f.participate(taros, participant("wiki", "i-3"))
		entries, err := f.SearchAudit(f.ctx, admin.AuditQuery{Action: admin.SSOSucceeded})
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(entries).To(HaveLen(5))

		find := func(tenant, entityID, token string, indexes ...string) []store.Participation {
			found, err := f.Participations(f.ctx, tenant, entityID, token, indexes)
			f.Expect(err).NotTo(HaveOccurred())
			return found
		}
		inMine := store.Participation{Participant: wiki, Session: store.ReferTo(mine), Member: "hanako"}
		f.Expect(find("acme", wiki.EntityID, mine)).To(ConsistOf(inMine), "by the cookie")
		f.Expect(find("acme", wiki.EntityID, "", "i-1")).To(ConsistOf(inMine), "by the index")
		f.Expect(find("acme", wiki.EntityID, mine, "i-1", "i-3")).To(HaveLen(2))
		f.Expect(find("acme", wiki.EntityID, "")).To(BeEmpty())
		f.Expect(find("acme", wiki.EntityID, "", "i-0")).To(BeEmpty(), "replaced")
		f.Expect(find("other", wiki.EntityID, mine, "i-1")).To(BeEmpty(), "another tenant's")
		f.Expect(find("acme", "https://mail.example/saml", mine, "i-1")).To(BeEmpty(), "another app's")
		f.Expect(find("acme", chat.EntityID, elsewhere, "i-2")).To(BeEmpty(), "a session that the app takes no part in")
		f.Expect(find("acme", "\x00", mine, "\xff")).To(BeEmpty())

		mySession := f.read(mine)
		f.Expect(f.LogOut(f.ctx, store.ReferTo(mine), store.ReferTo("unknown"))).To(Equal([]store.Participant{chat, wiki}))
		_, _, err = f.Session(f.ctx, mine)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		f.Expect(find("acme", wiki.EntityID, mine, "i-1")).To(BeEmpty(), "removed with the session")
		f.Expect(f.LogOut(f.ctx, store.ReferTo(mine))).To(BeEmpty())
		f.Expect(f.Participate(f.ctx, mine, mySession, wiki, admin.AuditEntry{})).To(MatchError(store.ErrNotFound))
		f.Expect(f.Participate(f.ctx, taros, f.read(taros), store.Participant{App: "\x00"}, admin.AuditEntry{})).To(MatchError(admin.ErrInvalid))

		f.clock.Add(time.Hour)
		f.Expect(find("acme", wiki.EntityID, taros, "i-3")).To(BeEmpty(), "run out")
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
	})
}

func TestReplacedSessionsKeepTheirApps(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"), memberChange("acme", "taro"))
		first, second, taros := f.session("acme", "hanako"), f.session("acme", "hanako"), f.session("acme", "taro")
		wiki := participant("wiki", "i-1")
		f.participate(first, wiki)
		f.Expect(f.ReplaceSession(f.ctx, first, second)).To(Succeed())
		f.Expect(f.ReplaceSession(f.ctx, first, second)).To(Succeed())
		_, _, err := f.Session(f.ctx, first)
		f.Expect(err).To(MatchError(store.ErrNotFound))
		f.Expect(f.Participations(f.ctx, "acme", wiki.EntityID, second, nil)).To(HaveLen(1))
		f.Expect(f.ReplaceSession(f.ctx, second, taros)).To(Succeed())
		f.Expect(f.LogOut(f.ctx, store.ReferTo(taros))).To(BeEmpty(), "another member's")
	})
}

// TestLogOutAgainstParticipate: no app is told to log somebody in whom nobody
// could log out any more.
func TestLogOutAgainstParticipate(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		other := storetest.Open(t, f.options)
		for range 10 {
			token := f.session("acme", "hanako")
			session := f.read(token)
			var racing sync.WaitGroup
			results := make([]error, 8)
			for i := range results {
				racing.Go(func() {
					results[i] = f.Participate(f.ctx, token, session, participant("app"+strings.Repeat("x", i), "i-1"), admin.AuditEntry{Tenant: "acme", Action: admin.SSOSucceeded})
				})
			}
			var told []store.Participant
			racing.Go(func() {
				var err error
				told, err = other.LogOut(f.ctx, store.ReferTo(token))
				if err != nil {
					t.Error(err)
				}
			})
			racing.Wait()
			answered := 0
			for _, err := range results {
				if err == nil {
					answered++
				} else {
					f.Expect(err).To(MatchError(store.ErrNotFound))
				}
			}
			f.Expect(told).To(HaveLen(answered))
		}
	})
}

func TestReplaceFlow(t *testing.T) {
	onBoth(t, func(f *fixture) {
		id, err := f.SaveFlow(f.ctx, []byte("a\x00"), time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(f.ReplaceFlow(f.ctx, id, []byte("a\x00"), []byte("b\xff"))).To(Succeed())
		f.Expect(f.ReplaceFlow(f.ctx, id, []byte("a\x00"), []byte("c"))).To(MatchError(store.ErrNotFound), "somebody was faster")
		f.Expect(f.Flow(f.ctx, id)).To(Equal([]byte("b\xff")))
		f.Expect(f.ReplaceFlow(f.ctx, id, []byte("b\xff"), make([]byte, store.MaxFlowBytes+1))).To(MatchError(admin.ErrInvalid))
		f.clock.Add(time.Minute)
		f.Expect(f.ReplaceFlow(f.ctx, id, []byte("b\xff"), []byte("c"))).To(MatchError(store.ErrNotFound))
	})
}
