/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// fakeServices are the services of this process by their addresses; the real
// clients speak with the real doubles elsewhere.
var fakeServices sync.Map

// makeService makes the client of a service of this process, and of others the real one.
func makeService(o controllers.ServiceOptions) (provision.Target, error) {
	declared := o.Spec.SCIM
	if o.Spec.MDM != nil {
		declared = o.Spec.MDM.SCIM
	}
	if declared != nil {
		if found, ok := fakeServices.Load(string(declared.URL)); ok {
			ref := declared.Authentication.BearerTokenSecretRef
			made := &fakeClient{fakeService: found.(*fakeService), token: string(o.Secret(ref.Name, ref.Key)), writes: provision.NewBudget(int(cmp.Or(o.Spec.WritesPerSecond, 1000)))}
			if made.wrap != nil {
				return made.wrap(made), nil
			}
			return made, nil
		}
	}
	return controllers.NewService(o)
}

// fakeService is a service with accounts, groups and devices in memory.
type fakeService struct {
	mu       sync.Mutex
	token    string
	accounts map[string]provision.Account
	groups   map[string]provision.Group
	devices  []provision.Device
	findings provision.Findings
	next     int
	// failure of every call, of each write and of listings after the first entry; nil for none.
	failure, writeFailure, listFailure error
	// wrap gives clients faults of a test's own; nil for none.
	wrap func(*fakeClient) provision.Target
	// calls and written count, by the name of the method.
	calls map[string]int
}

// newService makes a service whose token is "good", its target and its Secret.
func (p *place) newService(t *testing.T, name string) (*fakeService, *v1alpha1.ProvisioningTarget, *corev1.Secret) {
	t.Helper()
	service := &fakeService{token: "good", accounts: map[string]provision.Account{}, groups: map[string]provision.Group{}, calls: map[string]int{}}
	url := "https://" + name + "." + p.namespace + ".example/scim"
	fakeServices.Store(url, service)
	t.Cleanup(func() { fakeServices.Delete(url) })
	secret := &corev1.Secret{ObjectMeta: p.meta(name), Data: map[string][]byte{"token": []byte("good\n")}}
	return service, &v1alpha1.ProvisioningTarget{
		ObjectMeta: p.meta(name),
		Spec: v1alpha1.ProvisioningTargetSpec{
			TenantRef: v1alpha1.TenantReference{Name: "acme"},
			SCIM: &v1alpha1.SCIM{URL: v1alpha1.TargetURL(url), Authentication: v1alpha1.SCIMAuthentication{
				BearerTokenSecretRef: &v1alpha1.SecretKeyReference{Name: name, Key: "token"},
			}},
		},
	}, secret
}

// do changes the service while nobody asks it.
func (s *fakeService) do(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// count is how often a method was called.
func (s *fakeService) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// byUserName is an account by its name there.
func (s *fakeService) byUserName(userName string) (provision.Account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, account := range s.accounts {
		if account.UserName == userName {
			return account, true
		}
	}
	return provision.Account{}, false
}

// add makes an account by hand.
func (s *fakeService) add(account provision.Account) provision.Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keep(account)
}

func (s *fakeService) keep(account provision.Account) provision.Account {
	if account.ExternalID == "" {
		s.next++
		account.ExternalID = fmt.Sprintf("x-%04d", s.next)
	}
	account.Properties = maps.Clone(account.Properties)
	s.accounts[account.ExternalID] = account
	return account
}

// fakeClient speaks with a service in memory by one token.
type fakeClient struct {
	*fakeService
	token  string
	writes *provision.Budget
}

// enter counts a call and finds out whether it may go on. It leaves the service locked.
func (c *fakeClient) enter(method string) error {
	c.mu.Lock()
	c.calls[method]++
	if c.token != c.fakeService.token {
		return &provision.Error{Cause: provision.Unauthorized, Message: "The service refuses the token; make a new one there and put it into the Secret."}
	}
	return c.failure
}

func (c *fakeClient) write(ctx context.Context, method string) error {
	if err := c.writes.Spend(ctx, 1); err != nil {
		c.mu.Lock()
		return err
	}
	return cmp.Or(c.enter(method), c.writeFailure)
}

// Check implements provision.Target.
func (c *fakeClient) Check(context.Context) (provision.Findings, error) {
	defer c.mu.Unlock()
	err := c.enter("Check")
	return c.findings, err
}

// Desire implements provision.Target.
func (c *fakeClient) Desire(subject directory.Subject) (provision.Desired, error) {
	return provision.Desired{
		CorrelationID: subject.ID, UserName: subject.Member.Mail, Active: !subject.Member.Suspended,
		Properties: provision.Properties{"displayName": subject.Member.Person.Display(subject.Member.Language), "phone": subject.Member.Phone},
	}, nil
}

