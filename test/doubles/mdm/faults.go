/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"net/http"

	"tegata.dev/tegata/test/doubles/fault"
)

// Fault is something that goes wrong. Its Path is below Path of the package.
type Fault = fault.Fault

// ServerError answers 500 to everything.
func ServerError() Fault {
	return Fault{Status: http.StatusInternalServerError, Code: "internal", Message: "The service failed."}
}

// HTML answers with the page of a proxy.
func HTML() Fault { return fault.HTML() }

// Nonsense answers with JSON that is none of the contract's.
func Nonsense() Fault { return fault.Nonsense() }

// Throttled refuses by itself, however few the calls.
func Throttled(retryAfter string) Fault {
	return Fault{Status: http.StatusTooManyRequests, Code: "throttled", Message: "Too many calls.", Header: map[string]string{"Retry-After": retryAfter}}
}

// Forbidden refuses as if the permission were missing.
func Forbidden() Fault {
	return Fault{Status: http.StatusForbidden, Code: "forbidden", Message: "The token may not do this."}
}

func refusal(f *Fault) answer {
	a := refuse(f.Status, f.Code, f.Message)
	a.header = f.Header
	return a
}
