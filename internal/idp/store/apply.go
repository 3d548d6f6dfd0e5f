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
	"strings"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// Apply implements admin.Service in one transaction. Where that fails, each
// change is tried in a transaction of its own, so that a bad one fails alone.
func (s *Store) Apply(ctx context.Context, changes []admin.Change) ([]admin.Result, error) {
	if len(changes) > admin.MaxBatch {
		return nil, fmt.Errorf("%w: %d changes; at most %d fit in one call", admin.ErrInvalid, len(changes), admin.MaxBatch)
	}
	if len(changes) == 0 {
		return nil, nil
	}
	results, err := s.applyTogether(ctx, changes)
	if err == nil || ctx.Err() != nil {
		return results, err
	}
	s.log.Info("Applied a batch one by one because it failed together", "changes", len(changes), "error", err.Error())
	results = make([]admin.Result, len(changes))
	for i := range changes {
		one, err := s.applyTogether(ctx, changes[i:i+1])
		switch {
		case err == nil:
			results[i] = one[0]
		case isDataFailure(err):
			results[i].Problem = &admin.Problem{Code: admin.ProblemInvalid, Message: "the database refuses this object: " + err.Error()}
		default:
			return nil, err
		}
	}
	return results, nil
}

func (s *Store) applyTogether(ctx context.Context, changes []admin.Change) ([]admin.Result, error) {
	var results []admin.Result
	err := s.write(ctx, func(t *tx) error {
		b := &batch{tx: t, ctx: ctx, tenants: map[string]*batchTenant{}, freed: map[string]bool{}}
		results = make([]admin.Result, len(changes))
		for i, change := range changes {
			result, err := b.apply(change)
			if err != nil {
				return fmt.Errorf("%s: %w", change.Key, err)
			}
			results[i] = result
		}
		return b.finish()
	})
	return results, err
}

// batch is one Apply transaction.
type batch struct {
	*tx
	ctx     context.Context
	tenants map[string]*batchTenant
	// freed are resources that somebody may wait for.
	freed map[string]bool
}

// batchTenant is a tenant as this transaction sees it.
type batchTenant struct {
	directory.Tenant
	owner, digest string
	revision      int64
	// exists tells that there is a row, live that it is not deleted.
	exists, live bool
	// locked tells that no other process changes the tenant or its members now.
	locked bool
	// members counts the live ones, gone those deleted within the guard's window;
	// -1 is not counted yet.
	members, gone int
	// held are the held deletions by name; nil is not read yet.
	held map[string]heldDeletion
	// approval is the one that was last carried out.
	approval string
	// republish asks for a new revision, recounted for a notice about the counts.
	republish, recounted bool
}

func (b *batch) apply(change admin.Change) (admin.Result, error) {
	if problem := checkChange(change); problem != nil {
		return admin.Result{Problem: problem}, nil
	}
	switch {
	case change.Key.Kind == admin.KindTenant && change.IsDelete():
		return b.deleteTenant(change)
	case change.Key.Kind == admin.KindTenant:
		return b.applyTenant(change)
	case change.Key.Kind == admin.KindMember && change.IsDelete():
		return b.deleteMember(change)
	case change.Key.Kind == admin.KindMember:
		return b.applyMember(change)
	case change.IsDelete():
		return b.deleteObject(change)
	default:
		return b.applyObject(change)
	}
}

// finish does what is done once a batch: new revisions and notices.
func (b *batch) finish() error {
	for slug, tenant := range b.tenants {
		if tenant.republish && tenant.live {
			// Never below the clock, so that a purged slug does not come back with a revision known before.
			_, err := b.exec(b.ctx, `UPDATE tenants SET revision = CASE WHEN revision >= $1 THEN revision + 1 ELSE $1 END WHERE slug = $2`, b.now, slug)
			if err != nil {
				return err
			}
		}
		if tenant.recounted && tenant.live {
			if err := b.notice(b.ctx, admin.Key{Kind: admin.KindTenant, Tenant: slug}, b.now); err != nil {
				return err
			}
		}
	}
	for resource := range b.freed {
		if err := b.release(resource); err != nil {
			return err
		}
	}
	return nil
}

