/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/status"
)

// readImage reads and checks a picture from a ConfigMap; false where it is
// missing or unusable, which the report then says.
func readImage(ctx context.Context, reader client.Reader, namespace string, source *v1alpha1.ImageSource, field string, report *status.Report) (*directory.Image, bool) {
	if source == nil {
		return nil, true
	}
	ref := source.ConfigMapRef
	configMap := &corev1.ConfigMap{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, configMap)
	switch {
	case apierrors.IsNotFound(err):
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
			fmt.Sprintf("ConfigMap %q does not exist in this namespace; create it or correct %s.", ref.Name, field)))
		return nil, false
	case err != nil:
		report.Add(readFailed("A ConfigMap", err))
		return nil, false
	}
	data, found := configMap.BinaryData[ref.Key]
	if !found {
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
			fmt.Sprintf("ConfigMap %q has no key %q in its binaryData; add it or correct %s.", ref.Name, ref.Key, field)))
		return nil, false
	}
	image, err := directory.ParseImage(data)
	if err != nil {
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
			fmt.Sprintf("ConfigMap %q, key %q: %v.", ref.Name, ref.Key, err)))
		return nil, false
	}
	return image, true
}
