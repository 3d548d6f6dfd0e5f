/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"runtime"
	"syscall"
)

// The kernel ties a child to the thread that started it, not to the process:
// the main goroutine keeps the main thread, which ends last.
func init() { runtime.LockOSThread() }

// dieWithParent has the kernel kill the child when the demo is killed.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
