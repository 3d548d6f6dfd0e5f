/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import "strings"

// ImmutableID is a public member ID (a UUID) as Microsoft Entra ID keeps it in
// onPremisesImmutableId and reads it from a SAML NameID: 32 lower-case
// hexadecimal digits. None of them needs escaping there.
func ImmutableID(memberID string) string {
	return strings.ToLower(strings.ReplaceAll(memberID, "-", ""))
}

// IsImmutableID tells whether a value has the form that ImmutableID gives.
func IsImmutableID(value string) bool {
	return len(value) == 32 && strings.Trim(value, "0123456789abcdef") == ""
}
