/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"database/sql"
	"time"

	"tegata.dev/tegata/internal/admin"
)

const (
	// loginNoticeInterval is how often at most a member's log-ins give a notice.
	loginNoticeInterval = 15 * time.Minute
	// noticePoll is how often notices of other processes are looked for.
	noticePoll = time.Second
)

func memberKey(tenant, name string) admin.Key {
	return admin.Key{Kind: admin.KindMember, Tenant: tenant, Name: name}
}

// notice tells the operator, from dueAt (Unix milliseconds) on, that the object
// changed here. Notices of one key are one; the earlier time counts.
func (t *tx) notice(ctx context.Context, key admin.Key, dueAt int64) error {
	version, err := t.store.ids.ordered()
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO notices (kind, tenant, name, version, due_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (kind, tenant, name) DO UPDATE SET version = excluded.version,
			due_at = CASE WHEN excluded.due_at < notices.due_at THEN excluded.due_at ELSE notices.due_at END`,
		string(key.Kind), key.Tenant, key.Name, version, dueAt)
	t.noticed = true
	return err
}

// Notices implements admin.Service.
func (s *Store) Notices(ctx context.Context, limit int, wait time.Duration) ([]admin.Notice, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	poll := time.NewTicker(noticePoll)
	defer poll.Stop()
	for {
		changed := s.notices.wait()
		notices, err := s.dueNotices(ctx, limit)
		if err != nil || len(notices) > 0 || wait <= 0 {
			return notices, err
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-deadline.C:
			wait = 0 // one last look
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Store) dueNotices(ctx context.Context, limit int) ([]admin.Notice, error) {
	notices, err := collect(ctx, s.reader, scanNotice, `SELECT kind, tenant, name, version FROM notices WHERE due_at <= $1 ORDER BY version LIMIT $2`,
		s.options.Now().UnixMilli(), page(limit))
	return notices, describe(err)
}

func scanNotice(rows *sql.Rows) (admin.Notice, error) {
	var n admin.Notice
	var kind string
	err := rows.Scan(&kind, &n.Key.Tenant, &n.Key.Name, &n.Version)
	n.Key.Kind = admin.Kind(kind)
	return n, err
}

// page is a limit within what one call returns.
func page(limit int) int {
	if limit <= 0 || limit > admin.MaxPage {
		return admin.MaxPage
	}
	return limit
}

// Acknowledge implements admin.Service.
func (s *Store) Acknowledge(ctx context.Context, notices []admin.Notice) error {
	if len(notices) == 0 {
		return nil
	}
	return s.write(ctx, func(t *tx) error {
		for _, n := range notices {
			if !storable(n.Key.Tenant, n.Key.Name, n.Version, string(n.Key.Kind)) {
				continue
			}
			_, err := t.exec(ctx, `DELETE FROM notices WHERE kind = $1 AND tenant = $2 AND name = $3 AND version = $4`,
				string(n.Key.Kind), n.Key.Tenant, n.Key.Name, n.Version)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
