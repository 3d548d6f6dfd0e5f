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
	"tegata.dev/tegata/internal/idp/password"
)

// SetPassword stores the hash of a password that the member chose, ends the
// member's other sessions and links, and writes the entry, all at once.
// keepSession is the token of the session to keep; "" ends all. ErrNotFound for
// a deleted member, and where that session has ended: an administrator who ended
// it, or issued a new password, while this one was hashed has the last word.
func (s *Store) SetPassword(ctx context.Context, tenant, member, phcHash, keepSession string, entry admin.AuditEntry) error {
	if !storable(tenant, member) {
		return ErrNotFound
	}
	return s.write(ctx, func(t *tx) error {
		row, err := readLiveMember(ctx, t, tenant, member)
		if err != nil {
			return err
		}
		if keepSession != "" {
			var live int
			err := t.QueryRowContext(ctx, `SELECT count(*) FROM sessions WHERE token_hash = $1 AND tenant = $2 AND member = $3 AND expires_at > $4`,
				hashToken(keepSession), tenant, member, t.now).Scan(&live)
			if err != nil {
				return err
			}
			if live == 0 {
				return ErrNotFound
			}
		}
		return t.setChosenPassword(ctx, row, phcHash, keepSession, entry)
	})
}

// RenewHash replaces the hash of an unchanged password by one made with other
// parameters, unless the password was changed meanwhile. It ends no session and
// is nothing to tell anybody.
func (s *Store) RenewHash(ctx context.Context, account *Account, phcHash string) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE members SET password_hash = $1 WHERE tenant = $2 AND name = $3 AND password_kind = 'Set' AND password_hash = $4`,
			phcHash, account.Tenant, account.Name, account.PasswordHash)
		return err
	})
}

// PasswordLink is the account a mailed link is for; the link stays usable.
// ErrNotFound when it is unknown, used or expired, or its member suspended or deleted.
func (s *Store) PasswordLink(ctx context.Context, token string) (*Account, error) {
	row := &memberRow{}
	err := row.scan(s.reader.QueryRowContext(ctx, `SELECT `+memberColumns+` FROM password_links l
		JOIN members m ON m.tenant = l.tenant AND m.name = l.member
		WHERE l.token_hash = $1 AND l.expires_at > $2 AND m.deleted_at IS NULL AND NOT m.suspended`,
		hashToken(token), s.options.Now().UnixMilli()))
	if err != nil {
		return nil, err
	}
	return row.account(), nil
}

// UsePasswordLink consumes a mailed link and stores the hash of the password
// chosen with it; every session of the member ends, and so does a lockout, as
// the mailbox was proven. What entry leaves empty of tenant, member and action
// is filled in. ErrNotFound as in PasswordLink; of parallel uses one succeeds.
func (s *Store) UsePasswordLink(ctx context.Context, token, phcHash string, entry admin.AuditEntry) (*Account, error) {
	var account *Account
	err := s.write(ctx, func(t *tx) error {
		var tenant, member string
		err := t.QueryRowContext(ctx, `DELETE FROM password_links WHERE token_hash = $1 AND expires_at > $2 RETURNING tenant, member`,
			hashToken(token), t.now).Scan(&tenant, &member)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		row, err := readLiveMember(ctx, t, tenant, member)
		if err != nil {
			return err
		}
		if row.member.Suspended {
			return ErrNotFound // rolled back: the link lives on until the member is resumed
		}
		if entry.Action == "" {
			entry.Action = admin.PasswordLinkUsed
		}
		if err := t.setChosenPassword(ctx, row, phcHash, "", entry); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM attempts WHERE subject = $1`, accountSubject(row.mail)); err != nil {
			return err
		}
		account = row.account()
		return nil
	})
	return account, err
}

func (t *tx) setChosenPassword(ctx context.Context, row *memberRow, phcHash, keepSession string, entry admin.AuditEntry) error {
	key := row.key()
	if err := t.storePassword(ctx, row, PasswordSet, phcHash, 0); err != nil {
		return err
	}
	if err := t.dropLinks(ctx, key); err != nil {
		return err
	}
	if _, err := t.endSessions(ctx, key, keepSession); err != nil {
		return err
	}
	if err := t.notice(ctx, key, t.now); err != nil {
		return err
	}
	return t.audit(ctx, row.entry(entry))
}

