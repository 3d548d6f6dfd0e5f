/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package samlxml reads the XML of SAML messages and metadata as strictly as
// its attacks demand, and verifies the signatures in it.
//
// A document is parsed once. What is verified is computed from the very tree
// that is read afterwards, so no second parser can see anything else in it
// (CVE-2020-27846, CVE-2025-25291, CVE-2025-66567).
package samlxml
