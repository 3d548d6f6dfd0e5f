/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"context"
	"sync"
	"time"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// faults are what a test does to a service's clients; each may be nil.
type faults struct {
	mu sync.Mutex
	// before is asked before each call of a method, about an account by its user
	// name where that is known; an error is the call's.
	before func(ctx context.Context, method, userName string) error
	// after comes when a call has done its work there.
	after func(method, userName string)
	// desire is what the service does not allow.
	desire func(directory.Subject) error
	// lag is how long accounts that were made are not found.
	lag  time.Duration
	made map[string]time.Time // by external ID
}

// inject has a service's clients suffer faults from the next one on.
func (s *fakeService) inject(f *faults) {
	f.made = map[string]time.Time{}
	s.do(func() {
		s.wrap = func(c *fakeClient) provision.Target { return &faultyClient{fakeClient: c, faults: f} }
	})
}

// set changes the faults while nobody asks for them.
func (f *faults) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *faults) now() (before func(context.Context, string, string) error, after func(string, string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.before, f.after
}

// faultyClient is a client with faults.
type faultyClient struct {
	*fakeClient
	faults *faults
}

func (c *faultyClient) ReplicationDelay() time.Duration { return c.faults.lag }

func with[T any](ctx context.Context, c *faultyClient, method, userName string, call func() (T, error)) (T, error) {
	before, after := c.faults.now()
	var none T
	if before != nil {
		if err := before(ctx, method, userName); err != nil {
			return none, err
		}
	}
	result, err := call()
	if err == nil && after != nil {
		after(method, userName)
	}
	return result, err
}

// Desire implements provision.Target.
func (c *faultyClient) Desire(subject directory.Subject) (provision.Desired, error) {
	c.faults.mu.Lock()
	refuse := c.faults.desire
	c.faults.mu.Unlock()
	if refuse != nil {
		if err := refuse(subject); err != nil {
			return provision.Desired{}, err
		}
	}
	return c.fakeClient.Desire(subject)
}

// Find implements provision.Target.
func (c *faultyClient) Find(ctx context.Context, reference provision.Reference) (*provision.Account, error) {
	return with(ctx, c, "Find", reference.UserName, func() (*provision.Account, error) {
		found, err := c.fakeClient.Find(ctx, reference)
		if err != nil {
			return nil, err
		}
		c.faults.mu.Lock()
		defer c.faults.mu.Unlock()
		if made, ok := c.faults.made[found.ExternalID]; ok && time.Since(made) < c.faults.lag {
			return nil, &provision.Error{Cause: provision.NotFound, Message: "There is no such account."}
		}
		return found, nil
	})
}

// Create implements provision.Target.
func (c *faultyClient) Create(ctx context.Context, desired provision.Desired) (*provision.Account, error) {
	return with(ctx, c, "Create", desired.UserName, func() (*provision.Account, error) {
		made, err := c.fakeClient.Create(ctx, desired)
		if err == nil {
			c.faults.set(func() { c.faults.made[made.ExternalID] = time.Now() })
		}
		return made, err
	})
}

// Update implements provision.Target.
func (c *faultyClient) Update(ctx context.Context, current provision.Account, desired provision.Desired) (*provision.Account, error) {
	return with(ctx, c, "Update", current.UserName, func() (*provision.Account, error) { return c.fakeClient.Update(ctx, current, desired) })
}

// Disable implements provision.Target.
func (c *faultyClient) Disable(ctx context.Context, current provision.Account) error {
	_, err := with(ctx, c, "Disable", current.UserName, func() (struct{}, error) { return struct{}{}, c.fakeClient.Disable(ctx, current) })
	return err
}

// Delete implements provision.Target.
func (c *faultyClient) Delete(ctx context.Context, current provision.Account) error {
	_, err := with(ctx, c, "Delete", current.UserName, func() (struct{}, error) { return struct{}{}, c.fakeClient.Delete(ctx, current) })
	return err
}

// failing fails one method.
func failing(method string, failure provision.Error) func(context.Context, string, string) error {
	return func(_ context.Context, called, _ string) error {
		if called == method {
			return &failure
		}
		return nil
	}
}

// hanging lets every call hang until its caller gives up, or for so long.
func hanging(atMost time.Duration) func(context.Context, string, string) error {
	return func(ctx context.Context, _, _ string) error {
		timer := time.NewTimer(atMost)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return &provision.Error{Cause: provision.Unavailable, Message: "The service did not answer within 30s; it is tried again."}
		}
	}
}
