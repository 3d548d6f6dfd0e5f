/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/store"
)

// company publishes a tenant of so many members and returns the members.
func (f *fixture) company(count int) []admin.Change {
	f.t.Helper()
	f.accepted(tenantChange("acme"))
	changes := make([]admin.Change, count)
	for i := range changes {
		changes[i] = memberChange("acme", fmt.Sprintf("m%04d", i))
		changes[i].Member.PasswordSetup = directory.PasswordSetupNone
	}
	for start := 0; start < count; start += admin.MaxBatch {
		f.apply(changes[start:min(start+admin.MaxBatch, count)]...)
	}
	f.notices()
	return changes
}

func deletions(changes []admin.Change) []admin.Change {
	deleted := make([]admin.Change, len(changes))
	for i, change := range changes {
		deleted[i] = deletion(change)
	}
	return deleted
}

// heldOf counts the results that the guard holds; the others are done.
func (f *fixture) heldOf(results []admin.Result) int {
	f.t.Helper()
	held := 0
	for _, result := range results {
		if result.Problem == nil {
			continue
		}
		f.Expect(result.Problem.Code).To(Equal(admin.ProblemHeld))
		held++
	}
	return held
}

func (f *fixture) tenantState() admin.TenantState {
	f.t.Helper()
	return *f.accepted(tenantChange("acme")).Tenant
}

// approval publishes the tenant with an approval.
func (f *fixture) approval(token string) admin.TenantState {
	f.t.Helper()
	change := tenantChange("acme")
	change.DeletionApproval = token
	return *f.accepted(change).Tenant
}

// entriesOf are the audit entries of an action, newest first.
func (f *fixture) entriesOf(action string) []admin.AuditEntry {
	f.t.Helper()
	entries, err := f.SearchAudit(f.ctx, admin.AuditQuery{Action: action, Limit: admin.MaxPage})
	f.Expect(err).NotTo(HaveOccurred())
	return entries
}

func TestGuardHoldsWhatIsTooMuch(t *testing.T) {
	onBoth(t, func(f *fixture) {
		gone := deletions(f.company(100)[:50])
		results := f.apply(gone...)
		f.Expect(f.heldOf(results)).To(Equal(30), "20 of 100 may go within an hour")
		f.Expect(results[20].Problem.Message).To(Equal("more than 10% of the tenant's members, and more than 20, would be deleted within 1h"))
		f.Expect(f.tenantState()).To(Equal(admin.TenantState{Members: 80, HeldDeletions: 30}))
		f.Expect(f.notices()).To(ConsistOf(tenantChange("acme").Key))
		f.Expect(f.entriesOf(admin.DeletionHeld)).To(HaveLen(30))
		held := f.entriesOf(admin.DeletionHeld)[0]
		f.Expect(held.Mail).To(Equal("m0049@example.com"))
		f.Expect(held.Detail).To(ContainSubstring("declared by team/m0049"))
		_, err := f.AccountByMail(f.ctx, "m0049@example.com")
		f.Expect(err).NotTo(HaveOccurred(), "who is held can log in")

		// Waiting does not help: an accident would only take longer.
		f.clock.Add(2 * time.Hour)
		f.Expect(f.heldOf(f.apply(gone[20:]...))).To(Equal(30))
		f.Expect(f.entriesOf(admin.DeletionHeld)).To(HaveLen(30), "each is told once")
		f.Expect(f.notices()).To(BeEmpty())
		f.accepted(deletion(memberChange("acme", "m0060")))

		approved := f.approval("yes")
		f.Expect(approved).To(Equal(admin.TenantState{Members: 79, DeletionApproval: "yes"}))
		f.Expect(f.notices()).To(HaveLen(31), "those held, and the tenant")
		f.Expect(f.entriesOf(admin.DeletionsApproved)[0].Detail).To(Equal(`30 deletions that were held, by "yes" on Tenant team/acme`))
		f.Expect(f.heldOf(f.apply(gone...))).To(BeZero())
		f.Expect(f.tenantState().Members).To(Equal(49))
	})
}

