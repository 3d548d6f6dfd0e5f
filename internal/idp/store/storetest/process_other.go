//go:build !linux

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package storetest

import "syscall"

// endWithUs is not to be had here; a test binary that is killed leaves its server.
func endWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
