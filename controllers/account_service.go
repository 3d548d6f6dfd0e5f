/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/internal/provision"
)

// observedService is a target's service whose answers the queue learns of.
type observedService struct {
	provision.Target
	accounts *accounts
	live     liveTarget
	request  reconcile.Request
}

// observed makes one call.
func observed[T any](s *observedService, operation string, call func() (T, error)) (T, error) {
	began := time.Now()
	result, err := call()
	s.accounts.metrics.took(s.live.name, operation, time.Since(began))
	cause := provision.CauseOf(err)
	switch {
	case err == nil || cause != provision.Unavailable && !cause.Pauses():
		s.accounts.queue.Answered(s.live.name)
	case cause == provision.Unavailable:
		s.accounts.queue.Silent(s.request)
	}
	return result, err
}

// Find implements provision.Target.
func (s *observedService) Find(ctx context.Context, reference provision.Reference) (*provision.Account, error) {
	return observed(s, "find", func() (*provision.Account, error) { return s.Target.Find(ctx, reference) })
}

// Create implements provision.Target.
func (s *observedService) Create(ctx context.Context, desired provision.Desired) (*provision.Account, error) {
	return observed(s, "create", func() (*provision.Account, error) { return s.Target.Create(ctx, desired) })
}

// Update implements provision.Target.
func (s *observedService) Update(ctx context.Context, current provision.Account, desired provision.Desired) (*provision.Account, error) {
	return observed(s, "update", func() (*provision.Account, error) { return s.Target.Update(ctx, current, desired) })
}

// Restore implements provision.Target.
func (s *observedService) Restore(ctx context.Context, current provision.Account) (*provision.Account, error) {
	return observed(s, "restore", func() (*provision.Account, error) { return s.Target.Restore(ctx, current) })
}

// Disable implements provision.Target.
func (s *observedService) Disable(ctx context.Context, current provision.Account) error {
	_, err := observed(s, "disable", func() (struct{}, error) { return struct{}{}, s.Target.Disable(ctx, current) })
	return err
}

// Delete implements provision.Target.
func (s *observedService) Delete(ctx context.Context, current provision.Account) error {
	_, err := observed(s, "delete", func() (struct{}, error) { return struct{}{}, s.Target.Delete(ctx, current) })
	return err
}
