/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// limitSilence bounds how long what was sent may stay unacknowledged. Keep-alives
// alone are not sent while something is, and the kernel would try for a quarter of
// an hour.
func limitSilence(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(descriptor uintptr) {
		// Not every kind of socket has the option, and connections work without it.
		_ = unix.SetsockoptInt(int(descriptor), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silenceTimeout.Milliseconds()))
	})
}
