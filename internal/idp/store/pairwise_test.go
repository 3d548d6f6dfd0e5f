/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

func pairwiseApp(tenant, name string) admin.Change {
	change := appChange(tenant, name, "https://"+name+".example")
	change.App.SAML.NameIDFormat = directory.NameIDPersistent
	return change
}

func (f *fixture) pairwiseKey(slug string) []byte {
	f.t.Helper()
	tenant, err := f.Tenant(f.ctx, slug)
	f.Expect(err).NotTo(HaveOccurred())
	return tenant.PairwiseKey
}

// TestPairwiseKey: made when the first app needs it, the tenant's own, sealed,
// and the same ever after.
func TestPairwiseKey(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), tenantChange("bravo"), appChange("acme", "wiki", "https://wiki.example"))
		f.Expect(f.pairwiseKey("acme")).To(BeNil(), "no app needs one")
		f.apply(pairwiseApp("acme", "chat"), pairwiseApp("bravo", "chat"))
		key := f.pairwiseKey("acme")
		f.Expect(key).To(HaveLen(32))
		f.Expect(f.pairwiseKey("bravo")).NotTo(Equal(key))
		var stored []byte
		f.Expect(raw(t, f.options).QueryRowContext(f.ctx, `SELECT pairwise_key FROM tenants WHERE slug = 'acme'`).Scan(&stored)).To(Succeed())
		f.Expect(string(stored)).NotTo(ContainSubstring(string(key)))

		renewed := tenantChange("acme")
		renewed.Tenant.SigningKey = admin.KeyPair{Certificate: []byte("other"), PrivateKey: []byte("other")}
		f.accepted(renewed)
		f.Expect(f.pairwiseKey("acme")).To(Equal(key), "whatever key signs")

		f.accepted(deletion(pairwiseApp("acme", "chat")))
		f.Expect(f.pairwiseKey("acme")).To(BeNil())
		f.accepted(pairwiseApp("acme", "chat"))
		f.Expect(f.pairwiseKey("acme")).To(Equal(key), "an app that comes back")

		f.accepted(deletion(tenantChange("acme")))
		f.accepted(tenantChange("acme"))
		f.accepted(pairwiseApp("acme", "chat"))
		f.Expect(f.pairwiseKey("acme")).To(Equal(key), "a tenant that is restored")

		f.accepted(deletion(tenantChange("acme")))
		stranger, app := tenantChange("acme"), pairwiseApp("acme", "chat")
		stranger.Owner, app.TenantOwner = "other/acme", "other/acme"
		f.accepted(stranger)
		f.accepted(app)
		f.Expect(f.pairwiseKey("acme")).NotTo(Or(BeNil(), Equal(key)), "strangers with the slug")
	})
}

// TestPairwiseKeyIsMadeOnce by several processes that load the tenant at once.
func TestPairwiseKeyIsMadeOnce(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), pairwiseApp("acme", "chat"))
		keys := make([][]byte, 4)
		var loading sync.WaitGroup
		for i := range keys {
			other := storetest.Open(t, f.options)
			loading.Go(func() {
				tenant, err := other.Tenant(f.ctx, "acme")
				if err != nil {
					t.Error(err)
					return
				}
				keys[i] = tenant.PairwiseKey
			})
		}
		loading.Wait()
		f.Expect(keys).To(HaveEach(f.pairwiseKey("acme")))
	})
}
