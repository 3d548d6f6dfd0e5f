/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
)

func (f *fixture) attempt(mail, address string) time.Duration {
	f.t.Helper()
	wait, err := f.Attempt(f.ctx, mail, address)
	f.Expect(err).NotTo(HaveOccurred())
	return wait
}

func TestParallelGuessesGetNoMoreThanIsFree(t *testing.T) {
	onBoth(t, func(f *fixture) {
		var through atomic.Int32
		var waiting sync.WaitGroup
		for i := range 50 {
			waiting.Go(func() {
				wait, err := f.Attempt(f.ctx, "hanako@example.com", fmt.Sprintf("192.0.2.%d", i))
				if err != nil {
					t.Error(err)
				} else if wait == 0 {
					through.Add(1)
				}
			})
		}
		waiting.Wait()
		f.Expect(through.Load()).To(BeEquivalentTo(5))
	})
}

func TestParallelGuessesOverManyAccounts(t *testing.T) {
	onBoth(t, func(f *fixture) {
		var through atomic.Int32
		var waiting sync.WaitGroup
		for i := range 120 {
			waiting.Go(func() {
				// One household's /64 counts as one.
				wait, err := f.Attempt(f.ctx, fmt.Sprintf("m%d@example.com", i), fmt.Sprintf("2001:db8:1:2::%x", i+1))
				if err != nil {
					t.Error(err)
				} else if wait == 0 {
					through.Add(1)
				}
			})
		}
		waiting.Wait()
		f.Expect(through.Load()).To(BeEquivalentTo(50))
		f.Expect(f.attempt("other@example.com", "2001:db8:1:3::1")).To(BeZero(), "the next /64")
		f.Expect(f.attempt("other@example.com", "2001:db8:1:2::ffff")).To(BeNumerically(">", 0))
		f.clock.Add(31 * time.Second)
		f.Expect(f.attempt("other@example.com", "2001:db8:1:2::ffff")).To(BeZero())
		f.Expect(f.attempt("other@example.com", "2001:db8:1:2::ffff")).To(Equal(time.Minute), "doubled")
		f.clock.Add(16 * time.Minute)
		f.Expect(f.attempt("other@example.com", "2001:db8:1:2::ffff")).To(BeZero())
		f.Expect(f.attempt("other@example.com", "2001:db8:1:2::ffff")).To(BeZero(), "counted anew")
	})
}

func TestAccountLockoutGrows(t *testing.T) {
	onBoth(t, func(f *fixture) {
		f.apply(tenantChange("acme"), memberChange("acme", "hanako"))
		f.notices()
		for range 5 {
			f.Expect(f.attempt(" Hanako@Example.com", "")).To(BeZero())
		}
		f.Expect(f.notices()).To(ConsistOf(memberKey("acme", "hanako")))
		for _, wait := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
			f.Expect(f.attempt("hanako@example.com", "")).To(Equal(wait))
			f.Expect(f.attempt("hanako@example.com", "")).To(Equal(wait), "a refused attempt counts for nothing")
			f.clock.Add(wait)
			f.Expect(f.attempt("hanako@example.com", "")).To(BeZero())
		}
		f.Expect(*f.accepted(memberChange("acme", "hanako")).Member.LockedUntil).To(Equal(f.clock.Now().Add(time.Hour)))
		f.clock.Add(26 * time.Hour)
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		for range 5 {
			f.Expect(f.attempt("hanako@example.com", "")).To(BeZero())
		}
		f.Expect(f.attempt("hanako@example.com", "")).To(Equal(30*time.Second), "begun anew after a day")
		f.Expect(f.UsePasswordLink(f.ctx, f.resetLink(), "$argon2id$x", admin.AuditEntry{})).NotTo(BeNil())
		f.Expect(f.attempt("hanako@example.com", "")).To(BeZero(), "the mailbox was proven")
	})
}

// resetLink asks for a new link and returns its token.
func (f *fixture) resetLink() string {
	reset := memberChange("acme", "hanako")
	reset.Member.PasswordReset = "again"
	f.accepted(reset)
	return f.link()
}

func TestSuccessTakesTheAttemptBack(t *testing.T) {
	onBoth(t, func(f *fixture) {
		for range 200 {
			f.Expect(f.attempt("hanako@example.com", "192.0.2.1")).To(BeZero())
			f.Expect(f.AttemptSucceeded(f.ctx, "hanako@example.com", "192.0.2.1")).To(Succeed())
		}
	})
}

func TestAttemptTakesAnyInput(t *testing.T) {
	onBoth(t, func(f *fixture) {
		for _, mail := range []string{"", "\x00", "\xff@example.com", strings.Repeat("x", 100_000), "' OR 1=1 --"} {
			for range 5 {
				f.Expect(f.attempt(mail, "not an address\x00")).To(BeZero())
			}
			f.Expect(f.attempt(mail, "192.0.2.1")).To(BeNumerically(">", 0))
		}
	})
}
