/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"net/http"
	"strings"

	"tegata.dev/tegata/test/doubles/fault"
)

// Fault is something that goes wrong. Its Path is below /v1.0; that of the token
// endpoint is /token.
type Fault = fault.Fault

// ServerError answers 500 to everything.
func ServerError() Fault {
	return Fault{Status: http.StatusInternalServerError, Code: "Service_InternalServerError", Message: "Encountered an internal server error."}
}

// HTML answers with the page of a proxy.
func HTML() Fault { return fault.HTML() }

// Nonsense answers with JSON that is none of Graph's.
func Nonsense() Fault { return fault.Nonsense() }

// Throttled refuses by itself, whatever the limits.
func Throttled(retryAfter string) Fault {
	f := Fault{Status: http.StatusTooManyRequests, Code: "TooManyRequests", Message: "Too many requests."}
	if retryAfter != "" {
		f.Header = map[string]string{"Retry-After": retryAfter}
	}
	return f
}

// Denied refuses as if the permission were missing.
func Denied(method, path string) Fault {
	return Fault{Method: method, Path: path, Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Message: "Insufficient privileges to complete the operation."}
}

// TokenError refuses tokens with a code that passes, for example 90033.
func TokenError(status, code int) Fault {
	a := tokenRefusal(status, "temporarily_unavailable", code, "A transient error has occurred. Please try again.")
	return Fault{Path: "/token", Status: status, Text: string(fault.Encode(a.body)), ContentType: "application/json; charset=utf-8"}
}

// fault is that of a call; nil where it goes well.
func (s *Server) fault(c *call) *Fault { return s.Take(c.method, faultPath(c.path)) }

func refusal(f *Fault) answer {
	a := refuse(f.Status, f.Code, f.Message)
	a.header = f.Header
	return a
}

func faultPath(path string) string {
	if _, isToken := tokenTenant(path); isToken {
		return "/token"
	}
	return strings.TrimPrefix(path, version)
}
