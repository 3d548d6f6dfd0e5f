/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package rotation_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/rotation"
)

// operator is killed at any moment: what it decided is stored or not, and what
// is stored is published or not.
type operator struct {
	wish   rotation.Wish
	stored rotation.Keys
	// signing and metadata are what the identity provider has.
	signing  string
	metadata []string
	spare    []admin.KeyPair
	random   *rand.Rand
}

func (o *operator) generate(keypair.Algorithm) (admin.KeyPair, error) {
	o.spare = append(o.spare[1:], o.spare[0])
	return o.spare[0], nil
}

func (o *operator) killed() bool { return o.random.IntN(3) == 0 }

func (o *operator) work(g *WithT, now time.Time) {
	keys, err := o.stored.Step(o.wish, now, o.generate)
	g.Expect(err).NotTo(HaveOccurred())
	if o.killed() {
		return
	}
	o.stored = keys
	if o.killed() {
		return
	}
	o.signing, o.metadata = string(keys.Current.Certificate), []string{string(keys.Current.Certificate)}
	for _, certificate := range keys.Published() {
		o.metadata = append(o.metadata, string(certificate))
	}
	if !o.killed() {
		o.stored = keys.Announced(o.wish, now)
	}
}

// TestServiceProviderTrustsEverySignature plays many years of scheduled and
// asked rotations, with an operator that dies a lot and a service provider that
// reads the metadata at any time within the overlap.
func TestServiceProviderTrustsEverySignature(t *testing.T) {
	for seed := range uint64(20) {
		g := NewWithT(t)
		o := &operator{
			wish: rotation.Wish{Interval: 90 * day, Overlap: 20 * day}, random: rand.New(rand.NewPCG(seed, 1)),
			spare: []admin.KeyPair{a, b, c, rsa, pair(keypair.ECDSAP256), pair(keypair.ECDSAP256)},
		}
		now := noon
		for o.signing == "" {
			o.work(g, now)
		}
		trusted, readAt := o.metadata, now
		keys := map[string]bool{}
		for range 3000 {
			now = now.Add(time.Duration(o.random.Int64N(int64(day))))
			if o.random.IntN(50) == 0 {
				o.wish.Rotate = now.String()
			}
			o.work(g, now)
			g.Expect(slices.Contains(o.metadata, o.signing)).To(BeTrue())
			g.Expect(slices.Contains(trusted, o.signing)).To(BeTrue(), "seed %d: read %s, now %s", seed, readAt, now)
			keys[o.signing] = true
			// The longest wait between two reads is a day short of the overlap.
			if now.Sub(readAt) > 18*day || o.random.IntN(30) == 0 {
				trusted, readAt = o.metadata, now
			}
		}
		g.Expect(len(keys)).To(BeNumerically(">=", 6))
	}
}
