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

	"tegata.dev/tegata/internal/admin"
)

// CreateSession stores a session and returns its token, 256 random bits of
// base64url; ID is made here. It sets the member's last log-in and gives the
// operator a notice, coalesced. ErrNotFound when the member is suspended or deleted.
func (s *Store) CreateSession(ctx context.Context, session Session) (string, error) {
	if !storable(session.Tenant, session.Member) {
		return "", ErrNotFound
	}
	token, err := s.ids.token(tokenBytes)
	if err != nil {
		return "", err
	}
	id, err := s.ids.public()
	if err != nil {
		return "", err
	}
	return token, s.write(ctx, func(t *tx) error {
		if err := t.noteLogin(ctx, session); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO sessions (token_hash, id, tenant, member, authenticated_at, expires_at, address, user_agent)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			hashToken(token), id, session.Tenant, session.Member, toMillis(session.AuthenticatedAt), toMillis(session.ExpiresAt),
			clean(session.Address, maxAuditText), clean(session.UserAgent, maxUserAgent))
		return err
	})
}

// noteLogin sets the last log-in. The notice about it is due at once, or where
// the one before is less than loginNoticeInterval old, when that has passed, so
// that the last log-in of several is told too.
func (t *tx) noteLogin(ctx context.Context, session Session) error {
	at := toMillis(session.AuthenticatedAt)
	var dueAt int64
	err := t.QueryRowContext(ctx, `UPDATE members SET last_login = $1, login_noticed_at = CASE
			WHEN login_noticed_at > $2 THEN login_noticed_at
			WHEN login_noticed_at > $3 THEN login_noticed_at + $4
			ELSE $2 END
		WHERE tenant = $5 AND name = $6 AND deleted_at IS NULL AND NOT suspended RETURNING login_noticed_at`,
		at, t.now, t.now-loginNoticeInterval.Milliseconds(), loginNoticeInterval.Milliseconds(), session.Tenant, session.Member).Scan(&dueAt)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	return t.notice(ctx, memberKey(session.Tenant, session.Member), dueAt)
}

// liveSession is the session of the token hash $1 at the time $2, with its member
// and tenant, unless one of them is no longer to be let in.
const liveSession = ` FROM sessions s
		JOIN members m ON m.tenant = s.tenant AND m.name = s.member
		JOIN tenants t ON t.slug = s.tenant
		WHERE s.token_hash = $1 AND s.expires_at > $2 AND m.deleted_at IS NULL AND NOT m.suspended AND t.deleted_at IS NULL`

// Session finds a session by its token, with its member, in one query.
// ErrNotFound when it is unknown or expired, or its member or tenant is
// suspended or deleted. Every page asks, so it reads no more than it returns.
func (s *Store) Session(ctx context.Context, token string) (*Session, *Account, error) {
	account, session := &Account{}, &Session{}
	var passwordKind string
	hash := hashToken(token)
	var passwordExpiresAt, lastLogin, authenticatedAt, expiresAt int64
	err := s.reader.QueryRowContext(ctx, `SELECT m.id, m.body, m.password_kind, m.password_hash, m.password_expires_at, m.last_login,
			s.id, s.tenant, s.member, s.authenticated_at, s.expires_at, s.address, s.user_agent, t.revision`+liveSession,
		hash, s.options.Now().UnixMilli()).Scan(
		&account.ID, &session.memberBody, &passwordKind, &account.PasswordHash, &passwordExpiresAt, &lastLogin,
		&session.ID, &session.Tenant, &session.Member, &authenticatedAt, &expiresAt, &session.Address, &session.UserAgent, &session.TenantRevision)
	if errors.Is(err, sql.ErrNoRows) {
		s.remembered.forget(hash)
		return nil, nil, ErrNotFound
	}
	if err != nil {
		return nil, nil, describe(err)
	}
	if err := json.Unmarshal([]byte(session.memberBody), &account.Member); err != nil {
		return nil, nil, fmt.Errorf("member %s/%s: %w", session.Tenant, session.Member, err)
	}
	account.PasswordKind, account.PasswordExpiresAt, account.LastLogin = PasswordKind(passwordKind), fromMillis(passwordExpiresAt), fromMillis(lastLogin)
	session.AuthenticatedAt, session.ExpiresAt = fromMillis(authenticatedAt), fromMillis(expiresAt)
	s.remembered.keep(hash, *session, *account)
	return session, account, nil
}

// EndSession ends a session; an unknown token is no error.
func (s *Store) EndSession(ctx context.Context, token string) error {
	s.remembered.forget(hashToken(token))
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM sessions WHERE token_hash = $1`, hashToken(token))
		return err
	})
}

// EndSessions implements admin.Service.
func (s *Store) EndSessions(ctx context.Context, member admin.Key) error {
	if member.Kind != admin.KindMember || !storable(member.Tenant, member.Name) {
		return fmt.Errorf("%w: the key is not a member's", admin.ErrInvalid)
	}
	return s.write(ctx, func(t *tx) error {
		row, err := readLiveMember(ctx, t, member.Tenant, member.Name)
		if err != nil {
			return fmt.Errorf("%s: %w", member, err)
		}
		ended, err := t.endSessions(ctx, member, "")
		if err != nil || ended == 0 {
			return err
		}
		return t.audit(ctx, row.entry(admin.AuditEntry{Action: admin.SessionsEnded, Detail: fmt.Sprintf("%d sessions", ended)}))
	})
}

// endSessions ends the member's sessions but that of the token keep.
func (t *tx) endSessions(ctx context.Context, member admin.Key, keep string) (int64, error) {
	return t.exec(ctx, `DELETE FROM sessions WHERE tenant = $1 AND member = $2 AND token_hash <> $3`, member.Tenant, member.Name, hashToken(keep))
}
