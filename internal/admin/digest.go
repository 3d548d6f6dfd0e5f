/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// DigestOf is the digest of what a change publishes: SHA-256 over its JSON,
// hexadecimal. The operator and the IdP compute it alike, so that Digests can
// be compared without sending the objects.
func DigestOf(change Change) string {
	// Struct fields marshal in order and map keys sorted; none of the types can fail.
	body, err := json.Marshal(change)
	if err != nil {
		panic("admin: a change does not marshal: " + err.Error())
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