func TestApprovalIsForWhatIsHeldThen(t *testing.T) {
	onBoth(t, func(f *fixture) {
		members := f.company(100)
		f.approval("standing in Git")
		gone := deletions(members[:50])
		f.Expect(f.heldOf(f.apply(gone[:40]...))).To(Equal(20), "an approval of before approves nothing")
		f.Expect(f.approval("standing in Git").HeldDeletions).To(Equal(20))
		f.approval("second")
		f.Expect(f.heldOf(f.apply(gone[40:]...))).To(Equal(10), "nor does one of after")
		f.Expect(f.approval("second").HeldDeletions).To(Equal(10))
		f.Expect(f.heldOf(f.apply(gone[:40]...))).To(BeZero())

		// Once: who comes back and is deleted again is another case.
		back := members[30]
		f.accepted(back)
		f.Expect(f.refused(deletion(back)).Code).To(Equal(admin.ProblemHeld))
		f.Expect(f.tenantState().HeldDeletions).To(Equal(11))

		// An approval outlives the process that got it.
		f.approval("third")
		f.Expect(f.Close()).To(Succeed())
		reopened, err := store.Open(f.ctx, f.options)
		f.Expect(err).NotTo(HaveOccurred())
		f.t.Cleanup(func() { _ = reopened.Close() })
		f.Store = reopened
		f.accepted(deletion(back))
		f.Expect(f.heldOf(f.apply(gone...))).To(BeZero())
		f.Expect(f.approval("third")).To(Equal(admin.TenantState{Members: 50, DeletionApproval: "third"}))
	})
}

// TestAnApprovalThatWasThereBefore: whoever moves a tenant to another server takes
// its annotations along, and with them an approval of long ago.
func TestAnApprovalThatWasThereBefore(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.Expect(f.approval("of long ago").DeletionApproval).To(Equal("of long ago"))
		members := make([]admin.Change, 30)
		for i := range members {
			members[i] = memberChange("acme", fmt.Sprintf("m%04d", i))
		}
		f.apply(members...)
		f.Expect(f.heldOf(f.apply(deletions(members)...))).To(Equal(10))

		changed := tenantChange("acme")
		changed.DeletionApproval, changed.Tenant.DisplayName = "of long ago", "Another name"
		f.Expect(f.accepted(changed).Tenant.HeldDeletions).To(Equal(10), "it approves nothing that came later")
		f.Expect(f.heldOf(f.apply(deletions(members)...))).To(Equal(10))
	})
}

func TestWhoIsDeclaredAgainIsNotHeld(t *testing.T) {
	onBoth(t, func(f *fixture) {
		members := f.company(30)
		f.Expect(f.heldOf(f.apply(deletions(members)...))).To(Equal(10))
		f.notices()
		f.apply(members[20:25]...)
		f.Expect(f.notices()).To(ConsistOf(tenantChange("acme").Key))
		f.Expect(f.approval("yes").HeldDeletions).To(BeZero())
		f.Expect(f.heldOf(f.apply(deletions(members[25:])...))).To(BeZero())
		f.Expect(f.tenantState().Members).To(Equal(5))
	})
}

func TestGuardCountsWhoWentWithinTheWindow(t *testing.T) {
	onBoth(t, func(f *fixture) {
		members := f.company(300)
		for _, one := range deletions(members[:30]) {
			f.accepted(one)
			f.clock.Add(time.Minute)
		}
		f.refused(deletion(members[30]))
		// The window moves on: 30 of 300 may go in each.
		f.clock.Add(31 * time.Minute)
		f.Expect(f.heldOf(f.apply(deletions(members[31:40])...))).To(Equal(8), "one has left the window")
		f.clock.Add(time.Hour)
		f.Expect(f.heldOf(f.apply(deletions(members[40:80])...))).To(Equal(14), "26 of the 269 that there were")

		// Who comes back did not go.
		f.apply(members[40:60]...)
		f.Expect(f.heldOf(f.apply(deletions(members[100:110])...))).To(BeZero())
	})
}

