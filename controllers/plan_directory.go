/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/status"
)

const (
	// mostRounds bounds how often controllers are tried: what one does may free
	// what another waits for.
	mostRounds = 5
	// restoredWithin is how long a deleted member comes back with the same ID.
	restoredWithin = 30 * 24 * time.Hour
)

// plannedDirectory is the directory of an IdP in which changes are tried.
type plannedDirectory struct {
	admin.Service
	// ids are the public IDs of members that have or had one.
	ids   map[admin.Key]string
	given int
}

// Apply implements admin.Service. Members keep the IDs that they have in earnest;
// those of new ones are not given out yet.
func (d *plannedDirectory) Apply(ctx context.Context, changes []admin.Change) ([]admin.Result, error) {
	results, err := d.Service.Apply(ctx, changes)
	for i := range results {
		if state := results[i].Member; state != nil {
			key := changes[i].Key
			if d.ids[key] == "" {
				d.given++
				d.ids[key] = fmt.Sprintf("%s%012x", plannedPrefix, d.given)
			}
			state.ID, state.NeedsTemporaryPassword = d.ids[key], false
		}
	}
	return results, err
}

// Record implements admin.Service: nothing has happened.
func (d *plannedDirectory) Record(context.Context, []admin.AuditEntry) error { return nil }

// openDirectories makes the directories of all identity servers, as they are now.
func (p *planner) openDirectories(ctx context.Context) error {
	for _, name := range p.serverNames(ctx) {
		server := &v1alpha1.IdentityServer{}
		if err := p.after.Get(ctx, name, server); err != nil {
			continue // its tenants will say that there is none
		}
		moment := p.Clock()
		service, err := p.Directory(func() time.Time { return moment })
		if err != nil {
			return err
		}
		directory := &plannedDirectory{Service: service, ids: map[admin.Key]string{}}
		if err := p.fill(ctx, name, directory, func(at time.Time) { moment = at }); err != nil {
			return fmt.Errorf("the directory of IdentityServer %s: %w", name, err)
		}
		p.servers.set(ctx, name, directory, server.Spec.ExternalURL, func(context.Context, *Server) {})
	}
	return nil
}

func (p *planner) serverNames(ctx context.Context) []types.NamespacedName {
	names := map[types.NamespacedName]bool{}
	for tenant := range p.tenants {
		for _, state := range []*overlay{p.now, p.after} {
			found := &v1alpha1.Tenant{}
			if state.Get(ctx, tenant, found) == nil {
				names[serverName(found)] = true
			}
		}
	}
	var sorted []types.NamespacedName
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.SortFunc(sorted, func(a, b types.NamespacedName) int { return cmp.Compare(a.String(), b.String()) })
	return sorted
}

// fill brings into a directory what is live, and who went within the window of a
// deletion guard.
func (p *planner) fill(ctx context.Context, server types.NamespacedName, into *plannedDirectory, at func(time.Time)) error {
	tenants := &v1alpha1.TenantList{}
	if err := p.now.List(ctx, tenants, client.MatchingFields{byServer: server.String()}); err != nil {
		return err
	}
	for i := range tenants.Items {
		tenant := &tenants.Items[i]
		if tenant.Status.Slug == "" {
			continue
		}
		declared := directoryTenant(tenant)
		open := declared
		open.Licenses, open.DeletionGuard = 0, directory.DeletionGuard{Percent: 100, Count: math.MaxInt32, Window: declared.DeletionGuard.Window}
		changes, gone, err := p.published(ctx, tenant, declared, into.ids)
		if err != nil {
			return err
		}
		if err := apply(ctx, into, slices.Concat([]admin.Change{tenantPlanned(tenant, open)}, changes)); err != nil {
			return err
		}
		for _, receipt := range gone {
			at(receipt.Status.SignInBlockedAt.Time)
			if err := apply(ctx, into, plannedDeparture(tenant, declared.Slug, receipt)); err != nil {
				return err
			}
		}
		at(p.Clock())
		if err := apply(ctx, into, []admin.Change{tenantPlanned(tenant, declared)}); err != nil {
			return err
		}
	}
	return nil
}

