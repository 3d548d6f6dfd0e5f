/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
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

// watchedParts are the kinds of what servers in pods consist of and of which
// metadata are watched, so that what somebody deletes or changes returns at once.
func watchedParts() []client.Object {
	return []client.Object{&corev1.Service{}, &networkingv1.NetworkPolicy{}, &networkingv1.Ingress{}, &policyv1.PodDisruptionBudget{}}
}

// OnlyOurs keeps what the operator did not make out of the cache, of the kinds
// that servers in pods consist of.
func OnlyOurs() map[client.Object]cache.ByObject {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{"app.kubernetes.io/managed-by": "tegata-operator"})}
	// What is cached of a kind, whole objects or metadata, is not told apart here.
	all := map[client.Object]cache.ByObject{&appsv1.Deployment{}: ours}
	for _, object := range watchedParts() {
		all[object] = ours
	}
	return all
}

// altered passes what may have to be set back: anything but status, and who
// manages which field. Services have no generation, and those of servers no status.
var altered = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld, e.ObjectNew
		if after.GetGeneration() == 0 {
			return before.GetResourceVersion() != after.GetResourceVersion()
		}
		return before.GetGeneration() != after.GetGeneration() ||
			!maps.Equal(before.GetLabels(), after.GetLabels()) ||
			!maps.Equal(before.GetAnnotations(), after.GetAnnotations()) ||
			!equality.Semantic.DeepEqual(before.GetOwnerReferences(), after.GetOwnerReferences())
	},
}
