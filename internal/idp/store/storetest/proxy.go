/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package storetest

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy passes connections on to a server, and breaks them as a network may.
type Proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	// breaks tells after which bytes from a client its connection ends.
	breaks func(sent []byte) bool
	// swallowing keeps all bytes to itself.
	swallowing bool
}

// NewProxy listens on a loopback port until the test ends.
func NewProxy(t *testing.T, target string) *Proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, target: target, conns: map[net.Conn]bool{}}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Drop()
		p.running.Wait()
	})
	return p
}

// Host is the proxy's host:port.
func (p *Proxy) Host() string { return p.listener.Addr().String() }

// Drop breaks all connections; new ones are let through.
func (p *Proxy) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}

// Swallow loses all bytes from now on, of new connections too; false ends that
// for new ones.
func (p *Proxy) Swallow(swallow bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallowing = swallow
}

// BreakOn breaks each connection whose client sends what breaks is true of,
// before the server gets it; nil breaks none.
func (p *Proxy) BreakOn(breaks func(sent []byte) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.breaks = breaks
}

// Sends is for BreakOn: the client sends the text, for the first time.
func Sends(text string) func([]byte) bool {
	var once sync.Once
	return func(sent []byte) (first bool) {
		if bytes.Contains(sent, []byte(text)) {
			once.Do(func() { first = true })
		}
		return first
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() { p.pass(client) })
	}
}

func (p *Proxy) keep(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = true
}

func (p *Proxy) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	p.keep(client)
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	p.keep(server)
	var both sync.WaitGroup
	both.Go(func() {
		p.copy(server, client, true)
		_ = server.Close()
	})
	both.Go(func() {
		p.copy(client, server, false)
		_ = client.Close()
	})
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, server)
}

// copy passes bytes on until one side ends or the proxy is to break them.
func (p *Proxy) copy(to io.Writer, from io.Reader, fromClient bool) {
	buffer := make([]byte, 64<<10)
	lost := false
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		// What has lost bytes once is broken for good.
		lost = lost || p.swallowing
		breaks := fromClient && p.breaks != nil && p.breaks(buffer[:n])
		p.mu.Unlock()
		if lost {
			continue
		}
		if breaks {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