func TestGuardFollowsItsDeclaration(t *testing.T) {
	onBoth(t, func(f *fixture) {
		members := f.company(30)
		declare := func(guard directory.DeletionGuard) {
			change := tenantChange("acme")
			change.Tenant.DeletionGuard = guard
			f.accepted(change)
		}
		declare(directory.DeletionGuard{Window: time.Minute})
		f.Expect(f.refused(deletion(members[0])).Message).To(ContainSubstring("more than 0% of the tenant's members, and more than 0, would be deleted within 1m"))
		f.notices()
		declare(directory.DeletionGuard{Count: 2, Window: time.Minute})
		f.Expect(f.notices()).To(ContainElement(members[0].Key), "it is counted anew")
		f.Expect(f.heldOf(f.apply(deletions(members[:3])...))).To(Equal(1))
		declare(directory.DeletionGuard{Count: 1, Window: time.Minute})
		f.clock.Add(time.Hour)
		f.Expect(f.heldOf(f.apply(deletions(members[:3])...))).To(Equal(1), "a stricter guard counts nothing anew")
		declare(directory.DeletionGuard{Percent: 100, Window: time.Minute})
		f.Expect(f.heldOf(f.apply(deletions(members)...))).To(BeZero())
	})
}

func TestGuardHoldsTheLastAdmin(t *testing.T) {
	onBoth(t, func(f *fixture) {
		members := f.company(3)
		admins := []admin.Change{memberChange("acme", "admin"), memberChange("acme", "suspended")}
		for _, one := range admins {
			one.Member.Role = directory.RoleSuperAdmin
		}
		admins[1].Member.Suspended = true
		f.apply(admins...)
		problem := f.refused(deletion(admins[0]))
		f.Expect(problem).To(Equal(admin.Problem{Code: admin.ProblemHeld, Message: "this is the last SuperAdmin who is not suspended, and others remain"}))
		f.accepted(deletion(admins[1]))
		f.Expect(f.tenantState().HeldDeletions).To(Equal(1))
		f.Expect(f.notices()).To(ConsistOf(admins[0].Key, tenantChange("acme").Key), "perhaps nobody remains")
		f.refused(deletion(admins[0]))
		f.Expect(f.entriesOf(admin.DeletionHeld)).To(HaveLen(1))

		// The successor may come after the deletion.
		successor := memberChange("acme", "successor")
		successor.Member.Role = directory.RoleSuperAdmin
		f.accepted(successor)
		f.Expect(f.notices()).To(ConsistOf(admins[0].Key, tenantChange("acme").Key))
		f.accepted(deletion(admins[0]))

		// Nobody remains to be administered.
		f.refused(deletion(successor))
		f.notices()
		f.apply(deletions(members)...)
		f.Expect(f.notices()).To(ContainElement(successor.Key))
		f.accepted(deletion(successor))
		f.Expect(f.tenantState()).To(Equal(admin.TenantState{}))

		f.accepted(admins[0])
		f.apply(members...)
		f.refused(deletion(admins[0]))
		f.approval("yes")
		f.accepted(deletion(admins[0]))
	})
}

func TestGuardHoldsTenants(t *testing.T) {
	onBoth(t, func(f *fixture) {
		members := f.company(21)
		gone := deletion(tenantChange("acme"))
		result := f.apply(gone)[0]
		f.Expect(result.Problem.Code).To(Equal(admin.ProblemHeld))
		f.Expect(result.Tenant).To(Equal(&admin.TenantState{Members: 21, HeldDeletions: 1}))
		f.apply(gone)
		f.Expect(f.entriesOf(admin.DeletionHeld)).To(HaveLen(1))

		// Neither a smaller number nor time lets it go, once it is held.
		f.apply(deletions(members[:10])...)
		f.clock.Add(2 * time.Hour)
		f.Expect(f.refused(gone).Code).To(Equal(admin.ProblemHeld))
		f.Expect(f.tenantState().HeldDeletions).To(BeZero(), "it is declared again")
		f.refused(func() admin.Change { f.apply(members...); return gone }())

		gone.DeletionApproval = "yes"
		f.Expect(f.apply(gone)[0].Changed).To(BeTrue(), "the one asked for with its own approval")
		f.Expect(f.entriesOf(admin.DeletionsApproved)).To(HaveLen(1))
		_, err := f.Tenant(f.ctx, "acme")
		f.Expect(err).To(MatchError(store.ErrNotFound))

		// Made again, nothing of it is left.
		f.Expect(f.approval("yes")).To(Equal(admin.TenantState{DeletionApproval: "yes"}))
		f.apply(members...)
		f.refused(gone)
		unguarded := deletion(tenantChange("acme"))
		unguarded.Unguarded = true
		f.Expect(f.apply(unguarded)[0].Changed).To(BeTrue())
	})
}

