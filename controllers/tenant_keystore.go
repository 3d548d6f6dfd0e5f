/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/rotation"
)

// What the operator's Secret of a tenant's keys holds beside the current pair.
const (
	nextCertificateKey     = "next.crt"
	nextPrivateKeyKey      = "next.key"
	previousCertificateKey = "previous.crt"
	followedCertificateKey = "followed.crt"

	currentSinceAnnotation  = "identity.tegata.dev/current-since"
	nextFromAnnotation      = "identity.tegata.dev/next-from"
	previousUntilAnnotation = "identity.tegata.dev/previous-until"
	rotatedAnnotation       = "identity.tegata.dev/rotated"
	replacedAnnotation      = "identity.tegata.dev/replaced"
)

// keyStore is the operator's Secret of a tenant's keys.
type keyStore struct {
	secret *corev1.Secret
	// keys are what the Secret holds.
	keys rotation.Keys
}

// mustHold reports whether the Secret has to hold a pair that signs: where it
// does not, somebody has spoilt it, and a new key would surprise service providers.
func (s *keyStore) mustHold(wish rotation.Wish) bool {
	replaced := wish.Replace != "" && wish.Replace != s.keys.Replaced
	return s.secret.ResourceVersion != "" && wish.Follow == nil && s.keys.Followed == nil && !replaced
}

// readKeys reads the Secret; one that does not exist holds nothing.
func (k *tenants) readKeys(ctx context.Context, name types.NamespacedName) (*keyStore, error) {
	secret := &corev1.Secret{}
	err := k.secrets.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		return &keyStore{secret: &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: backedUp()},
		}}, nil
	}
	return &keyStore{secret: secret, keys: keysIn(secret)}, err
}

// storeKeys writes the keys in one update, which fails where somebody else has
// written meanwhile. The Secret is not owned by the Tenant: service providers
// pin the certificate, so a tenant that is deleted by mistake and applied again
// must sign with the same key.
func (k *tenants) storeKeys(ctx context.Context, store *keyStore, keys rotation.Keys) error {
	if keys.Equal(store.keys) {
		return nil
	}
	secret := store.secret.DeepCopy()
	putKeys(secret, keys)
	var err error
	if secret.ResourceVersion == "" {
		// The type cannot change later; without a pair of ours it would be a wrong one.
		if len(keys.Current.Certificate) > 0 {
			secret.Type = corev1.SecretTypeTLS
		}
		err = k.Create(ctx, secret)
	} else {
		err = k.Update(ctx, secret)
	}
	if err == nil {
		store.secret, store.keys = secret, keys
	}
	return err
}

// keysIn reads what a Secret holds. A next or previous certificate that somebody
// has spoilt is as good as none.
func keysIn(secret *corev1.Secret) rotation.Keys {
	keys := rotation.Keys{
		Current:       admin.KeyPair{Certificate: secret.Data[corev1.TLSCertKey], PrivateKey: secret.Data[corev1.TLSPrivateKeyKey]},
		CurrentSince:  timeIn(secret, currentSinceAnnotation),
		Next:          admin.KeyPair{Certificate: secret.Data[nextCertificateKey], PrivateKey: secret.Data[nextPrivateKeyKey]},
		NextFrom:      timeIn(secret, nextFromAnnotation),
		Previous:      usable(secret.Data[previousCertificateKey]),
		PreviousUntil: timeIn(secret, previousUntilAnnotation),
		Followed:      usable(secret.Data[followedCertificateKey]),
		Rotated:       secret.Annotations[rotatedAnnotation],
		Replaced:      secret.Annotations[replacedAnnotation],
	}
	if _, err := keypair.InspectKeyPair(keys.Next); err != nil {
		keys.Next, keys.NextFrom = admin.KeyPair{}, time.Time{}
	}
	return keys
}

func usable(certificate []byte) []byte {
	if _, err := keypair.InspectCertificate(certificate); err != nil {
		return nil
	}
	return certificate
}

func timeIn(secret *corev1.Secret, annotation string) time.Time {
	at, err := time.Parse(time.RFC3339, secret.Annotations[annotation])
	if err != nil {
		return time.Time{} // not decided yet
	}
	return at
}

func putKeys(secret *corev1.Secret, keys rotation.Keys) {
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	if len(keys.Current.Certificate) > 0 {
		secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey] = keys.Current.Certificate, keys.Current.PrivateKey
	}
	for name, content := range map[string][]byte{
		nextCertificateKey: keys.Next.Certificate, nextPrivateKeyKey: keys.Next.PrivateKey,
		previousCertificateKey: keys.Previous, followedCertificateKey: keys.Followed,
	} {
		if len(content) > 0 {
			secret.Data[name] = content
		} else {
			delete(secret.Data, name)
		}
	}
	for name, at := range map[string]time.Time{
		currentSinceAnnotation: keys.CurrentSince, nextFromAnnotation: keys.NextFrom, previousUntilAnnotation: keys.PreviousUntil,
	} {
		annotate(secret, name, at.UTC().Format(time.RFC3339), !at.IsZero())
	}
	annotate(secret, rotatedAnnotation, keys.Rotated, keys.Rotated != "")
	annotate(secret, replacedAnnotation, keys.Replaced, keys.Replaced != "")
}

func annotate(secret *corev1.Secret, name, value string, present bool) {
	if present {
		metav1.SetMetaDataAnnotation(&secret.ObjectMeta, name, value)
	} else {
		delete(secret.Annotations, name)
	}
}
