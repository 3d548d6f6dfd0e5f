/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"crypto/sha256"
	"encoding/hex"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
)

// workQueue is a controller's queue as event handlers get it.
type workQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// maxNameLength is Kubernetes' limit of an object name.
const maxNameLength = 253

// derivedName is the name of an object made for another one; a name that would
// be too long is cut and kept apart by a hash.
func derivedName(name, suffix string) string {
	if len(name)+len(suffix) <= maxNameLength {
		return name + suffix
	}
	sum := sha256.Sum256([]byte(name))
	mark := "-" + hex.EncodeToString(sum[:4])
	return name[:maxNameLength-len(suffix)-len(mark)] + mark + suffix
}

// backedUp are the labels of a Secret that a backup needs.
func backedUp() map[string]string {
	return map[string]string{v1alpha1.BackupLabel: v1alpha1.BackupRequired}
}

// createdOrDeleted passes what makes references resolve or break.
var createdOrDeleted = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	},
}

// specChanged passes creation, deletion and changes of spec.
var specChanged = predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, createdOrDeleted)

// finalizerLost passes an object whose finalizer somebody took, as kubectl
// replace does: without it a deletion would leave it live in the IdP.
var finalizerLost = lostFinalizer(v1alpha1.Finalizer)

func lostFinalizer(name string) predicate.Funcs {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectNew.GetDeletionTimestamp().IsZero() &&
			controllerutil.ContainsFinalizer(e.ObjectOld, name) && !controllerutil.ContainsFinalizer(e.ObjectNew, name)
	}}
}

// declared passes what an object's own controller acts on.
var declared = predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, finalizerLost)

func requests(names []types.NamespacedName) []reconcile.Request {
	list := make([]reconcile.Request, 0, len(names))
	for _, name := range names {
		list = append(list, reconcile.Request{NamespacedName: name})
	}
	return list
}

// controlledBy is the name of the object of our kind that controls another.
func controlledBy(object client.Object, kind string) (string, bool) {
	owner := metav1.GetControllerOf(object)
	if owner == nil || owner.Kind != kind || owner.APIVersion != v1alpha1.GroupVersion.String() {
		return "", false
	}
	return owner.Name, true
}
