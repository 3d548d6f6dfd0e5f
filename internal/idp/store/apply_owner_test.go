/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
)

// elsewhere is the change as another namespace's Tenant "acme" would have it.
func elsewhere(change admin.Change) admin.Change {
	change.Owner, change.TenantOwner = "elsewhere/"+change.Key.Name, "elsewhere/acme"
	return change
}

// beside is the change as another Tenant of the same namespace would have it.
func beside(change admin.Change) admin.Change {
	change.TenantOwner = "team/second"
	return change
}

// TestOtherNamespacesReachNoTenant claims the slug from another namespace: what
// is declared there must neither join the tenant, nor take over or delete what
// is in it, nor end a wait of its owner's objects.
func TestOtherNamespacesReachNoTenant(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.accepted(tenantChange("acme"))
		f.accepted(memberChange("acme", "hanako"))
		f.accepted(groupChange("acme", "sales"))
		f.accepted(appChange("acme", "wiki", "https://wiki.example"))
		double := memberChange("acme", "double")
		double.Member.Mail = memberChange("acme", "hanako").Member.Mail
		f.Expect(f.refused(double).Code).To(Equal(admin.ProblemConflict))

		for _, change := range []admin.Change{
			memberChange("acme", "mallory"), memberChange("acme", "hanako"), memberChange("acme", "double"),
			groupChange("acme", "sales"), groupChange("acme", "thieves"),
			appChange("acme", "wiki", "https://wiki.example"), appChange("acme", "trap", "https://trap.example"),
		} {
			f.Expect(f.refused(elsewhere(change)).Code).To(Equal(admin.ProblemNotFound), change.Key.String())
			f.Expect(f.accepted(elsewhere(deletion(change))).Changed).To(BeFalse(), change.Key.String())
		}
		all, err := f.Digests(f.ctx, admin.Key{}, 0)
		f.Expect(err).NotTo(HaveOccurred())
		for _, entry := range all {
			f.Expect(entry.Owner).To(HavePrefix("team/"), entry.Key.String())
		}
		f.Expect(all).To(HaveLen(4))

		f.notices()
		f.accepted(deletion(memberChange("acme", "hanako")))
		f.Expect(f.notices()).To(ContainElement(double.Key), "it still waited for the mail")
	})
}

// TestRestoreAfterTheTenantAsksForATemporaryPassword deletes a tenant before its
// members, whose Secrets go with them: nobody knows the old password any more.
func TestRestoreAfterTheTenantAsksForATemporaryPassword(t *testing.T) {
	onBoth(t, func(f *fixture) {
		member := memberChange("acme", "hanako")
		member.Member.PasswordSetup = "TemporaryPassword"
		f.accepted(tenantChange("acme"))
		f.Expect(f.accepted(member).Member.NeedsTemporaryPassword).To(BeTrue())
		_, err := f.SetTemporaryPassword(f.ctx, admin.TemporaryPassword{
			Member: member.Key, Password: "ABCD-EFGH-JKLM-NPQR", ExpiresAt: f.clock.Now().Add(time.Hour),
		})
		f.Expect(err).NotTo(HaveOccurred())
		f.accepted(deletion(tenantChange("acme")))
		f.accepted(deletion(member))
		f.accepted(tenantChange("acme"))
		f.Expect(f.accepted(member).Member.NeedsTemporaryPassword).To(BeTrue())
	})
}

// TestAnotherNamespaceRestoresNobody takes over a deleted tenant's slug: the
// people kept for its restore must not come back for strangers.
func TestAnotherNamespaceRestoresNobody(t *testing.T) {
	onBoth(t, func(f *fixture) {
		tenant, member := tenantChange("acme"), memberChange("acme", "hanako")
		f.accepted(tenant)
		id := f.accepted(member).Member.ID
		f.accepted(deletion(tenant))
		tenant.Owner = "elsewhere/acme"
		f.accepted(tenant)
		state := f.accepted(elsewhere(member)).Member
		f.Expect(state.ID).NotTo(Equal(id))
	})
}

// TestTwoTenantsOfOneNamespaceStayApart claims the slug by a second Tenant beside
// the first: what belongs to the second must neither join the first, nor end a
// wait in it, until the slug is the second's.
func TestTwoTenantsOfOneNamespaceStayApart(t *testing.T) {
	onBoth(t, func(f *fixture) {
		second := tenantChange("acme")
		second.Owner = "team/second"
		f.accepted(tenantChange("acme"))
		id := f.accepted(memberChange("acme", "hanako")).Member.ID
		double := memberChange("acme", "double")
		double.Member.Mail = memberChange("acme", "hanako").Member.Mail
		f.Expect(f.refused(double).Code).To(Equal(admin.ProblemConflict))
		f.Expect(f.refused(second).Code).To(Equal(admin.ProblemConflict))
		f.notices()

		theirs := []admin.Change{
			beside(memberChange("acme", "taro")), beside(memberChange("acme", "hanako")), beside(memberChange("acme", "double")),
			beside(groupChange("acme", "sales")), beside(appChange("acme", "wiki", "https://wiki.example")),
		}
		for _, change := range theirs {
			f.Expect(f.refused(change).Code).To(Equal(admin.ProblemNotFound), change.Key.String())
		}
		f.Expect(f.accepted(deletion(beside(double))).Changed).To(BeFalse())
		f.Expect(f.accepted(tenantChange("acme")).Tenant.Members).To(Equal(1))
		f.accepted(deletion(memberChange("acme", "hanako")))
		f.Expect(f.notices()).To(ContainElement(double.Key), "it still waited for the mail")
		f.accepted(memberChange("acme", "hanako"))

		f.accepted(deletion(tenantChange("acme")))
		f.Expect(f.notices()).To(ContainElement(second.Key), "the slug is free")
		for _, change := range theirs {
			f.Expect(f.refused(change).Code).To(Equal(admin.ProblemNotFound), "nobody has the slug yet")
		}
		f.accepted(second)
		keys := []admin.Key{}
		for _, change := range theirs {
			keys = append(keys, change.Key)
		}
		f.Expect(f.notices()).To(ContainElements(keys), "they waited for their tenant")
		f.Expect(f.accepted(theirs[1]).Member.ID).To(Equal(id), "of one namespace: a Tenant made again under another name gives everyone back")
		for _, change := range append(theirs[3:], theirs[0]) {
			f.accepted(change)
		}
		f.Expect(f.refused(groupChange("acme", "first")).Code).To(Equal(admin.ProblemNotFound), "the former Tenant is none now")
		all, err := f.Digests(f.ctx, admin.Key{}, 0)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(all).To(HaveLen(5))
		for _, entry := range all[:len(all)-1] {
			f.Expect(entry.TenantOwner).To(Equal("team/second"), entry.Key.String())
		}
		f.Expect(all[len(all)-1]).To(And(HaveField("Owner", "team/second"), HaveField("TenantOwner", "")), "the tenant itself")
	})
}

// TestWhatAnotherTenantTookInIsDeletedByItsOwner keeps a deletion working for
// what was published before tenants were told apart within a namespace.
func TestWhatAnotherTenantTookInIsDeletedByItsOwner(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.accepted(tenantChange("acme"))
		for _, change := range []admin.Change{memberChange("acme", "hanako"), groupChange("acme", "sales")} {
			f.accepted(change)
			f.Expect(f.accepted(deletion(beside(change))).Changed).To(BeTrue(), change.Key.String())
		}
	})
}
