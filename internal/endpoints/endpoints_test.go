/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package endpoints_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/endpoints"
)

func TestURLs(t *testing.T) {
	for _, external := range []string{"https://id.example.com", "https://id.example.com/"} {
		g := NewWithT(t)
		g.Expect(endpoints.Issuer(external, "acme")).To(Equal("https://id.example.com/saml/acme/metadata"))
		g.Expect(endpoints.Metadata(external, "acme")).To(Equal(endpoints.Issuer(external, "acme")))
		g.Expect(endpoints.SingleSignOn(external, "acme")).To(Equal("https://id.example.com/saml/acme/sso"))
		g.Expect(endpoints.SingleLogout(external, "acme")).To(Equal("https://id.example.com/saml/acme/slo"))
		g.Expect(endpoints.IdPInitiated(external, "acme", "wiki")).To(Equal("https://id.example.com/saml/acme/apps/wiki"))
		g.Expect(endpoints.PasswordLink(external, "a_b-c")).To(Equal("https://id.example.com/password/a_b-c"))
	}
}

func TestOriginsCompare(t *testing.T) {
	for _, same := range [][]string{
		{"https://id.example.com", "https://ID.Example.COM", "https://id.example.com:443", "https://id.example.com:0443", "https://id.example.com/", "HTTPS://id.example.com"},
		{"https://id.example.com:8443", "https://ID.example.com:8443"},
		{"http://127.0.0.1", "http://127.0.0.1:80"},
		{"http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080"},
	} {
		for _, external := range same {
			NewWithT(t).Expect(endpoints.Origin(external)).To(Equal(endpoints.Origin(same[0])), external)
		}
	}
	g := NewWithT(t)
	g.Expect(endpoints.Origin("https://id.example.com")).To(Equal("https://id.example.com:443"))
	g.Expect(endpoints.Origin("https://id.example.com:80")).NotTo(Equal(endpoints.Origin("https://id.example.com")))
	g.Expect(endpoints.Origin("http://localhost")).NotTo(Equal(endpoints.Origin("https://localhost")))
	g.Expect(endpoints.Origin("nonsense")).To(Equal("nonsense"))
}
