/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
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
