/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package storetest

import "syscall"

// endWithUs lets the kernel end a child process together with this one, so
// that a test binary that is killed leaves no server behind.
func endWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} }
