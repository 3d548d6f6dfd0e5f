/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestImmutableID(t *testing.T) {
	g := NewWithT(t)
	g.Expect(ImmutableID("8C1F0E6A-5d3b-4f7e-9a2c-6b1d0e4f7a35")).To(Equal("8c1f0e6a5d3b4f7e9a2c6b1d0e4f7a35"))
	g.Expect(IsImmutableID(ImmutableID("8c1f0e6a-5d3b-4f7e-9a2c-6b1d0e4f7a35"))).To(BeTrue())
	for _, other := range []string{"", "8C1F0E6A5D3B4F7E9A2C6B1D0E4F7A35", "8c1f0e6a-5d3b-4f7e-9a2c-6b1d0e4f7a35", "Ag3kf8aQ1kKQ0oN3wQYbXg==", "8c1f0e6a5d3b4f7e9a2c6b1d0e4f7a3g"} {
		g.Expect(IsImmutableID(other)).To(BeFalse(), other)
	}
}
