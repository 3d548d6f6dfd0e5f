/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml

// Canonical is the exclusive canonical form with these inclusive prefixes.
func Canonical(e *Element, inclusive ...string) []byte {
	return e.canonical(nil, form{prefixes: inclusive})
}
