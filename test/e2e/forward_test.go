//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return listener
}

// forward lets a browser reach target at address, as a way in to the cluster would.
func forward(t *testing.T, address, target string) {
	t.Helper()
	listener := listen(t, address)
	ctx, cancel := context.WithCancel(context.Background())
	var connections sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = listener.Close() // nothing else closes it
		connections.Wait()
	})
	connections.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return // closed
			}
			connections.Go(func() { join(ctx, from, target) })
		}
	})
}

// join passes on what both sides say until one hangs up.
func join(ctx context.Context, from net.Conn, target string) {
	defer from.Close()
	to, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", target)
	if err != nil {
		return // the browser sees the connection closed
	}
	defer to.Close()
	stop := context.AfterFunc(ctx, func() {
		_ = from.Close()
		_ = to.Close()
	})
	defer stop()
	var sides sync.WaitGroup
	for _, side := range [][2]net.Conn{{from, to}, {to, from}} {
		sides.Go(func() {
			_, _ = io.Copy(side[0], side[1]) // whoever hung up, both are closed
			_ = side[0].Close()
			_ = side[1].Close()
		})
	}
	sides.Wait()
}
