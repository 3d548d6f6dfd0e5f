/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

// TestAnswersAreChecked lets an answer out only while the session, the member and
// the tenant are as they were read, just now or long ago, whichever process
// changes them.
func TestAnswersAreChecked(t *testing.T) {
	onBoth(t, func(f *fixture) {
		elsewhere := &fixture{Store: storetest.Open(t, f.options), WithT: f.WithT, t: t, ctx: f.ctx, clock: f.clock, options: f.options}
		renamed := memberChange("acme", "hanako")
		renamed.Member.Mail = "sato@example.com"
		suspended := memberChange("acme", "hanako")
		suspended.Member.Suspended = true
		for name, change := range map[string]func(token string){
			"mail":       func(string) { elsewhere.accepted(renamed) },
			"suspended":  func(string) { elsewhere.accepted(suspended) },
			"app":        func(string) { elsewhere.accepted(appChange("acme", "chat", "urn:chat")) },
			"tenant":     func(string) { elsewhere.accepted(deletion(tenantChange("acme"))) },
			"session":    func(token string) { f.Expect(elsewhere.EndSession(f.ctx, token)).To(Succeed()) },
			"logged out": func(token string) { ignore(elsewhere.LogOut(f.ctx, store.ReferTo(token))) },
			"password": func(string) {
				f.Expect(elsewhere.SetPassword(f.ctx, "acme", "hanako", "$argon2id$y", "", admin.AuditEntry{})).To(Succeed())
			},
		} {
			f.apply(tenantChange("acme"), memberChange("acme", "hanako"), deletion(appChange("acme", "chat", "urn:chat")))
			token := f.session("acme", "hanako")
			_, err := f.Tenant(f.ctx, "acme")
			f.Expect(err).NotTo(HaveOccurred())
			unknown, _ := f.Remembered(token)
			f.Expect(unknown).To(BeNil(), name)
			read, account, err := f.Session(f.ctx, token)
			f.Expect(err).NotTo(HaveOccurred())

			remembered, owner := f.Remembered(token)
			f.Expect(remembered).NotTo(BeNil(), name)
			f.Expect(store.AsStored(*remembered)).To(Equal(store.AsStored(*read)))
			account.PasswordHash = ""
			f.Expect(owner).To(Equal(account))
			participate := func(session *store.Session) error {
				return f.Participate(f.ctx, token, session, participant("wiki", "i-1"), admin.AuditEntry{Tenant: "acme", Action: admin.SSOSucceeded})
			}
			f.Expect(participate(remembered)).To(Succeed(), name)
			before := len(f.actions())
			change(token)
			between := len(f.actions())
			f.Expect(between).To(BeNumerically(">=", before))
			f.Expect(participate(remembered)).To(MatchError(store.ErrNotFound), name)
			f.Expect(f.actions()).To(HaveLen(between), "%s: a refused answer leaves no entry", name)
			forgotten, _ := f.Remembered(token)
			f.Expect(forgotten).To(BeNil(), name)
			f.Expect(participate(read)).To(MatchError(store.ErrNotFound), name)
		}

		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		token := f.session("acme", "hanako")
		_, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		_, _, err = f.Session(f.ctx, token)
		f.Expect(err).NotTo(HaveOccurred())
		f.clock.Add(time.Hour)
		expired, _ := f.Remembered(token)
		f.Expect(expired).To(BeNil())
	})
}

func ignore([]store.Participant, error) {}

func TestRememberedSessionsAreBounded(t *testing.T) {
	onBoth(t, func(f *fixture) {
		for i := range store.MaxRemembered + 10 {
			store.Remember(f.Store, strconv.Itoa(i))
		}
		f.Expect(store.CountRemembered(f.Store)).To(Equal(store.MaxRemembered))

		large := memberChange("acme", "hanako")
		large.Member.Attributes = map[string]string{"floor": strings.Repeat("x", 100<<10)}
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		token := f.session("acme", "hanako")
		_, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).NotTo(HaveOccurred())
		f.read(token)
		known, _ := f.Remembered(token)
		f.Expect(known).NotTo(BeNil())
		f.accepted(large)
		f.participate(token, participant("wiki", "i-1"))
		known, _ = f.Remembered(token)
		f.Expect(known).To(BeNil(), "too large")
	})
}
