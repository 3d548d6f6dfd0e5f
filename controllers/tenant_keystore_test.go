/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/rotation"
)

func ellipticPair(t *testing.T) admin.KeyPair {
	t.Helper()
	pair, err := keypair.Generate(keypair.ECDSAP256, "acme", noon, time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestKeysAreReadAsTheyWereStored(t *testing.T) {
	g := NewWithT(t)
	a, b := ellipticPair(t), ellipticPair(t)
	secret := &corev1.Secret{Data: map[string][]byte{"ca.crt": []byte("somebody's")}}
	all := rotation.Keys{
		Current: a, CurrentSince: noon, Next: b, NextFrom: noon.Add(time.Hour), Previous: b.Certificate, PreviousUntil: noon.Add(2 * time.Hour),
		Followed: a.Certificate, Rotated: "1", Replaced: "2",
	}
	for _, keys := range []rotation.Keys{{Current: a}, all, {Current: b, CurrentSince: noon}, {Current: b, Followed: a.Certificate}} {
		putKeys(secret, keys)
		g.Expect(keysIn(secret).Equal(keys)).To(BeTrue())
	}
	g.Expect(secret.Data).To(HaveKey("ca.crt"))
	g.Expect(secret.Data).NotTo(HaveKey(nextPrivateKeyKey))
	g.Expect(secret.Annotations).To(BeEmpty())
}

func TestSpoiltKeysAreNone(t *testing.T) {
	g := NewWithT(t)
	pair := ellipticPair(t)
	keys := keysIn(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{nextFromAnnotation: noon.Format(time.RFC3339), previousUntilAnnotation: "soon"}},
		Data: map[string][]byte{
			corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.PrivateKey, nextCertificateKey: pair.Certificate,
			previousCertificateKey: []byte("x"), followedCertificateKey: []byte("x"),
		},
	})
	g.Expect(keys).To(Equal(rotation.Keys{Current: pair}))
}

func TestStoreMustHoldAPair(t *testing.T) {
	g := NewWithT(t)
	there := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "7"}}
	g.Expect((&keyStore{secret: there}).mustHold(rotation.Wish{})).To(BeTrue())
	g.Expect((&keyStore{secret: &corev1.Secret{}}).mustHold(rotation.Wish{})).To(BeFalse(), "nothing there")
	g.Expect((&keyStore{secret: there}).mustHold(rotation.Wish{Follow: []byte("x")})).To(BeFalse(), "the user brings one")
	g.Expect((&keyStore{secret: there, keys: rotation.Keys{Followed: []byte("x")}}).mustHold(rotation.Wish{})).To(BeFalse(), "the user brought one")
	g.Expect((&keyStore{secret: there}).mustHold(rotation.Wish{Replace: "1"})).To(BeFalse(), "another one is asked for")
	g.Expect((&keyStore{secret: there, keys: rotation.Keys{Replaced: "1"}}).mustHold(rotation.Wish{Replace: "1"})).To(BeTrue())
}

func TestRotationWish(t *testing.T) {
	g := NewWithT(t)
	tenant := &v1alpha1.Tenant{}
	g.Expect(rotationWish(tenant)).To(Equal(rotation.Wish{Overlap: 720 * time.Hour}))
	tenant.Annotations = map[string]string{
		v1alpha1.RotateSigningKeyAnnotation: "r", v1alpha1.ReplaceSigningKeyAnnotation: strings.Repeat("あ", 1000),
	}
	tenant.Spec.SigningKey = &v1alpha1.SigningKey{Algorithm: "ECDSAP256", Rotation: &v1alpha1.KeyRotation{Interval: "8760h", Overlap: "48h30m"}}
	g.Expect(rotationWish(tenant)).To(Equal(rotation.Wish{
		Algorithm: keypair.ECDSAP256, Interval: 8760 * time.Hour, Overlap: 48*time.Hour + 30*time.Minute,
		Rotate: "r", Replace: strings.Repeat("あ", 341),
	}))
	tenant.Spec.SigningKey = &v1alpha1.SigningKey{Rotation: &v1alpha1.KeyRotation{Interval: "8760h"}}
	g.Expect(rotationWish(tenant).Overlap).To(Equal(720 * time.Hour))
}

func TestSecretsOfATenant(t *testing.T) {
	g := NewWithT(t)
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
	g.Expect(signingSecretNames(tenant)).To(Equal([]string{"acme-saml-signing"}))
	tenant.Spec.SigningKey = &v1alpha1.SigningKey{SecretRef: &v1alpha1.SecretReference{Name: "ours"}}
	g.Expect(signingSecretNames(tenant)).To(Equal([]string{"acme-saml-signing", "ours"}))
	tenant.Spec.SigningKey.SecretRef.Name = "acme-saml-signing"
	g.Expect(signingSecretNames(tenant)).To(Equal([]string{"acme-saml-signing"}))
}
