/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// objectRow is what is known of a published group or app.
type objectRow struct {
	owner, digest, entityID string
}

func (b *batch) object(key admin.Key) (*objectRow, error) {
	row := &objectRow{}
	err := b.QueryRowContext(b.ctx, `SELECT owner, digest, entity_id FROM objects WHERE tenant = $1 AND kind = $2 AND name = $3`,
		key.Tenant, string(key.Kind), key.Name).Scan(&row.owner, &row.digest, &row.entityID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return row, err
}

// applyObject publishes a group or an app.
func (b *batch) applyObject(change admin.Change) (admin.Result, error) {
	key, digest := change.Key, admin.DigestOf(change)
	tenant, err := b.tenant(key.Tenant)
	if err != nil {
		return admin.Result{}, err
	}
	if !tenant.holds(change) {
		return b.tenantMissing(tenant, key)
	}
	row, err := b.object(key)
	if err != nil || row != nil && row.digest == digest {
		return admin.Result{}, err
	}
	if tenant, err = b.lock(key.Tenant); err != nil {
		return admin.Result{}, err
	}
	if !tenant.holds(change) {
		return b.tenantMissing(tenant, key)
	}
	if row, err = b.object(key); err != nil {
		return admin.Result{}, err
	}
	entityID := entityIDOf(change)
	if holder, err := b.entityHolder(key, entityID); err != nil {
		return admin.Result{}, err
	} else if holder != "" {
		return b.refuse(key, admin.Problem{
			Code: admin.ProblemConflict, Field: "serviceProvider.entityID",
			Message: fmt.Sprintf("entity ID %s is used by SAMLApp %q of this tenant; each app needs its own", entityID, holder),
		}, entityResource(key.Tenant, entityID))
	}
	if err := b.storeObject(change, digest, entityID); err != nil {
		return admin.Result{}, err
	}
	entry := admin.AuditEntry{Tenant: key.Tenant, Detail: "declared by " + change.Owner}
	setObjectAction(&entry, change.Key, false)
	if row == nil {
		entry.Detail = "created, " + entry.Detail
	} else if row.entityID != "" && row.entityID != entityID {
		b.freed[entityResource(key.Tenant, row.entityID)] = true
	}
	tenant.republish = true
	return admin.Result{Changed: true}, errors.Join(b.stopWaiting(key), b.audit(b.ctx, entry))
}

func entityIDOf(change admin.Change) string {
	if change.App == nil || change.App.SAML == nil {
		return ""
	}
	return change.App.SAML.EntityID
}

// entityHolder is the name of another app of the tenant with that entity ID, or "".
func (b *batch) entityHolder(key admin.Key, entityID string) (string, error) {
	if entityID == "" {
		return "", nil
	}
	holders, err := collect(b.ctx, b, scanString, `SELECT name FROM objects
		WHERE tenant = $1 AND entity_id = $2 AND NOT (kind = $3 AND name = $4)`, key.Tenant, entityID, string(key.Kind), key.Name)
	if err != nil || len(holders) == 0 {
		return "", err
	}
	return holders[0], nil
}

func (b *batch) storeObject(change admin.Change, digest, entityID string) error {
	var object any = change.Group
	var icon *directory.Image
	if change.App != nil {
		app := *change.App
		icon, app.Icon = app.Icon, withoutData(app.Icon)
		object = app
	}
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	key := change.Key
	_, err = b.exec(b.ctx, `INSERT INTO objects (tenant, kind, name, owner, digest, body, entity_id) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (tenant, kind, name) DO UPDATE SET owner = excluded.owner, digest = excluded.digest, body = excluded.body, entity_id = excluded.entity_id`,
		key.Tenant, string(key.Kind), key.Name, change.Owner, digest, string(body), entityID)
	if err != nil {
		return err
	}
	return b.storeImage(key, icon)
}

// deleteObject removes a group or an app; one that another owner has taken over stays.
func (b *batch) deleteObject(change admin.Change) (admin.Result, error) {
	key := change.Key
	tenant, err := b.lock(key.Tenant)
	if err != nil {
		return admin.Result{}, err
	}
	if !tenant.live || tenant.holds(change) {
		// Elsewhere the wait is that of the holder's object.
		if err := b.stopWaiting(key); err != nil {
			return admin.Result{}, err
		}
	}
	row, err := b.object(key)
	if err != nil || row == nil || row.owner != change.Owner {
		return admin.Result{}, err
	}
	if _, err := b.exec(b.ctx, `DELETE FROM objects WHERE tenant = $1 AND kind = $2 AND name = $3`, key.Tenant, string(key.Kind), key.Name); err != nil {
		return admin.Result{}, err
	}
	if err := b.storeImage(key, nil); err != nil {
		return admin.Result{}, err
	}
	if row.entityID != "" {
		b.freed[entityResource(key.Tenant, row.entityID)] = true
	}
	tenant.republish = true
	entry := admin.AuditEntry{Tenant: key.Tenant, Detail: "declared by " + change.Owner}
	setObjectAction(&entry, key, true)
	return admin.Result{Changed: true}, b.audit(b.ctx, entry)
}

func setObjectAction(entry *admin.AuditEntry, key admin.Key, deleted bool) {
	switch {
	case key.Kind == admin.KindGroup && deleted:
		entry.Action, entry.Detail = admin.GroupDeleted, "group "+key.Name+", "+entry.Detail
	case key.Kind == admin.KindGroup:
		entry.Action, entry.Detail = admin.GroupUpdated, "group "+key.Name+", "+entry.Detail
	case deleted:
		entry.Action, entry.App = admin.AppDeleted, key.Name
	default:
		entry.Action, entry.App = admin.AppUpdated, key.Name
	}
}

// withoutData keeps of an image what fits into a cached or often read row.
func withoutData(image *directory.Image) *directory.Image {
	if image == nil {
		return nil
	}
	return &directory.Image{ContentType: image.ContentType}
}

// storeImage keeps the image of a key, or removes it where image is nil.
func (b *batch) storeImage(key admin.Key, image *directory.Image) error {
	if image == nil {
		_, err := b.exec(b.ctx, `DELETE FROM images WHERE tenant = $1 AND kind = $2 AND name = $3`, key.Tenant, string(key.Kind), key.Name)
		return err
	}
	_, err := b.exec(b.ctx, `INSERT INTO images (tenant, kind, name, content_type, data) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant, kind, name) DO UPDATE SET content_type = excluded.content_type, data = excluded.data`,
		key.Tenant, string(key.Kind), key.Name, image.ContentType, append([]byte{}, image.Data...))
	return err
}
