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
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// groupsEvery is how often groups are written while accounts are being made.
const groupsEvery = time.Minute

// due tells that the service's groups have to be written anew. While accounts
// are being made, groups gain members all the time.
func (g *wantedGroups) due(last groupsResult, changing bool) bool {
	return g != nil && g.digest != last.digest && (!changing || g.at.Sub(last.at) >= groupsEvery)
}

// wantedGroups are the groups that a service should have.
type wantedGroups struct {
	// tenant is the first part of the correlation IDs of the tenant's groups.
	tenant string
	groups []provision.Group
	digest string
	at     time.Time
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
	people := map[string]directory.Member{} // who have accounts
	for i := range members.Items {
		if member := &members.Items[i]; ids[member.Name] != "" && member.DeletionTimestamp.IsZero() {
			people[member.Name] = directory.Member{Tenant: in.tenant.Slug, Name: member.Name, Labels: member.Labels}
		}
	}
	wanted := &wantedGroups{tenant: in.tenant.Slug, at: k.clock(), keeps: target.Spec.DeletionPolicy == v1alpha1.RetainAccounts}
	for i := range groups.Items {
		if group := &groups.Items[i]; group.DeletionTimestamp.IsZero() && selector.Matches(labels.Set(group.Labels)) {
			wanted.groups = append(wanted.groups, wantedGroup(in.tenant.Slug, group, people, ids))
		}
	}
	slices.SortFunc(wanted.groups, func(a, b provision.Group) int { return cmp.Compare(a.CorrelationID, b.CorrelationID) })
	wanted.digest = hashOf(wanted.tenant, wanted.keeps, wanted.groups)
	return wanted, nil
}

func wantedGroup(slug string, group *v1alpha1.Group, people map[string]directory.Member, ids map[string]string) provision.Group {
	wanted := provision.Group{CorrelationID: slug + "/" + group.Name, DisplayName: group.Spec.DisplayName}
	for name := range directoryGroup(slug, group).Participants(people) {
		wanted.Members = append(wanted.Members, ids[name])
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
	result := &groupsResult{digest: w.groups.digest, at: w.groups.at, count: len(w.groups.groups)}
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
