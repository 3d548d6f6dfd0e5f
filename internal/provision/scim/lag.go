/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"time"

	"tegata.dev/tegata/internal/provision"
)

var _ provision.LaggingTarget = (*Target)(nil)

// ReplicationDelay implements provision.LaggingTarget: the standard promises no
// search that finds a new user at once, and some services search in an index. Then
// it is the refusal of a second user with the same userName, which RFC 7644
// section 3.3 demands, that keeps an account from being made twice.
func (t *Target) ReplicationDelay() time.Duration { return 2 * time.Minute }
