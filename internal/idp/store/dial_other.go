//go:build !linux

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import "syscall"

// limitSilence does nothing here; keep-alives find a dead peer of an idle connection.
func limitSilence(_, _ string, _ syscall.RawConn) error { return nil }
