/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package status

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Snapshot is an object's status as it was read.
type Snapshot struct {
	body       []byte
	conditions []metav1.Condition
}

// SnapshotOf remembers the object's status.
func SnapshotOf(object Object) (Snapshot, error) {
	body, err := json.Marshal(object.GetStatus())
	if err != nil {
		return Snapshot{}, fmt.Errorf("status does not marshal: %w", err)
	}
	return Snapshot{body: body, conditions: slices.Clone(object.GetConditions())}, nil
}

// Condition is the condition as it was, or nil.
func (s Snapshot) Condition(conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(s.conditions, conditionType)
}

// Failed reports whether the object had failed: stalled, or retrying.
func (s Snapshot) Failed() bool { return Failed(s.conditions) }

// Failed reports whether conditions tell of a failure: stalled, or retrying.
func Failed(conditions []metav1.Condition) bool {
	reconciling := meta.FindStatusCondition(conditions, Reconciling)
	return meta.IsStatusConditionTrue(conditions, Stalled) ||
		reconciling != nil && reconciling.Reason == ReasonProgressingWithRetry
}

// Patch writes what changed in the object's status since the snapshot, and
// nothing where nothing did. It reports whether it wrote.
func (s Snapshot) Patch(ctx context.Context, c client.Client, object Object) (bool, error) {
	body, err := json.Marshal(object.GetStatus())
	if err != nil {
		return false, fmt.Errorf("status does not marshal: %w", err)
	}
	if bytes.Equal(body, s.body) {
		return false, nil
	}
	difference, err := jsonpatch.CreateMergePatch(s.body, body)
	if err != nil {
		return false, fmt.Errorf("status does not compare: %w", err)
	}
	patch := slices.Concat([]byte(`{"status":`), difference, []byte("}"))
	return true, c.Status().Patch(ctx, object, client.RawPatch(types.MergePatchType, patch))
}
