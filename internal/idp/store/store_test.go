/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"context"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/idp/store/storetest"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(starterVariable); dsn != "" {
		os.Exit(start(dsn))
	}
	os.Exit(storetest.Main(m))
}

// fixture is an open store with a clock and helpers that fail the test.
type fixture struct {
	*store.Store
	*WithT
	t       *testing.T
	ctx     context.Context
	clock   *storetest.Clock
	options store.Options
}

// onBoth runs test on a fresh database of each kind.
func onBoth(t *testing.T, test func(f *fixture)) {
	storetest.Databases(t, func(t *testing.T, options store.Options) {
		clock := storetest.NewClock()
		options.Now = clock.Now
		test(&fixture{Store: storetest.Open(t, options), WithT: NewWithT(t), t: t, ctx: t.Context(), clock: clock, options: options})
	})
}

const privateKey = "-----BEGIN PRIVATE KEY-----\nvery-private-bytes\n-----END PRIVATE KEY-----\n"

func tenantChange(slug string) admin.Change {
	return admin.Change{
		Key: admin.Key{Kind: admin.KindTenant, Tenant: slug}, Owner: "team/" + slug,
		Tenant: &admin.Tenant{
			Tenant: directory.Tenant{
				Slug: slug, DisplayName: "手形商事", TimeZone: "Asia/Tokyo", Language: "ja", Plan: directory.PlanPlus,
				Attributes: []directory.AttributeDefinition{{Name: "employee", Unique: true}, {Name: "floor"}},
			},
			SigningKey: admin.KeyPair{Certificate: []byte("certificate"), PrivateKey: []byte(privateKey)},
		},
	}
}

func memberChange(tenant, name string) admin.Change {
	return admin.Change{
		Key: memberKey(tenant, name), Owner: "team/" + name, TenantOwner: "team/" + tenant,
		Member: &admin.Member{Member: directory.Member{
			Tenant: tenant, Name: name, Mail: name + "@example.com", Person: directory.PersonName{Family: "山田", Given: "花子"},
			Role: directory.RoleStaff, TimeZone: "Asia/Tokyo", Language: "ja", PasswordSetup: directory.PasswordSetupMailLink,
		}},
	}
}

func groupChange(tenant, name string) admin.Change {
	return admin.Change{
		Key: admin.Key{Kind: admin.KindGroup, Tenant: tenant, Name: name}, Owner: "team/" + name, TenantOwner: "team/" + tenant,
		Group: &directory.Group{Tenant: tenant, Name: name, DisplayName: name},
	}
}

func appChange(tenant, name, entityID string) admin.Change {
	return admin.Change{
		Key: admin.Key{Kind: admin.KindSAMLApp, Tenant: tenant, Name: name}, Owner: "team/" + name, TenantOwner: "team/" + tenant,
		App: &directory.App{
			Tenant: tenant, Kind: directory.KindSAMLApp, Name: name, DisplayName: name,
			Icon: &directory.Image{ContentType: "image/png", Data: []byte("icon of " + name)},
			SAML: &directory.SAMLSettings{EntityID: entityID, AssertionConsumerServices: []directory.AssertionConsumerService{{URL: "https://sp.example/acs"}}},
		},
	}
}

func deletion(change admin.Change) admin.Change {
	return admin.Change{Key: change.Key, Owner: change.Owner, TenantOwner: change.TenantOwner}
}

func memberKey(tenant, name string) admin.Key {
	return admin.Key{Kind: admin.KindMember, Tenant: tenant, Name: name}
}

// apply applies the changes in one batch.
func (f *fixture) apply(changes ...admin.Change) []admin.Result {
	f.t.Helper()
	results, err := f.Apply(f.ctx, changes)
	f.Expect(err).NotTo(HaveOccurred())
	f.Expect(results).To(HaveLen(len(changes)))
	return results
}

// accepted applies one change that must be accepted.
func (f *fixture) accepted(change admin.Change) admin.Result {
	f.t.Helper()
	result := f.apply(change)[0]
	f.Expect(result.Problem).To(BeNil())
	return result
}

// refused applies one change that must be refused.
func (f *fixture) refused(change admin.Change) admin.Problem {
	f.t.Helper()
	result := f.apply(change)[0]
	f.Expect(result.Problem).NotTo(BeNil())
	return *result.Problem
}

// notices reads and acknowledges what is due, and returns the keys.
func (f *fixture) notices() []admin.Key {
	f.t.Helper()
	notices, err := f.Notices(f.ctx, 0, 0)
	f.Expect(err).NotTo(HaveOccurred())
	f.Expect(f.Acknowledge(f.ctx, notices)).To(Succeed())
	keys := []admin.Key{}
	for _, notice := range notices {
		keys = append(keys, notice.Key)
	}
	return keys
}

// actions are those of the audit log, oldest first.
func (f *fixture) actions() []string {
	f.t.Helper()
	entries, err := f.SearchAudit(f.ctx, admin.AuditQuery{Limit: admin.MaxPage})
	f.Expect(err).NotTo(HaveOccurred())
	actions := make([]string, len(entries))
	for i, entry := range entries {
		actions[len(entries)-1-i] = entry.Action
	}
	return actions
}

// session logs the member in.
func (f *fixture) session(tenant, member string) string {
	f.t.Helper()
	token, err := f.CreateSession(f.ctx, store.Session{
		Tenant: tenant, Member: member, AuthenticatedAt: f.clock.Now(), ExpiresAt: f.clock.Now().Add(time.Hour),
		Address: "192.0.2.1", UserAgent: "browser",
	})
	f.Expect(err).NotTo(HaveOccurred())
	return token
}

// link claims the one mail that is due and returns its token.
func (f *fixture) link() string {
	f.t.Helper()
	mails, err := f.ClaimMails(f.ctx, 10, time.Minute)
	f.Expect(err).NotTo(HaveOccurred())
	f.Expect(mails).To(HaveLen(1))
	return payload(f, mails[0]).Token
}
