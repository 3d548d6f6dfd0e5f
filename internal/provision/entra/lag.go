/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"time"

	"tegata.dev/tegata/internal/provision"
)

var _ provision.LaggingTarget = (*Target)(nil)

// ReplicationDelay implements provision.LaggingTarget: reads may not find a new
// user for up to two minutes; administrators saw more.
func (t *Target) ReplicationDelay() time.Duration { return 5 * time.Minute }
