/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package controllers holds one controller for each kind. All have one shape
// (reconciler.go): get, promise to write status, delete or attempt. An attempt
// gathers, decides by the pure rules of internal/directory, publishes whole
// objects to the IdP, and computes status from what was observed.
//
// Nothing is polled: watches wake an object when what it names changes, and
// the IdP's notices wake it when something happens there.
package controllers
