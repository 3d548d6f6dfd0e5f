/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import "errors"

// UnavailableError tells that the IdP runs and can do nothing, above all without its
// database. It is transient.
type UnavailableError struct {
	// Reason says what to mend, without secrets.
	Reason string
}

func (e *UnavailableError) Error() string { return e.Reason }

// Errors that every implementation of Service returns alike, to be told with
// errors.Is; any other error is transient.
var (
	// ErrNotFound: the member or tenant that an action names is not published.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: the call itself is unusable, a fault of the caller's program.
	ErrInvalid = errors.New("invalid call")
)
