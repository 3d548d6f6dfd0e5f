/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"sync"
)

// maxRemembered bounds how many sessions a process remembers, at some 2 kB each,
// and maxRememberedBody the bytes of their members: a member may have 100 kB and
// more, and one tenant's must not take the memory of all.
const (
	maxRemembered     = 4096
	maxRememberedBody = 8 << 10
)

// sessionMemory holds what Session returned of late, by the token's hash: the
// apps that a member opens in a row need not ask for it each.
type sessionMemory struct {
	mu     sync.Mutex
	byHash map[string]rememberedSession
}

type rememberedSession struct {
	session Session
	account Account
}

func (m *sessionMemory) keep(hash string, session Session, account Account) {
	// Who opens an app has proved the password before.
	account.PasswordHash = ""
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(session.memberBody) > maxRememberedBody {
		delete(m.byHash, hash)
		return
	}
	if m.byHash == nil {
		m.byHash = map[string]rememberedSession{}
	}
	if _, known := m.byHash[hash]; !known && len(m.byHash) >= maxRemembered {
		for other := range m.byHash { // whichever comes first
			delete(m.byHash, other)
			break
		}
	}
	m.byHash[hash] = rememberedSession{session, account}
}

func (m *sessionMemory) find(hash string) (rememberedSession, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found, ok := m.byHash[hash]
	return found, ok
}

func (m *sessionMemory) forget(hash string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byHash, hash)
}

// Remembered is what this process read of the token's session and its member
// last; nil where that is unknown, or of another revision of the tenant than the
// one known here. The session may have ended since, and the member may have
// changed: nothing may be told by it but the answer that Participate lets out.
// The account has no PasswordHash.
func (s *Store) Remembered(token string) (*Session, *Account) {
	kept, ok := s.remembered.find(hashToken(token))
	if !ok {
		return nil, nil
	}
	s.tenantsMu.RLock()
	tenant := s.tenants[kept.session.Tenant]
	s.tenantsMu.RUnlock()
	if tenant == nil || tenant.Revision != kept.session.TenantRevision || !kept.session.ExpiresAt.After(s.options.Now()) {
		return nil, nil
	}
	return &kept.session, &kept.account
}
