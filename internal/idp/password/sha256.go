/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package password

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

// minRandomLength is the fewest characters HashRandom takes: 80 bits need 16
// characters of an alphabet of 32.
const minRandomLength = 16

// HashRandom makes a fast hash of a random password, $sha256$<salt>$<hash>, both
// parts base64 without padding, the hash SHA-256 over salt and password. Only a
// password with at least 80 random bits may be kept so: no dictionary holds it.
// It refuses one shorter than 16 bytes.
func HashRandom(password string, random io.Reader) (string, error) {
	if len(password) < minRandomLength {
		return "", fmt.Errorf("a random password must have at least %d characters", minRandomLength)
	}
	salt := make([]byte, 16)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("salt: %w", err)
	}
	sum := saltedSHA256(salt, password)
	encode := base64.RawStdEncoding.EncodeToString
	return "$sha256$" + encode(salt) + "$" + encode(sum[:]), nil
}

// verifySHA256 reports whether phc is a well-formed hash by HashRandom of the
// password.
func verifySHA256(phc, password string) bool {
	parts := strings.Split(phc, "$")
	if len(parts) != 4 || parts[0] != "" || parts[1] != "sha256" {
		return false
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[2])
	want, wantErr := base64.RawStdEncoding.DecodeString(parts[3])
	if saltErr != nil || wantErr != nil {
		return false
	}
	got := saltedSHA256(salt, password)
	return subtle.ConstantTimeCompare(got[:], want) == 1
}

func saltedSHA256(salt []byte, password string) [sha256.Size]byte {
	return sha256.Sum256(append(salt[:len(salt):len(salt)], password...))
}
