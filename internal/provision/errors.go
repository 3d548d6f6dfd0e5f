/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package provision

import (
	"errors"
	"time"
)

// Cause says in one word why a service did not do what it was asked for. It
// stands in status and in the audit log.
type Cause string

// The causes.
const (
	// Unauthorized: the credentials are wrong, expired or revoked. The whole target pauses.
	Unauthorized Cause = "Unauthorized"
	// Forbidden: the credentials lack a permission.
	Forbidden Cause = "Forbidden"
	// Protected: the account holds a role that this app may not touch.
	Protected Cause = "Protected"
	// Throttled: too many calls; tried again after RetryAfter.
	Throttled Cause = "Throttled"
	// Conflict: somebody else has the user name, mail or another unique value (O7.4).
	Conflict Cause = "Conflict"
	// Invalid: the service does not take a value, for example a character (O7.4).
	Invalid Cause = "Invalid"
	// NotFound: there is no such account, or it cannot be seen yet.
	NotFound Cause = "NotFound"
	// LicenseLimit: no licence is left there (O7.4).
	LicenseLimit Cause = "LicenseLimit"
	// DeviceEnrolled: a device is enrolled for the account, so it cannot be deleted (O7.4).
	DeviceEnrolled Cause = "DeviceEnrolled"
	// ManagedElsewhere: another system owns the account.
	ManagedElsewhere Cause = "ManagedElsewhere"
	// Unavailable: it did not answer, or not sensibly; tried again.
	Unavailable Cause = "Unavailable"
)

// Error is a service's refusal or failure. It holds no secret.
type Error struct {
	Cause Cause
	// Code is the service's own word, for example Request_BadRequest; may be empty.
	Code string
	// Property is the service's name of what is wrong; may be empty.
	Property string
	// Message says what happened and what to do; whole sentences.
	Message string
	// Said is what the service itself said, as far as it is kept; may be empty, and
	// part of Message already.
	Said string
	// RequestID is the service's ID of the call; may be empty.
	RequestID string
	// RetryAfter is how long the service asks to wait; 0 where it does not say.
	RetryAfter time.Duration
	// Err is what lies below; may be nil.
	Err error
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Unwrap serves errors.Is.
func (e *Error) Unwrap() error { return e.Err }

// CauseOf is an error's cause; Unavailable where it is none of ours.
func CauseOf(err error) Cause {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Cause
	}
	return Unavailable
}

// IsNotFound tells that there is no such account.
func IsNotFound(err error) bool { return err != nil && CauseOf(err) == NotFound }

// Passes tells that trying again may help without anybody's doing.
func (c Cause) Passes() bool { return c == Throttled || c == Unavailable || c == NotFound }

// Pauses tells that every other call would fail likewise.
func (c Cause) Pauses() bool { return c == Unauthorized || c == Throttled }
