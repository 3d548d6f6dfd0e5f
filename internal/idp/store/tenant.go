/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
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

	// appsByName and appsByEntityID lead to places in Apps.
	appsByName     map[appName]int
	appsByEntityID map[string]int

	mu   sync.Mutex
	memo map[any]any
}

type appName struct {
	kind directory.AppKind
	name string
}

// index prepares the finding of apps.
func (t *Tenant) index() {
	t.appsByName, t.appsByEntityID = make(map[appName]int, len(t.Apps)), make(map[string]int, len(t.Apps))
	for i, app := range t.Apps {
		t.appsByName[appName{app.Kind, app.Name}] = i
		if app.SAML != nil {
			t.appsByEntityID[app.SAML.EntityID] = i
		}
	}
}

// App finds an app by kind and name.
func (t *Tenant) App(kind directory.AppKind, name string) (directory.App, bool) {
	i, found := t.appsByName[appName{kind, name}]
	return t.at(i, found)
}

// AppByEntityID finds a SAML app by its service provider's entity ID.
func (t *Tenant) AppByEntityID(id string) (directory.App, bool) {
	i, found := t.appsByEntityID[id]
	return t.at(i, found)
}

func (t *Tenant) at(i int, found bool) (directory.App, bool) {
	if !found {
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
