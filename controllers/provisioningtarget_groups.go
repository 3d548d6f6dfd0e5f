/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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

// groupLister is the part of provision.GroupTarget that reads.
type groupLister interface {
	ListGroups(ctx context.Context, visit func(provision.Group) error) error
}

var errNoGroups = &provision.Error{Cause: provision.Invalid, Message: "The service has no groups; remove spec.groups from the ProvisioningTarget."}

// groupStep is what is to be done to one group of a service.
type groupStep struct {
	// action is Create, Update or Delete.
	action provision.Action
	// found is empty for Create, and wanted for Delete.
	found, wanted provision.Group
}

// steps decides what makes a service's groups those that are wanted. Groups that
// are not marked as the tenant's are left alone.
func (g *wantedGroups) steps(ctx context.Context, service groupLister) ([]groupStep, error) {
	there := map[string]provision.Group{}
	if err := service.ListGroups(ctx, func(group provision.Group) error {
		if strings.HasPrefix(group.CorrelationID, g.tenant+"/") {
			there[group.CorrelationID] = group
		}
		return nil
	}); err != nil {
		return nil, err
	}
	var steps []groupStep
	for _, wanted := range g.groups {
		found, exists := there[wanted.CorrelationID]
		delete(there, wanted.CorrelationID)
		slices.Sort(found.Members)
		switch {
		case !exists:
			steps = append(steps, groupStep{action: provision.Create, wanted: wanted})
		case found.DisplayName != wanted.DisplayName || !slices.Equal(found.Members, wanted.Members):
			steps = append(steps, groupStep{provision.Update, found, wanted})
		}
	}
	if !g.keeps {
		for _, id := range slices.Sorted(maps.Keys(there)) {
			steps = append(steps, groupStep{action: provision.Delete, found: there[id]})
		}
	}
	return steps, nil
}

// carryOut makes the step. The error tells which group it is about.
func (s groupStep) carryOut(ctx context.Context, service provision.GroupTarget) error {
	var err error
	group := s.wanted
	switch s.action {
	case provision.Create:
		_, err = service.CreateGroup(ctx, s.wanted)
	case provision.Update:
		err = service.UpdateGroup(ctx, s.found, s.wanted)
	default:
		group = s.found
		err = service.DeleteGroup(ctx, s.found)
	}
	if err != nil {
		return groupFailure(group, err)
	}
	return nil
}

// syncGroups makes a service's groups those that are wanted. One that fails keeps
// no other back, unless all would fail.
func syncGroups(ctx context.Context, w work) (*groupsResult, error) {
	service, ok := w.live.service.(provision.GroupTarget)
	if !ok {
		return nil, errNoGroups
	}
	steps, err := w.groups.steps(ctx, service)
	if err != nil {
		return nil, err
	}
	var first error
	for _, step := range steps {
		err := step.carryOut(ctx, service)
		if err != nil && provision.CauseOf(err).Pauses() {
			return nil, err
		}
		first = cmp.Or(first, err)
	}
	if first != nil {
		return nil, first
	}
	return &groupsResult{digest: w.groups.digest, at: w.groups.at, count: len(w.groups.groups)}, nil
}

// groupFailure tells which group it is about.
func groupFailure(group provision.Group, err error) error {
	failure := *asFailure(err)
	failure.Message = fmt.Sprintf("Group %s: %s", group.DisplayName, failure.Message)
	return &failure
}
