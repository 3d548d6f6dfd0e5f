/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package dial

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
)

func TestPublicAddresses(t *testing.T) {
	g := NewWithT(t)
	for _, text := range []string{"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2400:cb00::1", "::ffff:8.8.8.8", "64:ff9b::808:808"} {
		g.Expect(public(netip.MustParseAddr(text))).To(BeTrue(), text)
	}
	for _, text := range []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.192", "192.0.2.1", "192.168.1.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808",
		"2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "4000::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0", "fec0::1", "ff02::1", "100::1",
	} {
		g.Expect(public(netip.MustParseAddr(text))).To(BeFalse(), text)
	}
	g.Expect(public(netip.Addr{})).To(BeFalse())
}

func TestAllowedNetworks(t *testing.T) {
	g := NewWithT(t)
	some := (&Dialer{Allowed: prefixes("10.0.0.0/8", "fd00::/8")})
	everything := (&Dialer{Allowed: prefixes("0.0.0.0/0", "::/0")})
	for _, text := range []string{"10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00::1"} {
		g.Expect(some.allowed(netip.MustParseAddr(text))).To(BeTrue(), text)
	}
	for _, text := range []string{"11.0.0.1", "127.0.0.1", "::ffff:127.0.0.1", "fe80::1", "8.8.8.8"} {
		g.Expect(some.allowed(netip.MustParseAddr(text))).To(BeFalse(), text)
	}
	for _, text := range []string{"127.0.0.1", "192.168.1.1", "::1"} {
		g.Expect(everything.allowed(netip.MustParseAddr(text))).To(BeTrue(), text)
	}
	for _, text := range []string{"169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "fe80::1", "168.63.129.16"} {
		g.Expect(everything.allowed(netip.MustParseAddr(text))).To(BeFalse(), text+" is never connected to")
	}
}
