/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// listAfter is how many accounts are looked up one by one before all are listed.
const listAfter = 50

// plannedService is a target's service that is only read: what would be written
// is remembered instead. It answers as the service would, so that who acts on the
// answers decides as it would in earnest.
type plannedService struct {
	service provision.Target

	mu sync.Mutex
	// writes are those of the account in hand.
	writes []plannedWrite
	// made are accounts as they would be, by external ID.
	made map[string]provision.Account
	// finds counts look-ups; listed are all accounts of the service, once they were listed.
	finds  int
	listed []provision.Account
	isFull bool
}

// plannedWrite is what would be done to an account.
type plannedWrite struct {
	action  provision.Action
	found   provision.Account
	desired *provision.Desired
}

var _ provision.Target = (*plannedService)(nil)

func newPlannedService(service provision.Target) *plannedService {
	return &plannedService{service: service, made: map[string]provision.Account{}}
}

// taken are the writes since it was asked last.
func (s *plannedService) taken() []plannedWrite {
	s.mu.Lock()
	defer s.mu.Unlock()
	writes := s.writes
	s.writes = nil
	return writes
}

// Check implements provision.Target.
func (s *plannedService) Check(ctx context.Context) (provision.Findings, error) {
	return s.service.Check(ctx)
}

// Desire implements provision.Target.
func (s *plannedService) Desire(subject directory.Subject) (provision.Desired, error) {
	return s.service.Desire(subject)
}

// List implements provision.Target.
func (s *plannedService) List(ctx context.Context, visit func(provision.Account) error) error {
	return s.service.List(ctx, visit)
}

// Find implements provision.Target.
func (s *plannedService) Find(ctx context.Context, reference provision.Reference) (*provision.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, account := range s.made {
		if matches(account, reference) {
			return &account, nil
		}
	}
	if reference.ExternalID == "" && isPlannedID(reference.CorrelationID) {
		return nil, &provision.Error{Cause: provision.NotFound, Message: "Nobody has an account by an ID that is not given out yet."}
	}
	found, err := s.find(ctx, reference)
	if err == nil {
		if now, changed := s.made[found.ExternalID]; changed {
			return s.unlessRenamed(now, reference)
		}
	}
	return found, err
}

// unlessRenamed is an account as it would be, where that still matches.
func (s *plannedService) unlessRenamed(now provision.Account, reference provision.Reference) (*provision.Account, error) {
	if !matches(now, reference) {
		return nil, &provision.Error{Cause: provision.NotFound, Message: "There is no such account any more."}
	}
	return &now, nil
}

// find asks the service, for all accounts at once where many are looked up. What
// is not in the list may be one that can be restored.
func (s *plannedService) find(ctx context.Context, reference provision.Reference) (*provision.Account, error) {
	if s.finds++; s.finds > listAfter && !s.isFull {
		var listed []provision.Account
		err := s.service.List(ctx, func(account provision.Account) error {
			listed = append(listed, account)
			return nil
		})
		if err != nil {
			return nil, err
		}
		s.listed, s.isFull = listed, true
	}
	for _, account := range s.listed {
		if matches(account, reference) {
			return &account, nil
		}
	}
	return s.service.Find(ctx, reference)
}

func matches(account provision.Account, reference provision.Reference) bool {
	switch {
	case reference.ExternalID != "":
		return account.ExternalID == reference.ExternalID
	case reference.CorrelationID != "":
		return account.CorrelationID == reference.CorrelationID
	}
	// The name of an account that is deleted can be given away.
	return !account.Deleted && strings.EqualFold(account.UserName, reference.UserName)
}

func (s *plannedService) note(write plannedWrite, now provision.Account) *provision.Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, write)
	s.made[now.ExternalID] = now
	return &now
}

// Create implements provision.Target. A user name that is taken is a conflict,
// as it would be there.
func (s *plannedService) Create(ctx context.Context, desired provision.Desired) (*provision.Account, error) {
	switch _, err := s.Find(ctx, provision.Reference{UserName: desired.UserName}); {
	case err == nil:
		return nil, &provision.Error{Cause: provision.Conflict, Message: fmt.Sprintf("The user name %s is taken.", desired.UserName)}
	case !provision.IsNotFound(err):
		return nil, err
	}
	return s.note(plannedWrite{action: provision.Create, desired: &desired}, desiredAccount(plannedID(desired.CorrelationID), desired)), nil
}

// Update implements provision.Target.
func (s *plannedService) Update(_ context.Context, current provision.Account, desired provision.Desired) (*provision.Account, error) {
	return s.note(plannedWrite{action: provision.Update, found: current, desired: &desired}, desiredAccount(current.ExternalID, desired)), nil
}

// Restore implements provision.Target.
func (s *plannedService) Restore(_ context.Context, current provision.Account) (*provision.Account, error) {
	now := current
	now.Deleted = false
	return s.note(plannedWrite{action: provision.Restore, found: current}, now), nil
}

// Disable implements provision.Target.
func (s *plannedService) Disable(_ context.Context, current provision.Account) error {
	now := current
	now.Active = false
	s.note(plannedWrite{action: provision.Disable, found: current}, now)
	return nil
}

// Delete implements provision.Target.
func (s *plannedService) Delete(_ context.Context, current provision.Account) error {
	now := current
	now.Deleted = true
	s.note(plannedWrite{action: provision.Delete, found: current}, now)
	return nil
}

// desiredAccount is an account as it is after a write.
func desiredAccount(externalID string, desired provision.Desired) provision.Account {
	return provision.Account{
		ExternalID: externalID, CorrelationID: desired.CorrelationID, UserName: desired.UserName, Active: desired.Active,
		Properties: maps.Clone(desired.Properties),
	}
}

// rememberedService answers from what Tegata last knew, where the service itself
// cannot be asked.
type rememberedService struct {
	provision.Target
	// known are the accounts by external ID.
	known  map[string]provision.Account
	groups []provision.Group
}

// Find implements provision.Target.
func (s rememberedService) Find(_ context.Context, reference provision.Reference) (*provision.Account, error) {
	for _, account := range s.known {
		if matches(account, reference) {
			return &account, nil
		}
	}
	return nil, &provision.Error{Cause: provision.NotFound, Message: "No such account is known."}
}

// List implements provision.Target.
func (s rememberedService) List(_ context.Context, visit func(provision.Account) error) error {
	for _, account := range s.known {
		if err := visit(account); err != nil {
			return err
		}
	}
	return nil
}

// ListGroups is part of provision.GroupTarget.
func (s rememberedService) ListGroups(_ context.Context, visit func(provision.Group) error) error {
	for _, group := range s.groups {
		if err := visit(group); err != nil {
			return err
		}
	}
	return nil
}

// plannedPrefix begins the IDs that stand for those which the IdP will give out.
const plannedPrefix = "00000000-0000-4000-8000-"

func plannedID(of string) string { return "planned:" + of }

// isPlannedID tells whether an ID, in whichever form a service keeps it, is not given out yet.
func isPlannedID(id string) bool {
	return strings.HasPrefix(strings.ReplaceAll(id, "-", ""), strings.ReplaceAll(plannedPrefix, "-", ""))
}
