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

// TestOtherNamespacesReachNoTenant claims the slug from another namespace: what
// is declared there must neither join the tenant, nor take over or delete what
// is in it, nor end a wait of its owner's objects.
func TestOtherNamespacesReachNoTenant(t *testing.T) {
	onBoth(t, func(f *fixture) {
		foreign := func(change admin.Change) admin.Change {
			change.Owner = "elsewhere/" + change.Key.Name
			return change
		}
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
			f.Expect(f.refused(foreign(change)).Code).To(Equal(admin.ProblemNotFound), change.Key.String())
			f.Expect(f.accepted(foreign(deletion(change))).Changed).To(BeFalse(), change.Key.String())
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
		tenant.Owner, member.Owner = "elsewhere/acme", "elsewhere/hanako"
		f.accepted(tenant)
		state := f.accepted(member).Member
		f.Expect(state.ID).NotTo(Equal(id))
	})
}
