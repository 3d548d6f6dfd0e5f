/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
)

const (
	noticePage = 500
	// noticeWait is how long one question for notices stays open.
	noticeWait = 30 * time.Second
	// noticeRetry is the pause after a failed question.
	noticeRetry = time.Second
	// compareEvery is how often what is published is compared with what is
	// declared. What nothing declares is removed when it is seen twice, so that
	// the same Git on a new cluster has time to arrive.
	compareEvery = 10 * time.Minute
)

// follower brings what happens at the IdP back to the controllers' queues.
type follower struct {
	client.Client
	wakers *wakers
}

// run follows one server until ctx ends.
func (f *follower) run(ctx context.Context, name types.NamespacedName, server *Server) {
	go f.compareRepeatedly(ctx, name, server)
	log := logf.FromContext(ctx).WithValues("identityServer", name)
	for ctx.Err() == nil {
		notices, err := server.Notices(ctx, noticePage, noticeWait)
		if err == nil && len(notices) > 0 {
			for _, notice := range notices {
				f.wake(ctx, name, notice.Key)
			}
			// The queues are rebuilt by the first listing after a crash, so a
			// notice may be dropped once it is queued.
			err = server.Acknowledge(ctx, notices)
		}
		if err != nil && ctx.Err() == nil {
			log.Error(err, "Failed to read notices")
			sleep(ctx, noticeRetry)
		}
	}
}

