/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// staleWait is how long a cache is given to catch up with what was written.
const staleWait = 100 * time.Millisecond

// freshness knows what this process wrote last of each object. A cache may
// still hold the state before that; what comes out the same as there would not
// be written, and the status between the two would stay for good.
type freshness struct {
	mu      sync.Mutex
	written map[types.NamespacedName]string // resource versions
}

// note remembers the object as it was just written.
func (f *freshness) note(object client.Object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.written == nil {
		f.written = map[types.NamespacedName]string{}
	}
	f.written[client.ObjectKeyFromObject(object)] = object.GetResourceVersion()
}

// stale reports whether the object is older than what was written last.
func (f *freshness) stale(object client.Object) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := client.ObjectKeyFromObject(object)
	version, ok := f.written[name]
	if !ok {
		return false
	}
	// Versions that cannot be compared are no reason to wait.
	if order, err := resourceversion.CompareResourceVersion(object.GetResourceVersion(), version); err == nil && order < 0 {
		return true
	}
	delete(f.written, name)
	return false
}

// forget drops an object that is gone.
func (f *freshness) forget(name types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.written, name)
}
