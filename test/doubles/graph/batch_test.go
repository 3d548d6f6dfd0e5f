/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

type requests = []map[string]any

func (w *world) batch(status int, all requests) map[string]map[string]any {
	w.t.Helper()
	body := w.expect(status, http.MethodPost, "/$batch", map[string]any{"requests": all})
	if status != http.StatusOK {
		return nil
	}
	byID := map[string]map[string]any{}
	for _, response := range body["responses"].([]any) {
		fields := response.(map[string]any)
		byID[fields["id"].(string)] = fields
	}
	w.Expect(byID).To(HaveLen(len(all)))
	return byID
}

func post(id, local string, more map[string]any) map[string]any {
	request := map[string]any{"id": id, "method": "POST", "url": "/users", "headers": map[string]any{"Content-Type": "application/json"}, "body": person(local, nil)}
	for name, value := range more {
		request[name] = value
	}
	return request
}

func TestBatch(t *testing.T) {
	w := newWorld(t, Options{})
	answers := w.batch(http.StatusOK, requests{
		post("1", "hanako", nil), post("2", "hanako", nil), post("3", "jiro", map[string]any{"dependsOn": []string{"2"}}),
		{"id": "4", "method": "GET", "url": "/users?$select=id&$top=1"}, {"id": "5", "method": "GET", "url": "/nonsense"},
		post("6", "saburo", map[string]any{"headers": map[string]any{}}),
	})
	for id, status := range map[string]float64{"1": 201, "2": 400, "3": 424, "4": 200, "5": 400, "6": 415} {
		w.Expect(answers[id]["status"]).To(Equal(status), id)
	}
	w.Expect(answers["2"]["headers"]).To(HaveKey("request-id"))
	w.Expect(w.Users()).To(HaveLen(1))

	w.batch(http.StatusBadRequest, requests{post("1", "a", nil), post("1", "b", nil)})
	w.batch(http.StatusBadRequest, requests{{"id": "1", "method": "GET", "url": w.url + "/v1.0/users"}})
	w.batch(http.StatusBadRequest, requests{})
	var many requests
	for n := range 21 {
		many = append(many, map[string]any{"id": fmt.Sprint(n), "method": "GET", "url": "/users"})
	}
	w.batch(http.StatusBadRequest, many)
}

func TestBatchIsUnordered(t *testing.T) {
	w := newWorld(t, Options{})
	body := w.expect(http.StatusOK, http.MethodPost, "/$batch", map[string]any{"requests": requests{{"id": "1", "method": "GET", "url": "/users"}, {"id": "2", "method": "GET", "url": "/users"}}})
	w.Expect(body["responses"].([]any)[0]).To(HaveKeyWithValue("id", "2"))
}

func TestBatchItemsAreThrottledEach(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{Writes: 2}, RetryAfter: "0.249"})
	answers := w.batch(http.StatusOK, requests{post("1", "a", nil), post("2", "b", nil), post("3", "c", nil), {"id": "4", "method": "GET", "url": "/users"}})
	w.Expect(answers["2"]["status"]).To(Equal(201.0))
	w.Expect(answers["3"]["status"]).To(Equal(429.0))
	w.Expect(answers["3"]["headers"]).To(HaveKeyWithValue("Retry-After", "0.249"))
	w.Expect(answers["4"]["status"]).To(Equal(200.0))
	w.clock = w.clock.Add(writesWindow)
	w.create("c", nil)
}

func TestThrottling(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{Units: 10}})
	for range 5 {
		w.expect(http.StatusOK, http.MethodGet, "/users", nil)
	}
	answer, _ := w.do(http.MethodGet, "/users", nil)
	w.Expect(answer.StatusCode).To(Equal(http.StatusTooManyRequests))
	w.Expect(answer.Header).NotTo(HaveKey("Retry-After"))
	w.Expect(answer.Header.Get("x-ms-throttle-information")).To(Equal("ResourceUnitLimitExceeded"))
	w.clock = w.clock.Add(unitsWindow)
	for n := range 8 {
		answer, _ = w.do(http.MethodGet, "/users?$select=id&$top=10", nil)
		w.Expect(answer.Header.Get("x-ms-resource-unit")).To(Equal("1"), "%d", n)
	}
	w.Expect(answer.Header.Get("x-ms-throttle-limit-percentage")).To(Equal("0.80"))
}

func TestDelta(t *testing.T) {
	w := newWorld(t, Options{ReplicationDelay: time.Second})
	a := w.AddUser("a@acme.example", nil)
	b := w.AddUser("b@acme.example", nil)
	body := w.expect(http.StatusOK, http.MethodGet, "/users/delta?$select=userPrincipalName", nil)
	w.Expect(body["value"]).To(HaveLen(2))
	link := body["@odata.deltaLink"].(string)
	w.Expect(w.expect(http.StatusOK, http.MethodGet, link, nil)["value"]).To(BeEmpty())

	w.ChangeUser(a, map[string]any{"department": "x"})
	w.DeleteUser(b)
	created := w.create("c", nil)
	body = w.expect(http.StatusOK, http.MethodGet, link, nil)
	w.Expect(body["value"]).To(ConsistOf(HaveKeyWithValue("userPrincipalName", "a@acme.example"), And(HaveKeyWithValue("id", b), HaveKeyWithValue("@removed", HaveKeyWithValue("reason", "changed")))))
	w.clock = w.clock.Add(time.Second)
	w.PurgeUser(b)
	body = w.expect(http.StatusOK, http.MethodGet, body["@odata.deltaLink"].(string), nil)
	w.Expect(body["value"]).To(ConsistOf(HaveKeyWithValue("id", created), And(HaveKeyWithValue("id", b), HaveKeyWithValue("@removed", HaveKeyWithValue("reason", "deleted")))))

	latest := w.expect(http.StatusOK, http.MethodGet, "/users/delta?$deltatoken=latest", nil)
	w.Expect(latest["value"]).To(BeEmpty())
	w.clock = w.clock.Add(deltaKept)
	w.token = w.newToken()
	answer, _ := w.do(http.MethodGet, latest["@odata.deltaLink"].(string), nil)
	w.Expect(answer.StatusCode).To(Equal(http.StatusGone))
	w.Expect(answer.Header.Get("Location")).NotTo(BeEmpty())
	w.fails(http.StatusBadRequest, http.MethodGet, "/users/delta?$top=5", nil)
	w.fails(http.StatusBadRequest, http.MethodGet, "/users/delta?$deltatoken=x", nil)
}
