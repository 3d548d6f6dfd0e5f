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
	"slices"
	"strings"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// AccountByMail finds the account of a mail address, normalised here.
// ErrNotFound for none; suspended accounts are returned too.
func (s *Store) AccountByMail(ctx context.Context, mail string) (*Account, error) {
	mail = directory.NormalizeMail(mail)
	if !storable(mail) {
		return nil, ErrNotFound
	}
	row := &memberRow{}
	err := row.scan(s.reader.QueryRowContext(ctx, `SELECT `+memberColumns+` FROM members m WHERE m.mail = $1 AND m.deleted_at IS NULL`, mail))
	if err != nil {
		return nil, err
	}
	return row.account(), nil
}

// Account finds an account by tenant and object name. ErrNotFound for none;
// suspended accounts are returned too.
func (s *Store) Account(ctx context.Context, tenant, name string) (*Account, error) {
	if !storable(tenant, name) {
		return nil, ErrNotFound
	}
	row, err := readLiveMember(ctx, s.reader, tenant, name)
	if err != nil {
		return nil, err
	}
	return row.account(), nil
}

// Tenant returns what is published for a tenant, from memory unless it has
// changed. ErrNotFound when there is none or it is deleted.
func (s *Store) Tenant(ctx context.Context, slug string) (*Tenant, error) {
	if !storable(slug) {
		return nil, ErrNotFound
	}
	var revision int64
	err := s.reader.QueryRowContext(ctx, `SELECT revision FROM tenants WHERE slug = $1 AND deleted_at IS NULL`, slug).Scan(&revision)
	if errors.Is(err, sql.ErrNoRows) {
		s.forget(slug)
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, describe(err)
	}
	return s.TenantAt(ctx, slug, revision)
}

// TenantAt is Tenant for who has just read which revision is the latest.
func (s *Store) TenantAt(ctx context.Context, slug string, revision int64) (*Tenant, error) {
	s.tenantsMu.RLock()
	known := s.tenants[slug]
	s.tenantsMu.RUnlock()
	if known != nil && known.Revision == revision {
		return known, nil
	}
	fresh, sealed, err := s.loadTenant(ctx, slug)
	if err != nil {
		return nil, err
	}
	if err := s.openPairwiseKey(ctx, fresh, sealed); err != nil {
		return nil, err
	}
	s.tenantsMu.Lock()
	defer s.tenantsMu.Unlock()
	if known := s.tenants[slug]; known != nil && known.Revision == fresh.Revision {
		return known, nil // loaded twice at once; its memo may be filled already
	}
	s.tenants[slug] = fresh
	return fresh, nil
}

// CountMembers is how many members a tenant has, suspended ones too.
func (s *Store) CountMembers(ctx context.Context, tenant string) (int, error) {
	if !storable(tenant) {
		return 0, nil
	}
	var count int
	err := s.reader.QueryRowContext(ctx, `SELECT count(*) FROM members WHERE tenant = $1 AND deleted_at IS NULL`, tenant).Scan(&count)
	return count, describe(err)
}

func (s *Store) forget(slug string) {
	s.tenantsMu.Lock()
	defer s.tenantsMu.Unlock()
	delete(s.tenants, slug)
}

