/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

// maxBatch is how many requests a $batch takes.
const maxBatch = 20

// result is what became of one request.
type result struct {
	body []byte
	err  error
}

// batch makes up to maxBatch calls as one. Each has a result of its own: one may
// be throttled or refused while others succeed. Each request that follows
// another (after has their indexes) is made only if that one succeeded. The
// error tells that nothing is known of any of them.
func (t *Target) batch(ctx context.Context, requests []request, after map[int]int) ([]result, error) {
	if len(requests) == 1 {
		body, err := t.call(ctx, requests[0])
		return []result{{body, err}}, nil
	}
	parts := make([]map[string]any, len(requests))
	for i, r := range requests {
		parts[i] = map[string]any{"id": strconv.Itoa(i + 1), "method": r.method, "url": r.path}
		if headers := r.headers(); len(headers) > 0 {
			parts[i]["headers"] = headers
		}
		if r.body != nil {
			parts[i]["body"] = r.body
		}
		if first, follows := after[i]; follows {
			parts[i]["dependsOn"] = []string{strconv.Itoa(first + 1)}
		}
	}
	body, err := t.call(ctx, request{method: http.MethodPost, path: "/$batch", body: map[string]any{"requests": parts}, permission: requests[0].permission})
	if err != nil {
		return nil, err
	}
	answers, err := parseBatch(body, len(requests))
	if err != nil {
		return nil, err
	}
	results := make([]result, len(requests))
	for i, answer := range answers {
		t.notePressure(answer.headers)
		results[i] = believed(requests[i], answer.body)
		if answer.status < http.StatusOK || answer.status >= http.StatusMultipleChoices {
			p := parseProblem(answer.body)
			results[i] = result{err: t.refusal(p, answer.status, requests[i].permission, client.RetryAfter(answer.headers.Get("Retry-After"), t.options.Now()), answer.headers)}
		}
	}
	return results, nil
}

// part is the answer to one request of a batch.
type part struct {
	status  int
	headers http.Header
	body    []byte
}

// parseBatch sorts the answers by request. One that is missing or twice there
// makes the whole of it unbelievable.
func parseBatch(body []byte, n int) ([]part, error) {
	var batch struct {
		Responses []struct {
			ID      string                     `json:"id"`
			Status  int                        `json:"status"`
			Headers map[string]json.RawMessage `json:"headers"`
			Body    json.RawMessage            `json:"body"`
		} `json:"responses"`
	}
	parts := make([]part, n)
	if err := json.Unmarshal(body, &batch); err != nil || len(batch.Responses) != n {
		return nil, nonsense("a batch that is not complete")
	}
	for _, answer := range batch.Responses {
		index, err := strconv.Atoi(answer.ID)
		if err != nil || index < 1 || index > n || parts[index-1].status != 0 || answer.Status < 100 {
			return nil, nonsense("a batch that does not fit the requests")
		}
		headers := http.Header{}
		for name, raw := range answer.Headers {
			headers.Set(name, text(raw))
		}
		parts[index-1] = part{answer.Status, headers, answer.Body}
	}
	return parts, nil
}

func nonsense(what string) *provision.Error {
	return &provision.Error{Cause: provision.Unavailable, Message: "Microsoft Graph answered with " + what + "; it is tried again. Check spec.entraID.endpoints where they are set."}
}
