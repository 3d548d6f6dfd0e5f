/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// waker is a source of requests that come from no watch: an IdP server that
// came up, a notice of it, a tenant that went live.
type waker struct {
	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// Start keeps the controller's queue. It implements source.Source.
func (w *waker) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = queue
	return nil
}

// wake asks for a reconcile of each name. Before the controller has started
// there is nothing to do: its first listing brings every object.
func (w *waker) wake(names ...types.NamespacedName) {
	w.mu.Lock()
	queue := w.queue
	w.mu.Unlock()
	if queue == nil {
		return
	}
	for _, name := range names {
		queue.Add(reconcile.Request{NamespacedName: name})
	}
}

// wakeOne asks for a reconcile of one name.
func (w *waker) wakeOne(name types.NamespacedName) { w.wake(name) }

// wakers are the wakers of all controllers.
type wakers struct {
	servers, tenants, members, groups, samlApps, linkApps *waker
	provisioningTargets, accounts                         *waker
}

func newWakers() *wakers {
	return &wakers{
		servers: &waker{}, tenants: &waker{}, members: &waker{},
		groups: &waker{}, samlApps: &waker{}, linkApps: &waker{},
		provisioningTargets: &waker{}, accounts: &waker{},
	}
}
