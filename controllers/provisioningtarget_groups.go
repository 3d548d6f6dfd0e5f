/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// wantedGroups are the groups that a service should have.
type wantedGroups struct {
	// tenant is the first part of the correlation IDs of the tenant's groups.
	tenant string
	groups []provision.Group
	digest string
	// keeps: groups that are no longer wanted stay there.
	keeps bool
}

// wantedOf are the groups that a target should have, with the members that have
// accounts; nil where it declares none.
func (k *provisioningTargets) wantedOf(ctx context.Context, target *v1alpha1.ProvisioningTarget, in *scope, accounts []v1alpha1.Account) (*wantedGroups, error) {
	if target.Spec.Groups == nil {
		return nil, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(target.Spec.Groups.Selector)
	if err != nil {
		return nil, err
	}
	here := []client.ListOption{client.InNamespace(target.Namespace), client.MatchingFields{byTenant: target.Spec.TenantRef.Name}, client.UnsafeDisableDeepCopy}
	groups, members := &v1alpha1.GroupList{}, &v1alpha1.MemberList{}
	if err := k.List(ctx, groups, here...); err != nil {
		return nil, err
	}
	if err := k.List(ctx, members, here...); err != nil {
		return nil, err
	}
	ids := map[string]string{} // external IDs by Member
	for i := range accounts {
		if account := &accounts[i]; account.Spec.MemberRef != nil && account.Status.RemovedAt.IsZero() && account.Status.ExternalID != "" {
			ids[account.Spec.MemberRef.Name] = account.Status.ExternalID
		}
	}
	wanted := &wantedGroups{tenant: in.tenant.Slug, keeps: target.Spec.DeletionPolicy == v1alpha1.RetainAccounts}
	for i := range groups.Items {
		if group := &groups.Items[i]; group.DeletionTimestamp.IsZero() && selector.Matches(labels.Set(group.Labels)) {
			wanted.groups = append(wanted.groups, wantedGroup(in, group, members.Items, ids))
		}
	}
	slices.SortFunc(wanted.groups, func(a, b provision.Group) int { return cmp.Compare(a.CorrelationID, b.CorrelationID) })
	wanted.digest = hashOf(wanted.tenant, wanted.keeps, wanted.groups)
	return wanted, nil
}

func wantedGroup(in *scope, group *v1alpha1.Group, members []v1alpha1.Member, ids map[string]string) provision.Group {
	converted := directoryGroup(in.tenant.Slug, group)
	wanted := provision.Group{CorrelationID: in.tenant.Slug + "/" + group.Name, DisplayName: group.Spec.DisplayName}
	for i := range members {
		member := &members[i]
		id := ids[member.Name]
		if id == "" || !member.DeletionTimestamp.IsZero() {
			continue
		}
		if _, participates := converted.RoleOf(directoryMember(in.tenant, member, nil)); participates {
			wanted.Members = append(wanted.Members, id)
		}
	}
	slices.Sort(wanted.Members)
	return wanted
}

// syncGroups makes a service's groups those that are wanted. Groups that are not
// marked as the tenant's are left alone.
func syncGroups(ctx context.Context, w work) (*groupsResult, error) {
	service, ok := w.live.service.(provision.GroupTarget)
	if !ok {
		return nil, &provision.Error{Cause: provision.Invalid, Message: "The service has no groups; remove spec.groups from the ProvisioningTarget."}
	}
	there := map[string]provision.Group{}
	if err := service.ListGroups(ctx, func(group provision.Group) error {
		if strings.HasPrefix(group.CorrelationID, w.groups.tenant+"/") {
			there[group.CorrelationID] = group
		}
		return nil
	}); err != nil {
		return nil, err
	}
	result := &groupsResult{digest: w.groups.digest, count: len(w.groups.groups)}
	var first error
	note := func(group provision.Group, err error) {
		if err != nil && first == nil {
			first = groupFailure(group, err)
		}
	}
	for _, wanted := range w.groups.groups {
		found, exists := there[wanted.CorrelationID]
		delete(there, wanted.CorrelationID)
		slices.Sort(found.Members)
		switch {
		case !exists:
			_, err := service.CreateGroup(ctx, wanted)
			note(wanted, err)
		case found.DisplayName != wanted.DisplayName || !slices.Equal(found.Members, wanted.Members):
			note(wanted, service.UpdateGroup(ctx, found, wanted))
		}
		if first != nil && provision.CauseOf(first).Pauses() {
			return nil, first
		}
	}
	if !w.groups.keeps {
		for _, left := range there {
			note(left, service.DeleteGroup(ctx, left))
		}
	}
	if first != nil {
		return nil, first
	}
	return result, nil
}

// groupFailure tells which group it is about.
func groupFailure(group provision.Group, err error) error {
	failure := *asFailure(err)
	failure.Message = fmt.Sprintf("Group %s: %s", group.DisplayName, failure.Message)
	return &failure
}
