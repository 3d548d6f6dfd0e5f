/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package fetch

import (
	"context"
	"errors"
	"fmt"

	"tegata.dev/tegata/internal/dial"
)

// Error tells why a document was not fetched, as a sentence without a full stop
// that says what to do. It repeats nothing that a server answered, and no
// address that a name has: both may be none of the reader's business.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func fail(format string, arguments ...any) error {
	return &Error{Message: fmt.Sprintf(format, arguments...)}
}

// explain makes an *Error of what the network said.
func (c *Client) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fail("the fetch was stopped; it is tried again")
	case ctx.Err() != nil, dial.Slow(err):
		return fail("the server did not answer within %s; it is tried again", c.options.Timeout)
	default:
		return fail("%s", dial.Explain(err))
	}
}
