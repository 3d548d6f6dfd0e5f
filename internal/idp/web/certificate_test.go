/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"encoding/pem"
	"net/http"
	"testing"

	"github.com/crewjam/saml"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
)

func TestCertificateFiles(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	key, err := sharedKey()
	w.Expect(err).NotTo(HaveOccurred())
	block, _ := pem.Decode(key.Certificate)
	for name, want := range map[string]struct{ contentType, body string }{
		"certificate.pem": {"application/x-pem-file", string(key.Certificate)},
		"certificate.cer": {"application/pkix-cert", string(block.Bytes)},
	} {
		answer := b.get("/saml/acme/" + name)
		w.Expect(answer.status).To(Equal(http.StatusOK))
		w.Expect(answer.header.Get("Content-Type")).To(Equal(want.contentType))
		w.Expect(answer.header.Get("Cache-Control")).To(Equal("public, max-age=300"))
		w.Expect(answer.header.Get("Content-Disposition")).To(Equal(`attachment; filename="` + name + `"`))
		w.Expect(answer.body).To(Equal(want.body))
		w.Expect(b.get("/saml/none/" + name).status).To(Equal(http.StatusNotFound))
	}
}

// TestAppsWithSettingsOfTheirOwn: issuer, pairwise name ID and relay state on
// the way through the site, and a refusal that is the app's too.
func TestAppsWithSettingsOfTheirOwn(t *testing.T) {
	w, sp := newSAMLWorld(t)
	const issuer = "http://acme.example/adfs/services/trust/"
	w.apply(samlApp(func(a *directory.App) {
		a.URL, a.SAML.NameIDFormat, a.SAML.Issuer, a.SAML.DefaultRelayState = "", directory.NameIDPersistent, issuer, "/home"
	}))
	sp.IDPMetadata.EntityID, sp.AllowIDPInitiated, sp.AuthnNameIDFormat = issuer, true, saml.PersistentNameIDFormat
	b := w.browser()
	posted := b.get("/saml/acme/apps/wiki").submit("/login", "mail", hanako, "password", goodPassword)
	w.Expect(posted.form(spACS).Get("RelayState")).To(Equal("/home"))
	first := sp.accept(posted).Subject.NameID
	w.Expect(first.Value).To(MatchRegexp(`^[a-z2-7]{52}$`))
	w.Expect([]string{first.NameQualifier, first.SPNameQualifier}).To(Equal([]string{issuer, spEntityID}))
	id, target := sp.request("", nil)
	w.Expect(sp.accept(b.get(target), id).Subject.NameID.Value).To(Equal(first.Value))

	yes := true
	_, target = sp.request("", func(r *saml.AuthnRequest) { r.ForceAuthn, r.IsPassive = &yes, &yes })
	w.Expect(b.get(target).response().Issuer.Value).To(Equal(issuer))
}
