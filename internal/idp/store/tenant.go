/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"slices"
	"sync"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// Tenant is everything published for one tenant but its members. It is
// immutable, shared, and safe for concurrent use.
type Tenant struct {
	directory.Tenant
	// Owner is the "namespace/name" of the object that declares the tenant.
	Owner string
	// Groups are sorted by name.
	Groups []directory.Group
	// Apps are sorted by kind and name. Icon.Data is nil, Icon.ContentType kept; see Store.Image.
	Apps       []directory.App
	SigningKey admin.KeyPair
	// Certificates, each PEM, are published beside SigningKey's.
	Certificates [][]byte
	// PairwiseKey is what pairwise name IDs are made with; nil where no app has such.
	PairwiseKey []byte
	// Revision grows with each change of any of this.
	Revision int64

	mu   sync.Mutex
	memo map[any]any
}

// App finds an app by kind and name.
func (t *Tenant) App(kind directory.AppKind, name string) (directory.App, bool) {
	return t.find(func(a directory.App) bool { return a.Kind == kind && a.Name == name })
}

// AppByEntityID finds a SAML app by its service provider's entity ID.
func (t *Tenant) AppByEntityID(id string) (directory.App, bool) {
	return t.find(func(a directory.App) bool { return a.SAML != nil && a.SAML.EntityID == id })
}

func (t *Tenant) find(is func(directory.App) bool) (directory.App, bool) {
	i := slices.IndexFunc(t.Apps, is)
	if i < 0 {
		return directory.App{}, false
	}
	return t.Apps[i], true
}

// Memo returns what build made for key, made once for this revision of the
// tenant; a failure is not kept. build must not call Memo of the same tenant.
func (t *Tenant) Memo(key any, build func() (any, error)) (any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if value, ok := t.memo[key]; ok {
		return value, nil
	}
	value, err := build()
	if err != nil {
		return nil, err
	}
	if t.memo == nil {
		t.memo = map[any]any{}
	}
	t.memo[key] = value
	return value, nil
}