// Find implements provision.Target.
func (c *fakeClient) Find(_ context.Context, reference provision.Reference) (*provision.Account, error) {
	defer c.mu.Unlock()
	if err := c.enter("Find"); err != nil {
		return nil, err
	}
	for _, account := range c.accounts {
		var found bool
		switch {
		case reference.ExternalID != "":
			found = account.ExternalID == reference.ExternalID
		case reference.CorrelationID != "":
			found = account.CorrelationID == reference.CorrelationID
		default:
			found = account.UserName == reference.UserName
		}
		if found {
			return &account, nil
		}
	}
	return nil, &provision.Error{Cause: provision.NotFound, Message: "There is no such account."}
}

// List implements provision.Target.
func (c *fakeClient) List(_ context.Context, visit func(provision.Account) error) error {
	defer c.mu.Unlock()
	if err := c.enter("List"); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(c.accounts)) {
		if err := visit(c.accounts[id]); err != nil {
			return err
		}
		if c.listFailure != nil {
			return c.listFailure
		}
	}
	return nil
}

// Create implements provision.Target.
func (c *fakeClient) Create(ctx context.Context, desired provision.Desired) (*provision.Account, error) {
	defer c.mu.Unlock()
	if err := c.write(ctx, "Create"); err != nil {
		return nil, err
	}
	for _, account := range c.accounts {
		if account.UserName == desired.UserName || account.CorrelationID == desired.CorrelationID {
			return nil, &provision.Error{Cause: provision.Conflict, Message: "The user name is taken."}
		}
	}
	made := c.keep(accountOf("", desired))
	return &made, nil
}

func accountOf(id string, desired provision.Desired) provision.Account {
	return provision.Account{
		ExternalID: id, CorrelationID: desired.CorrelationID, UserName: desired.UserName, DisplayName: desired.Properties["displayName"],
		Active: desired.Active, Properties: maps.Clone(desired.Properties),
	}
}

// Update implements provision.Target.
func (c *fakeClient) Update(ctx context.Context, current provision.Account, desired provision.Desired) (*provision.Account, error) {
	defer c.mu.Unlock()
	if err := c.write(ctx, "Update"); err != nil {
		return nil, err
	}
	made := c.keep(accountOf(current.ExternalID, desired))
	return &made, nil
}

// Disable implements provision.Target.
func (c *fakeClient) Disable(ctx context.Context, current provision.Account) error {
	defer c.mu.Unlock()
	if err := c.write(ctx, "Disable"); err != nil {
		return err
	}
	current.Active = false
	c.keep(current)
	return nil
}

// Delete implements provision.Target.
func (c *fakeClient) Delete(ctx context.Context, current provision.Account) error {
	defer c.mu.Unlock()
	if err := c.write(ctx, "Delete"); err != nil {
		return err
	}
	delete(c.accounts, current.ExternalID)
	return nil
}

// Restore implements provision.Target.
func (c *fakeClient) Restore(ctx context.Context, current provision.Account) (*provision.Account, error) {
	defer c.mu.Unlock()
	if err := c.write(ctx, "Restore"); err != nil {
		return nil, err
	}
	current.Deleted = false
	made := c.keep(current)
	return &made, nil
}

// Devices implements provision.DeviceTarget.
func (c *fakeClient) Devices(_ context.Context, visit func(provision.Device) error) error {
	defer c.mu.Unlock()
	if err := c.enter("Devices"); err != nil {
		return err
	}
	for _, device := range c.devices {
		if err := visit(device); err != nil {
			return err
		}
	}
	return nil
}

// ListGroups implements provision.GroupTarget.
func (c *fakeClient) ListGroups(_ context.Context, visit func(provision.Group) error) error {
	defer c.mu.Unlock()
	if err := c.enter("ListGroups"); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		if err := visit(c.groups[id]); err != nil {
			return err
		}
	}
	return nil
}

// CreateGroup implements provision.GroupTarget.
func (c *fakeClient) CreateGroup(ctx context.Context, desired provision.Group) (*provision.Group, error) {
	defer c.mu.Unlock()
	if err := c.write(ctx, "CreateGroup"); err != nil {
		return nil, err
	}
	c.next++
	desired.ExternalID = fmt.Sprintf("g-%04d", c.next)
	c.groups[desired.ExternalID] = desired
	return &desired, nil
}

// UpdateGroup implements provision.GroupTarget.
func (c *fakeClient) UpdateGroup(ctx context.Context, current, desired provision.Group) error {
	defer c.mu.Unlock()
	if err := c.write(ctx, "UpdateGroup"); err != nil {
		return err
	}
	desired.ExternalID = current.ExternalID
	c.groups[current.ExternalID] = desired
	return nil
}

// DeleteGroup implements provision.GroupTarget.
func (c *fakeClient) DeleteGroup(ctx context.Context, current provision.Group) error {
	defer c.mu.Unlock()
	if err := c.write(ctx, "DeleteGroup"); err != nil {
		return err
	}
	delete(c.groups, current.ExternalID)
	return nil
}
