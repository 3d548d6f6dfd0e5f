/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/rotation"
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
	// defaultOverlap is that of rotations that declare none.
	defaultOverlap = 720 * time.Hour
	// maxToken bounds what is kept of an annotation that asks for a key, in bytes.
	maxToken = 1024
)

// signing is what a tenant signs with, and what its service providers are told.
type signing struct {
	pair admin.KeyPair
	info keypair.CertificateInfo
	keys rotation.Keys
	wish rotation.Wish
	// store keeps keys; nil where the user's Secret has the name of ours, so that
	// nothing can be remembered.
	store *keyStore
}

// signingSecretName is the Secret that the operator keeps a tenant's keys in.
func signingSecretName(tenant *v1alpha1.Tenant) string {
	return derivedName(tenant.Name, "-saml-signing")
}

// signingSecretNames are the Secrets whose changes concern a tenant.
func signingSecretNames(tenant *v1alpha1.Tenant) []string {
	names := []string{signingSecretName(tenant)}
	if ref := suppliedKey(tenant); ref != nil && ref.Name != names[0] {
		names = append(names, ref.Name)
	}
	return names
}

// suppliedKey names the Secret of a tenant that brings its own key, else nil.
func suppliedKey(tenant *v1alpha1.Tenant) *v1alpha1.SecretReference {
	if tenant.Spec.SigningKey == nil {
		return nil
	}
	return tenant.Spec.SigningKey.SecretRef
}

// rotationWish is what the tenant declares of its keys.
func rotationWish(tenant *v1alpha1.Tenant) rotation.Wish {
	wish := rotation.Wish{
		Overlap: defaultOverlap,
		Rotate:  token(tenant.Annotations[v1alpha1.RotateSigningKeyAnnotation]),
		Replace: token(tenant.Annotations[v1alpha1.ReplaceSigningKeyAnnotation]),
	}
	key := tenant.Spec.SigningKey
	if key == nil {
		return wish
	}
	wish.Algorithm = keypair.Algorithm(key.Algorithm)
	if key.Rotation != nil {
		wish.Interval = durationOr(key.Rotation.Interval, 0)
		wish.Overlap = durationOr(key.Rotation.Overlap, defaultOverlap)
	}
	return wish
}

func token(annotation string) string {
	return strings.ToValidUTF8(annotation[:min(len(annotation), maxToken)], "")
}

// durationOr reads a duration, whose form the schema has checked.
func durationOr(text v1alpha1.Duration, absent time.Duration) time.Duration {
	if length, err := time.ParseDuration(string(text)); err == nil {
		return length
	}
	return absent
}

// signingKey reads what the tenant signs with, makes it where the user brings
// nothing, and takes the step of a rotation that is due. False means that the
// report says what is wrong; what was published before stays in use.
func (k *tenants) signingKey(ctx context.Context, tenant *v1alpha1.Tenant, report *status.Report) (*signing, bool) {
	key := &signing{wish: rotationWish(tenant)}
	name := types.NamespacedName{Namespace: tenant.Namespace, Name: signingSecretName(tenant)}
	if ref := suppliedKey(tenant); ref != nil {
		if !k.readSupplied(ctx, types.NamespacedName{Namespace: tenant.Namespace, Name: ref.Name}, key, report) {
			return nil, false
		}
		key.wish.Follow = []byte(key.info.PEM)
		if ref.Name == name.Name {
			key.keys = rotation.Keys{Replaced: key.wish.Replace}
			return key, true
		}
	}
	store, err := k.readKeys(ctx, name)
	if err != nil {
		report.Add(readFailed("The signing Secret", err))
		return nil, false
	}
	key.store = store
	if store.mustHold(key.wish) && !key.use(store.keys.Current, name.Name, report) {
		return nil, false
	}
	return key, k.rotate(ctx, tenant, key, report)
}

// readSupplied reads the user's pair.
func (k *tenants) readSupplied(ctx context.Context, name types.NamespacedName, key *signing, report *status.Report) bool {
	secret := &corev1.Secret{}
	err := k.secrets.Get(ctx, name, secret)
	switch {
	case apierrors.IsNotFound(err):
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
			fmt.Sprintf("Secret %q does not exist in this namespace; create it or correct spec.signingKey.secretRef.", name.Name)))
		return false
	case err != nil:
		report.Add(readFailed("The signing Secret", err))
		return false
	}
	return key.use(admin.KeyPair{Certificate: secret.Data[corev1.TLSCertKey], PrivateKey: secret.Data[corev1.TLSPrivateKeyKey]}, name.Name, report)
}

// use takes the pair of a Secret to sign with.
func (key *signing) use(pair admin.KeyPair, secret string, report *status.Report) bool {
	info, err := keypair.InspectKeyPair(pair)
	if err != nil {
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
			fmt.Sprintf("Secret %q cannot be used to sign: %v.", secret, err)))
		return false
	}
	key.pair, key.info = pair, info
	return true
}

// rotate takes the step that is due and stores it before anybody sees it.
func (k *tenants) rotate(ctx context.Context, tenant *v1alpha1.Tenant, key *signing, report *status.Report) bool {
	now := k.clock()
	commonName := "Tegata " + slugOf(tenant)[:min(len(slugOf(tenant)), 50)]
	keys, err := key.store.keys.Step(key.wish, now, func(algorithm keypair.Algorithm) (admin.KeyPair, error) {
		return keypair.Generate(algorithm, commonName, now.Add(-certificateBackdate), certificateLifetime, nil)
	})
	if err == nil {
		err = k.storeKeys(ctx, key.store, keys)
	}
	if err != nil {
		report.Add(unavailable(v1alpha1.UnavailableReason, "The signing Secret could not be written; it is tried again.", err))
		return false
	}
	key.keys = keys
	return key.wish.Follow != nil || key.use(keys.Current, signingSecretName(tenant), report)
}

// announced notes that the IdP publishes the next certificate: the overlap
// begins. Were it counted from the making of the key, an IdP that was away would
// leave service providers less.
func (k *tenants) announced(ctx context.Context, key *signing, report *status.Report) {
	if key.store == nil {
		return
	}
	keys := key.keys.Announced(key.wish, k.clock())
	if err := k.storeKeys(ctx, key.store, keys); err != nil {
		report.Add(unavailable(v1alpha1.UnavailableReason, "The signing Secret could not be written; it is tried again.", err))
		return
	}
	if !keys.NextFrom.Equal(key.keys.NextFrom) {
		logf.FromContext(ctx).Info("Published the next signing certificate", "signsFrom", keys.NextFrom)
	}
	key.keys = keys
	if next := keys.LookAgain(key.wish); !next.IsZero() {
		report.RequeueAfter(max(next.Sub(k.clock()), time.Second))
	}
}
