/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

func (b *batch) applyTenant(change admin.Change) (admin.Result, error) {
	slug, digest := change.Key.Tenant, admin.DigestOf(change)
	tenant, err := b.tenant(slug)
	if err != nil {
		return admin.Result{}, err
	}
	held, err := b.heldOf(slug, tenant)
	if err != nil {
		return admin.Result{}, err
	}
	if _, leaving := held[""]; !leaving && tenant.live && tenant.owner == change.Owner && tenant.digest == digest {
		return b.tenantResult(slug, false)
	}
	if tenant, err = b.lock(slug); err != nil {
		return admin.Result{}, err
	}
	if tenant.live && tenant.owner != change.Owner {
		return b.refuse(change.Key, admin.Problem{
			Code: admin.ProblemConflict, Field: "slug",
			Message: fmt.Sprintf("slug %s is held by Tenant %s; choose another slug or delete that Tenant", slug, tenant.owner),
		}, slugResource(slug))
	}
	strangers := tenant.exists && !sameNamespace(tenant.owner, change.Owner)
	if !tenant.exists {
		// An approval from before there was anything to hold approves nothing later.
		tenant.approval = clean(change.DeletionApproval, maxApproval)
	}
	if err := b.storeTenant(change, digest, tenant.approval, strangers); err != nil {
		return admin.Result{}, err
	}
	if err := b.syncUniqueValues(tenant, change.Tenant.Tenant); err != nil {
		return admin.Result{}, err
	}
	if err := b.settleHeld(tenant, change); err != nil {
		return admin.Result{}, err
	}
	b.free(tenant, change)
	entry := tenantEntry(change, tenant, strangers)
	tenant.Tenant, tenant.owner, tenant.digest = change.Tenant.Tenant, change.Owner, digest
	tenant.exists, tenant.live, tenant.republish = true, true, true
	if err := b.audit(b.ctx, entry); err != nil {
		return admin.Result{}, err
	}
	return b.tenantResult(slug, true)
}

// free notes what others may have waited for: the tenant itself, or more licences.
func (b *batch) free(before *batchTenant, change admin.Change) {
	slug := change.Key.Tenant
	if !before.live {
		b.freed[tenantResource(slug)] = true
	}
	if more := change.Tenant.Licenses; before.live && before.Licenses > 0 && (more == 0 || more > before.Licenses) {
		b.freed[licensesResource(slug)] = true
	}
}

// tenantEntry is the audit log's, of a change to the tenant as it was before.
func tenantEntry(change admin.Change, before *batchTenant, strangers bool) admin.AuditEntry {
	entry := admin.AuditEntry{Tenant: change.Key.Tenant, Action: admin.TenantUpdated, Detail: "declared by " + change.Owner}
	switch {
	case !before.exists, strangers:
		entry.Action = admin.TenantCreated
	case !before.live:
		entry.Action, entry.Detail = admin.TenantCreated, entry.Detail+", restored"
	}
	return entry
}

// storeTenant writes the tenant. Where strangers, who are of another namespace,
// take a deleted one's slug, the people kept for its restore are not theirs to restore,
// nor how apps knew them.
func (b *batch) storeTenant(change admin.Change, digest, approval string, strangers bool) error {
	slug := change.Key.Tenant
	if strangers {
		for _, statement := range []string{`DELETE FROM members WHERE tenant = $1`, `UPDATE tenants SET pairwise_key = NULL WHERE slug = $1`} {
			if _, err := b.exec(b.ctx, statement, slug); err != nil {
				return err
			}
		}
	}
	body, err := json.Marshal(change.Tenant.Tenant)
	if err != nil {
		return err
	}
	sealed, err := b.store.sealer.Seal(change.Tenant.SigningKey.PrivateKey, "tenants.private_key", slug)
	if err != nil {
		return err
	}
	certificate := append([]byte{}, change.Tenant.SigningKey.Certificate...) // never NULL
	certificates, err := json.Marshal(slices.Concat([][]byte{}, change.Tenant.Certificates))
	if err != nil {
		return err
	}
	written, err := b.exec(b.ctx, `INSERT INTO tenants (slug, owner, digest, revision, body, certificate, private_key, certificates, certificate_ends, deletion_approval, deleted_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL)
		ON CONFLICT (slug) DO UPDATE SET owner = excluded.owner, digest = excluded.digest, body = excluded.body,
			certificate = excluded.certificate, private_key = excluded.private_key,
			certificates = excluded.certificates, certificate_ends = excluded.certificate_ends, deleted_at = NULL
		WHERE tenants.owner = excluded.owner OR tenants.deleted_at IS NOT NULL`,
		slug, change.Owner, digest, b.now, string(body), certificate, sealed,
		string(certificates), toMillis(change.Tenant.CertificateEnds), approval)
	if err == nil && written == 0 {
		return fmt.Errorf("another Tenant took slug %s at the same moment", slug)
	}
	return err
}

