/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestDeletionGuard(t *testing.T) {
	declared := func(percent, count int) DeletionGuard {
		return DeletionGuard{Percent: percent, Count: count, Window: time.Hour}
	}
	for _, test := range []struct {
		guard        DeletionGuard
		total, limit int
	}{
		{DefaultDeletionGuard(), 0, 20},
		{DefaultDeletionGuard(), 5, 20},
		{DefaultDeletionGuard(), 200, 20},
		{DefaultDeletionGuard(), 209, 20},
		{DefaultDeletionGuard(), 210, 21},
		{DefaultDeletionGuard(), 50000, 5000},
		{declared(0, 0), 1000, 0},
		{declared(0, 3), 1000, 3},
		{declared(100, 0), 1000, 1000},
		{declared(50, 1), 1, 1},
		{declared(50, 0), 1, 0},
	} {
		t.Run(fmt.Sprintf("%d%% or %d of %d", test.guard.Percent, test.guard.Count, test.total), func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(test.guard.Limit(test.total)).To(Equal(test.limit))
			g.Expect(test.guard.Holds(test.total, test.limit)).To(BeFalse(), "as many as the limit")
			g.Expect(test.guard.Holds(test.total, test.limit+1)).To(BeTrue(), "one more")
			g.Expect(test.guard.Holds(test.total, 0)).To(BeFalse(), "none")
		})
	}
}

func TestDeletionGuardOrDefault(t *testing.T) {
	g := NewWithT(t)
	g.Expect(DeletionGuard{}.OrDefault()).To(Equal(DeletionGuard{Percent: 10, Count: 20, Window: time.Hour}))
	strictest := DeletionGuard{Window: time.Minute}
	g.Expect(strictest.OrDefault()).To(Equal(strictest), "nothing goes without approval")
}
