/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"tegata.dev/tegata/test/doubles/fault"
)

// answer is what a call gives.
type answer struct {
	status int
	header map[string]string
	// body is nil where there is none.
	body any
}

// problem is the body of a refusal (RFC 9457).
type problem struct {
	Type      string   `json:"type"`
	Title     string   `json:"title"`
	Status    int      `json:"status"`
	Detail    string   `json:"detail,omitempty"`
	Code      string   `json:"code"`
	Property  string   `json:"property,omitempty"`
	Character string   `json:"character,omitempty"`
	Devices   []string `json:"devices,omitempty"`
}

func refuse(status int, code, detail string) answer {
	return answer{status: status, body: &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}}
}

// refuseValue refuses a property's value.
func refuseValue(code, property, detail string) answer {
	a := refuse(http.StatusUnprocessableEntity, code, detail)
	a.body.(*problem).Property = property
	return a
}

func throttle(wait time.Duration) answer {
	a := refuse(http.StatusTooManyRequests, "throttled", "Too many calls.")
	a.header = map[string]string{"Retry-After": strconv.Itoa(int(math.Ceil(wait.Seconds())))}
	return a
}

// send writes an answer, or breaks it.
func (s *Server) send(w http.ResponseWriter, r *http.Request, c *call, a answer, f *Fault) {
	contentType := "application/json"
	if _, is := a.body.(*problem); is {
		contentType = "application/problem+json"
	}
	w.Header().Set("X-Request-Id", c.requestID)
	s.Send(w, r, fault.Answer{Status: a.status, Header: a.header, ContentType: contentType, Body: fault.Encode(a.body)}, f)
}
