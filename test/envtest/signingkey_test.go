/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/samlxml"
)

// rotating is a tenant whose keys sign for a day and overlap by two hours.
func rotating(tenant *v1alpha1.Tenant) {
	tenant.Spec.SigningKey = &v1alpha1.SigningKey{Rotation: &v1alpha1.KeyRotation{Interval: "24h", Overlap: "2h"}}
}

// overlapping is a tenant whose keys are followed on demand, with two hours of overlap.
func overlapping(tenant *v1alpha1.Tenant) {
	tenant.Spec.SigningKey = &v1alpha1.SigningKey{Rotation: &v1alpha1.KeyRotation{Overlap: "2h"}}
}

// moveClock sets how far the clock is ahead, and wakes the tenant, whose alarm is set for the real time.
func (p *place) moveClock(ahead time.Duration) {
	p.t.Helper()
	p.t.Cleanup(func() { offset.Store(0) })
	offset.Store(int64(ahead))
	secret := p.keys()
	p.change(secret, func() { secret.Labels["woken"] = fmt.Sprint(int64(ahead)) })
}

func (p *place) keys() *corev1.Secret { return &corev1.Secret{ObjectMeta: p.meta("acme-saml-signing")} }

// keysHeld are what the operator's Secret holds.
func (p *place) keysHeld() []string {
	p.t.Helper()
	secret := p.keys()
	p.refresh(secret)
	names := []string{}
	for name := range secret.Data {
		names = append(names, name)
	}
	return names
}

// certificates waits until the tenant shows certificates with these uses in
// status, the SAMLApp shows the same, and the metadata has just these and is
// signed by the first one; it returns their fingerprints.
func (p *place) certificates(tenant *v1alpha1.Tenant, app *v1alpha1.SAMLApp, uses ...v1alpha1.CertificateUse) []string {
	p.t.Helper()
	var shown []string
	p.Eventually(func(g Gomega) {
		g.Expect(p.k8s.Get(ctx, client.ObjectKeyFromObject(tenant), tenant)).To(Succeed())
		shown = nil
		var found []v1alpha1.CertificateUse
		for _, certificate := range tenant.Status.Certificates {
			shown, found = append(shown, certificate.Fingerprint), append(found, certificate.Use)
		}
		g.Expect(found).To(Equal(uses))
		g.Expect(p.metadataFingerprints(g, tenant)).To(Equal(shown))
		if app != nil {
			g.Expect(p.k8s.Get(ctx, client.ObjectKeyFromObject(app), app)).To(Succeed())
			g.Expect(app.Status.Certificates).To(Equal(tenant.Status.Certificates))
		}
	}, patience, glance).Should(Succeed())
	p.current(tenant)
	return shown
}

func (p *place) metadataFingerprints(g Gomega, tenant *v1alpha1.Tenant) []string {
	response, err := http.Get(tenant.Status.MetadataURL)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	document, err := io.ReadAll(response.Body)
	g.Expect(err).NotTo(HaveOccurred())
	metadata := &crewjam.EntityDescriptor{}
	g.Expect(xml.Unmarshal(document, metadata)).To(Succeed())
	var fingerprints []string
	var keys []crypto.PublicKey
	for _, key := range metadata.IDPSSODescriptors[0].KeyDescriptors {
		der, err := base64.StdEncoding.DecodeString(key.KeyInfo.X509Data.X509Certificates[0].Data)
		g.Expect(err).NotTo(HaveOccurred())
		certificate, err := x509.ParseCertificate(der)
		g.Expect(err).NotTo(HaveOccurred())
		fingerprints, keys = append(fingerprints, keypair.Fingerprint(certificate)), append(keys, certificate.PublicKey)
	}
	root, err := samlxml.Parse(document, samlxml.Limits{Bytes: 1 << 20, Elements: 1000, Depth: 32, Attributes: 64})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(root.VerifyEnveloped(keys[:1], samlxml.Policy{})).To(Succeed())
	return fingerprints
}

const (
	onlyCurrent  = v1alpha1.CertificateCurrent
	withNext     = v1alpha1.CertificateNext
	withPrevious = v1alpha1.CertificatePrevious
)

func TestSigningKeyIsRotatedBySchedule(t *testing.T) {
	p := newPlace(t, rotating)
	tenant, app := p.tenant(), p.samlApp("wiki")
	p.create(app)
	first := p.certificates(tenant, app, onlyCurrent)
	p.Expect(tenant.Status.SigningKey).To(BeNil())

	p.moveClock(22*time.Hour + time.Minute)
	announced := p.certificates(tenant, app, onlyCurrent, withNext)
	p.Expect(announced[0]).To(Equal(first[0]))
	p.Expect(tenant.Status.SigningKey.NextFrom.Time).To(BeTemporally("~", now().Add(2*time.Hour), time.Minute))
	p.Expect(p.keysHeld()).To(ConsistOf(corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "next.crt", "next.key"))
	p.unchanged(tenant, 500*time.Millisecond)

	p.moveClock(24*time.Hour + 2*time.Minute)
	switched := p.certificates(tenant, app, onlyCurrent, withPrevious)
	p.Expect(switched).To(Equal([]string{announced[1], first[0]}))
	p.Expect(tenant.Status.SigningKey.PreviousUntil.Time).To(BeTemporally("~", now().Add(2*time.Hour), time.Minute))
	p.Expect(p.keysHeld()).To(ConsistOf(corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "previous.crt"), "the former private key is destroyed")

	p.moveClock(26*time.Hour + 3*time.Minute)
	p.Expect(p.certificates(tenant, app, onlyCurrent)).To(Equal(switched[:1]))
	p.Expect(tenant.Status.SigningKey).To(BeNil())

	p.moveClock(46*time.Hour + 4*time.Minute)
	again := p.certificates(tenant, app, onlyCurrent, withNext)
	p.Expect(again[0]).To(Equal(switched[0]))
}

