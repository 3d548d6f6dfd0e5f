/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// The paths of the HTTP transport. Every call is a POST of JSON, answered with
// JSON; it runs over mutual TLS (ServerTLSConfig, ClientTLSConfig).
const (
	pathApply             = "/admin/v1/apply"
	pathDigests           = "/admin/v1/digests"
	pathNotices           = "/admin/v1/notices"
	pathAcknowledge       = "/admin/v1/acknowledge"
	pathTemporaryPassword = "/admin/v1/temporary-password" // #nosec G101 -- a path
	pathEndSessions       = "/admin/v1/end-sessions"
	pathRecord            = "/admin/v1/record"
	pathAudit             = "/admin/v1/audit"
	pathAbout             = "/admin/v1/about"
)

const (
	// maxApplyBytes bounds an Apply call; a client splits what is larger. One
	// object with a 1 MiB image in base64 fits many times.
	maxApplyBytes = 32 << 20
	// maxRecordBytes bounds a Record call: MaxBatch entries with long details fit.
	maxRecordBytes = 8 << 20
	// maxCallBytes bounds every other call.
	maxCallBytes = 1 << 20
	// maxAnswerBytes bounds what a client reads: MaxPage entries fit many times.
	maxAnswerBytes = 64 << 20
	// maxNoticeWait bounds how long a server holds a Notices call.
	maxNoticeWait = time.Minute
)

type digestsCall struct {
	After Key `json:"after"`
	Limit int `json:"limit,omitempty"`
}

type noticesCall struct {
	Limit int `json:"limit,omitempty"`
	// Wait is in milliseconds.
	Wait int64 `json:"wait,omitempty"`
}

type nothing struct{}

// The codes of an errorAnswer.
const (
	codeNotFound    = "NotFound"
	codeInvalid     = "Invalid"
	codeUnavailable = "Unavailable"
	codeInternal    = "Internal"
)

type errorAnswer struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// codeOf is the code and HTTP status of an error.
func codeOf(err error) (string, int) {
	switch {
	case errors.Is(err, ErrNotFound):
		return codeNotFound, 404
	case errors.Is(err, ErrInvalid):
		return codeInvalid, 400
	default:
		return codeInternal, 500
	}
}

// decode reads exactly one JSON value of at most limit bytes into value.
func decode(body io.Reader, limit int64, value any) error {
	limited := &io.LimitedReader{R: body, N: limit + 1}
	decoder := json.NewDecoder(limited)
	err := decoder.Decode(value)
	if limited.N <= 0 {
		return fmt.Errorf("%w: the body is larger than %d bytes", ErrInvalid, limit)
	}
	if err != nil {
		return fmt.Errorf("%w: the body is not the JSON expected: %w", ErrInvalid, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) || limited.N <= 0 {
		return fmt.Errorf("%w: the body goes on after its JSON", ErrInvalid)
	}
	return nil
}
