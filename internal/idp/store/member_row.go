/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// memberRow is a row of members, deleted ones too.
type memberRow struct {
	member            directory.Member // Image.Data is nil
	id                string
	owner, digest     string
	mail              string // normalised
	passwordKind      PasswordKind
	passwordHash      string
	passwordExpiresAt int64
	passwordReset     string
	linkExpiresAt     int64
	lastLogin         int64
	mailError         string
	deleted           bool
	lockedUntil       int64
}

// memberColumns are read by memberRow.scan; m is the table's alias.
const memberColumns = `m.tenant, m.name, m.id, m.owner, m.digest, m.mail, m.body, m.password_kind, m.password_hash, m.password_expires_at,
	m.password_reset, m.link_expires_at, m.last_login, m.mail_error, m.deleted_at IS NOT NULL,
	COALESCE((SELECT a.locked_until FROM attempts a WHERE a.subject = 'account:' || m.mail), 0)`

// scan reads memberColumns.
func (r *memberRow) scan(row *sql.Row) error {
	var tenant, name, kind, body string
	err := row.Scan(
		&tenant, &name, &r.id, &r.owner, &r.digest, &r.mail, &body, &kind, &r.passwordHash, &r.passwordExpiresAt,
		&r.passwordReset, &r.linkExpiresAt, &r.lastLogin, &r.mailError, &r.deleted, &r.lockedUntil)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return describe(err)
	}
	r.passwordKind = PasswordKind(kind)
	if err := json.Unmarshal([]byte(body), &r.member); err != nil {
		return fmt.Errorf("member %s/%s: %w", tenant, name, err)
	}
	return nil
}

// readMember reads a member that may be deleted; ErrNotFound without a row.
func readMember(ctx context.Context, q querier, tenant, name string) (*memberRow, error) {
	row := &memberRow{}
	err := row.scan(q.QueryRowContext(ctx, `SELECT `+memberColumns+` FROM members m WHERE m.tenant = $1 AND m.name = $2`, tenant, name))
	if err != nil {
		return nil, err
	}
	return row, nil
}

// readLiveMember is readMember with ErrNotFound for a deleted one too.
func readLiveMember(ctx context.Context, q querier, tenant, name string) (*memberRow, error) {
	row, err := readMember(ctx, q, tenant, name)
	if err == nil && row.deleted {
		return nil, ErrNotFound
	}
	return row, err
}

func (r *memberRow) key() admin.Key {
	return admin.Key{Kind: admin.KindMember, Tenant: r.member.Tenant, Name: r.member.Name}
}

func (r *memberRow) account() *Account {
	return &Account{
		Member: r.member, ID: r.id, PasswordKind: r.passwordKind, PasswordHash: r.passwordHash,
		PasswordExpiresAt: fromMillis(r.passwordExpiresAt), LastLogin: fromMillis(r.lastLogin),
	}
}

// entry fills in whom an audit entry is about, where the caller did not.
func (r *memberRow) entry(entry admin.AuditEntry) admin.AuditEntry {
	entry.Tenant, entry.Member = r.member.Tenant, r.member.Name
	entry.MemberName, entry.Mail = r.member.Person.Display(r.member.Language), r.mail
	return entry
}

// state is what the operator is told. now is in Unix milliseconds.
func (r *memberRow) state(now int64) *admin.MemberState {
	state := &admin.MemberState{
		ID: r.id, Password: admin.PasswordNone, PasswordReset: r.passwordReset,
		LastLogin: optionalTime(r.lastLogin), MailError: r.mailError,
	}
	if r.lockedUntil > now {
		state.LockedUntil = optionalTime(r.lockedUntil)
	}
	temporary := r.passwordKind == PasswordTemporary
	switch {
	case r.passwordKind == PasswordSet:
		state.Password = admin.PasswordSet
	case temporary && r.passwordExpiresAt > now:
		state.Password, state.PasswordExpiresAt = admin.PasswordTemporary, optionalTime(r.passwordExpiresAt)
	case r.linkExpiresAt > now:
		state.Password, state.PasswordExpiresAt = admin.PasswordLinkSent, optionalTime(r.linkExpiresAt)
	case temporary || r.linkExpiresAt > 0:
		state.Password, state.PasswordExpiresAt = admin.PasswordExpired, optionalTime(max(r.passwordExpiresAt, r.linkExpiresAt))
	}
	return state
}

// needsTemporaryPassword tells that the operator is to make one (O3.3b, O3.5).
func (r *memberRow) needsTemporaryPassword(reset string) bool {
	return r.member.PasswordSetup == directory.PasswordSetupTemporary &&
		(r.passwordKind == PasswordNone || reset != "" && reset != r.passwordReset)
}

func optionalTime(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := fromMillis(ms)
	return &t
}
