/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
)

// The indexes of the informer caches: who must be woken, and who claims what.
const (
	byTenant    = "spec.tenantRef.name"
	byMail      = "mail"
	byMember    = "member"
	bySelector  = "selector"
	byServer    = "server"
	bySlug      = "slug"
	bySecret    = "secret"
	byConfigMap = "configMap"
	byOrigin    = "origin"
	byTarget    = "spec.targetRef.name"
	// byMemberRef is a field that the API server selects by too.
	byMemberRef = "spec.memberRef.name"
	// byMemberID and byCorrelationID find whose account something is.
	byMemberID      = "memberID"
	byCorrelationID = "correlationID"

	hasSelector = "true"
)

// addIndexes registers every index before the caches start.
func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	indexes := []struct {
		object client.Object
		field  string
		values func(client.Object) []string
	}{
		{&v1alpha1.Member{}, byTenant, tenantNames},
		{&v1alpha1.Group{}, byTenant, tenantNames},
		{&v1alpha1.SAMLApp{}, byTenant, tenantNames},
		{&v1alpha1.LinkApp{}, byTenant, tenantNames},
		{&v1alpha1.Member{}, byMail, func(o client.Object) []string {
			return []string{directory.NormalizeMail(o.(*v1alpha1.Member).Spec.Mail)}
		}},
		{&v1alpha1.Member{}, byConfigMap, func(o client.Object) []string { return imageNames(o.(*v1alpha1.Member).Spec.Image) }},
		{&v1alpha1.SAMLApp{}, byConfigMap, func(o client.Object) []string { return samlAppConfigMaps(o.(*v1alpha1.SAMLApp)) }},
		{&v1alpha1.LinkApp{}, byConfigMap, func(o client.Object) []string { return imageNames(o.(*v1alpha1.LinkApp).Spec.Icon) }},
		{&v1alpha1.Group{}, byMember, func(o client.Object) []string { return memberNames(o.(*v1alpha1.Group)) }},
		{&v1alpha1.Group{}, bySelector, func(o client.Object) []string {
			if o.(*v1alpha1.Group).Spec.Selector == nil {
				return nil
			}
			return []string{hasSelector}
		}},
		{&v1alpha1.Offboarding{}, byMemberRef, func(o client.Object) []string { return []string{o.(*v1alpha1.Offboarding).Spec.MemberRef.Name} }},
		{&v1alpha1.Account{}, byMember, func(o client.Object) []string {
			if ref := o.(*v1alpha1.Account).Spec.MemberRef; ref != nil {
				return []string{ref.Name}
			}
			return nil
		}},
		{&v1alpha1.Tenant{}, byServer, func(o client.Object) []string { return []string{serverName(o.(*v1alpha1.Tenant)).String()} }},
		{&v1alpha1.Tenant{}, bySlug, func(o client.Object) []string { return []string{slugOf(o.(*v1alpha1.Tenant))} }},
		{&v1alpha1.Tenant{}, bySecret, func(o client.Object) []string { return signingSecretNames(o.(*v1alpha1.Tenant)) }},
		{&v1alpha1.IdentityServer{}, bySecret, func(o client.Object) []string { return serverSecretNames(o.(*v1alpha1.IdentityServer)) }},
		{&v1alpha1.ProvisioningTarget{}, byTenant, func(o client.Object) []string {
			return []string{o.(*v1alpha1.ProvisioningTarget).Spec.TenantRef.Name}
		}},
		{&v1alpha1.ProvisioningTarget{}, bySecret, func(o client.Object) []string {
			var names []string
			for _, use := range secretUses(o.(*v1alpha1.ProvisioningTarget).Spec) {
				names = append(names, use.name)
			}
			return names
		}},
		{&v1alpha1.ProvisioningTarget{}, byConfigMap, func(o client.Object) []string {
			ref := caBundle(o.(*v1alpha1.ProvisioningTarget).Spec)
			if ref == nil {
				return nil
			}
			return []string{ref.Name}
		}},
		{&v1alpha1.ProvisioningTarget{}, byTarget, func(o client.Object) []string {
			return nonEmpty(intuneTarget(o.(*v1alpha1.ProvisioningTarget).Spec))
		}},
		{&v1alpha1.Account{}, byTarget, func(o client.Object) []string { return []string{o.(*v1alpha1.Account).Spec.TargetRef.Name} }},
		{&v1alpha1.Account{}, byCorrelationID, func(o client.Object) []string { return nonEmpty(o.(*v1alpha1.Account).Status.CorrelationID) }},
		{&v1alpha1.Member{}, byMemberID, func(o client.Object) []string { return nonEmpty(o.(*v1alpha1.Member).Status.ID) }},
		{&v1alpha1.IdentityServer{}, byOrigin, func(o client.Object) []string { return claimedOrigins(o.(*v1alpha1.IdentityServer)) }},
	}
	for _, index := range indexes {
		if err := indexer.IndexField(ctx, index.object, index.field, index.values); err != nil {
			return fmt.Errorf("index %s of %T: %w", index.field, index.object, err)
		}
	}
	return nil
}

// nonEmpty is a value of an index; none where it is empty.
func nonEmpty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

func tenantNames(object client.Object) []string {
	return []string{object.(tenantObject).GetTenantRef().Name}
}

func imageNames(image *v1alpha1.ImageSource) []string {
	if image == nil {
		return nil
	}
	return []string{image.ConfigMapRef.Name}
}

// samlAppConfigMaps are those that an app reads.
func samlAppConfigMaps(app *v1alpha1.SAMLApp) []string {
	names := imageNames(app.Spec.Icon)
	switch source := app.Spec.Metadata; {
	case source == nil:
	case source.ConfigMapRef != nil:
		names = append(names, source.ConfigMapRef.Name)
	case source.URL != "":
		names = append(names, metadataCacheName(app))
	}
	return names
}

func memberNames(group *v1alpha1.Group) []string {
	names := make([]string, 0, len(group.Spec.Members))
	for _, member := range group.Spec.Members {
		names = append(names, member.MemberRef.Name)
	}
	return names
}

// namesOf lists the names of objects in the cache without copying them.
func namesOf(ctx context.Context, c client.Client, list client.ObjectList, options ...client.ListOption) []types.NamespacedName {
	options = append(options, client.UnsafeDisableDeepCopy)
	if err := c.List(ctx, list, options...); err != nil {
		// The cache serves lists; it fails only while the process ends.
		return nil
	}
	var names []types.NamespacedName
	eachItem(list, func(object client.Object) {
		names = append(names, client.ObjectKeyFromObject(object))
	})
	return names
}

// eachItem visits the items of a list of our kinds.
func eachItem(list client.ObjectList, visit func(client.Object)) {
	switch typed := list.(type) {
	case *v1alpha1.IdentityServerList:
		visitAll(typed.Items, visit)
	case *v1alpha1.TenantList:
		visitAll(typed.Items, visit)
	case *v1alpha1.MemberList:
		visitAll(typed.Items, visit)
	case *v1alpha1.GroupList:
		visitAll(typed.Items, visit)
	case *v1alpha1.SAMLAppList:
		visitAll(typed.Items, visit)
	case *v1alpha1.LinkAppList:
		visitAll(typed.Items, visit)
	case *v1alpha1.ProvisioningTargetList:
		visitAll(typed.Items, visit)
	case *v1alpha1.AccountList:
		visitAll(typed.Items, visit)
	}
}

func visitAll[T any, P interface {
	*T
	client.Object
}](items []T, visit func(client.Object)) {
	for i := range items {
		visit(P(&items[i]))
	}
}
