/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package directory is Tegata's domain model and its rules: who is in which
// group, which permission wins, who may use which app, what an assertion says.
//
// It is pure: no I/O, no clock, no randomness, no Kubernetes and no SQL. The
// operator uses it to write status, the IdP to decide a log-in, the command
// line to explain one; the engine that decides is the engine that explains.
package directory