// TestTenantTakesItsHeldMembersAlong is a namespace's end: everything is asked for at once.
func TestTenantTakesItsHeldMembersAlong(t *testing.T) {
	onBoth(t, func(f *fixture) {
		members := f.company(60)
		everything := append(deletions(members), deletion(tenantChange("acme")))
		f.Expect(f.heldOf(f.apply(everything...))).To(Equal(41))
		f.notices()
		everything[60].DeletionApproval = "yes"
		f.Expect(f.apply(everything[60])[0].Changed).To(BeTrue())
		f.Expect(f.notices()).To(HaveLen(41), "those who were held, and the tenant itself")
		f.Expect(f.heldOf(f.apply(everything...))).To(BeZero())

		// The slug is free again, for the same members too.
		f.accepted(tenantChange("acme"))
		f.apply(members...)
		f.Expect(f.tenantState()).To(Equal(admin.TenantState{Members: 60, DeletionApproval: "yes"}))
	})
}

func TestDeletionTellsWhen(t *testing.T) {
	onBoth(t, func(f *fixture) {
		members := f.company(2)
		at := f.clock.Now()
		f.Expect(f.accepted(deletion(members[0])).DeletedAt).To(BeTemporally("==", at))
		f.clock.Add(time.Minute)
		f.Expect(f.accepted(deletion(members[0])).DeletedAt).To(BeTemporally("==", at), "asked again, as the answer got lost")
		f.Expect(f.accepted(deletion(memberChange("acme", "nobody"))).DeletedAt).To(BeZero())
		f.accepted(deletion(tenantChange("acme")))
		f.Expect(f.accepted(deletion(members[1])).DeletedAt).To(BeZero(), "it went offline with its tenant")
	})
}

// TestDeletionsOfTheFutureAreNotCountedForEver has a clock that was wrong, as
// beside a backup of another machine.
func TestDeletionsOfTheFutureAreNotCountedForEver(t *testing.T) {
	onBoth(t, func(f *fixture) {
		members := f.company(40)
		f.clock.Add(48 * time.Hour)
		f.apply(deletions(members[:20])...)
		f.clock.Add(-48 * time.Hour)
		f.accepted(deletion(members[20]))
	})
}

func TestReplicasLetExactlyTheLimitGo(t *testing.T) {
	both := replicas(t)
	members := both[0].company(200)
	// Both are asked for the same: each deletion counts once.
	var held atomic.Int32
	together(both, 100, func(f *fixture, i int) {
		results, err := f.Apply(f.ctx, []admin.Change{deletion(members[i])})
		if err != nil {
			t.Error(err)
			return
		}
		if results[0].Problem != nil {
			held.Add(1)
		}
	})
	f := both[0]
	f.Expect(f.tenantState()).To(Equal(admin.TenantState{Members: 181, PendingMembers: 1, HeldDeletions: 80}))
	f.Expect(int(held.Load())).To(Equal(160))

	// An approval and what it approves meet other replicas too.
	f.approval("yes")
	together(both, 100, func(f *fixture, i int) {
		if _, err := f.Apply(f.ctx, []admin.Change{deletion(members[i])}); err != nil {
			t.Error(err)
		}
	})
	f.Expect(f.tenantState()).To(Equal(admin.TenantState{Members: 101, PendingMembers: 1, DeletionApproval: "yes"}))
	f.Expect(f.entriesOf(admin.DeletionsApproved)).To(HaveLen(1))
}

// TestParallelDeletions is on SQLite too, whose process is alone.
func TestParallelDeletions(t *testing.T) {
	onBoth(t, func(f *fixture) {
		members := f.company(100)
		together([2]*fixture{f, f}, 50, func(f *fixture, i int) {
			if _, err := f.Apply(f.ctx, []admin.Change{deletion(members[i])}); err != nil {
				t.Error(err)
			}
		})
		f.Expect(f.tenantState()).To(Equal(admin.TenantState{Members: 80, HeldDeletions: 30}))
	})
}
