/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"tegata.dev/tegata/internal/admin"
)

// Bounds of what is kept of texts that come from a browser, in bytes.
const (
	maxAuditText = 320
	maxUserAgent = 512
	maxDetail    = 1000
)

// defaultAuditPage is how many entries SearchAudit returns where no limit is given.
const defaultAuditPage = 100

// Audit writes an entry (O12.1). ID is made here, and Time where it is zero.
// Texts too long are cut.
func (s *Store) Audit(ctx context.Context, entry admin.AuditEntry) error {
	return s.write(ctx, func(t *tx) error { return t.audit(ctx, entry) })
}

func (t *tx) audit(ctx context.Context, entry admin.AuditEntry) error {
	id, err := t.store.ids.ordered()
	if err != nil {
		return err
	}
	at := toMillis(entry.Time)
	if at == 0 {
		at = t.now
	}
	_, err = t.exec(ctx, `INSERT INTO audit (id, at, tenant, member, member_name, mail, app, action, address, user_agent, request_id, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
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
	}
	if !query.Until.IsZero() {
		where("at < $%d", toMillis(query.Until))
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
