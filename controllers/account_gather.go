/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// errNotYet means that somebody should have an account, and is not live in the
// IdP yet: without an ID nothing can be made, and nothing may be taken away.
var errNotYet = errors.New("the member is not live in the IdP yet")

// gatherer finds out, from the caches, who should have an account.
type gatherer struct{ client.Client }

// owner is the one whose account an Account is.
type owner struct {
	// subject is nil where nobody should have the account.
	subject *directory.Subject
	// refused is why the IdP did not take the spec of the subject's Member; empty
	// where it did, or has not said so.
	refused string
	// undecided: the IdP has not been asked yet.
	undecided bool
	// gone: there is no such Member any more; else declared is when it was made.
	gone     bool
	declared time.Time
	// tenant is nil where there is none.
	tenant *v1alpha1.Tenant
}

// desired is the account that somebody should have at a target, nil where nobody
// should. The error is errNotYet, the API server's, or of cause Invalid.
func (g gatherer) desired(ctx context.Context, live liveTarget, account *v1alpha1.Account) (*provision.Desired, error) {
	target := &v1alpha1.ProvisioningTarget{}
	if err := g.Get(ctx, live.name, target); err != nil {
		return nil, err
	}
	found, err := g.owner(ctx, target, account)
	if err != nil || found.subject == nil {
		return nil, err
	}
	desired, err := live.service.Desire(*found.subject)
	if err != nil {
		return nil, err
	}
	if found.another(account, desired) {
		return nil, nil
	}
	if found.refused != "" && desired.Active {
		return nil, errNotYet
	}
	return &desired, nil
}

// another tells that an account was made for somebody else than who should have
// it now: a Member of the same name was made anew. A Member that was there before
// the Account is the same person, whatever ID it has by now: another IdP, or one
// that lost its database, gives everybody a new one, and nobody is to lose an
// account by that.
func (o owner) another(account *v1alpha1.Account, desired provision.Desired) bool {
	known := account.Status.CorrelationID
	return known != "" && known != desired.CorrelationID && account.Status.ExternalID != "" && o.declared.After(account.CreationTimestamp.Time)
}

// owner finds the member of an Account, and whether the target selects it. A
// member that is being deleted has the account until the IdP has let it go.
func (g gatherer) owner(ctx context.Context, target *v1alpha1.ProvisioningTarget, account *v1alpha1.Account) (owner, error) {
	found := owner{}
	tenant := &v1alpha1.Tenant{}
	switch err := g.Get(ctx, types.NamespacedName{Namespace: target.Namespace, Name: target.Spec.TenantRef.Name}, tenant); {
	case err == nil:
		found.tenant = tenant
	case !apierrors.IsNotFound(err):
		return found, err
	}
	member := &v1alpha1.Member{}
	err := g.Get(ctx, types.NamespacedName{Namespace: account.Namespace, Name: account.Spec.MemberRef.Name}, member)
	if found.gone = apierrors.IsNotFound(err); found.gone {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	found.declared, found.refused, found.undecided = member.CreationTimestamp.Time, refusal(member), undecided(member)
	found.subject, err = g.subject(ctx, target, member, found.tenant)
	return found, err
}

// refusal tells why the IdP does not take a Member's spec, such as a mail address
// that is another member's: services must not be told what it refused.
func refusal(member *v1alpha1.Member) string {
	published := meta.FindStatusCondition(member.Status.Conditions, v1alpha1.PublishedCondition)
	// Deletion begins a generation too, and changes nothing of the spec.
	if published == nil || published.Status != metav1.ConditionFalse || published.ObservedGeneration != member.Generation && member.DeletionTimestamp.IsZero() {
		return ""
	}
	switch published.Reason {
	case v1alpha1.ConflictReason, v1alpha1.LicenseLimitReachedReason, v1alpha1.RefusedReason:
		return fmt.Sprintf("%s: %s", published.Reason, published.Message)
	}
	return ""
}

// undecided tells that nobody has asked the IdP yet about a Member's spec as it is
// now. Where the IdP cannot be asked, the condition says so before long.
func undecided(member *v1alpha1.Member) bool {
	published := meta.FindStatusCondition(member.Status.Conditions, v1alpha1.PublishedCondition)
	return published != nil && published.ObservedGeneration < member.Generation && member.DeletionTimestamp.IsZero()
}

// subject is a member as a target's service is told of it; nil where the target
// does not select it.
func (g gatherer) subject(ctx context.Context, target *v1alpha1.ProvisioningTarget, member *v1alpha1.Member, tenant *v1alpha1.Tenant) (*directory.Subject, error) {
	if member.Spec.TenantRef != target.Spec.TenantRef || intuneTarget(target.Spec) != "" {
		return nil, nil
	}
	if tenant == nil {
		return nil, errNotYet
	}
	converted := directoryTenant(tenant)
	groups, err := groupsAround(ctx, g.Client, converted.Slug, member)
	if err != nil {
		return nil, err
	}
	person := directoryMember(converted, member, nil)
	subject := &directory.Subject{
		Member: directory.WithoutFaults(converted, person), ID: member.Status.ID, Groups: directory.GroupsOf(person, groups),
	}
	in := func(name string) bool {
		return slices.ContainsFunc(subject.Groups, func(group directory.Group) bool { return group.Name == name })
	}
	switch selects, err := selected(target.Spec.Members, member, in); {
	case err != nil || !selects:
		return nil, err
	case member.Status.ID == "":
		return nil, errNotYet
	}
	return subject, nil
}

// selected tells whether a target's members include one, who is in those groups.
func selected(members *v1alpha1.TargetMembers, member *v1alpha1.Member, in func(group string) bool) (bool, error) {
	if members == nil {
		return true, nil
	}
	if members.Selector != nil {
		selector, err := metav1.LabelSelectorAsSelector(members.Selector)
		if err != nil || !selector.Matches(labels.Set(member.Labels)) {
			return false, err
		}
	}
	return len(members.Groups) == 0 || slices.ContainsFunc(members.Groups, func(group v1alpha1.GroupReference) bool { return in(group.Name) }), nil
}

// groupsAround are the groups that name the member or select by label, from the cache.
func groupsAround(ctx context.Context, c client.Client, slug string, member *v1alpha1.Member) ([]directory.Group, error) {
	var found []directory.Group
	seen := map[string]bool{}
	for _, match := range []client.MatchingFields{{byMember: member.Name}, {bySelector: hasSelector}} {
		groups := &v1alpha1.GroupList{}
		if err := c.List(ctx, groups, client.InNamespace(member.Namespace), match, client.UnsafeDisableDeepCopy); err != nil {
			return found, err
		}
		for i := range groups.Items {
			group := &groups.Items[i]
			if group.Spec.TenantRef == member.Spec.TenantRef && !seen[group.Name] && group.DeletionTimestamp.IsZero() {
				seen[group.Name] = true
				found = append(found, directoryGroup(slug, group))
			}
		}
	}
	return found, nil
}

// accountName is the name of the Account of a member at a target. Both names may
// have dots and dashes, so a hash keeps them apart.
func accountName(target, member string) string {
	sum := sha256.Sum256([]byte(target + "/" + member))
	mark := "-" + hex.EncodeToString(sum[:4])
	name := target + "." + member
	return strings.TrimRight(name[:min(len(name), maxNameLength-len(mark))], "-.") + mark
}
