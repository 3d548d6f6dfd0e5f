/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store

import (
	"context"
	"errors"
	"fmt"
)

// OpenWithMaxPages opens an SQLite store whose file cannot grow beyond so many pages.
func OpenWithMaxPages(ctx context.Context, o Options, pages int) (*Store, error) {
	s, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if _, err := s.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// MakeReadOnly makes count connections of the pool refuse writes.
func MakeReadOnly(ctx context.Context, s *Store, count int) error {
	var failed error
	for range count {
		conn, err := s.writer.Conn(ctx)
		if err != nil {
			return err
		}
		// All are held until the end, so that each is another one.
		defer func() { failed = errors.Join(failed, conn.Close()) }()
		if _, err := conn.ExecContext(ctx, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"); err != nil {
			return err
		}
	}
	return failed
}
