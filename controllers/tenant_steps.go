/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/status"
)

// Clock tells the time; tests inject it.
type Clock func() time.Time

const (
	// certificateLifetime is long, because every service provider pins the
	// certificate and a rotation is an act of its own.
	certificateLifetime = 10 * 365 * 24 * time.Hour
	// certificateBackdate allows for service providers whose clock is behind.
	certificateBackdate = time.Hour
)

// signingSecretName is the Secret a tenant signs with.
func signingSecretName(tenant *v1alpha1.Tenant) string {
	if key := tenant.Spec.SigningKey; key != nil {
		return key.SecretRef.Name
	}
	return derivedName(tenant.Name, "-saml-signing")
}

// signingKey reads the tenant's key pair, and makes it where the user brings
// none. False means that the report says what is wrong; what was published
// before stays in use.
func (k *tenants) signingKey(ctx context.Context, tenant *v1alpha1.Tenant, report *status.Report) (admin.KeyPair, keypair.CertificateInfo, bool) {
	name := types.NamespacedName{Namespace: tenant.Namespace, Name: signingSecretName(tenant)}
	secret := &corev1.Secret{}
	err := k.secrets.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		if tenant.Spec.SigningKey != nil {
			report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
				fmt.Sprintf("Secret %q does not exist in this namespace; create it or correct spec.signingKey.secretRef.", name.Name)))
			return admin.KeyPair{}, keypair.CertificateInfo{}, false
		}
		secret, err = k.makeSigningKey(ctx, tenant, name)
	}
	if err != nil {
		report.Add(readFailed("The signing Secret", err))
		return admin.KeyPair{}, keypair.CertificateInfo{}, false
	}
	pair := admin.KeyPair{Certificate: secret.Data[corev1.TLSCertKey], PrivateKey: secret.Data[corev1.TLSPrivateKeyKey]}
	info, err := keypair.InspectKeyPair(pair)
	if err != nil {
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
			fmt.Sprintf("Secret %q cannot be used to sign: %v.", name.Name, err)))
		return admin.KeyPair{}, keypair.CertificateInfo{}, false
	}
	return pair, info, true
}

// makeSigningKey makes the tenant's key pair once. The Secret is not owned by
// the Tenant: service providers pin the certificate, so a tenant that is
// deleted by mistake and applied again must sign with the same key.
func (k *tenants) makeSigningKey(ctx context.Context, tenant *v1alpha1.Tenant, name types.NamespacedName) (*corev1.Secret, error) {
	pair, err := keypair.GenerateKeyPair("Tegata "+slugOf(tenant)[:min(len(slugOf(tenant)), 50)], k.clock().Add(-certificateBackdate), certificateLifetime, nil)
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: backedUp()},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.PrivateKey},
	}
	return secret, k.Create(ctx, secret)
}
