/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
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
	if f != nil && f.Hang {
		s.hang(r)
		return
	}
	contentType := "application/json"
	if _, is := a.body.(*problem); is {
		contentType = "application/problem+json"
	}
	body := encode(a.body)
	if f != nil && f.Text != "" {
		body, contentType = []byte(f.Text), f.ContentType
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("X-Request-Id", c.requestID)
	if body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", contentType)
	sent, declared := body, len(body)
	if f != nil && (f.Cut || f.Half) {
		sent = body[:len(body)/2]
	}
	if f == nil || !f.Cut {
		declared = len(sent)
	}
	w.Header().Set("Content-Length", strconv.Itoa(declared))
	w.WriteHeader(a.status)
	_, _ = w.Write(sent)
	if declared > len(sent) {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// hang ends when the client has enough, or at Close.
func (s *Server) hang(r *http.Request) {
	s.mu.Lock()
	released := s.released
	s.mu.Unlock()
	select {
	case <-r.Context().Done():
	case <-released:
	}
	panic(http.ErrAbortHandler)
}

func encode(body any) []byte {
	if body == nil {
		return nil
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("an answer cannot be encoded: %v", err))
	}
	return encoded
}
