/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

// groupService has groups, notes what is written, and refuses some of it.
type groupService struct {
	provision.Target
	groups  []provision.Group
	refused map[string]provision.Cause // by display name
	written []string
}

func (s *groupService) ListGroups(_ context.Context, visit func(provision.Group) error) error {
	for _, group := range s.groups {
		if err := visit(group); err != nil {
			return err
		}
	}
	return nil
}

func (s *groupService) write(what string, group provision.Group) error {
	s.written = append(s.written, what+" "+group.DisplayName)
	if cause := s.refused[group.DisplayName]; cause != "" {
		return &provision.Error{Cause: cause, Message: "No."}
	}
	return nil
}

func (s *groupService) CreateGroup(_ context.Context, group provision.Group) (*provision.Group, error) {
	return &group, s.write("create", group)
}

func (s *groupService) UpdateGroup(_ context.Context, _, desired provision.Group) error {
	return s.write("update", desired)
}

func (s *groupService) DeleteGroup(_ context.Context, current provision.Group) error {
	return s.write("delete", current)
}

var _ provision.GroupTarget = (*groupService)(nil)

func groupNamed(id, displayName string, members ...string) provision.Group {
	return provision.Group{CorrelationID: id, DisplayName: displayName, Members: members}
}

// TestStepsOfGroups: what differs is written, groups of others are left alone, and
// one that is refused keeps no other back, unless all would be.
func TestStepsOfGroups(t *testing.T) {
	there := []provision.Group{
		groupNamed("acme/same", "same", "2", "1"), groupNamed("acme/name", "old name", "1"), groupNamed("acme/members", "members", "1"),
		groupNamed("acme/gone", "gone", "1"), groupNamed("acme/away", "away"), groupNamed("", "theirs", "1"), groupNamed("acme-2/other", "other", "1"),
	}
	wanted := []provision.Group{
		groupNamed("acme/members", "members", "1", "2"), groupNamed("acme/name", "name", "1"), groupNamed("acme/new", "new", "1"), groupNamed("acme/same", "same", "1", "2"),
	}
	all := []string{"update members", "update name", "create new", "delete away", "delete gone"}
	for name, test := range map[string]struct {
		keeps   bool
		refused map[string]provision.Cause
		written []string
		failure string
	}{
		"all":       {written: all},
		"retained":  {keeps: true, written: all[:3]},
		"refused":   {refused: map[string]provision.Cause{"name": provision.Conflict, "away": provision.Invalid}, written: all, failure: "Group name: No."},
		"throttled": {refused: map[string]provision.Cause{"members": provision.Conflict, "new": provision.Throttled}, written: all[:3], failure: "Group new: No."},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			service := &groupService{groups: slices.Clone(there), refused: test.refused}
			groups := &wantedGroups{tenant: "acme", groups: wanted, keeps: test.keeps, digest: "d"}
			steps, err := groups.steps(t.Context(), service)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(service.written).To(BeEmpty(), "deciding writes nothing")
			result, err := syncGroups(t.Context(), work{live: liveTarget{service: service}, groups: groups})
			g.Expect(service.written).To(Equal(test.written))
			if test.failure != "" {
				g.Expect(err).To(MatchError(test.failure))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(steps).To(HaveLen(len(service.written)))
			g.Expect(*result).To(Equal(groupsResult{digest: "d", count: len(wanted)}))
		})
	}
	_, err := syncGroups(t.Context(), work{live: liveTarget{service: &readOnlyService{}}})
	NewWithT(t).Expect(err).To(MatchError(errNoGroups))
}
