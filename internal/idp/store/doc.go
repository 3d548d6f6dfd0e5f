/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package store is the IdP's database: what the operator published, and what
// only the IdP knows (credentials, sessions, lockouts, audit log, outbox).
//
// One SQL text serves SQLite and PostgreSQL and keeps to what engines that
// speak PostgreSQL's protocol have too: no triggers, no sequences, no advisory
// locks. Rules that must hold under parallel
// writers are held by unique indexes or by one atomic statement.
package store