// tenantPlanned publishes a tenant with a key that signs nothing.
func tenantPlanned(tenant *v1alpha1.Tenant, declared directory.Tenant) admin.Change {
	return admin.Change{
		Key: admin.Key{Kind: admin.KindTenant, Tenant: declared.Slug}, Owner: client.ObjectKeyFromObject(tenant).String(),
		Tenant: &admin.Tenant{Tenant: declared, SigningKey: admin.KeyPair{Certificate: []byte("-"), PrivateKey: []byte("-")}},
	}
}

// apply publishes in as many calls as it takes. What is refused is live in earnest
// by an older declaration, and nothing to be told of.
func apply(ctx context.Context, into admin.Service, changes []admin.Change) error {
	for batch := range slices.Chunk(changes, admin.MaxBatch) {
		if _, err := into.Apply(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// published are the changes that make a tenant's objects live that are live now,
// and the receipts of those who went within the guard's window. It notes the IDs.
func (p *planner) published(ctx context.Context, tenant *v1alpha1.Tenant, declared directory.Tenant, ids map[admin.Key]string) ([]admin.Change, []v1alpha1.Offboarding, error) {
	var changes []admin.Change
	key := func(kind admin.Kind, name string) admin.Key {
		return admin.Key{Kind: kind, Tenant: declared.Slug, Name: name}
	}
	of := []client.ListOption{client.InNamespace(tenant.Namespace), client.MatchingFields{byTenant: tenant.Name}, client.UnsafeDisableDeepCopy}
	members, groups, samlApps, linkApps := &v1alpha1.MemberList{}, &v1alpha1.GroupList{}, &v1alpha1.SAMLAppList{}, &v1alpha1.LinkAppList{}
	receipts := &v1alpha1.OffboardingList{}
	err := errors.Join(p.now.List(ctx, members, of...), p.now.List(ctx, groups, of...), p.now.List(ctx, samlApps, of...), p.now.List(ctx, linkApps, of...),
		p.now.List(ctx, receipts, client.InNamespace(tenant.Namespace)))
	if err != nil {
		return nil, nil, err
	}
	add := func(object tenantObject, kind admin.Kind, change admin.Change) {
		if object.GetPublishedTo() == nil {
			return
		}
		change.Key, change.Owner, change.TenantOwner = key(kind, object.GetName()), client.ObjectKeyFromObject(object).String(), tenantName(object).String()
		changes = append(changes, change)
	}
	for i := range samlApps.Items {
		app := directorySAMLApp(declared.Slug, &samlApps.Items[i], nil)
		app.SAML.EntityID = cmp.Or(app.SAML.EntityID, "planned:"+app.Name)
		add(&samlApps.Items[i], admin.KindSAMLApp, admin.Change{App: &app})
	}
	for i := range linkApps.Items {
		app := directoryLinkApp(declared.Slug, &linkApps.Items[i], nil)
		add(&linkApps.Items[i], admin.KindLinkApp, admin.Change{App: &app})
	}
	for i := range groups.Items {
		group := directoryGroup(declared.Slug, &groups.Items[i])
		add(&groups.Items[i], admin.KindGroup, admin.Change{Group: &group})
	}
	for i := range members.Items {
		member := &members.Items[i]
		if member.Status.ID != "" {
			ids[key(admin.KindMember, member.Name)] = member.Status.ID
		}
		add(member, admin.KindMember, admin.Change{Member: &admin.Member{Member: directory.WithoutFaults(declared, directoryMember(declared, member, nil))}})
	}
	var gone []v1alpha1.Offboarding
	for _, receipt := range receipts.Items {
		went, now := receipt.Status.SignInBlockedAt, p.Clock()
		leaver := key(admin.KindMember, receipt.Spec.MemberRef.Name)
		if receipt.Spec.TenantRef.Name != tenant.Name || went.IsZero() || ids[leaver] != "" || now.Sub(went.Time) > restoredWithin {
			continue
		}
		ids[leaver] = receipt.Spec.MemberID
		if now.Sub(went.Time) < declared.DeletionGuard.OrDefault().Window {
			gone = append(gone, receipt)
		}
	}
	return changes, gone, nil
}

// plannedDeparture makes somebody and lets them go, as they went in earnest.
func plannedDeparture(tenant *v1alpha1.Tenant, slug string, receipt v1alpha1.Offboarding) []admin.Change {
	coming := admin.Change{
		Key:   admin.Key{Kind: admin.KindMember, Tenant: slug, Name: receipt.Spec.MemberRef.Name},
		Owner: receipt.Namespace + "/" + receipt.Spec.MemberRef.Name, TenantOwner: client.ObjectKeyFromObject(tenant).String(),
	}
	going := coming
	coming.Member = &admin.Member{Member: directory.Member{
		Tenant: slug, Name: receipt.Spec.MemberRef.Name, Mail: "planned:" + receipt.Name, Role: directory.RoleStaff,
		TimeZone: defaultTimeZone, Language: string(defaultLanguage), PasswordSetup: directory.PasswordSetupNone,
	}}
	return []admin.Change{coming, going}
}

// settle runs the controllers of the directory until nothing changes any more:
// first over what is declared, then, as GitOps tools do, over what is deleted.
func (p *planner) settle(ctx context.Context) error {
	reconcilers := p.reconcilers(ctx)
	if err := p.round(ctx, reconcilers, func(status.Object) bool { return true }); err != nil {
		return err
	}
	for _, object := range p.pruned() {
		if err := p.after.Delete(ctx, object.DeepCopyObject().(client.Object)); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	for range mostRounds {
		before := p.after.version
		unsettled := func(object status.Object) bool {
			ready := readiness(object)
			_, group := object.(*v1alpha1.Group)
			return group || !object.GetDeletionTimestamp().IsZero() || ready == nil || ready.Status != metav1.ConditionTrue
		}
		if err := p.round(ctx, reconcilers, unsettled); err != nil || p.after.version == before {
			return err
		}
	}
	return nil
}

// pruned are the objects to be deleted, people before what they are in.
func (p *planner) pruned() []client.Object {
	sorted := slices.Clone(p.input.Pruned)
	order := []string{"Member", "Group", "LinkApp", "SAMLApp", "ProvisioningTarget", "Tenant", "IdentityServer"}
	slices.SortStableFunc(sorted, func(a, b client.Object) int {
		return cmp.Or(cmp.Compare(slices.Index(order, p.referenceTo(a).Kind), slices.Index(order, p.referenceTo(b).Kind)),
			cmp.Compare(client.ObjectKeyFromObject(a).String(), client.ObjectKeyFromObject(b).String()))
	})
	return sorted
}

// reconcilers are the controllers of the directory, by list of their kind.
func (p *planner) reconcilers(ctx context.Context) map[client.ObjectList]reconcile.Reconciler {
	nobody := &events.FakeRecorder{}
	shared := publisher{Client: p.after, servers: p.servers}
	apps := func(kind admin.Kind) appSupport { return appSupport{publisher: shared, uncached: p.after, kind: kind} }
	follow := &follower{Client: p.after, wakers: p.wakers}
	lists := p.lists()
	return map[client.ObjectList]reconcile.Reconciler{
		lists[0]: &reconciler[*v1alpha1.Tenant]{client: p.after, events: nobody, kind: &tenants{
			publisher: shared, secrets: &plannedKeys{overlay: p.after, below: p.Below, clock: p.Clock}, wakers: p.wakers, follow: follow, clock: p.Clock,
		}},
		lists[1]: &reconciler[*v1alpha1.SAMLApp]{client: p.after, events: nobody, kind: &samlApps{
			appSupport: apps(admin.KindSAMLApp), wakers: p.wakers, fetches: newFetches(ctx, p.Clock, p.wakers.samlApps.wakeOne), clock: p.Clock, events: nobody,
		}},
		lists[2]: &reconciler[*v1alpha1.LinkApp]{client: p.after, events: nobody, kind: &linkApps{appSupport: apps(admin.KindLinkApp), wakers: p.wakers}},
		lists[3]: &reconciler[*v1alpha1.Group]{client: p.after, events: nobody, kind: &groups{publisher: shared, wakers: p.wakers}},
		lists[4]: &reconciler[*v1alpha1.Member]{client: p.after, events: nobody, kind: &members{
			publisher: shared, uncached: p.after, wakers: p.wakers, clock: p.Clock, workers: 1,
		}},
	}
}

// round reconciles every object that a change may concern. What an attempt ends
// with stands in the object's conditions.
func (p *planner) round(ctx context.Context, reconcilers map[client.ObjectList]reconcile.Reconciler, which func(status.Object) bool) error {
	ordered := make([]client.ObjectList, 0, len(reconcilers))
	for list := range reconcilers {
		ordered = append(ordered, list)
	}
	slices.SortFunc(ordered, func(a, b client.ObjectList) int { return cmp.Compare(listRank(a), listRank(b)) })
	for _, list := range ordered {
		var names []types.NamespacedName
		err := p.eachConcerned(ctx, list, func(object status.Object) {
			if which(object) && p.canBeTried(ctx, object) {
				names = append(names, client.ObjectKeyFromObject(object))
			}
		})
		if err != nil {
			return err
		}
		for _, name := range names {
			_, _ = reconcilers[list].Reconcile(ctx, reconcile.Request{NamespacedName: name})
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func listRank(list client.ObjectList) int {
	switch list.(type) {
	case *v1alpha1.TenantList:
		return 0
	case *v1alpha1.SAMLAppList, *v1alpha1.LinkAppList:
		return 1
	case *v1alpha1.GroupList:
		return 3
	}
	return 2
}

// canBeTried is false for an app whose metadata would have to be fetched.
func (p *planner) canBeTried(ctx context.Context, object status.Object) bool {
	app, ok := object.(*v1alpha1.SAMLApp)
	if !ok || app.Spec.Metadata == nil || app.Spec.Metadata.URL == "" || !app.DeletionTimestamp.IsZero() {
		return true
	}
	tenant := &v1alpha1.Tenant{}
	if p.after.Get(ctx, tenantName(app), tenant) != nil || !directoryTenant(tenant).Plan.AllowsSAMLApps() {
		return true // it is not fetched then
	}
	if reference := p.referenceTo(app); p.touched[reference] {
		p.remark("%s: its metadata is fetched when it is applied, and was not looked at.", reference)
	}
	return false
}

// plannedKeys has a pair that signs nothing in every Secret that tenants sign with:
// private keys are none of a plan's business.
type plannedKeys struct {
	*overlay
	below client.Reader
	clock Clock
	pair  *admin.KeyPair
}

// Get implements client.Reader.
func (k *plannedKeys) Get(ctx context.Context, name client.ObjectKey, into client.Object, options ...client.GetOption) error {
	if err := k.overlay.Get(ctx, name, into, options...); !apierrors.IsNotFound(err) {
		return err
	}
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if k.supplied(ctx, name) && apierrors.IsNotFound(k.below.Get(ctx, name, metadata)) {
		return notThere(metadata.GroupVersionKind(), name.Name)
	}
	if k.pair == nil {
		pair, err := keypair.Generate(keypair.DefaultAlgorithm, "planned", k.clock().Add(-certificateBackdate), certificateLifetime, nil)
		if err != nil {
			return err
		}
		k.pair = &pair
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: k.pair.Certificate, corev1.TLSPrivateKeyKey: k.pair.PrivateKey},
	}
	if err := k.put(secret); err != nil {
		return err
	}
	return k.overlay.Get(ctx, name, into, options...)
}

// supplied tells whether a Secret is one that a tenant brings.
func (k *plannedKeys) supplied(ctx context.Context, name types.NamespacedName) bool {
	list := &v1alpha1.TenantList{}
	err := k.List(ctx, list, client.InNamespace(name.Namespace), client.MatchingFields{bySecret: name.Name})
	return err == nil && slices.ContainsFunc(list.Items, func(tenant v1alpha1.Tenant) bool {
		ref := suppliedKey(&tenant)
		return ref != nil && ref.Name == name.Name
	})
}
