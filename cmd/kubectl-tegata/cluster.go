/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"golang.org/x/sync/errgroup"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/plan"
)

// dryRuns is how many manifests are checked at once.
const dryRuns = 16

// cluster is the API server as whoever plans may use it.
type cluster struct {
	client client.Client
	scheme *runtime.Scheme
	// namespace is that of manifests without one.
	namespace string
}

// change is what manifests would change of declared objects.
type change struct {
	input   controllers.PlanInput
	objects []plan.Object
	remarks []string
}

// compare reads what there is, and lets the API server say what would become of it.
func (c *cluster) compare(ctx context.Context, found *manifests, prune bool, selector labels.Selector) (*change, error) {
	namespaces := map[string]bool{}
	for _, object := range found.objects {
		namespaces[object.GetNamespace()] = true
	}
	if len(namespaces) == 0 {
		namespaces[c.namespace] = true
	}
	result := &change{}
	live, err := c.read(ctx, slices.Sorted(maps.Keys(namespaces)), result)
	if err != nil {
		return nil, err
	}
	if err := c.declare(ctx, found, live, result); err != nil {
		return nil, err
	}
	if err := c.readServers(ctx, live, result); err != nil {
		return nil, err
	}
	if prune {
		c.prune(found, live, namespaces, selector, result)
	}
	for _, name := range slices.Sorted(maps.Keys(live)) {
		result.input.Live = append(result.input.Live, live[name])
	}
	result.input.Around = found.around
	return result, nil
}

// lists are empty lists of all kinds; the first are read everywhere, if that may
// be, as mail addresses and slugs are unique beyond a namespace.
func lists() (everywhere, within []client.ObjectList) {
	return []client.ObjectList{&v1alpha1.TenantList{}, &v1alpha1.MemberList{}}, []client.ObjectList{
		&v1alpha1.IdentityServerList{}, &v1alpha1.GroupList{}, &v1alpha1.SAMLAppList{}, &v1alpha1.LinkAppList{},
		&v1alpha1.ProvisioningTargetList{}, &v1alpha1.AccountList{}, &v1alpha1.OffboardingList{},
	}
}

// read reads the objects of all kinds by "Kind namespace/name".
func (c *cluster) read(ctx context.Context, namespaces []string, result *change) (map[string]client.Object, error) {
	live := map[string]client.Object{}
	list := func(list client.ObjectList, options ...client.ListOption) error {
		if err := c.client.List(ctx, list, options...); err != nil {
			return err
		}
		return meta.EachListItem(list, func(item runtime.Object) error {
			object := item.DeepCopyObject().(client.Object)
			gvk, err := c.client.GroupVersionKindFor(object)
			object.GetObjectKind().SetGroupVersionKind(gvk)
			live[keyOf(object)] = object
			return err
		})
	}
	everywhere, within := lists()
	for _, kind := range everywhere {
		err := list(kind)
		if apierrors.IsForbidden(err) {
			result.remarks = append(result.remarks, "You may not read all namespaces: whether another one has a mail address or a slug already was not checked.")
			within = append(within, kind)
			continue
		}
		if err != nil {
			return nil, readError(err)
		}
	}
	for _, kind := range within {
		for _, namespace := range namespaces {
			if err := list(kind, client.InNamespace(namespace)); err != nil {
				return nil, readError(err)
			}
		}
	}
	return live, nil
}

func readError(err error) error {
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("the cluster does not know Tegata's kinds; is it installed there? %w", err)
	}
	return fmt.Errorf("read the cluster: %w", err)
}

// declare asks the API server about each manifest.
func (c *cluster) declare(ctx context.Context, found *manifests, live map[string]client.Object, result *change) error {
	outcomes := make([]declared, len(found.objects))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(dryRuns)
	for i, object := range found.objects {
		group.Go(func() error {
			var err error
			outcomes[i], err = c.dryRun(within, object, live[keyOf(object)], found.namespaces)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, outcome := range outcomes {
		name := keyOf(found.objects[i])
		result.remarks = append(result.remarks, outcome.remarks...)
		object := plan.Object{Reference: reference(found.objects[i]), Operation: plan.Create}
		if outcome.refused != nil {
			object.Operation, object.Error = plan.Reject, outcome.refused.Error()
			result.objects = append(result.objects, object)
			continue
		}
		if before := live[name]; before != nil {
			fields, err := differences(before, outcome.object)
			if err != nil {
				return err
			}
			if len(fields) == 0 {
				continue
			}
			object.Operation, object.Fields = plan.Update, fields
		}
		result.objects = append(result.objects, object)
		result.input.Declared = append(result.input.Declared, outcome.object)
	}
	return nil
}

func reference(object client.Object) plan.Reference {
	return plan.Reference{Kind: object.GetObjectKind().GroupVersionKind().Kind, Namespace: object.GetNamespace(), Name: object.GetName()}
}

func differences(before, after client.Object) ([]plan.Field, error) {
	from, err := runtime.DefaultUnstructuredConverter.ToUnstructured(before)
	if err != nil {
		return nil, err
	}
	to, err := runtime.DefaultUnstructuredConverter.ToUnstructured(after)
	return plan.Differences(from, to), err
}

// readServers reads the identity servers of other namespaces that tenants name.
// One that may not be read is taken to be there and to admit everybody.
func (c *cluster) readServers(ctx context.Context, live map[string]client.Object, result *change) error {
	known := map[types.NamespacedName]bool{}
	var tenants []*v1alpha1.Tenant
	for _, object := range slices.Concat(slices.Collect(maps.Values(live)), result.input.Declared) {
		switch typed := object.(type) {
		case *v1alpha1.Tenant:
			tenants = append(tenants, typed)
		case *v1alpha1.IdentityServer:
			known[client.ObjectKeyFromObject(typed)] = true
		}
	}
	for _, tenant := range tenants {
		ref := tenant.Spec.IdentityServerRef
		name := types.NamespacedName{Namespace: cmp.Or(ref.Namespace, tenant.Namespace), Name: ref.Name}
		if known[name] {
			continue
		}
		known[name] = true
		server := &v1alpha1.IdentityServer{}
		err := c.client.Get(ctx, name, server)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case apierrors.IsForbidden(err):
			result.remarks = append(result.remarks, fmt.Sprintf("You may not read IdentityServer %s: it is taken to be there and to admit everybody.", name))
			server.Namespace, server.Name = name.Namespace, name.Name
			server.Spec = v1alpha1.IdentityServerSpec{ExternalURL: "https://unknown.invalid", Tenants: &v1alpha1.AllowedTenants{From: v1alpha1.NamespacesAll}}
		case err != nil:
			return readError(err)
		}
		server.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("IdentityServer"))
		live[keyOf(server)] = server
	}
	return nil
}

// prune finds what is in the namespaces and not in the manifests.
func (c *cluster) prune(found *manifests, live map[string]client.Object, namespaces map[string]bool, selector labels.Selector, result *change) {
	kept := map[string]bool{}
	for _, object := range found.objects {
		kept[keyOf(object)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(live)) {
		object := live[name]
		declared := slices.Contains(kinds, object.GetObjectKind().GroupVersionKind().Kind)
		if !declared || kept[name] || !namespaces[object.GetNamespace()] || !object.GetDeletionTimestamp().IsZero() || !selector.Matches(labels.Set(object.GetLabels())) {
			continue
		}
		result.input.Pruned = append(result.input.Pruned, object)
		result.objects = append(result.objects, plan.Object{Reference: reference(object), Operation: plan.Delete})
	}
}
