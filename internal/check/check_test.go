/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package check

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/keypair"
)

const mail = "hanako@acme.example"

// newSite is a real server behind an address that only the check knows, and how to publish to it.
func newSite(t *testing.T) (Site, admin.Service) {
	t.Helper()
	g := NewWithT(t)
	external := &url.URL{Scheme: "https", Host: "id.example"}
	server, err := idp.New(t.Context(), idp.Options{
		ExternalURL: external.String(), Address: "127.0.0.1:0", SQLitePath: filepath.Join(t.TempDir(), "idp.db"),
		Key: bytes.Repeat([]byte{7}, 32), Log: testr.New(t),
	})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() { stop(); g.Expect(<-ended).To(Succeed()) })
	return Site{ExternalURL: external, Address: server.Address().String()}, server.Admin()
}

// publish makes the member with a temporary password and returns it.
func publish(t *testing.T, service admin.Service, suspended bool) (temporary string) {
	t.Helper()
	g := NewWithT(t)
	key, err := keypair.GenerateKeyPair("acme", time.Now().Add(-time.Hour), 24*time.Hour, rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	member := admin.Key{Kind: admin.KindMember, Tenant: "acme", Name: "hanako"}
	results, err := service.Apply(t.Context(), []admin.Change{{
		Key: admin.Key{Kind: admin.KindTenant, Tenant: "acme"}, Owner: "default/acme",
		Tenant: &admin.Tenant{SigningKey: key, Tenant: directory.Tenant{Slug: "acme", DisplayName: "Acme", TimeZone: "UTC", Language: "ja", Plan: directory.PlanPlus}},
	}, {
		Key: member, Owner: "default/hanako", TenantOwner: "default/acme",
		Member: &admin.Member{Member: directory.Member{Tenant: "acme", Name: "hanako", Mail: mail, Role: directory.RoleStaff, Suspended: suspended,
			TimeZone: "UTC", Language: "en", PasswordSetup: directory.PasswordSetupTemporary}},
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(results).To(HaveEach(HaveField("Problem", BeNil())))
	temporary = rand.Text()
	_, err = service.SetTemporaryPassword(t.Context(), admin.TemporaryPassword{Member: member, Password: temporary, ExpiresAt: time.Now().Add(time.Hour)})
	g.Expect(err).NotTo(HaveOccurred())
	return temporary
}

func TestLogInGoesTheWholeWay(t *testing.T) {
	g := NewWithT(t)
	site, service := newSite(t)
	temporary := publish(t, service, false)
	var said []string
	g.Expect(site.LogIn(t.Context(), mail, temporary, func(line string) { said = append(said, line) })).To(Succeed())
	g.Expect(said).To(HaveLen(4))
	g.Expect(strings.Join(said, "\n")).NotTo(ContainSubstring(temporary))

	err := site.LogIn(t.Context(), mail, temporary, func(string) {})
	g.Expect(err).To(MatchError(And(ContainSubstring("expected the page that asks for a new password, got status 401"), Not(ContainSubstring(temporary)))),
		"the temporary password works once")
}

func TestLogInTellsWhatThePageSays(t *testing.T) {
	site, service := newSite(t)
	temporary := publish(t, service, true)
	NewWithT(t).Expect(site.LogIn(t.Context(), mail, temporary, func(string) {})).To(MatchError(And(
		ContainSubstring("status 403 at /login"), ContainSubstring("suspended"))))
}

func TestLogInTellsWhatAnswersInstead(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for address, want := range map[string]string{
		other.Listener.Addr().String(): "expected the log-in page, got status 404 at /: 404 page not found",
		gone.Listener.Addr().String():  "connection refused",
	} {
		g := NewWithT(t)
		ctx, cancel := context.WithTimeout(t.Context(), interval+interval/2)
		defer cancel()
		site := Site{ExternalURL: &url.URL{Scheme: "https", Host: "id.example"}, Address: address}
		g.Expect(site.LogIn(ctx, mail, "unused", func(string) {})).To(MatchError(And(
			ContainSubstring("the site at "+address), ContainSubstring(want))))
	}
}
