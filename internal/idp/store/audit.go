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

	"github.com/google/uuid"

	"tegata.dev/tegata/internal/admin"
)

// Bounds of what is kept of texts that come from a browser, in bytes.
const (
	maxAuditText = 320
	maxUserAgent = 512
	maxDetail    = 1000
)

// recordDelay is far more than an entry's time and that of its ID lie apart,
// unless a clock was wrong.
const recordDelay = time.Hour

// defaultAuditPage is how many entries SearchAudit returns where no limit is given.
const defaultAuditPage = 100

// Audit writes an entry (O12.1). ID is made here, and Time where it is zero.
// Texts too long are cut.
func (s *Store) Audit(ctx context.Context, entry admin.AuditEntry) error {
	return s.write(ctx, func(t *tx) error { return t.audit(ctx, entry) })
}

// Record implements admin.Service.
func (s *Store) Record(ctx context.Context, entries []admin.AuditEntry) error {
	if len(entries) > admin.MaxBatch {
		return fmt.Errorf("%w: %d entries; at most %d fit in one call", admin.ErrInvalid, len(entries), admin.MaxBatch)
	}
	for _, entry := range entries {
		if err := checkRecorded(entry); err != nil {
			return fmt.Errorf("%w: %w", admin.ErrInvalid, err)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return s.write(ctx, func(t *tx) error {
		for _, entry := range entries {
			if toMillis(entry.Time) > t.now {
				entry.Time = time.Time{}
			}
			if entry.ID > firstOrdered(fromMillis(t.now).Add(recordDelay)) {
				entry.ID = "" // it would be kept for longer than others, and stand above them
			}
			if err := t.record(ctx, entry); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkRecorded tells why the operator may not write the entry.
func checkRecorded(entry admin.AuditEntry) error {
	switch {
	case !slices.Contains(admin.RecordedActions, entry.Action):
		return fmt.Errorf("action %q is not the operator's to record", clean(entry.Action, maxAuditText))
	case entry.Tenant == "":
		return errors.New("an entry names no tenant")
	case entry.ID == "":
		return nil
	}
	// The list is read by ID: another kind of one would turn up at any place of it.
	id, err := uuid.Parse(entry.ID)
	if err != nil || id.Version() != 7 || id.String() != entry.ID {
		return errors.New("an entry's ID is not a UUIDv7")
	}
	return nil
}

// audit writes an entry with an ID of its own.
func (t *tx) audit(ctx context.Context, entry admin.AuditEntry) error {
	entry.ID = ""
	return t.record(ctx, entry)
}

// record writes an entry whose ID is not there yet; without one it gets one.
func (t *tx) record(ctx context.Context, entry admin.AuditEntry) error {
	id, err := entry.ID, error(nil)
	if id == "" {
		id, err = t.store.ids.ordered()
	}
	if err != nil {
		return err
	}
	at := toMillis(entry.Time)
	if at == 0 {
		at = t.now
	}
	_, err = t.exec(ctx, `INSERT INTO audit (id, at, tenant, member, member_name, mail, app, action, address, user_agent, request_id, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (id) DO NOTHING`,
		id, at, clean(entry.Tenant, maxAuditText), clean(entry.Member, maxAuditText), clean(entry.MemberName, maxAuditText),
		clean(entry.Mail, maxAuditText), clean(entry.App, maxAuditText), clean(entry.Action, maxAuditText), clean(entry.Address, maxAuditText),
		clean(entry.UserAgent, maxUserAgent), clean(entry.RequestID, maxAuditText), clean(entry.Detail, maxDetail))
	return err
}

// SearchAudit implements admin.Service (O12.2). From is inclusive, Until exclusive.
func (s *Store) SearchAudit(ctx context.Context, query admin.AuditQuery) ([]admin.AuditEntry, error) {
	limit := query.Limit
	if limit <= 0 {
		limit = defaultAuditPage
	}
	var conditions []string
	var args []any
	where := func(condition string, value any) {
		args = append(args, value)
		conditions = append(conditions, fmt.Sprintf(condition, len(args)))
	}
	for column, text := range map[string]string{"tenant": query.Tenant, "action": query.Action, "mail": query.Mail, "app": query.App} {
		if text != "" {
			where(column+" = $%d", clean(text, maxDetail))
		}
	}
	if query.Before != "" {
		where("id < $%d", clean(query.Before, maxAuditText))
	}
	if !query.From.IsZero() {
		where("at >= $%d", toMillis(query.From))
		// What is older by its ID need not be read.
		where("id >= $%d", firstOrdered(query.From.Add(-recordDelay)))
	}
	if !query.Until.IsZero() {
		where("at < $%d", toMillis(query.Until))
		where("id < $%d", firstOrdered(query.Until.Add(recordDelay)))
	}
	statement := `SELECT id, at, tenant, member, member_name, mail, app, action, address, user_agent, request_id, detail FROM audit`
	if len(conditions) > 0 {
		statement += " WHERE " + strings.Join(conditions, " AND ") // #nosec G202 -- constant texts, values are placeholders
	}
	args = append(args, page(limit))
	entries, err := collect(ctx, s.reader, scanAudit, statement+fmt.Sprintf(" ORDER BY id DESC LIMIT $%d", len(args)), args...)
	return entries, describe(err)
}

func scanAudit(rows *sql.Rows) (admin.AuditEntry, error) {
	var e admin.AuditEntry
	var at int64
	err := rows.Scan(&e.ID, &at, &e.Tenant, &e.Member, &e.MemberName, &e.Mail, &e.App, &e.Action, &e.Address, &e.UserAgent, &e.RequestID, &e.Detail)
	e.Time = fromMillis(at)
	return e, err
}
