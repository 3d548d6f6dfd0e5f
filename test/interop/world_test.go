/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/keypair"
)

const (
	tenant   = "acme"
	mail     = "taro.yamada@acme.example"
	chosen   = "paper-Lantern-77-river"
	entityID = "https://wiki.acme.example/saml"
)

// world is an IdP with one tenant and one member, and a service provider.
type world struct {
	*WithT
	admin     admin.Service
	url       string // of the IdP
	provider  string // URL of the service provider
	temporary string
}

// newWorld starts both. options are more options of the SAML library.
func newWorld(t *testing.T, options map[string]any) *world {
	t.Helper()
	w := &world{WithT: NewWithT(t), temporary: rand.Text()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.Expect(err).NotTo(HaveOccurred())
	w.url = "http://" + listener.Addr().String()
	server, err := idp.New(t.Context(), idp.Options{
		ExternalURL: w.url, Listener: listener, SQLitePath: filepath.Join(t.TempDir(), "idp.db"),
		Key: bytes.Repeat([]byte{7}, 32), Log: testr.New(t),
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

	key, err := keypair.GenerateKeyPair("acme", time.Now().Add(-time.Hour), 24*time.Hour, rand.Reader)
	w.Expect(err).NotTo(HaveOccurred())
	all := map[string]any{
		"entryPoint": endpoints.SingleSignOn(w.url, tenant), "idpIssuer": endpoints.Issuer(w.url, tenant),
		"issuer": entityID, "idpCert": string(key.Certificate),
	}
	for name, value := range options {
		all[name] = value
	}
	w.provider = w.startProvider(t, all)
	w.publish(key)
	return w
}

// startProvider runs serviceprovider.mjs and returns its address.
func (w *world) startProvider(t *testing.T, options map[string]any) string {
	t.Helper()
	if _, err := os.Stat("node_modules/@node-saml/node-saml"); err != nil {
		t.Fatal("the Node packages are missing; run npm ci in test/interop, or make test: ", err)
	}
	argument, err := json.Marshal(options)
	w.Expect(err).NotTo(HaveOccurred())
	command := exec.Command("node", "serviceprovider.mjs", string(argument))
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	w.Expect(err).NotTo(HaveOccurred())
	output, err := command.StdoutPipe()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(command.Start()).To(Succeed())
	t.Cleanup(func() {
		w.Expect(input.Close()).To(Succeed())
		w.Expect(command.Wait()).To(Succeed())
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	w.Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(line)
}

// publish declares the tenant, the member with a group, and two apps of which
// only wiki is the service provider.
func (w *world) publish(key admin.KeyPair) {
	w.apply(admin.Change{Key: admin.Key{Kind: admin.KindTenant, Tenant: tenant}, Tenant: &admin.Tenant{
		SigningKey: key,
		Tenant: directory.Tenant{
			Slug: tenant, DisplayName: "株式会社アクメ", TimeZone: "Asia/Tokyo", Language: "ja", Plan: directory.PlanPlus,
			Attributes: []directory.AttributeDefinition{{Name: "employeeNumber", DisplayName: "社員番号", Unique: true}},
		},
	}})
	member := admin.Key{Kind: admin.KindMember, Tenant: tenant, Name: "yamada-taro"}
	w.apply(
		admin.Change{Key: member, Member: &admin.Member{Member: directory.Member{
			Tenant: tenant, Name: member.Name, Mail: mail, Role: directory.RoleStaff, TimeZone: "Asia/Tokyo", Language: "ja",
			Person:     directory.PersonName{Family: "山田", Given: "太郎 <&\"'>"},
			Attributes: map[string]string{"employeeNumber": "00042"}, PasswordSetup: directory.PasswordSetupTemporary,
		}}},
		admin.Change{Key: admin.Key{Kind: admin.KindGroup, Tenant: tenant, Name: "sales"}, Group: &directory.Group{
			Tenant: tenant, Name: "sales", DisplayName: "営業部", Members: []directory.Participant{{Member: member.Name, Role: directory.GroupAdministrator}},
		}},
		app("wiki", entityID, w.provider+"/acs"),
		app("other", "https://other.acme.example/saml", w.provider+"/acs"),
	)
	_, err := w.admin.SetTemporaryPassword(context.Background(), admin.TemporaryPassword{Member: member, Password: w.temporary, ExpiresAt: time.Now().Add(time.Hour)})
	w.Expect(err).NotTo(HaveOccurred())
}

func app(name, entityID, acs string) admin.Change {
	return admin.Change{Key: admin.Key{Kind: admin.KindSAMLApp, Tenant: tenant, Name: name}, App: &directory.App{
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
				{Name: "urn:example:environment", NameFormat: "uri", Value: "production"},
			},
		},
	}}
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

// logIn goes from a page with the log-in form through the forced change of the
// temporary password to where that leads, without submitting SAML messages.
func (w *world) logIn(t *testing.T, browser *formclient.Client, page *formclient.Page) *formclient.Page {
	t.Helper()
	page, err := browser.LogIn(t.Context(), page, mail, w.temporary)
	w.Expect(err).NotTo(HaveOccurred())
	form, err := page.FormWith("password", "confirmation")
	w.Expect(err).NotTo(HaveOccurred())
	page, err = browser.Submit(t.Context(), form, map[string]string{"password": chosen, "confirmation": chosen})
	w.Expect(err).NotTo(HaveOccurred())
	return page
}
