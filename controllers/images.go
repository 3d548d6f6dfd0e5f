/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"

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
	data, ok := readConfigMapKey(ctx, reader, namespace, ref, field, report)
	if !ok {
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
