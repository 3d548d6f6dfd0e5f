/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package password_test

import (
	"context"
	"crypto/rand"
	"errors"
	"runtime"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/idp/password"
)

// light keeps tests fast; the defaults are checked by TestDefaults.
var light = password.Options{Memory: 64, Time: 1}

func TestHashAndVerify(t *testing.T) {
	g, ctx := NewWithT(t), context.Background()
	hasher := password.NewHasher(light)
	hash, err := hasher.Hash(ctx, "correct horse 1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(hash).To(HavePrefix("$argon2id$v=19$m=64,t=1,p=1$"))
	g.Expect(hasher.Verify(ctx, hash, "correct horse 1")).To(BeTrue())
	g.Expect(hasher.Verify(ctx, hash, "correct horse 2")).To(BeFalse())
	g.Expect(hasher.Verify(ctx, hash, "")).To(BeFalse())

	again, err := hasher.Hash(ctx, "correct horse 1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).NotTo(Equal(hash), "every hash has its own salt")
}

func TestDefaults(t *testing.T) {
	g, ctx := NewWithT(t), context.Background()
	hash, err := password.NewHasher(password.Options{}).Hash(ctx, "x")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(hash).To(HavePrefix("$argon2id$v=19$m=19456,t=2,p=1$"))
	g.Expect(password.NewHasher(light).Verify(ctx, hash, "x")).To(BeTrue(), "the hash carries its own parameters")
}

func TestOutdated(t *testing.T) {
	g, ctx := NewWithT(t), context.Background()
	hasher := password.NewHasher(light)
	own, err := hasher.Hash(ctx, "x")
	g.Expect(err).NotTo(HaveOccurred())
	for phc, want := range map[string]bool{
		own: false, "": false, "$sha256$AAAA$AAAA": false, "$argon2id$": false,
		strings.Replace(own, "m=64", "m=32", 1): true, strings.Replace(own, "t=1", "t=2", 1): true, strings.Replace(own, "p=1", "p=2", 1): true,
	} {
		g.Expect(hasher.Outdated(phc)).To(Equal(want), phc)
	}
}

// TestKnownHash holds the format against the reference implementation: made by
// the argon2 command line tool.
func TestKnownHash(t *testing.T) {
	g := NewWithT(t)
	const known = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	g.Expect(password.NewHasher(light).Verify(context.Background(), known, "password")).To(BeTrue())
}

func TestVerifyRandomPassword(t *testing.T) {
	g, ctx := NewWithT(t), context.Background()
	hash, err := password.HashRandom("abcdefghijklmnop2345", rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	hasher := password.NewHasher(light)
	g.Expect(hasher.Verify(ctx, hash, "abcdefghijklmnop2345")).To(BeTrue())
	g.Expect(hasher.Verify(ctx, hash, "abcdefghijklmnop2346")).To(BeFalse())
	g.Expect(hasher.Verify(ctx, "", "abcdefghijklmnop2345")).To(BeFalse(), "no password set")
}

func TestVerifyMalformed(t *testing.T) {
	hasher := password.NewHasher(light)
	for _, phc := range []string{
		"plain", "$argon2id$", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$!!!!",
		"$argon2id$v=19$m=64,t=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
	} {
		ok, err := hasher.Verify(context.Background(), phc, "x")
		if ok || err == nil {
			t.Errorf("Verify(%q) = %v, %v; want an error", phc, ok, err)
		}
	}
}

// TestTimeTellsNothing compares what an unknown account costs with what a
// known one costs: both are one argon2id hash (O2.1).
func TestTimeTellsNothing(t *testing.T) {
	g, ctx := NewWithT(t), context.Background()
	hasher := password.NewHasher(password.Options{Memory: 8 * 1024, Time: 2})
	chosen, err := hasher.Hash(ctx, "correct horse 1")
	g.Expect(err).NotTo(HaveOccurred())
	random, err := password.HashRandom("abcdefghijklmnop2345", rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	// What argon2id takes is its memory, all of it for each password; a clock would
	// tell how busy the machine is.
	takes := func(phc string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := hasher.Verify(ctx, phc, "wrong")
		runtime.ReadMemStats(&after)
		g.Expect(err).NotTo(HaveOccurred())
		return (after.TotalAlloc - before.TotalAlloc) >> 20
	}
	for _, phc := range []string{chosen, "", random} {
		g.Expect(takes(phc)).To(BeEquivalentTo(8), "MiB for %q", phc)
	}
}

func TestQueueIsBounded(t *testing.T) {
	g := NewWithT(t)
	// One slow hash at a time, one more may wait.
	hasher := password.NewHasher(password.Options{Memory: 64 * 1024, Time: 8, Concurrency: 1, Queue: 1})
	ctx, cancel := context.WithCancel(context.Background())
	results := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := hasher.Hash(ctx, "x")
			results <- err
		}()
	}
	g.Eventually(hasher.Waiting, "5s", "1ms").Should(Equal(1))
	var busy *password.BusyError
	g.Expect(errors.As(hasher.Busy(), &busy)).To(BeTrue())
	_, err := hasher.Hash(context.Background(), "x")
	g.Expect(errors.As(err, &busy)).To(BeTrue())
	g.Expect(busy.RetryAfter).To(BeNumerically(">", 0))
	cancel()
	var failed []string
	for range 2 {
		if err := <-results; err != nil {
			failed = append(failed, err.Error())
		}
	}
	g.Expect(failed).To(HaveLen(1), "who waits goes with the context, who runs finishes")
	g.Expect(strings.Join(failed, "")).To(ContainSubstring("context canceled"))
	g.Expect(hasher.Busy()).To(Succeed())
}
