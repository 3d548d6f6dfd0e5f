/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

func (b *batch) applyMember(change admin.Change) (admin.Result, error) {
	key, digest := change.Key, admin.DigestOf(change)
	tenant, err := b.tenant(key.Tenant)
	if err != nil {
		return admin.Result{}, err
	}
	if !tenant.holds(change) {
		return b.tenantMissing(tenant, key)
	}
	old, err := b.member(key)
	if err != nil {
		return admin.Result{}, err
	}
	held, err := b.heldOf(key.Tenant, tenant)
	if err != nil {
		return admin.Result{}, err
	}
	if _, leaving := held[key.Name]; !leaving && old != nil && !old.deleted && old.digest == digest {
		return b.memberResult(old, change, false), nil
	}
	if !tenant.locked {
		if tenant, err = b.lock(key.Tenant); err != nil {
			return admin.Result{}, err
		}
		if !tenant.holds(change) {
			return b.tenantMissing(tenant, key)
		}
		if old, err = b.member(key); err != nil {
			return admin.Result{}, err
		}
	}
	problem, resource, err := b.checkMember(tenant, old, *change.Member)
	if err != nil {
		return admin.Result{}, err
	}
	if problem != nil {
		return b.refuse(key, *problem, resource)
	}
	row, err := b.storeMember(change, digest, old, tenant)
	if err != nil {
		return admin.Result{}, err
	}
	return b.memberResult(row, change, true), nil
}