// wake queues the objects that a key stands for: those of every tenant
// resource with that slug, as a slug may be claimed twice.
func (f *follower) wake(ctx context.Context, server types.NamespacedName, key admin.Key) {
	tenants := &v1alpha1.TenantList{}
	if err := f.List(ctx, tenants, client.MatchingFields{bySlug: key.Tenant}, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	for i := range tenants.Items {
		tenant := &tenants.Items[i]
		if serverName(tenant) != server {
			continue
		}
		name := types.NamespacedName{Namespace: tenant.Namespace, Name: key.Name}
		switch key.Kind {
		case admin.KindTenant:
			f.wakers.tenants.wake(client.ObjectKeyFromObject(tenant))
		case admin.KindMember:
			f.wakers.members.wake(name)
		case admin.KindGroup:
			f.wakers.groups.wake(name)
		case admin.KindSAMLApp:
			f.wakers.samlApps.wake(name)
		case admin.KindLinkApp:
			f.wakers.linkApps.wake(name)
		}
	}
}

// wakeAll queues every tenant of a server and everything in them.
func (f *follower) wakeAll(ctx context.Context, server types.NamespacedName) {
	for _, tenant := range namesOf(ctx, f.Client, &v1alpha1.TenantList{}, client.MatchingFields{byServer: server.String()}) {
		f.wakers.tenants.wake(tenant)
		f.wakeTenant(ctx, tenant)
	}
}

// wakeTenant queues everything that belongs to a tenant.
func (f *follower) wakeTenant(ctx context.Context, tenant types.NamespacedName) {
	in := []client.ListOption{client.InNamespace(tenant.Namespace), client.MatchingFields{byTenant: tenant.Name}}
	f.wakers.samlApps.wake(namesOf(ctx, f.Client, &v1alpha1.SAMLAppList{}, in...)...)
	f.wakers.linkApps.wake(namesOf(ctx, f.Client, &v1alpha1.LinkAppList{}, in...)...)
	f.wakers.groups.wake(namesOf(ctx, f.Client, &v1alpha1.GroupList{}, in...)...)
	f.wakers.members.wake(namesOf(ctx, f.Client, &v1alpha1.MemberList{}, in...)...)
}

func (f *follower) compareRepeatedly(ctx context.Context, name types.NamespacedName, server *Server) {
	suspects := map[admin.Key]bool{}
	for {
		sleep(ctx, compareEvery)
		if ctx.Err() != nil {
			return
		}
		found, err := f.compare(ctx, name, server, suspects)
		if err != nil {
			logf.FromContext(ctx).Error(err, "Failed to compare what is published", "identityServer", name)
			continue
		}
		suspects = found
	}
}

// compare wakes what differs from what was published and removes orphans that
// were suspects already. It returns the suspects now.
func (f *follower) compare(ctx context.Context, name types.NamespacedName, server *Server, suspects map[admin.Key]bool) (map[admin.Key]bool, error) {
	expected := server.publishedDigests()
	found := map[admin.Key]bool{}
	var after admin.Key
	for {
		page, err := server.Digests(ctx, after, admin.MaxPage)
		if err != nil {
			return nil, err
		}
		for _, entry := range page {
			digest, known := expected[entry.Key]
			delete(expected, entry.Key)
			switch {
			case known && digest != entry.Digest:
				f.wake(ctx, name, entry.Key)
			case !known:
				orphan, err := f.handleUnknown(ctx, name, server, entry, suspects[entry.Key])
				if err != nil {
					return nil, err
				}
				if orphan {
					found[entry.Key] = true
				}
			}
		}
		if len(page) < admin.MaxPage {
			break
		}
		after = page[len(page)-1].Key
	}
	for key := range expected {
		f.wake(ctx, name, key)
	}
	return found, nil
}

// handleUnknown deals with what this process did not publish: it wakes what is
// declared, which cannot be published as it is now and stays as it was, and
// removes what is not where it was a suspect already. It reports a new suspect.
func (f *follower) handleUnknown(ctx context.Context, name types.NamespacedName, server *Server, entry admin.KeyDigest, suspect bool) (bool, error) {
	declared, err := f.declares(ctx, name, entry)
	switch {
	case err != nil:
		return false, err
	case declared:
		f.wake(ctx, name, entry.Key)
		return false, nil
	case !suspect:
		return true, nil
	}
	result, err := server.publish(ctx, admin.Change{
		Key: entry.Key, Owner: entry.Owner, TenantOwner: entry.TenantOwner, DeletionApproval: f.orphanApproval(ctx, name, entry.Key),
	})
	log := logf.FromContext(ctx).WithValues("key", entry.Key.String(), "owner", entry.Owner)
	switch {
	case err != nil:
		return false, err
	case result.Problem == nil:
		log.Info("Removed what nothing declares")
	case entry.Key.Kind == admin.KindTenant:
		log.Info("Kept a tenant that nothing declares: the deletion guard holds it", "reason", result.Problem.Message,
			"approve", approveCommand("identityserver", name))
	default:
		log.V(1).Info("Kept what nothing declares", "reason", result.Problem.Message)
	}
	return result.Problem != nil, nil
}

// orphanApproval is the approval to delete a tenant that nothing declares, on
// which nobody could approve it: its server's.
func (f *follower) orphanApproval(ctx context.Context, server types.NamespacedName, key admin.Key) string {
	resource := &v1alpha1.IdentityServer{}
	if key.Kind != admin.KindTenant || f.Get(ctx, server, resource) != nil {
		return ""
	}
	return approval(resource)
}

// declares reports whether the owner of a published object still declares it
// for this server. The caches answer only once they are complete.
func (f *follower) declares(ctx context.Context, server types.NamespacedName, entry admin.KeyDigest) (bool, error) {
	namespace, ownerName, _ := strings.Cut(entry.Owner, "/")
	owner := types.NamespacedName{Namespace: namespace, Name: ownerName}
	name := owner
	if object := newTenantObject(entry.Key.Kind); object != nil {
		if err := f.Get(ctx, owner, object); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		if name = tenantName(object); name.String() != entry.TenantOwner {
			return false, nil
		}
	}
	tenant := &v1alpha1.Tenant{}
	if err := f.Get(ctx, name, tenant); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return serverName(tenant) == server && slugOf(tenant) == entry.Key.Tenant, nil
}

// newTenantObject is an empty object of a kind that belongs to a tenant, nil for a tenant itself.
func newTenantObject(kind admin.Kind) tenantObject {
	switch kind {
	case admin.KindMember:
		return &v1alpha1.Member{}
	case admin.KindGroup:
		return &v1alpha1.Group{}
	case admin.KindSAMLApp:
		return &v1alpha1.SAMLApp{}
	case admin.KindLinkApp:
		return &v1alpha1.LinkApp{}
	case admin.KindTenant:
	}
	return nil
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