const tenantByName = `SELECT owner, digest, revision, body, deletion_approval, deleted_at IS NULL FROM tenants WHERE slug = $1`

// tenant reads a tenant once a batch; one without a row is there, not live.
func (b *batch) tenant(slug string) (*batchTenant, error) {
	if tenant, ok := b.tenants[slug]; ok {
		return tenant, nil
	}
	tenant := &batchTenant{members: -1, gone: -1}
	var body string
	err := b.QueryRowContext(b.ctx, tenantByName, slug).Scan(&tenant.owner, &tenant.digest, &tenant.revision, &body, &tenant.approval, &tenant.live)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return nil, err
	default:
		tenant.exists = true
		if err := json.Unmarshal([]byte(body), &tenant.Tenant); err != nil {
			return nil, fmt.Errorf("tenant %s: %w", slug, err)
		}
	}
	b.tenants[slug] = tenant
	return tenant, nil
}

// lock keeps other processes from changing the tenant or its members until the
// end, and reads the tenant again, as it may have changed. SQLite's writer is alone anyway.
func (b *batch) lock(slug string) (*batchTenant, error) {
	tenant, err := b.tenant(slug)
	if err != nil || tenant.locked {
		return tenant, err
	}
	if !b.store.sqlite {
		if _, err := b.exec(b.ctx, `UPDATE tenants SET revision = revision WHERE slug = $1`, slug); err != nil {
			return nil, err
		}
		delete(b.tenants, slug)
		if tenant, err = b.tenant(slug); err != nil {
			return nil, err
		}
	}
	tenant.locked = true
	return tenant, nil
}

// countMembers counts the tenant's live members once a batch.
func (b *batch) countMembers(tenant *batchTenant) (int, error) {
	if tenant.members < 0 {
		err := b.QueryRowContext(b.ctx, `SELECT count(*) FROM members WHERE tenant = $1 AND deleted_at IS NULL`, tenant.Slug).Scan(&tenant.members)
		if err != nil {
			tenant.members = -1
			return 0, err
		}
	}
	return tenant.members, nil
}

// count notes that the tenant has more or fewer live members.
func (t *batchTenant) count(difference int) {
	t.recounted = true
	if t.members >= 0 {
		t.members += difference
	}
}

// refuse answers with a problem and remembers that the key waits for the resource.
func (b *batch) refuse(key admin.Key, problem admin.Problem, resource string) (admin.Result, error) {
	_, err := b.exec(b.ctx, `INSERT INTO waiters (kind, tenant, name, resource) VALUES ($1, $2, $3, $4)
		ON CONFLICT (kind, tenant, name) DO UPDATE SET resource = excluded.resource WHERE waiters.resource <> excluded.resource`,
		string(key.Kind), key.Tenant, key.Name, resource)
	return admin.Result{Problem: &problem}, err
}

// holds tells that what the change is about belongs to this tenant. Another
// Tenant may claim the slug too, and what is declared for that one must reach
// nobody else's.
func (t *batchTenant) holds(change admin.Change) bool {
	return t.live && t.owner == change.TenantOwner
}

// sameNamespace tells that two owners, each "namespace/name", are of one namespace.
func sameNamespace(one, other string) bool {
	first, _, _ := strings.Cut(one, "/")
	second, _, _ := strings.Cut(other, "/")
	return first == second
}

func (b *batch) tenantMissing(tenant *batchTenant, key admin.Key) (admin.Result, error) {
	problem := admin.Problem{
		Code: admin.ProblemNotFound, Field: "tenantRef",
		Message: fmt.Sprintf("tenant %s is not published on this server; create it or wait until it is ready", key.Tenant),
	}
	if tenant.live {
		// Another Tenant has the slug, and the key may be one of its own: that one's
		// wait must stay as it is. This one is told when its own Tenant is published.
		return admin.Result{Problem: &problem}, nil
	}
	return b.refuse(key, problem, tenantResource(key.Tenant))
}

