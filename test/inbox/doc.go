/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package inbox catches mail for the demo and for tests: an SMTP server that
// takes everything, and a page that shows it. /messages.json is for scripts.
package inbox
