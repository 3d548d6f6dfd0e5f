/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/netip"
	"time"

	"tegata.dev/tegata/internal/directory"
)

const (
	firstWait   = 30 * time.Second
	longestWait = time.Hour
)

// lockPolicy is how many attempts a subject has before it must wait.
type lockPolicy struct {
	free int64
	// window is after which time the count begins anew.
	window time.Duration
	// sliding counts the window from the last attempt, not from the first.
	sliding bool
}

var (
	accountPolicy = lockPolicy{free: 5, window: 24 * time.Hour, sliding: true}
	addressPolicy = lockPolicy{free: 50, window: 15 * time.Minute}
)

// errLocked rolls an attempt back that is not let through.
var errLocked = errors.New("locked")

// Attempt counts one attempt to log in with the mail from the address, before
// the password is verified, and returns 0; or it counts nothing and returns how
// long to wait. An account has 5 free attempts, then waits 30 s doubling to 1 h,
// until 24 h pass without one; an address has 50 in 15 minutes, then likewise.
// IPv6 addresses count by /64. Parallel calls, of other processes too, never
// let more through. An empty address is not counted.
func (s *Store) Attempt(ctx context.Context, mail, address string) (time.Duration, error) {
	account, source := accountSubject(directory.NormalizeMail(mail)), addressSubject(address)
	wait, err := s.waitLeft(ctx, account, source)
	if err != nil || wait > 0 {
		return wait, err
	}
	err = s.write(ctx, func(t *tx) error {
		used, err := t.attempt(ctx, account, accountPolicy)
		if err != nil {
			return err
		}
		if source != "" {
			if _, err := t.attempt(ctx, source, addressPolicy); err != nil {
				return err
			}
		}
		if used >= accountPolicy.free {
			return t.noticeLockout(ctx, directory.NormalizeMail(mail))
		}
		return nil
	})
	if errors.Is(err, errLocked) {
		// Another attempt came first; its lock is committed.
		wait, err = s.waitLeft(ctx, account, source)
		return max(wait, time.Second), err
	}
	return 0, err
}

// waitLeft is how long the longer locked of the two must wait.
func (s *Store) waitLeft(ctx context.Context, account, source string) (time.Duration, error) {
	now := s.options.Now().UnixMilli()
	var until int64
	err := s.reader.QueryRowContext(ctx, `SELECT COALESCE(MAX(locked_until), 0) FROM attempts WHERE subject IN ($1, $2) AND resets_at > $3`,
		account, source, now).Scan(&until)
	return time.Duration(max(0, until-now)) * time.Millisecond, describe(err)
}

// attempt counts one attempt of the subject, or returns errLocked. The first
// statement locks the row until the end, so that what follows is alone with it.
func (t *tx) attempt(ctx context.Context, subject string, policy lockPolicy) (int64, error) {
	var used, resetsAt int64
	err := t.QueryRowContext(ctx, `INSERT INTO attempts (subject, used, locked_until, resets_at) VALUES ($1, 1, 0, $2)
		ON CONFLICT (subject) DO UPDATE SET
			used = CASE WHEN attempts.resets_at <= $3 THEN 1 ELSE attempts.used + 1 END,
			resets_at = CASE WHEN attempts.resets_at <= $3 THEN excluded.resets_at ELSE attempts.resets_at END,
			locked_until = 0
		WHERE attempts.locked_until <= $3 OR attempts.resets_at <= $3
		RETURNING used, resets_at`, subject, t.now+policy.window.Milliseconds(), t.now).Scan(&used, &resetsAt)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, errLocked
	}
	if err != nil {
		return 0, err
	}
	lockedUntil := int64(0)
	if used >= policy.free {
		lockedUntil = t.now + waitAfter(used-policy.free).Milliseconds()
	}
	if policy.sliding || lockedUntil > 0 {
		resetsAt = max(t.now, lockedUntil) + policy.window.Milliseconds()
	}
	_, err = t.exec(ctx, `UPDATE attempts SET locked_until = $1, resets_at = $2 WHERE subject = $3`, lockedUntil, resetsAt, subject)
	return used, err
}

// waitAfter is the wait after so many attempts more than are free.
func waitAfter(more int64) time.Duration {
	wait := firstWait
	for ; more > 0 && wait < longestWait; more-- {
		wait *= 2
	}
	return min(wait, longestWait)
}

// noticeLockout tells the operator whose account is locked, if anybody's.
func (t *tx) noticeLockout(ctx context.Context, mail string) error {
	if !storable(mail) {
		return nil
	}
	keys, err := collect(ctx, t, scanKey, `SELECT 'Member', tenant, name FROM members WHERE mail = $1 AND deleted_at IS NULL`, mail)
	if err != nil || len(keys) == 0 {
		return err
	}
	return t.notice(ctx, keys[0], t.now)
}

// AttemptSucceeded clears the account's count and takes the attempt back from
// the address's.
func (s *Store) AttemptSucceeded(ctx context.Context, mail, address string) error {
	return s.write(ctx, func(t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM attempts WHERE subject = $1`, accountSubject(directory.NormalizeMail(mail))); err != nil {
			return err
		}
		_, err := t.exec(ctx, `UPDATE attempts SET used = used - 1, locked_until = CASE WHEN used - 1 < $1 THEN 0 ELSE locked_until END
			WHERE subject = $2 AND used > 0`, addressPolicy.free, addressSubject(address))
		return err
	})
}

// accountSubject is the row of a normalised mail, of whatever was typed.
func accountSubject(mail string) string {
	if len(mail) > maxMail || !storable(mail) {
		sum := sha256.Sum256([]byte(mail))
		return "account#" + hex.EncodeToString(sum[:])
	}
	return "account:" + mail
}

// addressSubject is the row of an address; "" of none. One household or
// machine has a whole IPv6 /64 to choose from.
func addressSubject(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		if address == "" {
			return ""
		}
		return "address:" + clean(address, maxAuditText)
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		return "address:" + netip.PrefixFrom(ip, 64).Masked().String()
	}
	return "address:" + ip.String()
}
