/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package provision

import (
	"context"
	"time"

	"tegata.dev/tegata/internal/directory"
)

// Target is one service in which members have accounts. It is safe for
// concurrent use, but never called twice at once for one account. Every error
// of it is an *Error, or the context's. A call returns within the context's
// time; it neither waits for a throttled service nor retries: the caller's queue
// does. Calls that write take from the Budget first.
type Target interface {
	// Check finds out whether the credentials and permissions serve, without
	// writing anything.
	Check(ctx context.Context) (Findings, error)
	// Desire is the account that a member should have. It does no I/O and is the
	// same for the same subject. The error, of cause Invalid, tells what the
	// service does not allow, and names the property.
	Desire(subject directory.Subject) (Desired, error)
	// Find looks one account up: by external ID where there is one, else by
	// correlation ID, else by user name. Accounts that the service can restore are
	// found too. An error of cause NotFound tells that there is none, or none yet
	// to be seen.
	Find(ctx context.Context, reference Reference) (*Account, error)
	// List visits every account of the service, and returns nil only after the
	// last one: a listing that broke off is an error, never a shorter list.
	List(ctx context.Context, visit func(Account) error) error
	// Create makes an account. Cause Conflict tells that the user name, mail or
	// correlation ID is taken.
	Create(ctx context.Context, desired Desired) (*Account, error)
	// Update changes what differs, Active and the correlation ID included, and
	// returns the account as it is then.
	Update(ctx context.Context, current Account, desired Desired) (*Account, error)
	// Disable keeps the account from being used. One that is disabled already is no error.
	Disable(ctx context.Context, current Account) error
	// Delete removes the account. One that is gone already is no error.
	Delete(ctx context.Context, current Account) error
	// Restore takes a deleted account back; Update follows.
	Restore(ctx context.Context, current Account) (*Account, error)
}

// LaggingTarget is a Target that may not find for a while what it has just made.
type LaggingTarget interface {
	// ReplicationDelay is how long that may take.
	ReplicationDelay() time.Duration
}

// DeviceTarget is a Target that knows devices (O14).
type DeviceTarget interface {
	// Devices visits every managed device, and returns nil only after the last one.
	Devices(ctx context.Context, visit func(Device) error) error
}

// GroupTarget is a Target that has groups.
type GroupTarget interface {
	// ListGroups visits every group, and returns nil only after the last one.
	ListGroups(ctx context.Context, visit func(Group) error) error
	CreateGroup(ctx context.Context, desired Group) (*Group, error)
	// UpdateGroup changes name and members where they differ.
	UpdateGroup(ctx context.Context, current, desired Group) error
	// DeleteGroup removes a group. One that is gone already is no error.
	DeleteGroup(ctx context.Context, current Group) error
}

// Reference is what an account is looked up by; the first that is set counts.
type Reference struct {
	ExternalID, CorrelationID, UserName string
}

// Properties are an account's values by the service's own property names. A
// property that is absent is not ours to say; an empty value clears it.
type Properties map[string]string

// Desired is the account that a member should have.
type Desired struct {
	// CorrelationID is the member's public ID in the form that the service keeps.
	CorrelationID string
	// UserName is what the service tells accounts apart by.
	UserName string
	// Active is false for a suspended member.
	Active     bool
	Properties Properties
}

// Account is an account as the service has it.
type Account struct {
	// ExternalID is the service's own.
	ExternalID string
	// CorrelationID is empty where the account carries none, or not one of ours.
	CorrelationID string
	UserName      string
	DisplayName   string
	Active        bool
	// Deleted tells that it was deleted and can be restored.
	Deleted bool
	// Unmanageable is why the service lets nobody but another system change the
	// account, a sentence; empty where it can be changed.
	Unmanageable string
	// Properties are at least those that Desire names.
	Properties Properties
}

// Device is a device that a service manages.
type Device struct {
	ID, Name, Platform, SerialNumber string
	// Compliant is nil where the service does not say.
	Compliant *bool
	// Owner is the account that the device belongs to; may be empty.
	Owner Reference
}

// Group is a group in a service.
type Group struct {
	// ExternalID is the service's own; empty in a desired one that is new.
	ExternalID string
	// CorrelationID is "tenant/name" of the group here; empty where it is not ours.
	CorrelationID string
	DisplayName   string
	// Members are external IDs of accounts, sorted.
	Members []string
}

// Findings are what a check found.
type Findings struct {
	// CredentialExpires is when the credentials end; zero where that is not known.
	CredentialExpires time.Time
	// Remarks are sentences on what works, but lacks something.
	Remarks []string
}
