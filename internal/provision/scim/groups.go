/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"tegata.dev/tegata/internal/provision"
)

const (
	groups = "/Groups"
	// membersAtOnce bounds the members that one request adds or removes.
	membersAtOnce = 100
)

// groupID is the form of groups' correlation IDs: tenant and name.
var groupID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

var _ provision.GroupTarget = (*Target)(nil)

// members are the IDs of the accounts in a group; groups within it are none.
func (r resource) members() []string {
	elements, _ := r.get("members").([]any)
	var ids []string
	for _, element := range elements {
		e, _ := object(element)
		if id := e.text("value"); id != "" && !strings.EqualFold(e.text("type"), "Group") {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func group(r resource) provision.Group {
	g := provision.Group{ExternalID: r.id(), DisplayName: r.text("displayName"), Members: r.members()}
	if external := r.text("externalId"); groupID.MatchString(external) {
		g.CorrelationID = external
	}
	return g
}

// ListGroups implements provision.GroupTarget.
func (t *Target) ListGroups(ctx context.Context, visit func(provision.Group) error) error {
	f, err := t.features(ctx)
	if err != nil {
		return err
	}
	if !f.groups {
		return invalid("", "The service has no groups; remove spec.groups from the ProvisioningTarget.")
	}
	return t.each(ctx, groups, nil, true, func(r resource) error {
		// Some leave the members out of lists.
		if r.get("members") == nil && groupID.MatchString(r.text("externalId")) {
			whole, err := t.get(ctx, groups, r.id())
			if provision.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return err
			}
			r = whole
		}
		return visit(group(r))
	})
}

// CreateGroup implements provision.GroupTarget.
func (t *Target) CreateGroup(ctx context.Context, desired provision.Group) (*provision.Group, error) {
	f, err := t.features(ctx)
	if err != nil {
		return nil, err
	}
	if t.unmarked.Load() {
		return nil, unmarked()
	}
	at := len(desired.Members)
	if !t.puts(f) {
		at = min(at, membersAtOnce)
	}
	body := resource{"schemas": []any{coreGroup}, "displayName": desired.DisplayName, "externalId": desired.CorrelationID}
	if at > 0 {
		body["members"] = f.references(desired.Members[:at])
	}
	answer, err := t.call(ctx, request{method: http.MethodPost, path: groups, body: body})
	if err != nil {
		return nil, err
	}
	r, err := parseResource(answer.body)
	if err != nil || !validID(r.id()) {
		return nil, nonsense("The service says that it made the group, but did not tell its ID; it is looked for again.")
	}
	made := desired
	made.ExternalID, made.Members = r.id(), desired.Members[:at]
	if err := t.knownAgain(ctx, answer.status, made, r); err != nil {
		return nil, err
	}
	if at < len(desired.Members) {
		if err := t.UpdateGroup(ctx, made, desired); err != nil {
			return nil, err
		}
		made.Members = desired.Members
	}
	return &made, nil
}

// knownAgain is an error where a service keeps no externalId of a group that was
// just made, or one of its own: nothing else tells that a group is ours, so that it
// would be made once more at each sync. It is deleted where it is surely what was
// sent: some services answer with a group that they have already.
func (t *Target) knownAgain(ctx context.Context, status int, sent provision.Group, made resource) error {
	if made.text(externalIDAttribute) == sent.CorrelationID {
		return nil
	}
	shown, err := t.get(ctx, groups, made.id())
	switch {
	case provision.IsNotFound(err):
		return nil // it is not shown yet
	case err != nil:
		return err
	case shown.text(externalIDAttribute) == sent.CorrelationID:
		return nil
	}
	t.unmarked.Store(true)
	if status == http.StatusCreated && shown.isJust(sent) {
		if err := t.remove(ctx, groups, made.id()); err != nil {
			return err
		}
	}
	return unmarked()
}

// unmarked is of a service that takes no further group until it is asked anew what it takes.
func unmarked() error {
	return invalid(externalIDAttribute, "The service does not keep the externalId of groups as it was sent, by which Tegata knows its groups again; remove spec.groups from the ProvisioningTarget, or rename a group there that had the name before.")
}

// isJust tells that a group has the name and the members of another, nothing within
// it, and no mark of Tegata's.
func (r resource) isJust(sent provision.Group) bool {
	elements, _ := r.get("members").([]any)
	shown, members := group(r), slices.Compact(slices.Sorted(slices.Values(sent.Members)))
	return shown.CorrelationID == "" && shown.DisplayName == sent.DisplayName && len(elements) == len(members) && slices.Equal(shown.Members, members)
}

// UpdateGroup implements provision.GroupTarget.
func (t *Target) UpdateGroup(ctx context.Context, current, desired provision.Group) error {
	f, err := t.features(ctx)
	if err != nil {
		return err
	}
	desired.ExternalID = current.ExternalID
	if !t.puts(f) {
		err := t.patchDifferences(ctx, current, desired)
		if t.options.Updates != "" || !unimplemented(err) {
			return err
		}
	}
	after, err := t.change(ctx, groups, current.ExternalID, func(e *edit) error {
		e.group(desired)
		return nil
	})
	if err != nil {
		return err
	}
	return stillIn(after, without(current.Members, desired.Members))
}

// stillIn is an error where those who were removed from a group are in it: some
// services take a PUT of a group, and do not look at its members. Nobody may be
// thought to have lost what they still have.
func stillIn(after resource, removed []string) error {
	kept := setOf(after.members())
	removed = slices.DeleteFunc(removed, func(id string) bool { return !kept[id] })
	if len(removed) == 0 {
		return nil
	}
	return nonsense("The service took the change, but %d of those who were removed are still in the group there; it is tried again. If this lasts, remove them there, and take the group out of spec.groups.", len(removed))
}

// patchDifferences sends what differs: of large groups, that is little.
func (t *Target) patchDifferences(ctx context.Context, current, desired provision.Group) error {
	named := edit{resource: resource{"id": current.ExternalID, "displayName": current.DisplayName, "externalId": current.CorrelationID}}
	named.text("displayName", desired.DisplayName)
	named.text("externalId", desired.CorrelationID)
	if len(named.operations) > 0 {
		if err := t.patchGroup(ctx, current.ExternalID, named.operations); err != nil {
			return explain(err, named.operations)
		}
	}
	// Those who lose something are first.
	return t.patchMembers(ctx, current.ExternalID, without(desired.Members, current.Members), without(current.Members, desired.Members))
}

// DeleteGroup implements provision.GroupTarget.
func (t *Target) DeleteGroup(ctx context.Context, current provision.Group) error {
	return t.remove(ctx, groups, current.ExternalID)
}

// group makes a resource what a group should be; groups within it stay.
func (e *edit) group(desired provision.Group) {
	e.text("displayName", desired.DisplayName)
	e.text("externalId", desired.CorrelationID)
	if slices.Equal(e.resource.members(), slices.Compact(slices.Sorted(slices.Values(desired.Members)))) {
		return
	}
	before, _ := e.resource.get("members").([]any)
	var after []any
	kept, wanted := map[string]bool{}, setOf(desired.Members)
	for _, element := range before {
		m, _ := object(element)
		if id := m.text("value"); strings.EqualFold(m.text("type"), "Group") || wanted[id] {
			after = append(after, element)
			kept[id] = true
		}
	}
	for _, id := range desired.Members {
		if !kept[id] {
			after = append(after, e.features.member(id))
		}
	}
	if after == nil {
		after = []any{}
	}
	e.assign("members", e.resource.get("members"), after)
}

func (t *Target) patchGroup(ctx context.Context, id string, operations []operation) error {
	_, err := t.call(ctx, request{method: http.MethodPatch, path: groups, id: id, body: patch(operations)})
	return err
}

// patchMembers removes and adds members, a bounded number at once.
func (t *Target) patchMembers(ctx context.Context, id string, add, remove []string) error {
	for chunk := range slices.Chunk(remove, membersAtOnce) {
		operations := make([]operation, len(chunk))
		for i, member := range chunk {
			operations[i] = operation{Op: opRemove, Path: fmt.Sprintf("members[%s]", equals("value", member))}
		}
		if err := t.patchGroup(ctx, id, operations); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(add, membersAtOnce) {
		if err := t.patchGroup(ctx, id, []operation{{opAdd, "members", t.supposed().references(chunk)}}); err != nil {
			return err
		}
	}
	return nil
}

// references are elements of a group's members.
func (f features) references(ids []string) []any {
	elements := make([]any, len(ids))
	for i, id := range ids {
		elements[i] = f.member(id)
	}
	return elements
}

func (f features) member(id string) map[string]any {
	if f.membersAt == "" {
		return map[string]any{"value": id}
	}
	return map[string]any{"value": id, "$ref": f.membersAt + url.PathEscape(id)}
}

// without are those of all that are not in some.
func without(all, some []string) []string {
	among := setOf(some)
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool { return among[one] })
}

// setOf serves groups of ten thousand, of whom each is looked for.
func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}
