/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"crypto/x509"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

var now = time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)

func TestLeavesAreRenewed30DaysBefore(t *testing.T) {
	g := NewWithT(t)
	signer, err := newAuthority("acme/id", now)
	g.Expect(err).NotTo(HaveOccurred())
	stranger, err := newAuthority("acme/id", now)
	g.Expect(err).NotTo(HaveOccurred())
	leaf, err := signer.leaf("id-idp-admin.acme.svc", now)
	g.Expect(err).NotTo(HaveOccurred())
	client, err := signer.leaf("", now)
	g.Expect(err).NotTo(HaveOccurred())
	elsewhere, err := signer.leaf("other-idp-admin.acme.svc", now)
	g.Expect(err).NotTo(HaveOccurred())
	for name, test := range map[string]struct {
		signer *authority
		leaf   pair
		days   time.Duration
		good   bool
	}{
		"new":                    {signer, leaf, 0, true},
		"59 days":                {signer, leaf, 59, true},
		"60 days":                {signer, leaf, 60, false},
		"expired":                {signer, leaf, 91, false},
		"of the future":          {signer, leaf, -1, false},
		"of another authority":   {stranger, leaf, 0, false},
		"missing":                {signer, pair{}, 0, false},
		"garbage":                {signer, pair{[]byte("x"), []byte("y")}, 0, false},
		"with somebody's key":    {signer, pair{leaf.certificate, stranger.pair.key}, 0, false},
		"the authority's itself": {stranger, signer.pair, 0, false},
		"of the other side":      {signer, client, 0, false},
		"of another server":      {signer, elsewhere, 0, false},
	} {
		g.Expect(test.signer.good(test.leaf, "id-idp-admin.acme.svc", now.Add(test.days*24*time.Hour))).To(Equal(test.good), name)
	}
	g.Expect(signer.good(client, "", now)).To(BeTrue())
	g.Expect(signer.outlives(now.Add(-24*time.Hour))).To(BeFalse(), "of the future")
	g.Expect(signer.outlives(now.Add(9 * 365 * 24 * time.Hour))).To(BeTrue())
	g.Expect(signer.outlives(now.Add(authorityLifetime-leafLifetime))).To(BeFalse(), "a leaf must not outlive its authority")
}

func TestLeavesServeOneSideOnly(t *testing.T) {
	g := NewWithT(t)
	signer, err := newAuthority("acme/id", now)
	g.Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	roots.AddCert(signer.certificate)
	for name, sides := range map[string][2]x509.ExtKeyUsage{
		"":                      {x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		"id-idp-admin.acme.svc": {x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	} {
		leaf, err := signer.leaf(name, now)
		g.Expect(err).NotTo(HaveOccurred())
		certificate := parse(g, leaf)
		for i, side := range sides {
			_, err := certificate.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, DNSName: name, KeyUsages: []x509.ExtKeyUsage{side}})
			g.Expect(err == nil).To(Equal(i == 0), "%q %v", name, err)
		}
		_, err = readAuthority(leaf)
		g.Expect(err).To(MatchError(ContainSubstring("not an ECDSA certificate authority")))
	}
}