// stopWaiting forgets what the key waits for.
func (b *batch) stopWaiting(key admin.Key) error {
	_, err := b.exec(b.ctx, `DELETE FROM waiters WHERE kind = $1 AND tenant = $2 AND name = $3`, string(key.Kind), key.Tenant, key.Name)
	return err
}

// release gives everybody who waits for the resource a notice.
func (b *batch) release(resource string) error {
	keys, err := collect(b.ctx, b, scanKey, `DELETE FROM waiters WHERE resource = $1 RETURNING kind, tenant, name`, resource)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := b.notice(b.ctx, key, b.now); err != nil {
			return err
		}
	}
	return nil
}

// The names of resources that a refused object waits for.
func slugResource(slug string) string     { return "slug:" + slug }
func tenantResource(slug string) string   { return "tenant:" + slug }
func licensesResource(slug string) string { return "licenses:" + slug }
func heldResource(slug string, reason heldFor) string {
	return "held:" + slug + "/" + string(reason)
}
func mailResource(mail string) string { return "mail:" + mail }
func entityResource(slug, entityID string) string {
	return "entity:" + slug + "/" + entityID
}
func valueResource(slug, attribute, value string) string {
	return "value:" + slug + "/" + attribute + "/" + value
}

// maxName bounds slugs and object names, as Kubernetes does.
const maxName = 253

// maxApproval bounds the token of an approval, in bytes.
const maxApproval = 1024

// maxMail is more than RFC 5321 (4.5.3.1.3) lets a path be.
const maxMail = 320

// checkChange tells what no database could keep.
func checkChange(change admin.Change) *admin.Problem {
	invalid := func(message string) *admin.Problem {
		return &admin.Problem{Code: admin.ProblemInvalid, Message: message}
	}
	key := change.Key
	switch {
	case key.Tenant == "" || len(key.Tenant) > maxName || len(key.Name) > maxName || (key.Name == "") != (key.Kind == admin.KindTenant):
		return invalid("the object has no usable name; names have 1 to 253 characters")
	case !storable(key.Tenant, key.Name, change.Owner):
		return invalid("the object's name holds characters that are not text")
	case !payloadFits(change):
		return invalid("the object's content does not belong to its key")
	}
	if change.Member != nil {
		mail := directory.NormalizeMail(change.Member.Mail)
		if mail == "" || len(mail) > maxMail || !storable(mail) {
			return &admin.Problem{Code: admin.ProblemInvalid, Field: "mail", Message: "the mail address is empty, longer than 320 bytes or not text; give a mail address"}
		}
		for name, value := range change.Member.Attributes {
			if !storable(name, value) {
				return &admin.Problem{Code: admin.ProblemInvalid, Field: "attributes." + clean(name, maxName), Message: "the value holds characters that are not text"}
			}
		}
	}
	if change.App != nil && change.App.SAML != nil && !storable(change.App.SAML.EntityID) {
		return &admin.Problem{Code: admin.ProblemInvalid, Field: "serviceProvider.entityID", Message: "the entity ID holds characters that are not text"}
	}
	return nil
}

// payloadFits tells that at most the one payload of the key's kind is set, and that it has the key's names.
func payloadFits(change admin.Change) bool {
	key := change.Key
	set := []string{}
	if change.Tenant != nil {
		set = append(set, (admin.Key{Kind: admin.KindTenant, Tenant: change.Tenant.Slug}).String())
	}
	if change.Member != nil {
		set = append(set, (admin.Key{Kind: admin.KindMember, Tenant: change.Member.Tenant, Name: change.Member.Name}).String())
	}
	if change.Group != nil {
		set = append(set, (admin.Key{Kind: admin.KindGroup, Tenant: change.Group.Tenant, Name: change.Group.Name}).String())
	}
	if change.App != nil {
		set = append(set, (admin.Key{Kind: admin.Kind(change.App.Kind), Tenant: change.App.Tenant, Name: change.App.Name}).String())
	}
	known := strings.Contains("|Tenant|Member|Group|SAMLApp|LinkApp|", "|"+string(key.Kind)+"|")
	return known && (len(set) == 0 || len(set) == 1 && set[0] == key.String())
}