// loadTenant reads the tenant with its groups and apps as they were at one
// moment, and its pairwise key as it is stored.
func (s *Store) loadTenant(ctx context.Context, slug string) (tenant *Tenant, pairwiseKey []byte, err error) {
	read, err := s.reader.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, nil, describe(err)
	}
	defer func() { _ = read.Rollback() }() // nothing was written
	tenant = &Tenant{}
	var body, certificates string
	err = read.QueryRowContext(ctx, `SELECT revision, owner, body, certificate, private_key, certificates, pairwise_key FROM tenants WHERE slug = $1 AND deleted_at IS NULL`, slug).
		Scan(&tenant.Revision, &tenant.Owner, &body, &tenant.SigningKey.Certificate, &tenant.SigningKey.PrivateKey, &certificates, &pairwiseKey)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, ErrNotFound
	}
	if err != nil {
		return nil, nil, describe(err)
	}
	if err := json.Unmarshal([]byte(body), &tenant.Tenant); err != nil {
		return nil, nil, fmt.Errorf("tenant %s: %w", slug, err)
	}
	if err := json.Unmarshal([]byte(certificates), &tenant.Certificates); err != nil {
		return nil, nil, fmt.Errorf("certificates of tenant %s: %w", slug, err)
	}
	if tenant.SigningKey.PrivateKey, err = s.sealer.Open(tenant.SigningKey.PrivateKey, "tenants.private_key", slug); err != nil {
		return nil, nil, fmt.Errorf("signing key of tenant %s: %w", slug, err)
	}
	tenant.Groups, err = collect(ctx, read, scanBody[directory.Group], `SELECT body FROM objects WHERE tenant = $1 AND kind = $2`, slug, string(admin.KindGroup))
	if err != nil {
		return nil, nil, describe(err)
	}
	tenant.Apps, err = collect(ctx, read, scanBody[directory.App], `SELECT body FROM objects WHERE tenant = $1 AND kind <> $2`, slug, string(admin.KindGroup))
	if err != nil {
		return nil, nil, describe(err)
	}
	slices.SortFunc(tenant.Groups, func(a, b directory.Group) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(tenant.Apps, func(a, b directory.App) int {
		return objectKey(admin.Kind(a.Kind), a.Tenant, a.Name).Compare(objectKey(admin.Kind(b.Kind), b.Tenant, b.Name))
	})
	tenant.index()
	return tenant, pairwiseKey, nil
}

func objectKey(kind admin.Kind, tenant, name string) admin.Key {
	return admin.Key{Kind: kind, Tenant: tenant, Name: name}
}

// Image returns an app's icon or a member's picture; ErrNotFound for none.
func (s *Store) Image(ctx context.Context, tenant string, kind admin.Kind, name string) (*directory.Image, error) {
	if !storable(tenant, string(kind), name) {
		return nil, ErrNotFound
	}
	image := &directory.Image{}
	err := s.reader.QueryRowContext(ctx, `SELECT content_type, data FROM images WHERE tenant = $1 AND kind = $2 AND name = $3`,
		tenant, string(kind), name).Scan(&image.ContentType, &image.Data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, describe(err)
	}
	return image, nil
}

// Digests implements admin.Service.
func (s *Store) Digests(ctx context.Context, after admin.Key, limit int) ([]admin.KeyDigest, error) {
	if !storable(string(after.Kind), after.Tenant, after.Name) {
		return nil, fmt.Errorf("%w: the key is not text", admin.ErrInvalid)
	}
	query := `SELECT kind, tenant, name, digest, owner, tenant_owner FROM (
			SELECT 'Tenant' AS kind, slug AS tenant, '' AS name, digest, owner, '' AS tenant_owner FROM tenants WHERE deleted_at IS NULL
			UNION ALL SELECT 'Member', m.tenant, m.name, m.digest, m.owner, t.owner FROM members m JOIN tenants t ON t.slug = m.tenant WHERE m.deleted_at IS NULL
			UNION ALL SELECT o.kind, o.tenant, o.name, o.digest, o.owner, t.owner FROM objects o JOIN tenants t ON t.slug = o.tenant
		) AS published
		WHERE (kind COLLATE "C", tenant COLLATE "C", name COLLATE "C") > ($1, $2, $3)
		ORDER BY kind COLLATE "C", tenant COLLATE "C", name COLLATE "C" LIMIT $4`
	if s.sqlite {
		// SQLite compares bytes anyway and knows no collation of that name.
		query = strings.ReplaceAll(query, `COLLATE "C"`, "")
	}
	digests, err := collect(ctx, s.reader, scanDigest, query, string(after.Kind), after.Tenant, after.Name, page(limit))
	return digests, describe(err)
}

func scanDigest(rows *sql.Rows) (admin.KeyDigest, error) {
	var d admin.KeyDigest
	var kind string
	err := rows.Scan(&kind, &d.Key.Tenant, &d.Key.Name, &d.Digest, &d.Owner, &d.TenantOwner)
	d.Key.Kind = admin.Kind(kind)
	return d, err
}
