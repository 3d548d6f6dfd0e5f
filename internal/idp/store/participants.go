/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"tegata.dev/tegata/internal/admin"
)

// Participant is an app that took a log-in from a session, and what it knows
// of it (SAML profiles section 4.4).
type Participant struct {
	// App is the SAML app's name.
	App      string
	EntityID string
	// SessionIndex and the others are as the assertion gave them.
	SessionIndex                   string
	NameID, NameIDFormat           string
	NameQualifier, SPNameQualifier string
}

// SessionReference refers to a session without being its token.
type SessionReference string

// ReferTo is the reference to the session of a token.
func ReferTo(token string) SessionReference { return SessionReference(hashToken(token)) }

// Participation is a live session that an app takes part in.
type Participation struct {
	Participant
	Session SessionReference
	// Member owns the session.
	Member string
}

const participantColumns = `p.app, p.entity_id, p.session_index, p.name_id, p.name_id_format, p.name_qualifier, p.sp_name_qualifier`

func (p *Participant) fields() []any {
	return []any{&p.App, &p.EntityID, &p.SessionIndex, &p.NameID, &p.NameIDFormat, &p.NameQualifier, &p.SPNameQualifier}
}

// Participate notes an app as a participant of the token's session, with the
// audit entry of its answer; what was noted of the app before is replaced. The
// session is the one that the answer was made by, as Session or Remembered gave
// it. ErrNotFound when it has ended, or it, its member or its tenant have changed
// since it was read: the answer must not be sent then, as nobody could take it
// back.
func (s *Store) Participate(ctx context.Context, token string, session *Session, p Participant, entry admin.AuditEntry) error {
	if !storable(p.App, p.EntityID, p.SessionIndex, p.NameID, p.NameIDFormat, p.NameQualifier, p.SPNameQualifier) {
		return fmt.Errorf("%w: a participant that is not plain text", admin.ErrInvalid)
	}
	hash := hashToken(token)
	err := s.write(ctx, func(t *tx) error {
		noted, err := t.exec(ctx, `INSERT INTO participants (token_hash, app, entity_id, session_index, name_id, name_id_format, name_qualifier, sp_name_qualifier)
			SELECT s.token_hash, $3, $4, $5, $6, $7, $8, $9`+liveSession+` AND m.body = $10 AND t.revision = $11
			ON CONFLICT (token_hash, app) DO UPDATE SET entity_id = excluded.entity_id, session_index = excluded.session_index,
				name_id = excluded.name_id, name_id_format = excluded.name_id_format,
				name_qualifier = excluded.name_qualifier, sp_name_qualifier = excluded.sp_name_qualifier`,
			hash, t.now, p.App, p.EntityID, p.SessionIndex, p.NameID, p.NameIDFormat, p.NameQualifier, p.SPNameQualifier,
			session.memberBody, session.TenantRevision)
		if err != nil {
			return err
		}
		if noted == 0 {
			s.remembered.forget(hash)
			return ErrNotFound
		}
		return t.audit(ctx, entry)
	})
	if sqlState(err) == foreignKeyViolation {
		return ErrNotFound // the session ended while this waited for it
	}
	return err
}

const foreignKeyViolation = "23503"

// Participations finds where an app takes part: in the session of the token,
// and in the sessions that it knows by one of the indexes. Sessions that have
// run out do not count.
func (s *Store) Participations(ctx context.Context, tenant, entityID, token string, indexes []string) ([]Participation, error) {
	if !storable(tenant, entityID) || !storable(indexes...) {
		return nil, nil
	}
	args := []any{tenant, entityID, s.options.Now().UnixMilli(), hashToken(token)}
	condition := `p.token_hash = $4`
	if len(indexes) > 0 {
		places := make([]string, len(indexes))
		for i, index := range indexes {
			args = append(args, index)
			places[i] = fmt.Sprintf("$%d", len(args))
		}
		condition = `(` + condition + ` OR p.session_index IN (` + strings.Join(places, ", ") + `))`
	}
	found, err := collect(ctx, s.reader, func(rows *sql.Rows) (Participation, error) {
		var p Participation
		return p, rows.Scan(append(p.fields(), &p.Session, &p.Member)...)
	}, `SELECT `+participantColumns+`, s.token_hash, s.member FROM participants p JOIN sessions s ON s.token_hash = p.token_hash
		WHERE s.tenant = $1 AND p.entity_id = $2 AND s.expires_at > $3 AND `+condition+` ORDER BY s.token_hash`, args...) // #nosec G202 -- constant texts, values are placeholders
	return found, describe(err)
}

// LogOut ends sessions and returns the apps that took part in them, by name.
// Sessions that are unknown or have ended are no error.
func (s *Store) LogOut(ctx context.Context, sessions ...SessionReference) ([]Participant, error) {
	for _, session := range sessions {
		s.remembered.forget(string(session))
	}
	var all []Participant
	err := s.write(ctx, func(t *tx) error {
		all = nil
		for _, session := range sessions {
			participants, err := t.logOut(ctx, session)
			if err != nil {
				return err
			}
			all = append(all, participants...)
		}
		return nil
	})
	return all, err
}

func (t *tx) logOut(ctx context.Context, session SessionReference) ([]Participant, error) {
	if err := t.holdSession(ctx, session); err != nil {
		return nil, err
	}
	participants, err := collect(ctx, t, func(rows *sql.Rows) (Participant, error) {
		var p Participant
		return p, rows.Scan(p.fields()...)
	}, `SELECT `+participantColumns+` FROM participants p WHERE p.token_hash = $1 ORDER BY p.app`, string(session))
	if err != nil {
		return nil, err
	}
	_, err = t.exec(ctx, `DELETE FROM sessions WHERE token_hash = $1`, string(session))
	return participants, err
}

// holdSession lets no further app take part until this transaction ends. SQLite
// has a single writer anyway.
func (t *tx) holdSession(ctx context.Context, session SessionReference) error {
	if t.store.sqlite {
		return nil
	}
	var one int
	err := t.QueryRowContext(ctx, `SELECT 1 FROM sessions WHERE token_hash = $1 FOR UPDATE`, string(session)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// ReplaceSession ends the session of one token for that of another, in the same
// browser. Where both are the same member's, the apps of the first take part in
// the second, so that they are told when it ends.
func (s *Store) ReplaceSession(ctx context.Context, old, replacement string) error {
	s.remembered.forget(hashToken(old))
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE participants SET token_hash = $1 WHERE token_hash = $2 AND EXISTS (
				SELECT 1 FROM sessions a JOIN sessions b ON b.tenant = a.tenant AND b.member = a.member WHERE a.token_hash = $1 AND b.token_hash = $2)`,
			hashToken(replacement), hashToken(old))
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `DELETE FROM sessions WHERE token_hash = $1`, hashToken(old))
		return err
	})
}
