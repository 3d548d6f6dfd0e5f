/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// heldFor is why the guard holds a deletion (X3).
type heldFor string

const (
	// heldByNumber: too many would have gone within the window. It stays held until
	// it is approved: else an accident would only take longer.
	heldByNumber heldFor = "Number"
	// heldAsLastAdmin: nobody else could administer those who remain. It is asked
	// again when that changes.
	heldAsLastAdmin heldFor = "LastAdmin"
)

// heldDeletion is a row of held_deletions.
type heldDeletion struct {
	name     string
	reason   heldFor
	approved bool
}

func scanHeld(rows *sql.Rows) (heldDeletion, error) {
	var h heldDeletion
	return h, rows.Scan(&h.name, &h.reason, &h.approved)
}

// heldOf are the tenant's held deletions by name, read once a batch.
func (b *batch) heldOf(slug string, tenant *batchTenant) (map[string]heldDeletion, error) {
	if tenant.held != nil {
		return tenant.held, nil
	}
	rows, err := collect(b.ctx, b, scanHeld, `SELECT name, reason, approved FROM held_deletions WHERE tenant = $1`, slug)
	if err != nil {
		return nil, err
	}
	tenant.held = make(map[string]heldDeletion, len(rows))
	for _, row := range rows {
		tenant.held[row.name] = row
	}
	return tenant.held, nil
}

// guardMember tells why the guard holds the member's deletion; nil where it may
// be carried out. The tenant is locked, so that no other process counts the same.
func (b *batch) guardMember(tenant *batchTenant, row *memberRow) (*admin.Result, error) {
	key := row.key()
	held, err := b.heldOf(key.Tenant, tenant)
	if err != nil {
		return nil, err
	}
	before, asked := held[key.Name]
	if before.approved {
		return nil, b.unhold(tenant, key)
	}
	reason := before.reason
	if reason != heldByNumber {
		if reason, err = b.reasonToHold(tenant, row); err != nil {
			return nil, err
		}
	}
	if reason == "" {
		return nil, b.unhold(tenant, key)
	}
	problem := heldProblem(tenant.DeletionGuard.OrDefault(), reason)
	if !asked || before.reason != reason {
		if err := b.hold(tenant, key, reason); err != nil {
			return nil, err
		}
		entry := row.entry(admin.AuditEntry{Action: admin.DeletionHeld, Detail: "declared by " + row.owner + ": " + problem.Message})
		if err := b.audit(b.ctx, entry); err != nil {
			return nil, err
		}
	}
	result, err := b.refuse(key, problem, heldResource(key.Tenant, reason))
	return &result, err
}

// guardTenant is guardMember for the tenant with everybody in it.
func (b *batch) guardTenant(tenant *batchTenant, key admin.Key, members int) (*admin.Result, error) {
	held, err := b.heldOf(key.Tenant, tenant)
	if err != nil || members == 0 || held[""].approved {
		return nil, err
	}
	guard := tenant.DeletionGuard.OrDefault()
	if _, asked := held[""]; !asked {
		gone, err := b.countGone(key.Tenant, tenant)
		if err != nil || !guard.Holds(members+gone, members+gone) {
			return nil, err
		}
		if err := b.hold(tenant, key, heldByNumber); err != nil {
			return nil, err
		}
		entry := admin.AuditEntry{Tenant: key.Tenant, Action: admin.DeletionHeld, Detail: fmt.Sprintf("the tenant with %d members, declared by %s", members, tenant.owner)}
		if err := b.audit(b.ctx, entry); err != nil {
			return nil, err
		}
	}
	result, err := b.refuse(key, heldProblem(guard, heldByNumber), heldResource(key.Tenant, heldByNumber))
	if err == nil {
		result.Tenant, err = b.tenantState(key.Tenant)
	}
	return &result, err
}

// reasonToHold is why a live member must not be deleted without approval, or "".
func (b *batch) reasonToHold(tenant *batchTenant, row *memberRow) (heldFor, error) {
	gone, err := b.countGone(tenant.Slug, tenant)
	if err != nil {
		return "", err
	}
	guard := tenant.DeletionGuard.OrDefault()
	// So many may go of any number, which then need not be counted.
	if gone+1 > guard.Count {
		members, err := b.countMembers(tenant)
		if err != nil {
			return "", err
		}
		if guard.Holds(members+gone, gone+1) {
			return heldByNumber, nil
		}
	}
	last, err := b.isLastAdmin(row)
	if err != nil || !last {
		return "", err
	}
	return heldAsLastAdmin, nil
}

// countGone counts once a batch the members that were deleted within the window.
// What a clock that was wrong dates further ahead than the window is not among
// them: it would be for ever.
func (b *batch) countGone(slug string, tenant *batchTenant) (int, error) {
	if tenant.gone < 0 {
		window := tenant.DeletionGuard.OrDefault().Window.Milliseconds()
		err := b.QueryRowContext(b.ctx, `SELECT count(*) FROM members WHERE tenant = $1 AND deleted_at > $2 AND deleted_at <= $3`,
			slug, b.now-window, b.now+window).Scan(&tenant.gone)
		if err != nil {
			tenant.gone = -1
			return 0, err
		}
	}
	return tenant.gone, nil
}

