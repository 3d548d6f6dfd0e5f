/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package rotation_test

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/rotation"
)

const (
	day     = 24 * time.Hour
	overlap = 30 * day
	year    = 365 * day
)

var noon = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

// pairs that the tests tell apart; making them once keeps the tests quick.
var a, b, c, rsa = pair(keypair.ECDSAP256), pair(keypair.ECDSAP256), pair(keypair.ECDSAP256), pair(keypair.RSA2048)

func pair(algorithm keypair.Algorithm) admin.KeyPair {
	made, err := keypair.Generate(algorithm, "acme", noon, 10*year, nil)
	if err != nil {
		panic(err)
	}
	return made
}

// giving generates the pair, and refuses to do so a second time.
func giving(pair admin.KeyPair) rotation.Generate {
	given := false
	return func(keypair.Algorithm) (admin.KeyPair, error) {
		if given {
			return admin.KeyPair{}, errors.New("generated twice")
		}
		given = true
		return pair, nil
	}
}

var errGenerated = errors.New("generated")

func nothing(keypair.Algorithm) (admin.KeyPair, error) { return admin.KeyPair{}, errGenerated }

func TestStep(t *testing.T) {
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	manual := rotation.Wish{Overlap: overlap}
	yearly := rotation.Wish{Overlap: overlap, Interval: year}
	signing := rotation.Keys{Current: a, CurrentSince: noon}
	waiting := rotation.Keys{Current: a, CurrentSince: noon, Next: b, NextFrom: at(overlap), Rotated: "1"}
	switched := rotation.Keys{Current: b, CurrentSince: at(overlap), Previous: a.Certificate, PreviousUntil: at(2 * overlap), Rotated: "1"}
	following := rotation.Keys{Current: a, CurrentSince: noon, Followed: c.Certificate}
	with := func(w rotation.Wish, change func(*rotation.Wish)) rotation.Wish {
		change(&w)
		return w
	}
	rotate := with(manual, func(w *rotation.Wish) { w.Rotate = "1" })
	replace := with(manual, func(w *rotation.Wish) { w.Replace = "!" })
	follow := with(manual, func(w *rotation.Wish) { w.Follow = c.Certificate })
	elliptic := with(manual, func(w *rotation.Wish) { w.Algorithm = keypair.ECDSAP256 })
	modulus := with(manual, func(w *rotation.Wish) { w.Algorithm = keypair.RSA2048 })

	for name, test := range map[string]struct {
		keys     rotation.Keys
		wish     rotation.Wish
		now      time.Time
		generate rotation.Generate
		want     rotation.Keys
		again    time.Time
	}{
		"the first key": {rotation.Keys{}, manual, noon, giving(a), signing, time.Time{}},
		"the first key carries out what was asked": {rotation.Keys{}, with(rotate, func(w *rotation.Wish) { w.Replace = "!" }), noon, giving(a),
			rotation.Keys{Current: a, CurrentSince: noon, Rotated: "1", Replaced: "!"}, time.Time{}},
		"without a schedule nothing happens":    {signing, manual, at(20 * year), nothing, signing, time.Time{}},
		"before the schedule":                   {signing, yearly, at(year - overlap - time.Second), nothing, signing, at(year - overlap)},
		"a scheduled rotation begins":           {signing, yearly, at(year - overlap), giving(b), rotation.Keys{Current: a, CurrentSince: noon, Next: b}, time.Time{}},
		"an old key without a known beginning":  {rotation.Keys{Current: a}, yearly, at(year), giving(b), rotation.Keys{Current: a, Next: b}, time.Time{}},
		"a young key without a known beginning": {rotation.Keys{Current: a}, yearly, at(day), nothing, rotation.Keys{Current: a}, at(year - overlap)},
		"an asked rotation begins":              {signing, rotate, at(day), giving(b), rotation.Keys{Current: a, CurrentSince: noon, Next: b, Rotated: "1"}, time.Time{}},
		"asked once, carried out once":          {waiting, rotate, at(day), nothing, waiting, at(overlap)},
		"asked again while one goes on": {waiting, with(rotate, func(w *rotation.Wish) { w.Rotate = "2" }), at(day), nothing,
			rotation.Keys{Current: a, CurrentSince: noon, Next: b, NextFrom: at(overlap), Rotated: "2"}, at(overlap)},
		"a key that was never published does not sign": {rotation.Keys{Current: a, CurrentSince: noon, Next: b}, manual, at(year), nothing,
			rotation.Keys{Current: a, CurrentSince: noon, Next: b}, time.Time{}},
		"the next key signs":                  {waiting, rotate, at(overlap), nothing, switched, at(2 * overlap)},
		"the next key signs, late":            {waiting, rotate, at(overlap + day), nothing, rotation.Keys{Current: b, CurrentSince: at(overlap + day), Previous: a.Certificate, PreviousUntil: at(2*overlap + day), Rotated: "1"}, at(2*overlap + day)},
		"the next key signs though unplanned": {waiting, yearly, at(overlap), nothing, switched, at(2 * overlap)},
		"the previous one stays":              {switched, manual, at(2*overlap - time.Second), nothing, switched, at(2 * overlap)},
		"the previous one goes":               {switched, manual, at(2 * overlap), nothing, rotation.Keys{Current: b, CurrentSince: at(overlap), Rotated: "1"}, time.Time{}},
		"an emergency": {rotation.Keys{Current: a, CurrentSince: noon, Next: b, NextFrom: at(overlap), Previous: rsa.Certificate, PreviousUntil: at(overlap)}, replace, at(day), giving(c),
			rotation.Keys{Current: c, CurrentSince: at(day), Replaced: "!"}, time.Time{}},
		"an emergency once":                           {rotation.Keys{Current: c, CurrentSince: at(day), Replaced: "!"}, replace, at(2 * day), nothing, rotation.Keys{Current: c, CurrentSince: at(day), Replaced: "!"}, time.Time{}},
		"another algorithm":                           {signing, modulus, at(day), giving(rsa), rotation.Keys{Current: a, CurrentSince: noon, Next: rsa}, time.Time{}},
		"the algorithm that is there":                 {signing, elliptic, at(day), nothing, signing, time.Time{}},
		"another algorithm for the one that waits":    {waiting, modulus, at(overlap), giving(rsa), rotation.Keys{Current: a, CurrentSince: noon, Next: rsa, Rotated: "1"}, time.Time{}},
		"the algorithm back while another one waited": {rotation.Keys{Current: a, CurrentSince: noon, Next: rsa, NextFrom: at(overlap)}, elliptic, at(day), nothing, signing, time.Time{}},
		"the user's first key":                        {rotation.Keys{}, follow, noon, nothing, rotation.Keys{Followed: c.Certificate}, time.Time{}},
		"the user's key instead of ours": {waiting, follow, at(day), nothing,
			rotation.Keys{Current: a, CurrentSince: noon, Previous: a.Certificate, PreviousUntil: at(overlap + day), Followed: c.Certificate, Rotated: "1"}, at(overlap + day)},
		"the user's key is the same": {following, follow, at(day), nothing, following, time.Time{}},
		"the user's key changed": {following, with(follow, func(w *rotation.Wish) { w.Follow = b.Certificate }), at(day), nothing,
			rotation.Keys{Current: a, CurrentSince: noon, Previous: c.Certificate, PreviousUntil: at(overlap + day), Followed: b.Certificate}, at(overlap + day)},
		"the user's key changed in an emergency": {following, with(follow, func(w *rotation.Wish) { w.Follow, w.Replace = b.Certificate, "!" }), at(day), giving(rsa),
			rotation.Keys{Current: rsa, CurrentSince: at(day), Followed: b.Certificate, Replaced: "!"}, time.Time{}},
		"ours was stolen, and the user brings one": {signing, with(follow, func(w *rotation.Wish) { w.Replace = "!" }), at(day), giving(b),
			rotation.Keys{Current: b, CurrentSince: at(day), Followed: c.Certificate, Replaced: "!"}, time.Time{}},
		"an emergency where none was made here": {rotation.Keys{Followed: c.Certificate}, with(follow, func(w *rotation.Wish) { w.Follow, w.Replace = b.Certificate, "!" }), at(day), nothing,
			rotation.Keys{Followed: b.Certificate, Replaced: "!"}, time.Time{}},
		"ours again": {following, manual, at(day), nothing,
			rotation.Keys{Current: a, CurrentSince: at(day), Previous: c.Certificate, PreviousUntil: at(overlap + day)}, at(overlap + day)},
		"ours for the first time": {rotation.Keys{Followed: c.Certificate}, manual, at(day), giving(a),
			rotation.Keys{Current: a, CurrentSince: at(day), Previous: c.Certificate, PreviousUntil: at(overlap + day)}, at(overlap + day)},
		"ours again, which the user had copied": {rotation.Keys{Current: c, Followed: c.Certificate}, manual, at(day), nothing,
			rotation.Keys{Current: c, CurrentSince: at(day)}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := test.keys.Step(test.wish, test.now, test.generate)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(test.want))
			g.Expect(got.LookAgain(test.wish)).To(BeTemporally("==", test.again))
			// A step that was stored, and whose caller was killed before it could go on.
			repeated, err := got.Step(test.wish, test.now, nothing)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(repeated.Equal(got)).To(BeTrue())
		})
	}
}

