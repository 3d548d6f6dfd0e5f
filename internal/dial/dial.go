/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package dial

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Resolver finds the addresses of a host name; net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Dialer connects. It is safe for concurrent use.
type Dialer struct {
	// Allowed are networks that may be connected to although they are not
	// public, and by plain http too.
	Allowed []netip.Prefix
	// Setting names the field that Allowed comes from, for messages.
	Setting string
	// Resolver defaults to net.DefaultResolver.
	Resolver Resolver
	// Timeout bounds connecting to one address; 0 leaves it to the context.
	Timeout time.Duration
}

// Refusal tells why an address is not connected to, as a sentence without a full
// stop that says what to do.
type Refusal struct{ Message string }

func (r *Refusal) Error() string { return r.Message }

// Dial connects for a scheme, https or http. It resolves the name itself and
// connects to an address that it has checked: a name that is resolved twice may
// give two answers (DNS rebinding). The error is a *Refusal, or the network's.
func (d *Dialer) Dial(ctx context.Context, scheme, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, &Refusal{"the address is no absolute URL; give one that begins with https://"}
	}
	addresses, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	addresses = slices.DeleteFunc(addresses, func(a netip.Addr) bool { return !d.allowed(a) && (scheme != "https" || !public(a)) })
	if len(addresses) == 0 {
		if scheme != "https" {
			return nil, &Refusal{fmt.Sprintf("plain http is for networks that the IdentityServer allows in %s; use https, or have its network added there", d.Setting)}
		}
		return nil, &Refusal{fmt.Sprintf("the address is not a public one; use a public one, or have its network added to the IdentityServer's %s", d.Setting)}
	}
	dialer := &net.Dialer{Timeout: d.Timeout}
	var last error
	for _, address := range addresses {
		connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address.Unmap().String(), port))
		if err == nil {
			return connection, nil
		}
		last = err
	}
	return nil, last
}

func (d *Dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address}, nil
	}
	if d.Resolver == nil {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}
	return d.Resolver.LookupNetIP(ctx, "ip", host)
}
