/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"crypto"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/samlmetadata"
)

// takeOver lets an app be what the service provider's own metadata says of it,
// as spec.metadata does; with trusted keys, one of which must have signed it.
func (w *world) takeOver(app *directory.App, address string, trusted ...crypto.PublicKey) *samlmetadata.ServiceProvider {
	w.t.Helper()
	page, err := formclient.New().Get(w.t.Context(), address)
	w.Expect(err).NotTo(HaveOccurred())
	provider, err := samlmetadata.Parse(page.Body, samlmetadata.Options{Now: time.Now(), TrustedKeys: trusted})
	w.Expect(err).NotTo(HaveOccurred(), string(page.Body))
	app.SAML.EntityID = provider.EntityID
	app.SAML.AssertionConsumerServices = provider.AssertionConsumerServices
	app.SAML.SingleLogoutServices = provider.SingleLogoutServices
	app.SAML.Certificates = provider.Certificates
	app.SAML.Requests.Signed = provider.RequestsSigned
	return provider
}

// TestMetadataOfMellon: as mellon writes it, and as its administrator did.
func TestMetadataOfMellon(t *testing.T) {
	for name, options := range map[string]mellonOptions{
		"its own":     {OwnMetadata: true},
		"another's":   {},
		"with a need": {SignRequests: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := newMellon(w, options, nil)
			provider := w.takeOver(m.app, m.EntityID)
			w.Expect(provider.EntityID).To(Equal(m.EntityID))
			w.Expect(provider.Certificates).NotTo(BeEmpty())
			w.Expect(provider.SingleLogoutServices).NotTo(BeEmpty())
			w.Expect(provider.NameIDFormats).NotTo(BeEmpty())
			if !options.OwnMetadata {
				w.Expect(provider.RequestsSigned).To(Equal(options.SignRequests))
			} else {
				m.app.SAML.NameIDFormat = directory.NameIDTransient
			}
			m.app.SAML.Encryption = directory.AES256GCM
			w.publishApp(m.app)
			got := m.logInTo(formclient.New(), deepLink)
			m.expectMember(got, got["NAME_ID"])
		})
	}
}

// TestMetadataOfNodeSAML: with both certificates, and a promise to sign.
func TestMetadataOfNodeSAML(t *testing.T) {
	w := newWorld(t)
	n := newNodeSAML(w, with(signs(), "decryptionPvk", string(serviceKey().PrivateKey)), nil)
	provider := w.takeOver(n.app, n.provider+"/metadata")
	w.Expect(provider.EntityID).To(Equal(entityID))
	w.Expect(provider.RequestsSigned).To(BeTrue())
	w.Expect(provider.AssertionsSigned).To(BeTrue())
	w.Expect(provider.Certificates).To(ConsistOf(
		HaveField("Use", directory.CertificateSigning), HaveField("Use", directory.CertificateEncryption)))
	n.app.SAML.Encryption = directory.AES256GCM
	w.publishApp(n.app)
	for _, binding := range []string{"redirect", "post"} {
		n.expectProfile(n.logInBy(formclient.New(), binding))
	}
}
