/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"tegata.dev/tegata/internal/provision"
)

// SCIM is an MDM that takes its users by SCIM 2.0 (internal/provision/scim). The
// standard has words neither for licences nor for devices, so that the failures
// of O7.4 are told by what the service says. Groups are not for MDMs.
type SCIM struct{ provision.Target }

var _ provision.Target = SCIM{}

// What services write of licences and of devices.
var (
	ofLicenses = regexp.MustCompile(`(?i)licen[cs]e|\bseats?\b|ライセンス`)
	ofDevices  = regexp.MustCompile(`(?i)\bdevices?\b|enrol|android|端末|デバイス|機器`)
)

// Create implements provision.Target.
func (s SCIM) Create(ctx context.Context, desired provision.Desired) (*provision.Account, error) {
	account, err := s.Target.Create(ctx, desired)
	return account, ofMDM(err)
}

// Update implements provision.Target.
func (s SCIM) Update(ctx context.Context, current provision.Account, desired provision.Desired) (*provision.Account, error) {
	account, err := s.Target.Update(ctx, current, desired)
	return account, ofMDM(err)
}

// Delete implements provision.Target.
func (s SCIM) Delete(ctx context.Context, current provision.Account) error {
	err := s.Target.Delete(ctx, current)
	e, ok := errors.AsType[*provision.Error](err)
	if !ok || !refuses(e.Cause) {
		return err
	}
	// A conflict of a deletion can only be with what depends on the user.
	if e.Cause == provision.Conflict || ofDevices.MatchString(e.Said) {
		return as(e, provision.DeviceEnrolled, "The user cannot be deleted from the MDM, most likely as a device is enrolled for it (Android Enterprise): release the device there, or set spec.deletionPolicy of the ProvisioningTarget to Disable. It is tried again at the next sync.")
	}
	return err
}

// ofMDM tells a refusal for want of a licence.
func ofMDM(err error) error {
	e, ok := errors.AsType[*provision.Error](err)
	if !ok || !refuses(e.Cause) || !ofLicenses.MatchString(e.Said) {
		return err
	}
	return as(e, provision.LicenseLimit, problem{Code: licenseExhausted}.message())
}

// refuses tells that a service answered, and did not take the request.
func refuses(cause provision.Cause) bool {
	return cause == provision.Conflict || cause == provision.Invalid || cause == provision.Forbidden
}

// as is an error of another cause, with what the service says.
func as(e *provision.Error, cause provision.Cause, message string) error {
	told := *e
	told.Cause, told.Message, told.Property = cause, message, ""
	if e.Said != "" {
		told.Message += fmt.Sprintf(" (The service says: %s)", e.Said)
	}
	return &told
}

func (p problem) message() string {
	_, message := p.cause()
	return message
}