func TestSigningKeyIsRotatedAndReplacedOnDemand(t *testing.T) {
	p := newPlace(t, overlapping)
	tenant, app := p.tenant(), p.samlApp("wiki")
	p.create(app)
	first := p.certificates(tenant, app, onlyCurrent)
	ask := func(annotation, token string) {
		p.change(tenant, func() { tenant.Annotations = map[string]string{annotation: token} })
	}

	ask(v1alpha1.RotateSigningKeyAnnotation, "spring")
	announced := p.certificates(tenant, app, onlyCurrent, withNext)
	p.Expect(announced[0]).To(Equal(first[0]))
	p.Expect(tenant.Status.SigningKey.LastRotation).To(Equal("spring"))
	p.unchanged(tenant, 500*time.Millisecond)
	p.moveClock(2*time.Hour + time.Minute)
	switched := p.certificates(tenant, app, onlyCurrent, withPrevious)
	p.Expect(switched).To(Equal([]string{announced[1], first[0]}))

	t.Run("in an emergency nothing of the former keys is left", func(*testing.T) {
		ask(v1alpha1.RotateSigningKeyAnnotation, "summer")
		three := p.certificates(tenant, app, onlyCurrent, withNext, withPrevious)
		before := p.keys()
		p.refresh(before)
		ask(v1alpha1.ReplaceSigningKeyAnnotation, "stolen")
		fresh := p.certificates(tenant, app, onlyCurrent)
		p.Expect(three).NotTo(ContainElement(fresh[0]))
		p.Expect(tenant.Status.SigningKey.LastReplacement).To(Equal("stolen"))
		p.Expect(tenant.Status.SigningKey.LastRotation).To(Equal("summer"))
		after := p.keys()
		p.refresh(after)
		p.Expect(after.Data).To(HaveLen(2))
		p.Expect(after.Data[corev1.TLSPrivateKeyKey]).NotTo(Or(Equal(before.Data[corev1.TLSPrivateKeyKey]), Equal(before.Data["next.key"])))
		p.unchanged(tenant, 500*time.Millisecond)
	})
	t.Run("another algorithm is changed to in order", func(*testing.T) {
		p.change(tenant, func() { tenant.Spec.SigningKey.Algorithm = "ECDSAP256" })
		announced := p.certificates(tenant, app, onlyCurrent, withNext)
		p.moveClock(4*time.Hour + 2*time.Minute)
		p.Expect(p.certificates(tenant, app, onlyCurrent, withPrevious)[0]).To(Equal(announced[1]))
		p.Expect(keypair.InspectCertificate([]byte(tenant.Status.Certificates[0].PEM))).To(HaveField("Algorithm", keypair.ECDSAP256))
	})
	t.Run("a spoilt Secret is told of, and healed by a replacement", func(*testing.T) {
		secret := p.keys()
		p.change(secret, func() { secret.Data[corev1.TLSCertKey] = []byte("spoilt") })
		p.Expect(p.stalled(tenant, v1alpha1.InvalidReferenceReason)).To(ContainSubstring(`Secret "acme-saml-signing" cannot be used to sign`))
		p.Expect(httpGet(tenant.Status.MetadataURL)).To(Equal(200))
		ask(v1alpha1.ReplaceSigningKeyAnnotation, "spoilt")
		p.certificates(tenant, app, onlyCurrent)
	})
}

// renew puts another pair into a Secret, as cert-manager does.
func (p *place) renew(secret *corev1.Secret) {
	p.t.Helper()
	next := p.signingSecret("unused")
	p.change(secret, func() { secret.Data = next.Data })
}