// member reads a member, nil where there is no row.
func (b *batch) member(key admin.Key) (*memberRow, error) {
	row, err := readMember(b.ctx, b, key.Tenant, key.Name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return row, err
}

func (b *batch) memberResult(row *memberRow, change admin.Change, changed bool) admin.Result {
	state := row.state(b.now)
	state.NeedsTemporaryPassword = row.needsTemporaryPassword(change.Member.PasswordReset)
	return admin.Result{Changed: changed, Member: state}
}

// checkMember finds what stands against publishing the member, and the resource it then waits for.
func (b *batch) checkMember(tenant *batchTenant, old *memberRow, member admin.Member) (*admin.Problem, string, error) {
	live := old != nil && !old.deleted
	mail := directory.NormalizeMail(member.Mail)
	if !live || old.mail != mail {
		problem, err := b.checkMail(member, mail)
		if problem != nil || err != nil {
			return problem, mailResource(mail), err
		}
	}
	for attribute, value := range uniqueValues(tenant.Tenant, member.Member) {
		problem, err := b.checkValue(member, attribute, value)
		if problem != nil || err != nil {
			return problem, valueResource(tenant.Slug, attribute, value), err
		}
	}
	if live || tenant.Licenses == 0 {
		return nil, "", nil
	}
	members, err := b.countMembers(tenant)
	if err != nil || members < tenant.Licenses {
		return nil, "", err
	}
	return &admin.Problem{
		Code:    admin.ProblemLimit,
		Message: fmt.Sprintf("tenant %s has reached its limit of %d licenses; raise spec.licenses of the Tenant or delete a member", tenant.Slug, tenant.Licenses),
	}, licensesResource(tenant.Slug), nil
}

func (b *batch) checkMail(member admin.Member, mail string) (*admin.Problem, error) {
	holders, err := collect(b.ctx, b, scanKey, `SELECT 'Member', tenant, name FROM members WHERE mail = $1 AND deleted_at IS NULL`, mail)
	if err != nil || len(holders) == 0 {
		return nil, err
	}
	problem := &admin.Problem{
		Code: admin.ProblemConflict, Field: "mail",
		// Another tenant's member must not be told.
		Message: fmt.Sprintf("mail address %s is used by another member of this server; mail addresses are unique", mail),
	}
	if holders[0].Tenant == member.Tenant {
		problem.Message = fmt.Sprintf("mail address %s is used by Member %q; mail addresses are unique", mail, holders[0].Name)
	}
	return problem, nil
}

func (b *batch) checkValue(member admin.Member, attribute, value string) (*admin.Problem, error) {
	holders, err := collect(b.ctx, b, scanString, `SELECT member FROM member_values WHERE tenant = $1 AND attribute = $2 AND value = $3 AND member <> $4`,
		member.Tenant, attribute, value, member.Name)
	if err != nil || len(holders) == 0 {
		return nil, err
	}
	return &admin.Problem{
		Code: admin.ProblemConflict, Field: "attributes." + attribute,
		Message: fmt.Sprintf("value %q of attribute %s is used by Member %q; this attribute allows no duplicates", value, attribute, holders[0]),
	}, nil
}

// uniqueValues are the member's values of attributes that forbid duplicates (O4.1).
func uniqueValues(tenant directory.Tenant, member directory.Member) map[string]string {
	values := map[string]string{}
	for _, definition := range tenant.Attributes {
		if value := member.Attributes[definition.Name]; definition.Unique && value != "" {
			values[definition.Name] = value
		}
	}
	return values
}

// storeMember writes the member with all that follows from the change.
func (b *batch) storeMember(change admin.Change, digest string, old *memberRow, tenant *batchTenant) (*memberRow, error) {
	row, err := b.nextRow(change, digest, old)
	if err != nil {
		return nil, err
	}
	if err := b.upsertMember(row); err != nil {
		return nil, err
	}
	if err := b.storeValues(tenant, row, old); err != nil {
		return nil, err
	}
	if change.Member.Image != nil || old != nil {
		if err := b.storeImage(row.key(), change.Member.Image); err != nil {
			return nil, err
		}
	}
	if row.member.Suspended {
		if _, err := b.endSessions(b.ctx, row.key(), ""); err != nil {
			return nil, err
		}
	}
	if err := b.audit(b.ctx, row.entry(memberEntry(change, old))); err != nil {
		return nil, err
	}
	if err := b.sendLinkIfDue(row, old, change.Member.PasswordReset); err != nil {
		return nil, err
	}
	if err := b.unhold(tenant, row.key()); err != nil {
		return nil, err
	}
	if administers(row.member) && len(tenant.held) > 0 {
		b.freed[heldResource(tenant.Slug, heldAsLastAdmin)] = true
	}
	if old == nil || old.deleted {
		tenant.count(+1)
		tenant.gone = -1 // one of them may have come back
	} else if old.mail != row.mail {
		b.freed[mailResource(old.mail)] = true
	}
	return row, b.stopWaiting(row.key())
}

// nextRow is the row after the change: what the operator publishes is replaced, what only the IdP knows stays.
func (b *batch) nextRow(change admin.Change, digest string, old *memberRow) (*memberRow, error) {
	row := &memberRow{}
	if old != nil {
		*row = *old
	} else {
		id, err := b.store.ids.public()
		if err != nil {
			return nil, err
		}
		row.id = id
	}
	row.member = change.Member.Member
	row.member.Image = withoutData(change.Member.Image)
	row.owner, row.digest, row.deleted = change.Owner, digest, false
	row.mail = directory.NormalizeMail(change.Member.Mail)
	return row, nil
}

func (b *batch) upsertMember(row *memberRow) error {
	body, err := json.Marshal(row.member)
	if err != nil {
		return err
	}
	_, err = b.exec(b.ctx, `INSERT INTO members (tenant, name, id, owner, digest, mail, body, suspended, password_setup, password_kind, password_hash,
			password_expires_at, password_reset, link_expires_at, expiry_noticed_at, last_login, login_noticed_at, mail_error, deleted_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', '', 0, '', 0, 0, 0, 0, '', NULL)
		ON CONFLICT (tenant, name) DO UPDATE SET owner = excluded.owner, digest = excluded.digest, mail = excluded.mail, body = excluded.body,
			suspended = excluded.suspended, password_setup = excluded.password_setup, deleted_at = NULL`,
		row.member.Tenant, row.member.Name, row.id, row.owner, row.digest, row.mail, string(body), row.member.Suspended, string(row.member.PasswordSetup))
	return err
}

// storeValues keeps the values of attributes that forbid duplicates.
func (b *batch) storeValues(tenant *batchTenant, row, old *memberRow) error {
	values := uniqueValues(tenant.Tenant, row.member)
	before := map[string]string{}
	if old != nil && !old.deleted {
		before = uniqueValues(tenant.Tenant, old.member)
	}
	if maps.Equal(values, before) {
		return nil
	}
	if len(before) > 0 {
		if _, err := b.exec(b.ctx, `DELETE FROM member_values WHERE tenant = $1 AND member = $2`, tenant.Slug, row.member.Name); err != nil {
			return err
		}
	}
	for _, attribute := range slices.Sorted(maps.Keys(values)) {
		_, err := b.exec(b.ctx, `INSERT INTO member_values (tenant, attribute, value, member) VALUES ($1, $2, $3, $4)`,
			tenant.Slug, attribute, values[attribute], row.member.Name)
		if err != nil {
			return err
		}
	}
	for attribute, value := range before {
		if values[attribute] != value {
			b.freed[valueResource(tenant.Slug, attribute, value)] = true
		}
	}
	return nil
}

func memberEntry(change admin.Change, old *memberRow) admin.AuditEntry {
	entry := admin.AuditEntry{Action: admin.MemberUpdated, Detail: "declared by " + change.Owner}
	suspended := change.Member.Suspended
	switch {
	case old == nil:
		entry.Action = admin.MemberCreated
	case old.deleted:
		entry.Action = admin.MemberRestored
	case suspended && !old.member.Suspended:
		entry.Action = admin.MemberSuspended
	case !suspended && old.member.Suspended:
		entry.Action = admin.MemberResumed
	}
	return entry
}

// sendLinkIfDue mails a password link (O3.3a) at the first chance, at each new
// reset, and again where the mail address changed under a link not yet used.
func (b *batch) sendLinkIfDue(row, old *memberRow, reset string) error {
	if row.member.PasswordSetup != directory.PasswordSetupMailLink || row.member.Suspended {
		return nil
	}
	first := row.passwordKind == PasswordNone && row.linkExpiresAt == 0
	again := reset != "" && reset != row.passwordReset
	moved := old != nil && old.mail != row.mail && row.linkExpiresAt > b.now
	if !first && !again && !moved {
		return nil
	}
	if reset != "" {
		row.passwordReset = reset
	}
	return b.sendLink(b.ctx, row, old == nil)
}

// deleteMember makes the member unusable at once and keeps its ID and
// credentials for the retention time. One that another owner has taken over stays.
func (b *batch) deleteMember(change admin.Change) (admin.Result, error) {
	key := change.Key
	tenant, err := b.lock(key.Tenant)
	if err != nil {
		return admin.Result{}, err
	}
	if !tenant.live || tenant.holds(change) {
		// Elsewhere the wait is that of the holder's object.
		if err := b.stopWaiting(key); err != nil {
			return admin.Result{}, err
		}
	}
	row, err := b.member(key)
	if err != nil || row == nil || row.owner != change.Owner {
		return admin.Result{}, err
	}
	if row.deleted {
		return b.deletedBefore(tenant, change)
	}
	held, err := b.guardMember(tenant, row)
	if err != nil {
		return admin.Result{}, err
	}
	if held != nil {
		return *held, nil
	}
	if err := b.endMember(tenant, row); err != nil {
		return admin.Result{}, err
	}
	if len(tenant.held) > 0 {
		// Perhaps nobody remains whom the last SuperAdmin must administer.
		b.freed[heldResource(key.Tenant, heldAsLastAdmin)] = true
	}
	tenant.count(-1)
	if tenant.gone >= 0 {
		tenant.gone++
	}
	return admin.Result{Changed: true, DeletedAt: fromMillis(b.now)}, b.audit(b.ctx, row.entry(admin.AuditEntry{Action: admin.MemberDeleted, Detail: "declared by " + change.Owner}))
}

// endMember marks the member as deleted, and ends and frees what it had.
func (b *batch) endMember(tenant *batchTenant, row *memberRow) error {
	key := row.key()
	if _, err := b.endSessions(b.ctx, key, ""); err != nil {
		return err
	}
	if err := b.dropLinks(b.ctx, key); err != nil {
		return err
	}
	for _, statement := range []string{
		`DELETE FROM member_values WHERE tenant = $1 AND member = $2`,
		`DELETE FROM notices WHERE kind = 'Member' AND tenant = $1 AND name = $2`,
	} {
		if _, err := b.exec(b.ctx, statement, key.Tenant, key.Name); err != nil {
			return err
		}
	}
	if err := b.storeImage(key, nil); err != nil {
		return err
	}
	_, err := b.exec(b.ctx, `UPDATE members SET deleted_at = $1, digest = '', link_expires_at = 0, mail_error = '' WHERE tenant = $2 AND name = $3`, b.now, key.Tenant, key.Name)
	if err != nil {
		return err
	}
	b.freed[mailResource(row.mail)], b.freed[licensesResource(key.Tenant)] = true, true
	for attribute, value := range uniqueValues(tenant.Tenant, row.member) {
		b.freed[valueResource(key.Tenant, attribute, value)] = true
	}
	// The Secret with a temporary password goes with the resource, so nobody would know it after a restore.
	return b.forgetTemporaryPasswords(key.Tenant, key.Name)
}

// deletedBefore is the result of a deletion that was carried out already: whoever
// asked may not have heard.
func (b *batch) deletedBefore(tenant *batchTenant, change admin.Change) (admin.Result, error) {
	if !tenant.holds(change) {
		return admin.Result{}, nil
	}
	var at int64
	err := b.QueryRowContext(b.ctx, `SELECT deleted_at FROM members WHERE tenant = $1 AND name = $2`, change.Key.Tenant, change.Key.Name).Scan(&at)
	return admin.Result{DeletedAt: fromMillis(at)}, err
}

// forgetTemporaryPasswords takes the temporary password from a deleted member,
// or where name is empty from all of the tenant, so that a restore asks for another.
func (b *batch) forgetTemporaryPasswords(slug, name string) error {
	_, err := b.exec(b.ctx, `UPDATE members SET password_kind = '', password_hash = '', password_expires_at = 0
		WHERE tenant = $1 AND (name = $2 OR $2 = '') AND password_kind = 'Temporary'`, slug, name)
	return err
}