// storePassword writes the credential to the row and the database; the tenant
// gets a notice where one more or fewer member is pending.
func (t *tx) storePassword(ctx context.Context, row *memberRow, kind PasswordKind, hash string, expiresAt int64) error {
	pendingChanged := (row.passwordKind == PasswordSet) != (kind == PasswordSet)
	row.passwordKind, row.passwordHash, row.passwordExpiresAt = kind, hash, expiresAt
	row.linkExpiresAt, row.mailError = 0, ""
	_, err := t.exec(ctx, `UPDATE members SET password_kind = $1, password_hash = $2, password_expires_at = $3, password_reset = $4,
		link_expires_at = 0, mail_error = '' WHERE tenant = $5 AND name = $6`,
		string(kind), hash, expiresAt, row.passwordReset, row.member.Tenant, row.member.Name)
	if err != nil || !pendingChanged {
		return err
	}
	return t.notice(ctx, admin.Key{Kind: admin.KindTenant, Tenant: row.member.Tenant}, t.now)
}

// SetTemporaryPassword implements admin.Service (O3.3b).
func (s *Store) SetTemporaryPassword(ctx context.Context, temporary admin.TemporaryPassword) (*admin.MemberState, error) {
	key := temporary.Member
	if key.Kind != admin.KindMember || !storable(key.Tenant, key.Name, temporary.Reset) {
		return nil, fmt.Errorf("%w: the key is not a member's", admin.ErrInvalid)
	}
	if temporary.ExpiresAt.IsZero() {
		return nil, fmt.Errorf("%w: a temporary password must expire", admin.ErrInvalid)
	}
	hash, err := password.HashRandom(temporary.Password, s.options.Random)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", admin.ErrInvalid, err)
	}
	var state *admin.MemberState
	err = s.write(ctx, func(t *tx) error {
		row, err := readLiveMember(ctx, t, key.Tenant, key.Name)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		done := row.passwordReset == temporary.Reset && row.passwordKind != PasswordNone
		if !done {
			row.passwordReset = temporary.Reset
			if err := t.setTemporary(ctx, row, hash, temporary.ExpiresAt); err != nil {
				return err
			}
		}
		state = row.state(t.now)
		return nil
	})
	return state, err
}

func (t *tx) setTemporary(ctx context.Context, row *memberRow, hash string, expiresAt time.Time) error {
	if err := t.storePassword(ctx, row, PasswordTemporary, hash, toMillis(expiresAt)); err != nil {
		return err
	}
	if err := t.dropLinks(ctx, row.key()); err != nil {
		return err
	}
	if _, err := t.endSessions(ctx, row.key(), ""); err != nil {
		return err
	}
	return t.audit(ctx, row.entry(admin.AuditEntry{
		Action: admin.TemporaryPasswordIssued,
		Detail: "expires at " + expiresAt.UTC().Format(time.RFC3339),
	}))
}

// dropLinks kills the member's links and the mails that carry them.
func (t *tx) dropLinks(ctx context.Context, member admin.Key) error {
	if _, err := t.exec(ctx, `DELETE FROM password_links WHERE tenant = $1 AND member = $2`, member.Tenant, member.Name); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM outbox WHERE tenant = $1 AND member = $2 AND purpose = $3`, member.Tenant, member.Name, MailPasswordLink)
	return err
}

// sendLink makes a new link, which kills the earlier ones, and the mail that
// carries it, and notes both on the row.
func (t *tx) sendLink(ctx context.Context, row *memberRow, isNew bool) error {
	if !isNew {
		if err := t.dropLinks(ctx, row.key()); err != nil {
			return err
		}
	}
	token, err := t.store.ids.token(tokenBytes)
	if err != nil {
		return err
	}
	expiresAt := fromMillis(t.now).Add(t.store.options.PasswordLinkLifetime)
	row.linkExpiresAt, row.mailError = expiresAt.UnixMilli(), ""
	tenant, name := row.member.Tenant, row.member.Name
	_, err = t.exec(ctx, `INSERT INTO password_links (token_hash, tenant, member, expires_at) VALUES ($1, $2, $3, $4)`,
		hashToken(token), tenant, name, row.linkExpiresAt)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE members SET link_expires_at = $1, password_reset = $2, mail_error = '' WHERE tenant = $3 AND name = $4`,
		row.linkExpiresAt, row.passwordReset, tenant, name)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(PasswordLinkPayload{Token: token, ExpiresAt: expiresAt})
	if err != nil {
		return err
	}
	if err := t.enqueue(ctx, row, MailPasswordLink, payload, row.linkExpiresAt); err != nil {
		return err
	}
	return t.audit(ctx, row.entry(admin.AuditEntry{
		Action: admin.PasswordLinkMailed,
		Detail: "the link in the outbox expires at " + expiresAt.Format(time.RFC3339),
	}))
}
