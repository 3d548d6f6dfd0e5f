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
		g.Expect(endpoints.IdPInitiated(external, "acme", "wiki")).To(Equal("https://id.example.com/saml/acme/apps/wiki"))
		g.Expect(endpoints.PasswordLink(external, "a_b-c")).To(Equal("https://id.example.com/password/a_b-c"))
	}
}