// deleteTenant ends everything of the tenant at once and keeps its members for
// the retention time, to be restored with it.
func (b *batch) deleteTenant(change admin.Change) (admin.Result, error) {
	slug := change.Key.Tenant
	tenant, err := b.lock(slug)
	if err != nil || !tenant.live || tenant.owner != change.Owner {
		return admin.Result{}, err
	}
	members, err := b.countMembers(tenant)
	if err != nil {
		return admin.Result{}, err
	}
	if !change.Unguarded {
		if err := b.approve(tenant, change); err != nil {
			return admin.Result{}, err
		}
		held, err := b.guardTenant(tenant, change.Key, members)
		if err != nil {
			return admin.Result{}, err
		}
		if held != nil {
			return *held, nil
		}
	}
	if err := b.freeMailsOf(slug); err != nil {
		return admin.Result{}, err
	}
	for _, statement := range []string{
		`DELETE FROM sessions WHERE tenant = $1`,
		`DELETE FROM password_links WHERE tenant = $1`,
		`DELETE FROM outbox WHERE tenant = $1`,
		`DELETE FROM member_values WHERE tenant = $1`,
		`DELETE FROM objects WHERE tenant = $1`,
		`DELETE FROM images WHERE tenant = $1`,
		`DELETE FROM notices WHERE tenant = $1`,
		`DELETE FROM held_deletions WHERE tenant = $1`,
	} {
		if _, err := b.exec(b.ctx, statement, slug); err != nil {
			return admin.Result{}, err
		}
	}
	if _, err := b.exec(b.ctx, `UPDATE members SET deleted_at = $1, digest = '', link_expires_at = 0, mail_error = '' WHERE tenant = $2 AND deleted_at IS NULL`, b.now, slug); err != nil {
		return admin.Result{}, err
	}
	// The members' Secrets may go before a restore; where one is still there, its password is set again.
	if err := b.forgetTemporaryPasswords(slug, ""); err != nil {
		return admin.Result{}, err
	}
	if _, err := b.exec(b.ctx, `UPDATE tenants SET deleted_at = $1, digest = '', certificate = $2, private_key = $2, certificates = '[]', certificate_ends = 0 WHERE slug = $3`, b.now, []byte{}, slug); err != nil {
		return admin.Result{}, err
	}
	b.freed[slugResource(slug)] = true
	b.freeHeld(slug)
	tenant.held, tenant.gone = nil, -1
	tenant.live, tenant.digest, tenant.members, tenant.republish, tenant.recounted = false, "", 0, false, false
	entry := admin.AuditEntry{Tenant: slug, Action: admin.TenantDeleted, Detail: fmt.Sprintf("declared by %s, with %d members", change.Owner, members)}
	return admin.Result{Changed: true}, b.audit(b.ctx, entry)
}

// freeMailsOf frees the mails of the tenant's members that anybody waits for.
func (b *batch) freeMailsOf(slug string) error {
	resources, err := collect(b.ctx, b, scanString, `SELECT DISTINCT resource FROM waiters
		WHERE resource IN (SELECT 'mail:' || mail FROM members WHERE tenant = $1 AND deleted_at IS NULL)`, slug)
	for _, resource := range resources {
		b.freed[resource] = true
	}
	return err
}

// syncUniqueValues follows changes of which attributes forbid duplicates: values
// of one that no longer does are given free, those of a new one are gathered.
func (b *batch) syncUniqueValues(before *batchTenant, after directory.Tenant) error {
	if !before.live {
		return nil // no live members, no values
	}
	for _, definition := range before.Attributes {
		if now, _ := after.Attribute(definition.Name); definition.Unique && !now.Unique {
			if err := b.dropUniqueAttribute(after.Slug, definition.Name); err != nil {
				return err
			}
		}
	}
	for _, definition := range after.Attributes {
		if old, _ := before.Attribute(definition.Name); definition.Unique && !old.Unique {
			if err := b.gatherUniqueAttribute(after.Slug, definition.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *batch) dropUniqueAttribute(slug, attribute string) error {
	if _, err := b.exec(b.ctx, `DELETE FROM member_values WHERE tenant = $1 AND attribute = $2`, slug, attribute); err != nil {
		return err
	}
	waiting, err := collect(b.ctx, b, scanString, `SELECT resource FROM waiters WHERE kind = $1 AND tenant = $2`, string(admin.KindMember), slug)
	for _, resource := range waiting {
		if strings.HasPrefix(resource, valueResource(slug, attribute, "")) {
			b.freed[resource] = true
		}
	}
	return err
}

func (b *batch) gatherUniqueAttribute(slug, attribute string) error {
	members, err := collect(b.ctx, b, scanBody[directory.Member], `SELECT body FROM members WHERE tenant = $1 AND deleted_at IS NULL ORDER BY name`, slug)
	if err != nil {
		return err
	}
	for _, member := range members {
		if value := member.Attributes[attribute]; value != "" {
			// The first holder keeps a value that was doubled before duplicates were forbidden.
			_, err := b.exec(b.ctx, `INSERT INTO member_values (tenant, attribute, value, member) VALUES ($1, $2, $3, $4)
				ON CONFLICT (tenant, attribute, value) DO NOTHING`, slug, attribute, value, member.Name)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *batch) tenantResult(slug string, changed bool) (admin.Result, error) {
	state, err := b.tenantState(slug)
	return admin.Result{Changed: changed, Tenant: state}, err
}

func scanString(rows *sql.Rows) (string, error) {
	var text string
	err := rows.Scan(&text)
	return text, err
}

func scanBody[T any](rows *sql.Rows) (T, error) {
	var value T
	body, err := scanString(rows)
	if err != nil {
		return value, err
	}
	return value, json.Unmarshal([]byte(body), &value)
}

func scanKey(rows *sql.Rows) (admin.Key, error) {
	var kind string
	var key admin.Key
	err := rows.Scan(&kind, &key.Tenant, &key.Name)
	key.Kind = admin.Kind(kind)
	return key, err
}
