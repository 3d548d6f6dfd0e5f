/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tegata.dev/tegata/internal/admin"
)

// MaxFlowBytes is the largest body SaveFlow takes.
const MaxFlowBytes = 64 << 10

// SaveFlow keeps what to resume after a log-in, body of at most MaxFlowBytes,
// for lifetime, and returns its ID: 128 random bits of base64url. A larger body
// is admin.ErrInvalid.
func (s *Store) SaveFlow(ctx context.Context, body []byte, lifetime time.Duration) (string, error) {
	if len(body) > MaxFlowBytes {
		return "", fmt.Errorf("%w: a flow of %d bytes; at most %d are kept", admin.ErrInvalid, len(body), MaxFlowBytes)
	}
	id, err := s.ids.token(flowIDBytes)
	if err != nil {
		return "", err
	}
	return id, s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO flows (id_hash, body, expires_at) VALUES ($1, $2, $3)`,
			hashToken(id), append([]byte{}, body...), t.now+lifetime.Milliseconds())
		return err
	})
}

// Flow returns the body of a flow; ErrNotFound when it is unknown or expired.
func (s *Store) Flow(ctx context.Context, id string) ([]byte, error) {
	var body []byte
	err := s.reader.QueryRowContext(ctx, `SELECT body FROM flows WHERE id_hash = $1 AND expires_at > $2`,
		hashToken(id), s.options.Now().UnixMilli()).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	return body, describe(err)
}

// ReplaceFlow changes the body of a flow, as long as it is still before; its
// end stays. ErrNotFound when it is not, or the flow is unknown or expired.
func (s *Store) ReplaceFlow(ctx context.Context, id string, before, after []byte) error {
	if len(after) > MaxFlowBytes {
		return fmt.Errorf("%w: a flow of %d bytes; at most %d are kept", admin.ErrInvalid, len(after), MaxFlowBytes)
	}
	return s.write(ctx, func(t *tx) error {
		replaced, err := t.exec(ctx, `UPDATE flows SET body = $1 WHERE id_hash = $2 AND body = $3 AND expires_at > $4`,
			append([]byte{}, after...), hashToken(id), append([]byte{}, before...), t.now)
		if err == nil && replaced == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// DeleteFlow forgets a flow; an unknown one is no error.
func (s *Store) DeleteFlow(ctx context.Context, id string) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM flows WHERE id_hash = $1`, hashToken(id))
		return err
	})
}
