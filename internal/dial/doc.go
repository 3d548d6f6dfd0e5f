/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package dial connects to addresses that people who are not administrators of
// the cluster may name.
//
// Such an address must not become a way into the networks that the operator can
// reach (server-side request forgery): only public addresses are connected to,
// and others where their network is allowed by name. What counts is the address
// that is connected to, after name resolution.
package dial
