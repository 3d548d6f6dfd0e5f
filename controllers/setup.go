/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/provision"
)

// Options are what the controllers need from the process around them.
type Options struct {
	// Embedded runs identity servers in this process, Deployed in pods.
	Embedded, Deployed Launcher
	// Clock defaults to time.Now.
	Clock Clock
	// MemberWorkers is how many members are worked on at once; default 32. Their
	// changes are coalesced, so more workers make fewer and larger batches.
	MemberWorkers int
	// Services makes the services of ProvisioningTargets; default NewService.
	Services func(ServiceOptions) (provision.Target, error)
}

// SetupWithManager adds every controller to the manager. ctx must live as long
// as the manager.
func SetupWithManager(ctx context.Context, mgr ctrl.Manager, options Options) error {
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.MemberWorkers == 0 {
		options.MemberWorkers = 32
	}
	if options.Services == nil {
		options.Services = NewService
	}
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	servers, wakers := NewServers(), newWakers()
	audit := newAuditRecorder(ctx, servers, options.Clock)
	if err := mgr.Add(audit); err != nil {
		return err
	}
	follow := &follower{Client: mgr.GetClient(), wakers: wakers}
	for _, launcher := range []Launcher{options.Embedded, options.Deployed} {
		launcher.OnExit(wakers.servers.wakeOne)
	}
	shared := publisher{Client: mgr.GetClient(), servers: servers}
	apps := func(kind admin.Kind, newList func() client.ObjectList) appSupport {
		return appSupport{publisher: shared, uncached: mgr.GetAPIReader(), newList: newList, kind: kind}
	}
	targets := newLiveTargets(options.Clock, wakers.provisioningTargets.wakeOne)
	accounts := newAccounts(mgr.GetClient(), mgr.GetAPIReader(), targets, wakers, audit, options.Clock)
	for _, controller := range []interface{ setup(ctrl.Manager) error }{
		&identityServers{
			Client: mgr.GetClient(), secrets: mgr.GetAPIReader(), servers: servers, embedded: options.Embedded, deployed: options.Deployed,
			wakers: wakers, follow: follow, lifetime: ctx, clock: options.Clock,
		},
		&tenants{publisher: shared, secrets: mgr.GetAPIReader(), wakers: wakers, follow: follow, clock: options.Clock},
		&members{publisher: shared, uncached: mgr.GetAPIReader(), wakers: wakers, clock: options.Clock, workers: options.MemberWorkers},
		&offboardings{Client: mgr.GetClient(), uncached: mgr.GetAPIReader(), clock: options.Clock},
		&groups{publisher: shared, wakers: wakers},
		&samlApps{
			appSupport: apps(admin.KindSAMLApp, func() client.ObjectList { return &v1alpha1.SAMLAppList{} }), wakers: wakers,
			fetches: newFetches(ctx, options.Clock, wakers.samlApps.wakeOne), clock: options.Clock,
		},
		&provisioningTargets{
			publisher: shared, uncached: mgr.GetAPIReader(), wakers: wakers, targets: targets, clock: options.Clock, lifetime: ctx,
			runs: newRuns(ctx, options.Clock, wakers.provisioningTargets.wakeOne), make: options.Services,
			desired: accounts.desired, waiting: accounts.queue.Waiting,
		},
		accounts,
		&memberAccounts{gatherer: accounts.gatherer, targets: targets},
		&linkApps{appSupport: apps(admin.KindLinkApp, func() client.ObjectList { return &v1alpha1.LinkAppList{} }), wakers: wakers},
	} {
		if err := controller.setup(mgr); err != nil {
			return err
		}
	}
	return nil
}
