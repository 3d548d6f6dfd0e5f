/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// errServerAway means that an IdentityServer exists and does not run: it is
// being stopped, or has to be mended. Its start and its end wake whom it concerns.
var errServerAway = errors.New("the identity server does not run")

// namespaceEnds reports whether a namespace is being deleted. Everything in it
// is deleted one after the other then, in no order, and nothing can be created.
func namespaceEnds(ctx context.Context, c client.Reader, name string) bool {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	// One that is not there is new: the caches fill in no order.
	err := c.Get(ctx, client.ObjectKey{Name: name}, namespace)
	return err == nil && !namespace.DeletionTimestamp.IsZero()
}

// refusedByEndingNamespace reports whether the API server refused to create
// something because the namespace is being deleted.
func refusedByEndingNamespace(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// deletionWait is how long to wait before an object's deletion is tried again:
// as long as it took until now, so that the waits double.
func deletionWait(object client.Object, now time.Time) time.Duration {
	deleted := object.GetDeletionTimestamp()
	if deleted.IsZero() {
		return lastRetry
	}
	return min(max(now.Sub(deleted.Time), firstRetry), lastRetry)
}
