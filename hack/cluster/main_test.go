/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestEveryFileRenders(t *testing.T) {
	entries, err := files.ReadDir("files")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if out, err := render(entry.Name()); err != nil || len(out) == 0 {
			t.Errorf("%s: %q, %v", entry.Name(), out, err)
		}
	}
}

func TestAddressesAreInTheirNetworks(t *testing.T) {
	for inner, outer := range map[string]string{
		hostAddress + linkLength: network, nodeAddress + linkLength: network, podNetwork: network, serviceNetwork: network,
		apiService + "/32": serviceNetwork, dnsAddress + "/32": serviceNetwork,
	} {
		if i, o := netip.MustParsePrefix(inner), netip.MustParsePrefix(outer); !o.Contains(i.Addr()) || i.Bits() < o.Bits() {
			t.Errorf("%s is not in %s", inner, outer)
		}
	}
}

func TestCertificatesVerify(t *testing.T) {
	directory := t.TempDir()
	now := time.Now()
	a, err := newAuthority(directory, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.server("server", []string{nodeAddress}, []string{"kubernetes.default.svc"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.client("client", "somebody", "system:masters"); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	for name, usage := range map[string]x509.ExtKeyUsage{"server": x509.ExtKeyUsageServerAuth, "client": x509.ExtKeyUsageClientAuth} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(directory, name+".crt"), filepath.Join(directory, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "server" && pair.Leaf.VerifyHostname(nodeAddress) != nil {
			t.Errorf("%s does not hold for %s", name, nodeAddress)
		}
	}
}

func TestNodeIsRememberedByNumberAndStart(t *testing.T) {
	directory := t.TempDir()
	if pid := runningNode(directory); pid != 0 {
		t.Errorf("no file gave %d", pid)
	}
	if err := writePID(directory, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if pid := runningNode(directory); pid != os.Getpid() {
		t.Errorf("got %d, want %d", pid, os.Getpid())
	}
	// Another process that has the number now.
	if err := os.WriteFile(filepath.Join(directory, "node.pid"), []byte("1 12345678901\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid := runningNode(directory); pid != 0 {
		t.Errorf("a number used again gave %d", pid)
	}
}

func TestWrongUse(t *testing.T) {
	directory := t.TempDir()
	for _, arguments := range [][]string{
		nil, {"up"}, {"up", directory, "file"}, {"up", directory, "--unknown"}, {"down", directory, "more"}, {"load", directory},
		{"load", directory, filepath.Join(directory, "absent")}, {"stop", directory, "kube-nothing"}, {"stop", directory, "kubelet"}, {"node", directory},
	} {
		if err := run(t.Context(), arguments); err == nil {
			t.Errorf("%q succeeded", arguments)
		}
	}
}
