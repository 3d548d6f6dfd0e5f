/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// accepting answers every call with nothing, and remembers the changes.
type accepting struct{ changes []Change }

func (a *accepting) Apply(_ context.Context, changes []Change) ([]Result, error) {
	a.changes = changes
	return make([]Result, len(changes)), nil
}
func (*accepting) Digests(context.Context, Key, int) ([]KeyDigest, error) { return nil, nil }
func (*accepting) Notices(context.Context, int, time.Duration) ([]Notice, error) {
	return nil, nil
}
func (*accepting) Acknowledge(context.Context, []Notice) error { return nil }
func (*accepting) SetTemporaryPassword(context.Context, TemporaryPassword) (*MemberState, error) {
	return &MemberState{}, nil
}
func (*accepting) EndSessions(context.Context, Key) error { return nil }
func (*accepting) SearchAudit(context.Context, AuditQuery) ([]AuditEntry, error) {
	return nil, nil
}
func (*accepting) Record(context.Context, []AuditEntry) error { return nil }

func (*accepting) About(context.Context) (About, error) { return About{Version: "1"}, nil }

func post(path, contentType, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	NewHandler(&accepting{}).ServeHTTP(recorder, request)
	return recorder
}

func TestHandlerRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		path, contentType, body string
		status                  int
	}{
		"fits":           {pathAbout, "application/json; charset=utf-8", "{}", http.StatusOK},
		"wrong type":     {pathAbout, "text/plain", "{}", http.StatusUnsupportedMediaType},
		"no JSON":        {pathApply, "application/json", "[", http.StatusBadRequest},
		"wrong shape":    {pathApply, "application/json", `{"a":1}`, http.StatusBadRequest},
		"trailing":       {pathAbout, "application/json", "{} {}", http.StatusBadRequest},
		"too large":      {pathDigests, "application/json", `{"after":{"name":"` + strings.Repeat("x", maxCallBytes) + `"}}`, http.StatusBadRequest},
		"padded":         {pathAbout, "application/json", "{}" + strings.Repeat(" ", maxCallBytes), http.StatusBadRequest},
		"unknown path":   {"/admin/v1/none", "application/json", "{}", http.StatusNotFound},
		"another method": {pathAbout + "/", "application/json", "{}", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(post(test.path, test.contentType, test.body).Code).To(Equal(test.status))
		})
	}
}

func TestClientTellsForeignAnswers(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<h1>proxy</h1>", http.StatusNotFound)
	}))
	defer server.Close()
	_, err := NewClient(server.URL, server.Client()).About(t.Context())
	g.Expect(err).To(MatchError("the IdP answered 404 Not Found"))
	g.Expect(err).NotTo(MatchError(ErrNotFound), "a proxy knows nothing of members")
}

func TestUnavailableIsTold(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewServer(NewUnavailableHandler(func() string { return "the database is away" }))
	defer server.Close()
	client := NewClient(server.URL, server.Client())
	_, err := client.About(t.Context())
	g.Expect(err).To(MatchError("the database is away"))
	_, err = client.Apply(t.Context(), []Change{{}})
	unavailable, ok := errors.AsType[*UnavailableError](err)
	g.Expect(ok).To(BeTrue())
	g.Expect(unavailable.Reason).To(Equal("the database is away"))
}

func FuzzHandler(f *testing.F) {
	f.Add(pathApply, `[{"key":{"kind":"Member","tenant":"a","name":"b"},"member":{"mail":"x"}}]`)
	f.Add(pathNotices, `{"limit":-1,"wait":-5}`)
	f.Add(pathTemporaryPassword, `{"expiresAt":"2026-01-01T00:00:00Z"}`)
	f.Fuzz(func(t *testing.T, path, body string) {
		if !strings.HasPrefix(path, "/admin/v1/") || strings.ContainsAny(path, " \r\n\t%?#") || strings.Contains(path, "//") || strings.Contains(path, "/.") {
			return
		}
		service := &accepting{}
		request := httptest.NewRequest(http.MethodPost, pathApply, strings.NewReader(body))
		request.URL.Path = path
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		NewHandler(service).ServeHTTP(recorder, request)
		if recorder.Code == http.StatusInternalServerError {
			t.Fatalf("%s %q: %d", path, body, recorder.Code)
		}
		for _, change := range service.changes {
			if len(DigestOf(change)) != 64 {
				t.Fatal("no digest of a decoded change")
			}
		}
	})
}
