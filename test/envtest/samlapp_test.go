/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/keypair"
)

// certificateOf makes a service provider's certificate.
func (p *place) certificateOf(algorithm keypair.Algorithm) v1alpha1.ServiceProviderCertificate {
	pair, err := keypair.Generate(algorithm, "wiki", time.Now().Add(-time.Hour), 24*time.Hour, nil)
	p.Expect(err).NotTo(HaveOccurred())
	return v1alpha1.ServiceProviderCertificate{Certificate: string(pair.Certificate)}
}

// TestCertificatesOfAServiceProvider: what the schema cannot tell of them is
// told by the condition, and what was published before stays.
func TestCertificatesOfAServiceProvider(t *testing.T) {
	p := newPlace(t)
	app := p.samlApp("wiki")
	p.create(app)
	p.current(app)
	published := app.Status.PublishedTo

	p.change(app, func() {
		app.Spec.Encryption = &v1alpha1.SAMLEncryption{}
		app.Spec.ServiceProvider.Certificates = []v1alpha1.ServiceProviderCertificate{{Certificate: "-----BEGIN CERTIFICATE-----\nnonsense"}}
	})
	p.Expect(p.stalled(app, v1alpha1.InvalidSpecReason)).To(ContainSubstring("certificates[0]: the certificate is not PEM"))
	p.Expect(app.Status.PublishedTo).To(Equal(published))

	p.change(app, func() {
		app.Spec.ServiceProvider.Certificates = []v1alpha1.ServiceProviderCertificate{p.certificateOf(keypair.ECDSAP256)}
	})
	p.Expect(p.stalled(app, v1alpha1.InvalidSpecReason)).To(And(ContainSubstring("encryption: "), ContainSubstring("RSA key"), ContainSubstring("or remove encryption")))

	p.change(app, func() {
		app.Spec.ServiceProvider.Certificates = append(app.Spec.ServiceProvider.Certificates, p.certificateOf(keypair.RSA2048))
	})
	p.current(app)
}

// TestIssuerOfAnApp is shown in place of the tenant's, to those who must enter it.
func TestIssuerOfAnApp(t *testing.T) {
	p := newPlace(t)
	app := p.samlApp("wiki")
	app.Spec.Issuer = "http://acme.example/adfs/services/trust/"
	p.create(app)
	p.current(app)
	tenant := p.tenant()
	p.refresh(tenant)
	p.Expect(app.Status.Issuer).To(Equal("http://acme.example/adfs/services/trust/"))
	p.Expect(app.Status.MetadataURL).To(Equal(tenant.Status.MetadataURL))
	p.change(app, func() { app.Spec.Issuer = "" })
	p.current(app)
	p.Expect(app.Status.Issuer).To(Equal(tenant.Status.Issuer))
}