func TestRenewedSecretKeepsTheFormerCertificatePublished(t *testing.T) {
	p := newPlace(t, overlapping)
	tenant, app := p.tenant(), p.samlApp("wiki")
	secret := p.signingSecret("from-cert-manager")
	p.create(app, secret)
	ours := p.certificates(tenant, app, onlyCurrent)

	p.change(tenant, func() { tenant.Spec.SigningKey.SecretRef = &v1alpha1.SecretReference{Name: secret.Name} })
	theirs := p.certificates(tenant, app, onlyCurrent, withPrevious)
	p.Expect(theirs[1]).To(Equal(ours[0]))
	p.renew(secret)
	p.Eventually(func() string { p.refresh(tenant); return tenant.Status.Certificates[1].Fingerprint }, patience, glance).Should(Equal(theirs[0]))
	renewed := p.certificates(tenant, app, onlyCurrent, withPrevious)
	p.moveClock(2*time.Hour + time.Minute)
	p.Expect(p.certificates(tenant, app, onlyCurrent)).To(Equal(renewed[:1]))

	t.Run("an emergency takes the former certificate out", func(*testing.T) {
		p.renew(secret)
		p.certificates(tenant, app, onlyCurrent, withPrevious)
		p.change(tenant, func() { tenant.Annotations = map[string]string{v1alpha1.ReplaceSigningKeyAnnotation: "stolen"} })
		p.certificates(tenant, app, onlyCurrent)
	})
	t.Run("a key of our own signs again, not the one of before the emergency", func(*testing.T) {
		last := p.certificates(tenant, app, onlyCurrent)
		p.change(tenant, func() { tenant.Spec.SigningKey.SecretRef = nil })
		again := p.certificates(tenant, app, onlyCurrent, withPrevious)
		p.Expect(again[1]).To(Equal(last[0]))
		p.Expect(again[0]).NotTo(Equal(ours[0]))
	})
}

func TestEndingCertificateIsToldOf(t *testing.T) {
	p := newNamespace(t)
	pair := must(keypair.Generate(keypair.ECDSAP256, "test", time.Now().Add(-time.Hour), 20*24*time.Hour, nil))
	secret := p.signingSecret("ours")
	secret.Data = map[string][]byte{corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.PrivateKey}
	p.create(secret)
	p.settle(func(tenant *v1alpha1.Tenant) {
		tenant.Spec.SigningKey = &v1alpha1.SigningKey{SecretRef: &v1alpha1.SecretReference{Name: secret.Name}}
	})
	tenant := p.tenant()
	p.current(tenant)
	p.Expect(tenant.Status.Conditions[0]).To(And(HaveField("Type", v1alpha1.ReadyCondition), HaveField("Reason", v1alpha1.CertificateExpiringReason),
		HaveField("Message", ContainSubstring("put a new key pair into the Secret"))))
	p.Eventually(func(g Gomega) {
		events := &eventsv1.EventList{}
		g.Expect(p.k8s.List(ctx, events, client.InNamespace(p.namespace))).To(Succeed())
		g.Expect(events.Items).To(ContainElement(And(HaveField("Reason", v1alpha1.CertificateExpiringReason), HaveField("Type", corev1.EventTypeWarning))))
	}, patience, glance).Should(Succeed())
	p.renew(secret)
	p.certificates(tenant, nil, onlyCurrent, withPrevious)
	p.Expect(tenant.Status.Conditions[0].Reason).To(Equal(v1alpha1.PublishedReason))
}

// TestKilledOperatorLosesNoKey kills the operator with SIGKILL again and again
// while keys are rotated and replaced: in the end Secret, status and metadata agree.
func TestKilledOperatorLosesNoKey(t *testing.T) {
	c := must(startCluster())
	t.Cleanup(c.stop)
	operator := newProcess(t, c)
	operator.start()
	t.Cleanup(operator.kill)
	p := newNamespaceIn(t, c)
	p.settle(overlapping)
	tenant := p.tenant()
	for i := range 6 {
		asked := fmt.Sprint("attempt ", i)
		annotation := v1alpha1.RotateSigningKeyAnnotation
		if i%2 == 1 {
			annotation = v1alpha1.ReplaceSigningKeyAnnotation
		}
		p.change(tenant, func() { tenant.Annotations = map[string]string{annotation: asked} })
		before := p.keys()
		p.refresh(before)
		// Killed as soon as the Secret is written, which is before or while it is published.
		p.Eventually(func() string { after := p.keys(); p.refresh(after); return after.ResourceVersion }, patience, time.Millisecond).
			ShouldNot(Equal(before.ResourceVersion))
		operator.kill()
		operator.start()
		p.Eventually(func(g Gomega) {
			p.refresh(tenant)
			done := tenant.Status.SigningKey
			g.Expect(done).NotTo(BeNil())
			g.Expect(done.LastRotation + done.LastReplacement).To(ContainSubstring(asked))
		}, patience, glance).Should(Succeed())
		uses := []v1alpha1.CertificateUse{onlyCurrent}
		if i%2 == 0 {
			uses = append(uses, withNext)
		}
		shown := p.certificates(tenant, nil, uses...)
		secret := p.keys()
		p.refresh(secret)
		pair := admin.KeyPair{Certificate: secret.Data[corev1.TLSCertKey], PrivateKey: secret.Data[corev1.TLSPrivateKeyKey]}
		p.Expect(must(keypair.InspectKeyPair(pair)).SHA256Fingerprint).To(Equal(shown[0]))
	}
	p.Expect(strings.Count(tenant.Status.SigningKey.LastReplacement, "attempt")).To(Equal(1))
}
