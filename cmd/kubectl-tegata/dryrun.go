/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// appliers are known to apply by server-side apply, those that Git speaks through first.
var appliers = []string{"argocd-controller", "kustomize-controller", "helm-controller", "kubectl"}

// declared is what the API server says of a manifest.
type declared struct {
	// object is as it would be kept; nil where refused says why not.
	object  client.Object
	refused error
	remarks []string
}

// dryRun asks the API server what would become of an object, in the way in which
// the one that is there was applied. Nothing is written.
func (c *cluster) dryRun(ctx context.Context, manifest *unstructured.Unstructured, live client.Object, namespaces map[string]bool) (declared, error) {
	object := manifest.DeepCopy()
	k8s := client.WithFieldValidation(client.NewDryRunClient(c.client), metav1.FieldValidationStrict)
	local, err := func() (func() error, error) {
		if live == nil {
			return func() error { return nil }, k8s.Create(ctx, object)
		}
		body, err := json.Marshal(manifest)
		if err != nil {
			return nil, err
		}
		if manager := applierOf(live); manager != "" {
			return func() error { return replaced(object, live) },
				k8s.Patch(ctx, object, client.RawPatch(types.ApplyPatchType, body), client.ForceOwnership, client.FieldOwner(manager))
		}
		patch, current, err := threeWay(body, live)
		if err != nil {
			return nil, err
		}
		return func() error { return merged(object, current, patch) }, k8s.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch))
	}()
	result := declared{}
	switch {
	case local == nil:
		return result, err
	case err == nil:
	case apierrors.IsForbidden(err) && !forbiddenByAdmission(err):
		result.remarks = []string{"You may not apply all of the manifests, not even as a dry run: the API server validated and defaulted nothing of those."}
		err = local()
	case apierrors.IsNotFound(err) && live == nil && namespaces[manifest.GetNamespace()]:
		result.remarks = []string{fmt.Sprintf("Namespace %s does not exist yet: the API server validated and defaulted nothing in it.", manifest.GetNamespace())}
		err = local()
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsForbidden(err), apierrors.IsNotFound(err), apierrors.IsConflict(err),
		apierrors.IsMethodNotSupported(err), apierrors.ReasonForError(err) == metav1.StatusReasonUnsupportedMediaType:
		result.refused = err
		return result, nil
	}
	if err != nil {
		return result, fmt.Errorf("%s: %w", keyOf(manifest), err)
	}
	typed, err := c.scheme.New(manifest.GroupVersionKind())
	if err != nil {
		result.refused = fmt.Errorf("this version of the plugin does not know %s", manifest.GroupVersionKind())
		return result, nil
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		result.refused = err
		return result, nil
	}
	result.object = typed.(client.Object)
	return result, nil
}

// forbiddenByAdmission tells a refusal of an admission policy from a missing permission.
func forbiddenByAdmission(err error) bool {
	status, ok := err.(apierrors.APIStatus)
	return ok && status.Status().Details != nil && len(status.Status().Details.Causes) > 0
}

// applierOf is who applied an object by server-side apply; empty for none.
func applierOf(live client.Object) string {
	var found []string
	for _, entry := range live.GetManagedFields() {
		if entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == "" {
			found = append(found, entry.Manager)
		}
	}
	for _, known := range appliers {
		if slices.Contains(found, known) {
			return known
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.Min(found)
}

// threeWay is the patch of kubectl's client-side apply, and what it is applied to.
func threeWay(manifest []byte, live client.Object) (patch, current []byte, err error) {
	if current, err = json.Marshal(live); err != nil {
		return nil, nil, err
	}
	original := []byte(live.GetAnnotations()[corev1.LastAppliedConfigAnnotation])
	patch, err = jsonmergepatch.CreateThreeWayJSONMergePatch(original, manifest, current)
	return patch, current, err
}

// merged is the patched object, made here.
func merged(into *unstructured.Unstructured, current, patch []byte) error {
	body, err := jsonpatch.MergePatch(current, patch)
	if err != nil {
		return err
	}
	into.Object = nil
	return into.UnmarshalJSON(body)
}

// replaced is the live object with what the manifest declares, made here.
func replaced(object *unstructured.Unstructured, live client.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return err
	}
	result := &unstructured.Unstructured{Object: content}
	result.Object["spec"] = object.Object["spec"]
	result.SetLabels(object.GetLabels())
	result.SetAnnotations(object.GetAnnotations())
	object.Object = result.Object
	return nil
}
