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
