/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admintest

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/gomega" //nolint:staticcheck // a test suite, as readable as the tests

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// deletionsAreHeld deletes more members than pass without approval, and the tenant.
func (s *suite) deletionsAreHeld() {
	members := make([]admin.Change, 23)
	for i := range members {
		members[i] = member(fmt.Sprintf("m%02d", i))
	}
	s.apply(tenant())
	s.apply(members...)
	for i := range members {
		members[i] = deletion(members[i])
	}
	for i, result := range s.apply(members...) {
		s.Expect(result.Problem != nil).To(Equal(i >= directory.DefaultGuardCount), "%d", i)
		if result.Problem != nil {
			s.Expect(result.Problem.Code).To(Equal(admin.ProblemHeld))
			s.Expect(result.Changed).To(BeFalse())
		}
	}
	gone := deletion(tenant())
	result := s.apply(gone)[0]
	s.Expect(result.Problem.Code).To(Equal(admin.ProblemHeld))
	s.Expect(result.Tenant).To(Equal(&admin.TenantState{Members: 3, PendingMembers: 3, HeldDeletions: 4}))
	s.Expect(s.service.SearchAudit(s.ctx, admin.AuditQuery{Action: admin.DeletionHeld})).To(HaveLen(4))
	notices, err := s.service.Notices(s.ctx, 10, 0)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.service.Acknowledge(s.ctx, notices)).To(Succeed())

	approved := tenant()
	approved.DeletionApproval = "by hanako"
	s.Expect(s.apply(approved)[0].Tenant).To(Equal(&admin.TenantState{Members: 3, PendingMembers: 3, DeletionApproval: "by hanako"}))
	s.Expect(s.service.SearchAudit(s.ctx, admin.AuditQuery{Action: admin.DeletionsApproved})).To(HaveLen(1))
	notices, err = s.service.Notices(s.ctx, 10, 0)
	s.Expect(err).NotTo(HaveOccurred())
	for _, one := range members[20:] {
		s.Expect(notices).To(ContainElement(HaveField("Key", one.Key)))
		s.Expect(s.apply(one)[0].Changed).To(BeTrue())
	}
	s.Expect(s.apply(gone)[0].Changed).To(BeTrue())

	s.apply(tenant(), member("hanako"))
	unguarded := deletion(tenant())
	unguarded.Unguarded = true
	s.Expect(s.apply(unguarded)[0].Changed).To(BeTrue())
}

// recordsAreKept also takes entries of tenants that are not there any more.
func (s *suite) recordsAreKept() {
	at := time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond)
	first := admin.AuditEntry{
		ID: "0197a1b2-c3d4-7abc-8def-0123456789ab", Time: at, Tenant: slug, Member: "hanako", MemberName: "山田 花子", Mail: "hanako@acme.example",
		App: "entra", Action: admin.AccountCreated, Detail: "account 4711",
	}
	ahead := admin.AuditEntry{Time: time.Now().Add(time.Hour), Tenant: slug, Action: admin.AccountFailed, Detail: strings.Repeat("長い", 10000)}
	s.Expect(s.service.Record(s.ctx, nil)).To(Succeed())
	s.Expect(s.service.Record(s.ctx, []admin.AuditEntry{first, ahead})).To(Succeed())
	s.Expect(s.service.Record(s.ctx, []admin.AuditEntry{first})).To(Succeed(), "once more, as the answer got lost")
	entries, err := s.service.SearchAudit(s.ctx, admin.AuditQuery{Tenant: slug, Action: admin.AccountCreated})
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(entries).To(Equal([]admin.AuditEntry{first}))
	entries, err = s.service.SearchAudit(s.ctx, admin.AuditQuery{Tenant: slug, Action: admin.AccountFailed})
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(entries).To(HaveLen(1))
	s.Expect(entries[0].Time).To(BeTemporally("<=", time.Now()))
	s.Expect(entries[0].ID).NotTo(BeEmpty())

	for _, invalid := range []admin.AuditEntry{
		{Tenant: slug, Action: admin.LoginSucceeded},
		{Tenant: slug, Action: "Anything"},
		{Action: admin.AccountCreated},
		{ID: "1", Tenant: slug, Action: admin.AccountCreated},
		{ID: "f47ac10b-58cc-4372-a567-0e02b2c3d479", Tenant: slug, Action: admin.AccountCreated},
	} {
		s.Expect(s.service.Record(s.ctx, []admin.AuditEntry{invalid})).To(MatchError(admin.ErrInvalid), "%+v", invalid)
	}
	many := make([]admin.AuditEntry, admin.MaxBatch+1)
	for i := range many {
		many[i] = admin.AuditEntry{Tenant: slug, Action: admin.AccountUpdated, Detail: strings.Repeat("x", 2000)}
	}
	s.Expect(s.service.Record(s.ctx, many)).To(MatchError(admin.ErrInvalid))
	s.Expect(s.service.Record(s.ctx, many[1:])).To(Succeed())
	s.Expect(s.service.SearchAudit(s.ctx, admin.AuditQuery{Action: admin.AccountUpdated, Limit: admin.MaxPage})).To(HaveLen(admin.MaxBatch))
}
