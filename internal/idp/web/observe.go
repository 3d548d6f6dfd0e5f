/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
)

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(body []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(body)
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

type requestIDKey struct{}

func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}

// observe gives every request an ID and every response its headers, recovers
// panics, logs and measures.
func (s *Site) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := uuid.NewRandomFromReader(s.Random)
		if err != nil {
			plain(w, http.StatusInternalServerError, "internal error")
			return
		}
		started := time.Now()
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id.String()))
		recorded := &recorder{ResponseWriter: w}
		s.setHeaders(recorded.Header(), id.String())
		defer func() {
			if cause := recover(); cause != nil {
				s.recovered(recorded, r, cause)
			}
			took := time.Since(started)
			s.Metrics.request(r, recorded.status, took)
			s.Log.V(1).Info("Answered a request", "requestID", id.String(), "method", r.Method,
				"route", routeOf(r), "status", recorded.status, "seconds", took.Seconds())
		}()
		next.ServeHTTP(recorded, r)
	})
}

// routeOf is the pattern that served the request: unlike the path it holds no
// secret and has few values.
func routeOf(r *http.Request) string {
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		path = r.Pattern
	}
	return path
}

func (s *Site) recovered(w *recorder, r *http.Request, cause any) {
	s.Metrics.panicked()
	s.Log.Error(fmt.Errorf("panic: %v", cause), "Recovered from a panic", "requestID", requestID(r),
		"route", routeOf(r), "stack", string(debug.Stack()))
	if w.status != 0 {
		// Half a page is out; closing the connection tells the browser.
		panic(http.ErrAbortHandler)
	}
	s.fail(&visit{site: s, w: w, r: r}, errInternal)
}

func (s *Site) setHeaders(h http.Header, id string) {
	h.Set("X-Request-ID", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// no-referrer would make browsers post our own forms with "Origin: null".
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", pagePolicy)
	if s.secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

const pagePolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
