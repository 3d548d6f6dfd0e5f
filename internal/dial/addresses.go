/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package dial

import (
	"net/netip"
	"slices"
)

func prefixes(texts ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		parsed[i] = netip.MustParsePrefix(text)
	}
	return parsed
}

var (
	// never are connected to even where their network is allowed: nothing that
	// is published lives there, and the clouds' metadata services do.
	never = prefixes("0.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32", "192.0.0.192/32", "100.100.100.200/32", "224.0.0.0/4", "255.255.255.255/32",
		"::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128")
	// special are the addresses of the IANA registries of special-purpose
	// addresses that are not globally reachable (RFC 6890), and those of
	// protocols that carry another address in them.
	special = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
	// global is all of IPv6 that is given out to be reached from everywhere.
	global = netip.MustParsePrefix("2000::/3")
	// translated carries an IPv4 address in its last 32 bits (NAT64, RFC 6052).
	translated = netip.MustParsePrefix("64:ff9b::/96")
)

// plain is the IPv4 address that a mapped or translated one stands for.
func plain(address netip.Addr) netip.Addr {
	address = address.Unmap()
	if translated.Contains(address) {
		octets := address.As16()
		return netip.AddrFrom4([4]byte(octets[12:]))
	}
	return address
}

// allowed reports whether an address lies in a network that is allowed by name.
func (d *Dialer) allowed(address netip.Addr) bool {
	return !within(plain(address), never) && (within(address.Unmap(), d.Allowed) || within(plain(address), d.Allowed))
}

// public reports whether everybody may connect to the address.
func public(address netip.Addr) bool {
	if !address.IsValid() || address.Zone() != "" {
		return false
	}
	address = plain(address)
	return !within(address, special) && !within(address, never) && (address.Is4() || global.Contains(address))
}

func within(address netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(address) })
}
