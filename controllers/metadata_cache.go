/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/fetch"
)

// +kubebuilder:rbac:groups="",resources=configmaps,verbs=create;update

// The keys of the ConfigMap that keeps an app's last good metadata.
const (
	cachedDocument     = "metadata.xml"
	cachedURL          = "url"
	cachedETag         = "etag"
	cachedLastModified = "lastModified"
)

// errForeignConfigMap: the name of the cache is taken by somebody else's ConfigMap.
var errForeignConfigMap = errors.New("a ConfigMap of the cache's name belongs to something else")

// metadataCacheName is the ConfigMap with the metadata that was fetched last.
func metadataCacheName(app *v1alpha1.SAMLApp) string { return derivedName(app.Name, "-saml-metadata") }

// cachedMetadata is a document that was fetched and found good.
type cachedMetadata struct {
	url        string
	body       []byte
	validators fetch.Validators
}

func (c cachedMetadata) data() map[string]string {
	return map[string]string{
		cachedURL: c.url, cachedDocument: string(c.body), cachedETag: c.validators.ETag, cachedLastModified: c.validators.LastModified,
	}
}

// digestOf names a document in status, which only the operator writes: what
// somebody else put into the ConfigMap is not used.
func digestOf(document []byte) string {
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:])
}

// readCache reads what was fetched last; nil where there is nothing of this app's own.
func (k *samlApps) readCache(ctx context.Context, app *v1alpha1.SAMLApp) (*cachedMetadata, error) {
	configMap := &corev1.ConfigMap{}
	err := k.uncached.Get(ctx, client.ObjectKey{Namespace: app.Namespace, Name: metadataCacheName(app)}, configMap)
	if err != nil || !metav1.IsControlledBy(configMap, app) {
		return nil, client.IgnoreNotFound(err)
	}
	return &cachedMetadata{
		url: configMap.Data[cachedURL], body: []byte(configMap.Data[cachedDocument]),
		validators: fetch.Validators{ETag: configMap.Data[cachedETag], LastModified: configMap.Data[cachedLastModified]},
	}, nil
}

// writeCache keeps what was fetched, for the next start of an operator at a
// time when the service provider is away.
func (k *samlApps) writeCache(ctx context.Context, app *v1alpha1.SAMLApp, content cachedMetadata) error {
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: app.Namespace, Name: metadataCacheName(app),
		Labels:          map[string]string{"app.kubernetes.io/managed-by": "tegata-operator"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(app, v1alpha1.GroupVersion.WithKind("SAMLApp"))},
	}}
	existing := &corev1.ConfigMap{}
	err := k.uncached.Get(ctx, client.ObjectKeyFromObject(configMap), existing)
	switch {
	case apierrors.IsNotFound(err):
		configMap.Data = content.data()
		return k.Create(ctx, configMap)
	case err != nil:
		return err
	case !metav1.IsControlledBy(existing, app):
		return errForeignConfigMap
	case maps.Equal(existing.Data, content.data()) && len(existing.BinaryData) == 0:
		return nil
	}
	existing.Data, existing.BinaryData = content.data(), nil
	return k.Update(ctx, existing)
}
