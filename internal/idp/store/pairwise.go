/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"fmt"
	"io"
	"slices"

	"tegata.dev/tegata/internal/directory"
)

const pairwiseKeyBytes = 32

// needsPairwiseKey reports whether an app of the tenant knows members by pairwise name IDs.
func (t *Tenant) needsPairwiseKey() bool {
	return slices.ContainsFunc(t.Apps, func(a directory.App) bool { return a.SAML != nil && a.SAML.Pairwise() })
}

// openPairwiseKey sets the tenant's key from what is stored, and makes it where
// an app is the first to need one: by a transaction of its own, as a load only
// reads, and as the program of the version before writes tenants without.
func (s *Store) openPairwiseKey(ctx context.Context, tenant *Tenant, sealed []byte) error {
	if !tenant.needsPairwiseKey() {
		return nil
	}
	if sealed == nil {
		var err error
		if sealed, err = s.makePairwiseKey(ctx, tenant.Slug); err != nil {
			return err
		}
	}
	key, err := s.sealer.Open(sealed, "tenants.pairwise_key", tenant.Slug)
	if err != nil {
		return fmt.Errorf("pairwise key of tenant %s: %w", tenant.Slug, err)
	}
	tenant.PairwiseKey = key
	return nil
}

// makePairwiseKey returns the sealed key that the tenant has from now on,
// another process's where that was faster.
func (s *Store) makePairwiseKey(ctx context.Context, slug string) (sealed []byte, err error) {
	key := make([]byte, pairwiseKeyBytes)
	if _, err := io.ReadFull(s.options.Random, key); err != nil {
		return nil, fmt.Errorf("random pairwise key: %w", err)
	}
	made, err := s.sealer.Seal(key, "tenants.pairwise_key", slug)
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, func(t *tx) error {
		if _, err := t.exec(ctx, `UPDATE tenants SET pairwise_key = $1 WHERE slug = $2 AND pairwise_key IS NULL`, made, slug); err != nil {
			return err
		}
		return t.QueryRowContext(ctx, `SELECT pairwise_key FROM tenants WHERE slug = $1`, slug).Scan(&sealed)
	})
	return sealed, err
}
