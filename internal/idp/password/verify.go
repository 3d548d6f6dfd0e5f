/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package password

import (
	"context"
	"crypto/subtle"
	"strings"
)

// Verify reports whether the password is the one that phc was made from. Every
// call costs one argon2id hash, also for an empty phc (no account, or no
// password set) and for a $sha256$ one, so that time tells nothing (O2.1). A
// malformed phc is an error. It waits its turn and returns a *BusyError where
// the queue is full, or ctx's error.
func (h *Hasher) Verify(ctx context.Context, phc, password string) (bool, error) {
	if strings.HasPrefix(phc, "$argon2id$") {
		p, salt, key, err := parseArgon2(phc)
		if err != nil {
			return false, err
		}
		// #nosec G115 -- parseArgon2 bounds the length
		got, err := h.derive(ctx, password, salt, p, uint32(len(key)))
		if err != nil {
			return false, err
		}
		return subtle.ConstantTimeCompare(got, key) == 1, nil
	}
	if err := h.dummy(ctx, password); err != nil {
		return false, err
	}
	switch {
	case phc == "":
		return false, nil
	case strings.HasPrefix(phc, "$sha256$"):
		return verifySHA256(phc, password), nil
	default:
		return false, errMalformed
	}
}

// Outdated reports whether phc is an argon2id hash made with other parameters
// than this Hasher's, to be made anew while the password is at hand.
func (h *Hasher) Outdated(phc string) bool {
	p, _, _, err := parseArgon2(phc)
	return err == nil && p != h.parameters
}

func (h *Hasher) dummy(ctx context.Context, password string) error {
	_, err := h.derive(ctx, password, make([]byte, saltLength), h.parameters, keyLength)
	return err
}