func TestGenerationFails(t *testing.T) {
	g := NewWithT(t)
	_, err := rotation.Keys{}.Step(rotation.Wish{}, noon, nothing)
	g.Expect(err).To(MatchError(errGenerated))
	for _, wish := range []rotation.Wish{{Rotate: "1"}, {Replace: "!"}, {Replace: "!", Follow: b.Certificate}} {
		_, err = rotation.Keys{Current: a}.Step(wish, noon, nothing)
		g.Expect(err).To(MatchError(errGenerated))
	}
}

func TestAnnounced(t *testing.T) {
	g := NewWithT(t)
	wish := rotation.Wish{Overlap: overlap}
	g.Expect(rotation.Keys{Current: a}.Announced(wish, noon)).To(Equal(rotation.Keys{Current: a}))
	announced := rotation.Keys{Current: a, Next: b}.Announced(wish, noon)
	g.Expect(announced).To(Equal(rotation.Keys{Current: a, Next: b, NextFrom: noon.Add(overlap)}))
	g.Expect(announced.Announced(wish, noon.Add(day))).To(Equal(announced))
	g.Expect(announced.LookAgain(wish)).To(Equal(noon.Add(overlap)))
	announced.Previous = c.Certificate
	g.Expect(announced.Published()).To(Equal([][]byte{b.Certificate, c.Certificate}))
	g.Expect(rotation.Keys{Current: a}.Published()).To(BeEmpty())
}

func TestChainsAreNotPublished(t *testing.T) {
	g := NewWithT(t)
	chained := admin.KeyPair{Certificate: append(append([]byte{}, a.Certificate...), b.Certificate...), PrivateKey: a.PrivateKey}
	keys, err := rotation.Keys{Current: chained, Next: b, NextFrom: noon}.Step(rotation.Wish{Overlap: overlap}, noon, nothing)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(keys.Previous).To(Equal(a.Certificate))
	g.Expect(rotation.SameCertificate(chained.Certificate, a.Certificate)).To(BeTrue())
	g.Expect(rotation.SameCertificate([]byte("x"), []byte("x"))).To(BeFalse())
}
