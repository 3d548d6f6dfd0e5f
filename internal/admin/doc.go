/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package admin is the contract between the operator and the IdP: the Service
// interface, its HTTP transport, and the Batcher that coalesces many workers'
// changes into one call.
//
// The contract is level-based. Apply takes whole objects and answers with the
// state that the IdP holds for each, so one call both repairs drift and reads
// what status needs. Notices say only which object changed at the IdP; the
// reader then looks, by Apply, at what it is now.
package admin
