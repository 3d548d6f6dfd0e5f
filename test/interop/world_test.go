/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"bytes"
	"context"
	"crypto/rand"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/idp/password"
	"tegata.dev/tegata/internal/keypair"
)

const (
	tenant   = "acme"
	mail     = "taro.yamada@acme.example"
	chosen   = "paper-Lantern-77-river"
	employee = "00042"
	// shownName is nasty on purpose: service providers must get it back whole.
	shownName = `山田 太郎 <&"'>`
)

// world is an IdP with one tenant, which has one member in one group.
type world struct {
	*WithT
	t     *testing.T
	admin admin.Service
	url   string
	key   admin.KeyPair
	// announced are certificates that are published beside the key's.
	announced [][]byte
	// ahead is how far the IdP's clock is ahead of everybody else's.
	ahead atomic.Int64
	// password is what the member logs in with now.
	password string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{WithT: NewWithT(t), t: t, password: rand.Text()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.Expect(err).NotTo(HaveOccurred())
	w.url = "http://" + listener.Addr().String()
	server, err := idp.New(t.Context(), idp.Options{
		ExternalURL: w.url, Listener: listener, SQLitePath: filepath.Join(t.TempDir(), "idp.db"),
		Key: bytes.Repeat([]byte{7}, 32), Log: testr.New(t), Now: w.now,
		// Real argon2id, but cheap: its cost is tested where it belongs.
		Password: password.Options{Memory: 64, Time: 1},
	})
	w.Expect(err).NotTo(HaveOccurred())
	w.admin = server.Admin()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		w.Expect(<-ended).To(Succeed())
	})
	w.key = identityKey()
	w.publish()
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// identityKey and serviceKey are made once: most tests need no others.
var (
	identityKey = sync.OnceValue(func() admin.KeyPair { return mustGenerate(keypair.RSA2048) })
	serviceKey  = sync.OnceValue(func() admin.KeyPair { return mustGenerate(keypair.RSA2048) })
)

func mustGenerate(algorithm keypair.Algorithm) admin.KeyPair {
	key, err := keypair.Generate(algorithm, tenant, time.Now().Add(-time.Hour), 24*time.Hour, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// publish declares the tenant, and the member with a group.
func (w *world) publish() {
	w.publishTenant()
	member := admin.Key{Kind: admin.KindMember, Tenant: tenant, Name: "yamada-taro"}
	w.apply(
		admin.Change{Key: member, Member: &admin.Member{Member: directory.Member{
			Tenant: tenant, Name: member.Name, Mail: mail, Role: directory.RoleStaff, TimeZone: "Asia/Tokyo", Language: "ja",
			Person:     directory.PersonName{Family: "山田", Given: "太郎 <&\"'>"},
			Attributes: map[string]string{"employeeNumber": employee}, PasswordSetup: directory.PasswordSetupTemporary,
		}}},
		admin.Change{Key: admin.Key{Kind: admin.KindGroup, Tenant: tenant, Name: "sales"}, Group: &directory.Group{
			Tenant: tenant, Name: "sales", DisplayName: "営業部", Members: []directory.Participant{{Member: member.Name, Role: directory.GroupAdministrator}},
		}},
		admin.Change{Key: admin.Key{Kind: admin.KindGroup, Tenant: tenant, Name: "tokyo"}, Group: &directory.Group{
			Tenant: tenant, Name: "tokyo", DisplayName: "東京", Members: []directory.Participant{{Member: member.Name, Role: directory.GroupUser}},
		}},
	)
	_, err := w.admin.SetTemporaryPassword(context.Background(), admin.TemporaryPassword{Member: member, Password: w.password, ExpiresAt: time.Now().Add(time.Hour)})
	w.Expect(err).NotTo(HaveOccurred())
}

// publishTenant declares the tenant with the key of now.
func (w *world) publishTenant() {
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindTenant, Tenant: tenant}, Tenant: &admin.Tenant{
		SigningKey: w.key, Certificates: w.announced,
		Tenant: directory.Tenant{
			Slug: tenant, DisplayName: "株式会社アクメ", TimeZone: "Asia/Tokyo", Language: "ja", Plan: directory.PlanPlus,
			Domains:    []string{"acme.example"},
			Attributes: []directory.AttributeDefinition{{Name: "employeeNumber", DisplayName: "社員番号", Unique: true}},
		},
	}})
}

