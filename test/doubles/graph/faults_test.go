/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// raw makes a call and returns what came of its body.
func (w *world) raw(ctx context.Context, path string) (status int, contentType string, body []byte, err error) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+version+path, nil)
	w.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer "+w.token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header.Get("Content-Type"), body, err
}

func TestFaults(t *testing.T) {
	w := newWorld(t, Options{})
	w.AddUser("hanako@acme.example", nil)

	remove := w.Inject(HTML())
	_, contentType, _, err := w.raw(t.Context(), "/users")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(contentType).To(HavePrefix("text/html"))
	remove()

	remove = w.Inject(Fault{Cut: true})
	_, _, _, err = w.raw(t.Context(), "/users")
	w.Expect(err).To(MatchError(io.ErrUnexpectedEOF))
	remove()

	remove = w.Inject(Fault{Half: true})
	_, _, body, err := w.raw(t.Context(), "/users")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(json.Valid(body)).To(BeFalse())
	remove()

	remove = w.Inject(Fault{Hang: true})
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	_, _, _, err = w.raw(short, "/users")
	cancel()
	w.Expect(err).To(MatchError(context.DeadlineExceeded))
	remove()

	remove = w.Inject(Nonsense())
	_, _, body, err = w.raw(t.Context(), "/users")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(json.Valid(body)).To(BeTrue())
	remove()

	w.Inject(Fault{Path: "/users", After: 1, Times: 2, Status: 503, Code: "serviceNotAvailable"})
	for _, status := range []int{200, 503, 503, 200} {
		w.expect(status, http.MethodGet, "/users", nil)
	}
}

// TestCarried: what was done stays done though the answer says otherwise.
func TestCarried(t *testing.T) {
	w := newWorld(t, Options{})
	f := ServerError()
	f.Method, f.Path, f.Times, f.Carried = http.MethodPost, "/users", 1, true
	w.Inject(f)
	w.fails(http.StatusInternalServerError, http.MethodPost, "/users", person("hanako", nil))
	w.Expect(w.Users()).To(HaveLen(1))
	f.Carried = false
	w.Inject(f)
	w.fails(http.StatusInternalServerError, http.MethodPost, "/users", person("jiro", nil))
	w.Expect(w.Users()).To(HaveLen(1))
}

func TestFaultsInBatches(t *testing.T) {
	w := newWorld(t, Options{})
	remove := w.Inject(Denied(http.MethodPost, "/users"))
	answers := w.batch(http.StatusOK, requests{post("1", "a", nil), {"id": "2", "method": "GET", "url": "/users"}})
	w.Expect(answers["1"]["status"]).To(Equal(403.0))
	w.Expect(answers["2"]["status"]).To(Equal(200.0))
	remove()
	w.Inject(Throttled("7"))
	answer, _ := w.do(http.MethodPost, "/$batch", map[string]any{"requests": requests{post("1", "a", nil)}})
	w.Expect(answer.StatusCode).To(Equal(http.StatusTooManyRequests))
	w.Expect(answer.Header.Get("Retry-After")).To(Equal("7"))
}

func TestTokenFault(t *testing.T) {
	w := newWorld(t, Options{})
	remove := w.Inject(TokenError(http.StatusServiceUnavailable, 90033))
	status, body := w.ask(DefaultTenantID, w.form())
	w.Expect(status).To(Equal(http.StatusServiceUnavailable))
	w.Expect(body["error_codes"]).To(ConsistOf(90033.0))
	remove()
	w.newToken()
}

// TestClockSkew: the tenant's clock goes another way than the client's.
func TestClockSkew(t *testing.T) {
	w := newWorld(t, Options{})
	w.Advance(10 * time.Minute)
	answer, _ := w.do(http.MethodGet, "/users", nil)
	date, err := http.ParseTime(answer.Header.Get("Date"))
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(date).To(BeTemporally("==", w.clock.Add(10*time.Minute)))
}

func TestCalls(t *testing.T) {
	w := newWorld(t, Options{})
	w.Forget()
	w.create("hanako", nil)
	w.batch(http.StatusOK, requests{{"id": "1", "method": "GET", "url": "/users?$top=5"}})
	w.Expect(w.Counts()).To(Equal(map[string]int{"POST /users": 1, "POST /$batch": 1, "GET /users": 1}))
	w.Expect(w.Calls()).To(ContainElement(And(HaveField("Path", "/users"), HaveField("Status", 200), HaveField("InBatch", true))))
}
