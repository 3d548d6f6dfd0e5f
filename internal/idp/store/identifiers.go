/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

const (
	tokenBytes  = 32 // sessions and links
	flowIDBytes = 16
)

// identifiers makes IDs that order by time.
type identifiers struct {
	random io.Reader
	now    func() time.Time

	mu   sync.Mutex
	last int64 // milliseconds << 12 | counter
}

// ordered makes a UUIDv7 (RFC 9562, 5.7) whose 12 bits after the milliseconds
// count, so that IDs of one process never go backwards; but where its clock was
// wrong by more than recordDelay, as entries are kept by their IDs' time.
func (i *identifiers) ordered() (string, error) {
	var id uuid.UUID
	if _, err := io.ReadFull(i.random, id[:]); err != nil {
		return "", fmt.Errorf("random ID: %w", err)
	}
	i.mu.Lock()
	now := i.now().UnixMilli()
	if i.last>>12 > now+recordDelay.Milliseconds() {
		i.last = 0
	}
	i.last = max(i.last+1, now<<12)
	stamp := i.last
	i.mu.Unlock()
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], uint64(stamp>>12)<<16|uint64(stamp&0xfff)) // #nosec G115 -- times after 1970
	copy(id[:8], head[:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id.String(), nil
}

// firstOrdered is the smallest of the IDs that ordered makes at the time.
func firstOrdered(at time.Time) string {
	stamp := max(at.UnixMilli(), 0)
	return fmt.Sprintf("%08x-%04x-7000-8000-000000000000", stamp>>16, stamp&0xffff)
}

// public makes a UUIDv4.
func (i *identifiers) public() (string, error) {
	id, err := uuid.NewRandomFromReader(i.random)
	if err != nil {
		return "", fmt.Errorf("random ID: %w", err)
	}
	return id.String(), nil
}

// token makes size random bytes, base64url without padding.
func (i *identifiers) token(size int) (string, error) {
	raw := make([]byte, size)
	if _, err := io.ReadFull(i.random, raw); err != nil {
		return "", fmt.Errorf("random token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// hashToken is what is stored of a token: SHA-256, base64url.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// storable tells that both databases take the text: UTF-8 without NUL.
func storable(texts ...string) bool {
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return false
		}
	}
	return true
}

// clean makes any text storable and at most limit bytes long.
func clean(text string, limit int) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "�")
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// fromMillis is the time of a stored number; 0 is the zero time.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// toMillis is the number stored for a time; the zero time is 0.
func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
