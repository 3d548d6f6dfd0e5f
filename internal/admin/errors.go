/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import "errors"

// Errors that every implementation of Service returns alike, to be told with
// errors.Is; any other error is transient.
var (
	// ErrNotFound: the member or tenant that an action names is not published.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: the call itself is unusable, a fault of the caller's program.
	ErrInvalid = errors.New("invalid call")
)
