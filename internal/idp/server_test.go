/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package idp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/idp/mail"
	"tegata.dev/tegata/internal/keypair"
)

func options(t *testing.T) idp.Options {
	return idp.Options{
		ExternalURL: "http://localhost", Address: "127.0.0.1:0", SQLitePath: filepath.Join(t.TempDir(), "idp.db"),
		Key: bytes.Repeat([]byte{7}, 32), Log: testr.New(t),
	}
}

func get(t *testing.T, target string) (int, string) {
	t.Helper()
	g := NewWithT(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	g.Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	g.Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(body)
}

func TestServerServesWhatIsPublished(t *testing.T) {
	g := NewWithT(t)
	o, registry := options(t), prometheus.NewRegistry()
	o.Registerer = registry
	server, err := idp.New(t.Context(), o)
	g.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	base := "http://" + server.Address().String()

	key, err := keypair.GenerateKeyPair("acme", time.Now().Add(-time.Hour), 24*time.Hour, rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	results, err := server.Admin().Apply(ctx, []admin.Change{{
		Key: admin.Key{Kind: admin.KindTenant, Tenant: "acme"}, Owner: "default/acme",
		Tenant: &admin.Tenant{SigningKey: key, Tenant: directory.Tenant{Slug: "acme", DisplayName: "Acme", TimeZone: "UTC", Language: "en", Plan: directory.PlanPlus}},
	}, {
		Key: admin.Key{Kind: admin.KindMember, Tenant: "acme", Name: "hanako"}, Owner: "default/hanako", TenantOwner: "default/acme",
		Member: &admin.Member{Member: directory.Member{Tenant: "acme", Name: "hanako", Mail: "hanako@acme.example", Role: directory.RoleStaff,
			TimeZone: "UTC", Language: "en", PasswordSetup: directory.PasswordSetupMailLink}},
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(results).To(HaveEach(HaveField("Problem", BeNil())))

	status, metadata := get(t, base+"/saml/acme/metadata")
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(metadata).To(ContainSubstring(endpoints.SingleSignOn("http://localhost", "acme")))
	status, _ = get(t, base+"/readyz")
	g.Expect(status).To(Equal(http.StatusOK))
	families, err := registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	mails := map[string]float64{}
	for _, family := range families {
		names = append(names, family.GetName())
		for _, metric := range family.GetMetric() {
			if family.GetName() == "tegata_idp_outbox_mails" {
				mails[metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue()
			}
		}
	}
	g.Expect(mails).To(Equal(map[string]float64{"waiting": 1, "failing": 0}), "without a mail server mails wait")
	g.Expect(names).To(ContainElements("tegata_idp_http_request_duration_seconds", "tegata_idp_password_hashes_waiting", "tegata_idp_panics_total"))

	g.Expect(server.SetSMTP(&mail.SMTPOptions{Host: "mail.invalid", From: "id@example.com"})).To(Succeed())
	g.Expect(server.SetSMTP(nil)).To(Succeed())
	stop()
	g.Eventually(ended, "30s").Should(Receive(BeNil()))
	_, err = net.DialTimeout("tcp", server.Address().String(), time.Second)
	g.Expect(err).To(HaveOccurred(), "it listens no more")
	_, err = server.Admin().About(context.Background())
	g.Expect(err).To(MatchError(ContainSubstring("the database does not answer")))
}

// TestReadinessGoesOffFirst keeps serving while load balancers learn of the end.
func TestReadinessGoesOffFirst(t *testing.T) {
	g := NewWithT(t)
	o := options(t)
	o.DrainDelay = 2 * time.Second
	server, err := idp.New(t.Context(), o)
	g.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	base := "http://" + server.Address().String()
	g.Eventually(func() int { status, _ := get(t, base+"/readyz"); return status }, "5s").Should(Equal(http.StatusOK))
	stop()
	g.Eventually(func() int { status, _ := get(t, base+"/readyz"); return status }, "1s", "10ms").Should(Equal(http.StatusServiceUnavailable))
	response, err := http.Get(base + "/login")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(response.Body.Close()).To(Succeed())
	g.Expect(response.StatusCode).To(Equal(http.StatusOK))
	g.Expect(response.Close).To(BeTrue(), "a kept connection goes elsewhere with the next request")
	g.Eventually(ended, "30s").Should(Receive(BeNil()))
}

func TestNewRefuses(t *testing.T) {
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	defer func() { _ = occupied.Close() }()
	for name, c := range map[string]struct {
		edit func(*idp.Options)
		want string
	}{
		"external URL":     {func(o *idp.Options) { o.ExternalURL = "http://id.example.com" }, "external URL must begin with https"},
		"key":              {func(o *idp.Options) { o.Key = nil }, "the sealing key has 0 bytes"},
		"database":         {func(o *idp.Options) { o.SQLitePath = "/nowhere/at/all/idp.db" }, "open the database"},
		"occupied address": {func(o *idp.Options) { o.Address = occupied.Addr().String() }, "listen for browsers"},
		"mail server":      {func(o *idp.Options) { o.SMTP = &mail.SMTPOptions{} }, "host is not set"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			c.edit(&o)
			_, err := idp.New(t.Context(), o)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}