// isLastAdmin tells that the member alone can administer others who remain.
func (b *batch) isLastAdmin(row *memberRow) (bool, error) {
	if !administers(row.member) {
		return false, nil
	}
	others := false
	err := b.QueryRowContext(b.ctx, `SELECT EXISTS (SELECT 1 FROM members WHERE tenant = $1 AND name <> $2 AND deleted_at IS NULL)`,
		row.member.Tenant, row.member.Name).Scan(&others)
	if err != nil || !others {
		return false, err
	}
	// The role stands in the body alone; most bodies need not be read.
	admins, err := collect(b.ctx, b, scanBody[directory.Member], `SELECT body FROM members
		WHERE tenant = $1 AND name <> $2 AND deleted_at IS NULL AND NOT suspended AND body LIKE '%"`+string(directory.RoleSuperAdmin)+`"%'`,
		row.member.Tenant, row.member.Name)
	for _, admin := range admins {
		if administers(admin) {
			return false, err
		}
	}
	return err == nil, err
}

func administers(member directory.Member) bool {
	return member.Role == directory.RoleSuperAdmin && !member.Suspended
}

func heldProblem(guard directory.DeletionGuard, reason heldFor) admin.Problem {
	if reason == heldAsLastAdmin {
		return admin.Problem{Code: admin.ProblemHeld, Message: "this is the last SuperAdmin who is not suspended, and others remain"}
	}
	return admin.Problem{Code: admin.ProblemHeld, Message: fmt.Sprintf(
		"more than %d%% of the tenant's members, and more than %d, would be deleted within %s", guard.Percent, guard.Count, shortly(guard.Window))}
}

// shortly is a duration without what is zero at its end.
func shortly(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// hold remembers that the deletion waits for approval.
func (b *batch) hold(tenant *batchTenant, key admin.Key, reason heldFor) error {
	_, err := b.exec(b.ctx, `INSERT INTO held_deletions (tenant, name, reason, held_at, approved) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant, name) DO UPDATE SET reason = excluded.reason`, key.Tenant, key.Name, string(reason), b.now, false)
	tenant.held[key.Name] = heldDeletion{name: key.Name, reason: reason}
	tenant.recounted = true
	return err
}

// unhold forgets a held deletion, where there is one: it is carried out, or its
// object is declared again.
func (b *batch) unhold(tenant *batchTenant, key admin.Key) error {
	held, err := b.heldOf(key.Tenant, tenant)
	if err != nil {
		return err
	}
	if _, asked := held[key.Name]; !asked {
		return nil
	}
	delete(held, key.Name)
	tenant.recounted = true
	_, err = b.exec(b.ctx, `DELETE FROM held_deletions WHERE tenant = $1 AND name = $2`, key.Tenant, key.Name)
	return err
}

// approve lets the deletions go that are held now, where the token is a new one:
// each of them once, whenever it is asked for again.
func (b *batch) approve(tenant *batchTenant, change admin.Change) error {
	slug, token := change.Key.Tenant, clean(change.DeletionApproval, maxApproval)
	if token == "" || token == tenant.approval {
		return nil
	}
	tenant.approval = token
	if _, err := b.exec(b.ctx, `UPDATE tenants SET deletion_approval = $1 WHERE slug = $2`, token, slug); err != nil {
		return err
	}
	approved, err := b.exec(b.ctx, `UPDATE held_deletions SET approved = $1 WHERE tenant = $2 AND NOT approved`, true, slug)
	if err != nil || approved == 0 {
		return err
	}
	tenant.held, tenant.recounted = nil, true
	b.freeHeld(slug)
	return b.audit(b.ctx, admin.AuditEntry{
		Tenant: slug, Action: admin.DeletionsApproved, Detail: fmt.Sprintf("%d deletions that were held, by %q on Tenant %s", approved, token, change.Owner),
	})
}

// settleHeld follows what a declared tenant says of held deletions.
func (b *batch) settleHeld(tenant *batchTenant, change admin.Change) error {
	if !tenant.exists {
		return nil
	}
	// It is not to be deleted any more.
	if err := b.unhold(tenant, change.Key); err != nil {
		return err
	}
	if err := b.approve(tenant, change); err != nil {
		return err
	}
	return b.followGuard(change.Key.Tenant, tenant, tenant.DeletionGuard, change.Tenant.DeletionGuard)
}

// followGuard counts anew what a stricter guard than the declared one holds.
func (b *batch) followGuard(slug string, tenant *batchTenant, before, after directory.DeletionGuard) error {
	before, after = before.OrDefault(), after.OrDefault()
	tenant.gone = -1 // the window may be another one
	if after.Percent <= before.Percent && after.Count <= before.Count && after.Window >= before.Window {
		return nil
	}
	tenant.held, tenant.recounted = nil, true
	b.freed[heldResource(slug, heldByNumber)] = true
	_, err := b.exec(b.ctx, `DELETE FROM held_deletions WHERE tenant = $1 AND reason = $2 AND NOT approved`, slug, string(heldByNumber))
	return err
}

// freeHeld wakes everybody whose deletion is held.
func (b *batch) freeHeld(slug string) {
	for _, reason := range []heldFor{heldByNumber, heldAsLastAdmin} {
		b.freed[heldResource(slug, reason)] = true
	}
}

// tenantState is what the operator is told of a tenant.
func (b *batch) tenantState(slug string) (*admin.TenantState, error) {
	state := &admin.TenantState{}
	err := b.QueryRowContext(b.ctx, `SELECT count(*), COALESCE(SUM(CASE WHEN password_kind <> 'Set' AND password_setup <> 'None' THEN 1 ELSE 0 END), 0)
		FROM members WHERE tenant = $1 AND deleted_at IS NULL`, slug).Scan(&state.Members, &state.PendingMembers)
	if err != nil {
		return nil, err
	}
	err = b.QueryRowContext(b.ctx, `SELECT (SELECT count(*) FROM held_deletions WHERE tenant = $1 AND NOT approved),
		COALESCE((SELECT deletion_approval FROM tenants WHERE slug = $1), '')`, slug).Scan(&state.HeldDeletions, &state.DeletionApproval)
	return state, err
}
