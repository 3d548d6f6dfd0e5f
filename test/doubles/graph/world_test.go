/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// world is a tenant behind HTTP, and an app that holds a token.
type world struct {
	*Server
	*WithT
	t     *testing.T
	url   string
	token string
	clock time.Time
}

func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	w := &world{WithT: NewWithT(t), t: t, clock: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { return w.clock }
	w.Server = New(o)
	server := httptest.NewServer(w.Server)
	t.Cleanup(server.Close)
	t.Cleanup(w.Close)
	w.url = server.URL
	w.token = w.newToken()
	return w
}

func (w *world) form() url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {DefaultClientID}, "client_secret": {"secret"}, "scope": {w.url + "/.default"},
	}
}

// ask asks for a token with a form.
func (w *world) ask(tenant string, form url.Values) (int, map[string]any) {
	w.t.Helper()
	answer, err := http.PostForm(w.url+"/"+tenant+tokenPath, form)
	w.Expect(err).NotTo(HaveOccurred())
	return answer.StatusCode, w.read(answer)
}

func (w *world) read(answer *http.Response) map[string]any {
	w.t.Helper()
	defer func() { _ = answer.Body.Close() }()
	raw, err := io.ReadAll(answer.Body)
	w.Expect(err).NotTo(HaveOccurred())
	if len(raw) == 0 {
		return nil
	}
	var body map[string]any
	w.Expect(json.Unmarshal(raw, &body)).To(Succeed(), string(raw))
	return body
}

func (w *world) newToken() string {
	w.t.Helper()
	status, body := w.ask(DefaultTenantID, w.form())
	w.Expect(status).To(Equal(http.StatusOK), "%v", body)
	return body["access_token"].(string)
}

// do makes a call of Graph; the path is below the version, or a whole address.
func (w *world) do(method, path string, body any) (*http.Response, map[string]any) {
	w.t.Helper()
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		w.Expect(err).NotTo(HaveOccurred())
		reader = bytes.NewReader(encoded)
	}
	if strings.HasPrefix(path, "/") {
		path = w.url + version + path
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, strings.ReplaceAll(path, " ", "%20"), reader)
	w.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer "+w.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(request)
	w.Expect(err).NotTo(HaveOccurred())
	return answer, w.read(answer)
}

// expect makes a call that gives a status, and returns its body.
func (w *world) expect(status int, method, path string, body any) map[string]any {
	w.t.Helper()
	answer, read := w.do(method, path, body)
	w.Expect(answer.StatusCode).To(Equal(status), "%s %s: %v", method, path, read)
	w.Expect(answer.Header.Get("request-id")).NotTo(BeEmpty())
	return read
}

// fails makes a call that is refused, and returns its code and the target of its
// first detail.
func (w *world) fails(status int, method, path string, body any) (code, target string) {
	w.t.Helper()
	read := w.expect(status, method, path, body)
	problem := read["error"].(map[string]any)
	w.Expect(problem["innerError"]).To(HaveKey("request-id"))
	if details, there := problem["details"].([]any); there {
		target, _ = details[0].(map[string]any)["target"].(string)
	}
	return problem["code"].(string), target
}

// person is the body of a creation.
func person(local string, more map[string]any) map[string]any {
	body := map[string]any{
		"accountEnabled": true, "displayName": local, "mailNickname": local, "userPrincipalName": local + "@acme.example",
		"passwordProfile": map[string]any{"password": "Correct-Horse-7"},
	}
	for name, value := range more {
		body[name] = value
		if value == absent {
			delete(body, name)
		}
	}
	return body
}

// absent takes a property out of a body.
const absent = "(absent)"

func (w *world) create(local string, more map[string]any) string {
	w.t.Helper()
	return w.expect(http.StatusCreated, http.MethodPost, "/users", person(local, more))["id"].(string)
}
