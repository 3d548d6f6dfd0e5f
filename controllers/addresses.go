/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/status"
)

// addresses are the origins that this process let servers have. What a server
// serves is in its status too, but there only once it does: of two that are new
// at once, one is let start.
type addresses struct {
	mu      sync.Mutex
	holders map[string]types.NamespacedName
}

// holder is the server that has the origin, or the zero name.
func (a *addresses) holder(origin string) types.NamespacedName {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.holders[origin]
}

// take gives the origin to a server in place of what it had, which is given
// free. It returns who has it now: somebody else may have been first.
func (a *addresses) take(origin string, server types.NamespacedName) (holder types.NamespacedName, freed []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if other, taken := a.holders[origin]; taken && other != server {
		return other, nil
	}
	freed = a.drop(server, origin)
	if a.holders == nil {
		a.holders = map[string]types.NamespacedName{}
	}
	a.holders[origin] = server
	return server, freed
}

// release gives free what a server had.
func (a *addresses) release(server types.NamespacedName) (freed []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.drop(server, "")
}

func (a *addresses) drop(server types.NamespacedName, but string) (freed []string) {
	for origin, holder := range a.holders {
		if holder == server && origin != but {
			delete(a.holders, origin)
			freed = append(freed, origin)
		}
	}
	return freed
}

// originsOf are the origins that a server declares and serves: one, or two
// while they differ.
func originsOf(server *v1alpha1.IdentityServer) []string {
	origins := []string{endpoints.Origin(server.Spec.ExternalURL)}
	if served := server.Status.ExternalURL; served != "" && endpoints.Origin(served) != origins[0] {
		origins = append(origins, endpoints.Origin(served))
	}
	return origins
}

// claimedOrigins are those that a server keeps others from. One that is being
// deleted serves until it has let go.
func claimedOrigins(server *v1alpha1.IdentityServer) []string {
	if !server.DeletionTimestamp.IsZero() && !controllerutil.ContainsFinalizer(server, v1alpha1.Finalizer) {
		return nil
	}
	return originsOf(server)
}

// originsChanged passes creation, deletion, and a server that claims or serves another origin.
var originsChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return !slices.Equal(claimedOrigins(e.ObjectOld.(*v1alpha1.IdentityServer)), claimedOrigins(e.ObjectNew.(*v1alpha1.IdentityServer)))
}}

// ofSameOrigin wakes the servers that claim what another one did, does or did until it went.
func (k *identityServers) ofSameOrigin(ctx context.Context, server client.Object) []reconcile.Request {
	return requests(k.claimants(ctx, originsOf(server.(*v1alpha1.IdentityServer))))
}

func (k *identityServers) claimants(ctx context.Context, origins []string) []types.NamespacedName {
	var names []types.NamespacedName
	for _, origin := range origins {
		names = append(names, namesOf(ctx, k.Client, &v1alpha1.IdentityServerList{}, client.MatchingFields{byOrigin: origin})...)
	}
	return names
}

// address is where the server is to serve: as declared, or where another one
// has that address, as before. It is empty where the server must not start.
func (k *identityServers) address(ctx context.Context, server *v1alpha1.IdentityServer, report *status.Report) string {
	holder, err := k.holderOfAddress(ctx, server)
	switch {
	case err != nil:
		report.Add(readFailed("The other identity servers", err))
		return ""
	case holder == client.ObjectKeyFromObject(server):
		return server.Spec.ExternalURL
	}
	message := fmt.Sprintf("externalURL: %s belongs to IdentityServer %s; set another spec.externalURL, or delete that IdentityServer.", server.Spec.ExternalURL, holder)
	if before := server.Status.ExternalURL; before != "" {
		message += fmt.Sprintf(" Until then this one goes on serving %s.", before)
	}
	report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.ConflictReason, message))
	return server.Status.ExternalURL
}

// holderOfAddress is the server that may serve the origin that this one declares.
func (k *identityServers) holderOfAddress(ctx context.Context, server *v1alpha1.IdentityServer) (types.NamespacedName, error) {
	origin, name := endpoints.Origin(server.Spec.ExternalURL), client.ObjectKeyFromObject(server)
	if holder := k.addresses.holder(origin); holder.Name != "" {
		if holder != name {
			return holder, nil
		}
	} else {
		same := &v1alpha1.IdentityServerList{}
		if err := k.List(ctx, same, client.MatchingFields{byOrigin: origin}, client.UnsafeDisableDeepCopy); err != nil {
			return name, err
		}
		for i := range same.Items {
			if other := &same.Items[i]; other.UID != server.UID && comesBefore(other, server, origin) {
				return client.ObjectKeyFromObject(other), nil
			}
		}
	}
	holder, freed := k.addresses.take(origin, name)
	k.wakers.servers.wake(k.claimants(ctx, freed)...)
	return holder, nil
}

// comesBefore reports whether an origin is the other's: that of the one that
// serves it, and of two new ones that of the older.
func comesBefore(other, server *v1alpha1.IdentityServer, origin string) bool {
	theirs, ours := serves(other, origin), serves(server, origin)
	if theirs != ours {
		return theirs
	}
	return precedes(other, server)
}

func serves(server *v1alpha1.IdentityServer, origin string) bool {
	return server.Status.ExternalURL != "" && endpoints.Origin(server.Status.ExternalURL) == origin
}