// newApp is an app that may be changed before it is published.
func newApp(name, entityID, acs string) *directory.App {
	return &directory.App{
		Tenant: tenant, Kind: directory.KindSAMLApp, Name: name, DisplayName: name, Visible: true,
		Permissions:       []directory.Permission{{Name: "admin", Administrator: true}, {Name: "viewer"}},
		DefaultPermission: "viewer",
		SAML: &directory.SAMLSettings{
			Flow: directory.FlowSPInitiated, EntityID: entityID, Signing: directory.SignResponseAndAssertion, NameIDFormat: directory.NameIDEmailAddress,
			AssertionConsumerServices: []directory.AssertionConsumerService{{URL: acs, Default: true}},
			Attributes: []directory.AttributeMapping{
				{Name: "displayName", NameFormat: "basic", Field: directory.FieldDisplayName},
				{Name: "employeeNumber", NameFormat: "unspecified", Attribute: "employeeNumber"},
				{Name: "groups", NameFormat: "unspecified", Field: directory.FieldGroups},
				{Name: "permission", NameFormat: "unspecified", Field: directory.FieldPermission},
				{Name: "urn:example:environment", NameFormat: "uri", Values: []string{"production"}},
			},
		},
	}
}

func (w *world) publishApp(app *directory.App) {
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindSAMLApp, Tenant: tenant, Name: app.Name}, App: app})
}

func (w *world) apply(changes ...admin.Change) {
	for i := range changes {
		changes[i].Owner = "default/" + changes[i].Key.Name
		if changes[i].Key.Kind != admin.KindTenant {
			changes[i].TenantOwner = "default/"
		}
	}
	results, err := w.admin.Apply(context.Background(), changes)
	w.Expect(err).NotTo(HaveOccurred())
	for _, result := range results {
		w.Expect(result.Problem).To(BeNil())
	}
}

// metadata is what the IdP publishes of itself.
func (w *world) metadata() string {
	page, err := formclient.New().Get(w.t.Context(), endpoints.Metadata(w.url, tenant))
	w.Expect(err).NotTo(HaveOccurred())
	return string(page.Body)
}

// visit gets an address as a browser does, up to a page with the log-in form
// or a SAML message of the IdP, which it does not submit.
func (w *world) visit(browser *formclient.Client, address string) *formclient.Page {
	w.t.Helper()
	page, err := browser.Get(w.t.Context(), address)
	w.Expect(err).NotTo(HaveOccurred())
	form, err := page.FormWith("SAMLRequest")
	if err != nil {
		return page
	}
	page, err = browser.Submit(w.t.Context(), form, nil)
	w.Expect(err).NotTo(HaveOccurred())
	return page
}

// logIn goes from a page with the log-in form, through the forced change of a
// temporary password, to where that leads, without submitting SAML messages.
func (w *world) logIn(browser *formclient.Client, page *formclient.Page) *formclient.Page {
	w.t.Helper()
	form, err := page.FormWith("mail", "password")
	w.Expect(err).NotTo(HaveOccurred(), page.Text())
	page, err = browser.Submit(w.t.Context(), form, map[string]string{"mail": mail, "password": w.password})
	w.Expect(err).NotTo(HaveOccurred())
	if form, err = page.FormWith("password", "confirmation"); err == nil {
		page, err = browser.Submit(w.t.Context(), form, map[string]string{"password": chosen, "confirmation": chosen})
		w.Expect(err).NotTo(HaveOccurred())
		w.password = chosen
	}
	return page
}

// relay submits SAML messages until there is a page for a person.
func (w *world) relay(browser *formclient.Client, page *formclient.Page) *formclient.Page {
	w.t.Helper()
	page, err := browser.Relay(w.t.Context(), page)
	w.Expect(err).NotTo(HaveOccurred())
	return page
}
