/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// SlimObject drops, before an object enters a cache, what no controller reads:
// who manages which field, and kubectl's copy of the manifest. It is a
// cache transform (toolscache.TransformFunc).
func SlimObject(in any) (any, error) {
	object, err := meta.Accessor(in)
	if err != nil {
		// Tombstones and the like pass as they are.
		return in, nil
	}
	object.SetManagedFields(nil)
	annotations := object.GetAnnotations()
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	object.SetAnnotations(annotations)
	return in, nil
}

// OnlyOurs keeps Deployments that the operator did not make out of the cache.
func OnlyOurs() map[client.Object]cache.ByObject {
	return map[client.Object]cache.ByObject{
		&appsv1.Deployment{}: {Label: labels.SelectorFromSet(labels.Set{"app.kubernetes.io/managed-by": "tegata-operator"})},
	}
}
