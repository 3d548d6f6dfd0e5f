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
	"slices"
	"strings"
	"time"
)

// maxReason bounds what is kept of a mail server's answer, in bytes.
const maxReason = 500

// enqueue puts a mail to the member into the outbox, sealed.
func (t *tx) enqueue(ctx context.Context, row *memberRow, purpose string, payload []byte, expiresAt int64) error {
	id, err := t.store.ids.ordered()
	if err != nil {
		return err
	}
	sealed, err := t.store.sealer.Seal(payload, "outbox.payload", id)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO outbox (id, purpose, tenant, member, recipient, language, payload, attempts, created_at, due_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $8, $9)`,
		id, purpose, row.member.Tenant, row.member.Name, row.mail, row.member.Language, sealed, t.now, expiresAt)
	t.mailed = true
	return err
}

// ClaimMails takes at most limit mails that are due, oldest first; nobody else
// gets them until lease has passed. So each mail is sent at least once, and once
// only unless a sender ends, or loses the database for the rest of the lease,
// between sending and MailSent. A mail that does not unseal is left out
// with a log line and comes again after the lease.
func (s *Store) ClaimMails(ctx context.Context, limit int, lease time.Duration) ([]Mail, error) {
	var due int
	now := s.options.Now().UnixMilli()
	// Asked of a reader first, so that an idle sender never takes SQLite's writer.
	err := s.reader.QueryRowContext(ctx, `SELECT count(*) FROM outbox WHERE due_at <= $1 AND expires_at > $1`, now).Scan(&due)
	if err != nil || due == 0 {
		return nil, describe(err)
	}
	var mails []Mail
	err = s.write(ctx, func(t *tx) error {
		// The outer condition is checked again on rows another sender has just claimed.
		claimed, err := collect(ctx, t, scanMail, `UPDATE outbox SET attempts = attempts + 1, due_at = $1
			WHERE due_at <= $2 AND expires_at > $2 AND id IN (SELECT id FROM outbox WHERE due_at <= $2 AND expires_at > $2 ORDER BY id LIMIT $3)
			RETURNING id, purpose, recipient, language, payload, attempts, created_at, tenant, member`,
			t.now+lease.Milliseconds(), t.now, limit)
		mails = claimed
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range mails {
		plain, err := s.sealer.Open(mails[i].Payload, "outbox.payload", mails[i].ID)
		if err != nil {
			s.log.Error(err, "Left out a mail", "mail", mails[i].ID)
		}
		mails[i].Payload = plain // nil marks one to leave out
	}
	slices.SortFunc(mails, func(a, b Mail) int { return strings.Compare(a.ID, b.ID) })
	return slices.DeleteFunc(mails, func(m Mail) bool { return m.Payload == nil }), nil
}

func scanMail(rows *sql.Rows) (Mail, error) {
	var m Mail
	var createdAt int64
	err := rows.Scan(&m.ID, &m.Purpose, &m.To, &m.Language, &m.Payload, &m.Attempts, &createdAt, &m.Tenant, &m.Member)
	m.CreatedAt = fromMillis(createdAt)
	return m, err
}

// MailSent removes a mail from the outbox and clears the member's mail error,
// which tells of password mails.
// A mail that is gone, because its link died meanwhile, is no error.
func (s *Store) MailSent(ctx context.Context, id string) error {
	return s.write(ctx, func(t *tx) error {
		var tenant, member, purpose string
		err := t.QueryRowContext(ctx, `DELETE FROM outbox WHERE id = $1 RETURNING tenant, member, purpose`, id).Scan(&tenant, &member, &purpose)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil || purpose != MailPasswordLink {
			return err
		}
		return t.setMailError(ctx, tenant, member, "")
	})
}

// MailFailed notes why a mail could not be sent and when it is tried again; of a
// password mail on the member too. It gives up where the mail expires before that.
func (s *Store) MailFailed(ctx context.Context, id, reason string, retryAt time.Time) error {
	reason = clean(reason, maxReason)
	return s.write(ctx, func(t *tx) error {
		var tenant, member, purpose string
		var expiresAt int64
		err := t.QueryRowContext(ctx, `UPDATE outbox SET due_at = $1, error = $2 WHERE id = $3 RETURNING tenant, member, purpose, expires_at`,
			retryAt.UnixMilli(), reason, id).Scan(&tenant, &member, &purpose, &expiresAt)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if retryAt.UnixMilli() >= expiresAt {
			if _, err := t.exec(ctx, `DELETE FROM outbox WHERE id = $1`, id); err != nil {
				return err
			}
			reason = fmt.Sprintf("gave up: %s", reason)
		}
		if purpose != MailPasswordLink {
			return nil
		}
		return t.setMailError(ctx, tenant, member, reason)
	})
}

// setMailError notes the reason on the member, with a notice where it is another one.
func (t *tx) setMailError(ctx context.Context, tenant, member, reason string) error {
	changed, err := t.exec(ctx, `UPDATE members SET mail_error = $1 WHERE tenant = $2 AND name = $3 AND mail_error <> $1`, reason, tenant, member)
	if err != nil || changed == 0 {
		return err
	}
	return t.notice(ctx, memberKey(tenant, member), t.now)
}

// CountMails counts the mails of the outbox that can still be sent: waiting ones
// have not failed yet, failing ones have and are tried again.
func (s *Store) CountMails(ctx context.Context) (waiting, failing int, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT count(*), count(CASE WHEN error <> '' THEN 1 END) FROM outbox WHERE expires_at > $1`,
		s.options.Now().UnixMilli()).Scan(&waiting, &failing)
	return waiting - failing, failing, describe(err)
}

// MailPending receives after a commit of this process that put mail into the
// outbox. Other processes' mail is found by polling.
func (s *Store) MailPending() <-chan struct{} { return s.mails }
