/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"errors"
)

// cleanupChunk bounds the rows deleted in one transaction, so that log-ins need
// not wait for a long one.
const cleanupChunk = 5000

// Cleanup removes what has run out: sessions, flows, links and their mails,
// attempts, members and tenants deleted longer than the retention, old audit
// entries. A temporary password or link that has expired since the last call
// gives one notice, and a signing certificate that ends soon is told of by mail.
// Several processes may run it at once.
func (s *Store) Cleanup(ctx context.Context) error {
	at := s.options.Now()
	now, deletedBefore := at.UnixMilli(), at.Add(-s.options.DeletedRetention).UnixMilli()
	return errors.Join(
		s.noticeExpiries(ctx),
		s.warnOfCertificates(ctx),
		s.remove(ctx, `DELETE FROM sessions WHERE token_hash IN (SELECT token_hash FROM sessions WHERE expires_at <= $1 LIMIT $2)`, now),
		s.remove(ctx, `DELETE FROM flows WHERE id_hash IN (SELECT id_hash FROM flows WHERE expires_at <= $1 LIMIT $2)`, now),
		s.remove(ctx, `DELETE FROM password_links WHERE token_hash IN (SELECT token_hash FROM password_links WHERE expires_at <= $1 LIMIT $2)`, now),
		s.remove(ctx, `DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE expires_at <= $1 LIMIT $2)`, now),
		// Asked again outside, as an attempt may have renewed the row meanwhile.
		s.remove(ctx, `DELETE FROM attempts WHERE resets_at <= $1 AND subject IN (SELECT subject FROM attempts WHERE resets_at <= $1 LIMIT $2)`, now),
		s.remove(ctx, `DELETE FROM members WHERE deleted_at < $1 AND id IN (SELECT id FROM members WHERE deleted_at < $1 LIMIT $2)`, deletedBefore),
		s.remove(ctx, `DELETE FROM tenants WHERE deleted_at < $1 AND slug IN (SELECT slug FROM tenants t WHERE deleted_at < $1
			AND NOT EXISTS (SELECT 1 FROM members WHERE members.tenant = t.slug) LIMIT $2)`, deletedBefore),
		s.remove(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < $1 LIMIT $2)`, firstOrdered(at.Add(-s.options.AuditRetention))),
	)
}

// remove runs a statement that deletes what is older than $1, at most $2 rows,
// until none is left.
func (s *Store) remove(ctx context.Context, statement string, before any) error {
	for {
		var removed int64
		err := s.write(ctx, func(t *tx) error {
			var err error
			removed, err = t.exec(ctx, statement, before, cleanupChunk)
			return err
		})
		if err != nil || removed < cleanupChunk {
			return err
		}
	}
}

// noticeExpiries gives each expiry of a link or temporary password one notice.
func (s *Store) noticeExpiries(ctx context.Context) error {
	return s.write(ctx, func(t *tx) error {
		keys, err := collect(ctx, t, scanKey, `UPDATE members SET expiry_noticed_at = $1 WHERE deleted_at IS NULL AND (
				password_kind = 'Temporary' AND password_expires_at > expiry_noticed_at AND password_expires_at <= $1
				OR password_kind <> 'Set' AND link_expires_at > expiry_noticed_at AND link_expires_at <= $1)
			RETURNING 'Member', tenant, name`, t.now)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := t.notice(ctx, key, t.now); err != nil {
				return err
			}
		}
		return nil
	})
}
