/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package password hashes and verifies passwords. Chosen ones are kept as
// argon2id (RFC 9106) in the PHC string format; temporary ones, which are
// random, as salted SHA-256.
package password

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
)

// What a stored hash may ask for at most, so that a damaged or foreign row
// cannot exhaust the server.
const (
	maxMemory      = 1 << 20 // KiB
	maxTime        = 64
	maxParallelism = 64
	maxKeyLength   = 128
	saltLength     = 16
	keyLength      = 32
)

// Options tune a Hasher. Zero fields take the defaults.
type Options struct {
	// Memory is in KiB; 19456 (19 MiB) by default.
	Memory uint32
	// Time is the number of passes; 2 by default.
	Time uint32
	// Parallelism is the number of lanes; 1 by default.
	Parallelism uint8
	// Concurrency is how many hashes run at once; one per core by default.
	Concurrency int
	// Queue is how many more may wait; 64 per running one by default.
	Queue int
	// Random makes salts; crypto/rand by default.
	Random io.Reader
}

// BusyError says that too many hashes wait already. Answer it with 503 and
// Retry-After.
type BusyError struct{ RetryAfter time.Duration }

// Error implements error.
func (e *BusyError) Error() string {
	return fmt.Sprintf("too many passwords wait to be hashed; try again in %s", e.RetryAfter)
}

// Hasher hashes passwords, a bounded number at a time: each costs 19 MiB and
// tens of milliseconds of a core, so an unbounded number would let anybody
// exhaust the server. It is safe for concurrent use.
type Hasher struct {
	parameters parameters
	random     io.Reader
	slots      chan struct{}
	waiting    atomic.Int64
	queue      int64
}

// NewHasher prepares a Hasher.
func NewHasher(o Options) *Hasher {
	if o.Concurrency <= 0 {
		o.Concurrency = runtime.GOMAXPROCS(0)
	}
	if o.Queue <= 0 {
		o.Queue = 64 * o.Concurrency
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	p := parameters{memory: 19 * 1024, time: 2, parallelism: 1}
	if o.Memory > 0 {
		p.memory = o.Memory
	}
	if o.Time > 0 {
		p.time = o.Time
	}
	if o.Parallelism > 0 {
		p.parallelism = o.Parallelism
	}
	return &Hasher{parameters: p, random: o.Random, slots: make(chan struct{}, o.Concurrency), queue: int64(o.Queue)}
}

// Hash returns the password's argon2id hash as a PHC string. It waits its turn
// and returns a *BusyError where the queue is full, or ctx's error.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLength)
	if _, err := io.ReadFull(h.random, salt); err != nil {
		return "", fmt.Errorf("read random salt: %w", err)
	}
	key, err := h.derive(ctx, password, salt, h.parameters, keyLength)
	if err != nil {
		return "", err
	}
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, h.parameters.memory, h.parameters.time, h.parameters.parallelism, encode(salt), encode(key)), nil
}

// Busy reports whether the next Hash or Verify would be refused. Ask before
// counting an attempt, so that a busy server locks nobody out.
func (h *Hasher) Busy() error {
	if h.waiting.Load() >= h.queue {
		return h.busy()
	}
	return nil
}

// Waiting is how many hashes wait for their turn now.
func (h *Hasher) Waiting() int { return int(h.waiting.Load()) }

func (h *Hasher) busy() *BusyError { return &BusyError{RetryAfter: 5 * time.Second} }

func (h *Hasher) derive(ctx context.Context, password string, salt []byte, p parameters, length uint32) ([]byte, error) {
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), salt, p.time, p.memory, p.parallelism, length), nil
}

func (h *Hasher) acquire(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	if h.waiting.Add(1) > h.queue {
		h.waiting.Add(-1)
		return h.busy()
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a password hash: %w", ctx.Err())
	}
}

type parameters struct {
	memory, time uint32
	parallelism  uint8
}

var errMalformed = errors.New("malformed password hash")

// parseArgon2 reads $argon2id$v=19$m=…,t=…,p=…$salt$key (PHC string format).
func parseArgon2(phc string) (p parameters, salt, key []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return p, nil, nil, errMalformed
	}
	fields := strings.Split(parts[3], ",")
	if len(fields) != 3 {
		return p, nil, nil, errMalformed
	}
	var numbers [3]uint64
	for i, field := range []struct {
		name string
		most uint64
	}{{"m=", maxMemory}, {"t=", maxTime}, {"p=", maxParallelism}} {
		text, found := strings.CutPrefix(fields[i], field.name)
		n, err := strconv.ParseUint(text, 10, 32)
		if !found || err != nil || n == 0 || n > field.most {
			return p, nil, nil, errMalformed
		}
		numbers[i] = n
	}
	decoding := base64.RawStdEncoding.Strict()
	salt, saltErr := decoding.DecodeString(parts[4])
	key, keyErr := decoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(salt) < 8 || len(key) < 16 || len(key) > maxKeyLength {
		return p, nil, nil, errMalformed
	}
	// #nosec G115 -- the bounds above fit
	return parameters{memory: uint32(numbers[0]), time: uint32(numbers[1]), parallelism: uint8(numbers[2])}, salt, key, nil
}
