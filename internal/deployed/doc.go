/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package deployed runs identity servers in pods of their own, and speaks to
// them over mutual TLS with certificates that it makes and renews. It
// implements controllers.Launcher.
package deployed
