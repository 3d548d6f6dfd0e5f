/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

type client struct {
	baseURL string
	http    *http.Client
}

// NewClient speaks to a NewHandler at baseURL ("https://host:port"). The
// http.Client brings the certificates (ClientTLSConfig); its Timeout must be
// longer than the wait of any Notices call, or 0.
func NewClient(baseURL string, httpClient *http.Client) Service {
	return &client{baseURL: strings.TrimSuffix(baseURL, "/"), http: httpClient}
}

func (c *client) Apply(ctx context.Context, changes []Change) ([]Result, error) {
	body, err := json.Marshal(changes)
	if err != nil {
		return nil, err
	}
	if len(body) > maxApplyBytes && len(changes) > 1 {
		return c.applyHalves(ctx, changes)
	}
	var results []Result
	if err := c.post(ctx, pathApply, body, &results); err != nil {
		return nil, err
	}
	if len(results) != len(changes) {
		return nil, fmt.Errorf("the IdP answered %d results to %d changes", len(results), len(changes))
	}
	return results, nil
}

// applyHalves sends a batch that is too large, by its images, as two.
func (c *client) applyHalves(ctx context.Context, changes []Change) ([]Result, error) {
	half := len(changes) / 2
	first, err := c.Apply(ctx, changes[:half])
	if err != nil {
		return nil, err
	}
	second, err := c.Apply(ctx, changes[half:])
	if err != nil {
		return nil, err
	}
	return append(first, second...), nil
}

func (c *client) Digests(ctx context.Context, after Key, limit int) ([]KeyDigest, error) {
	return call[[]KeyDigest](ctx, c, pathDigests, digestsCall{After: after, Limit: limit})
}

func (c *client) Notices(ctx context.Context, limit int, wait time.Duration) ([]Notice, error) {
	return call[[]Notice](ctx, c, pathNotices, noticesCall{Limit: limit, Wait: wait.Milliseconds()})
}

func (c *client) Acknowledge(ctx context.Context, notices []Notice) error {
	_, err := call[nothing](ctx, c, pathAcknowledge, notices)
	return err
}

func (c *client) SetTemporaryPassword(ctx context.Context, password TemporaryPassword) (*MemberState, error) {
	return call[*MemberState](ctx, c, pathTemporaryPassword, password)
}

func (c *client) EndSessions(ctx context.Context, member Key) error {
	_, err := call[nothing](ctx, c, pathEndSessions, member)
	return err
}

func (c *client) Record(ctx context.Context, entries []AuditEntry) error {
	_, err := call[nothing](ctx, c, pathRecord, entries)
	return err
}

func (c *client) SearchAudit(ctx context.Context, query AuditQuery) ([]AuditEntry, error) {
	return call[[]AuditEntry](ctx, c, pathAudit, query)
}

func (c *client) About(ctx context.Context) (About, error) {
	return call[About](ctx, c, pathAbout, nothing{})
}

func call[Answer any](ctx context.Context, c *client, path string, request any) (Answer, error) {
	var answer Answer
	body, err := json.Marshal(request)
	if err != nil {
		return answer, err
	}
	return answer, c.post(ctx, path, body, &answer)
}

func (c *client) post(ctx context.Context, path string, body []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.baseURL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("the IdP cannot be reached: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end or given up
	if response.StatusCode != http.StatusOK {
		return refusal(response)
	}
	if err := decode(response.Body, maxAnswerBytes, answer); err != nil {
		return fmt.Errorf("answer of the IdP to %s: %s", path, err.Error())
	}
	return nil
}

// refusal is the error an answer stands for; one that our server did not
// write, a proxy's perhaps, is only transient.
func refusal(response *http.Response) error {
	var told errorAnswer
	body, err := io.ReadAll(io.LimitReader(response.Body, maxCallBytes))
	if err != nil || json.Unmarshal(body, &told) != nil || told.Code == "" {
		return fmt.Errorf("the IdP answered %s", response.Status)
	}
	if told.Code == codeUnavailable {
		return &UnavailableError{Reason: told.Message}
	}
	for code, kind := range map[string]error{codeNotFound: ErrNotFound, codeInvalid: ErrInvalid} {
		if told.Code == code {
			return &remoteError{message: told.Message, kind: kind}
		}
	}
	return &remoteError{message: told.Message}
}

// remoteError is an error of the other side, of the same kind as there.
type remoteError struct {
	message string
	kind    error
}

func (e *remoteError) Error() string { return "IdP: " + e.message }

func (e *remoteError) Unwrap() error { return e.kind }
