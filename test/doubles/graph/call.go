/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"fmt"
	"net/http"
	"time"

	"tegata.dev/tegata/test/doubles/fault"
)

// call is a request, of its own or in a batch.
type call struct {
	method, path, query string
	header              http.Header
	body                []byte
	// origin is where the server was reached.
	origin    string
	requestID string
	now       time.Time
	app       *App
	granted   map[string]bool
	// inBatch tells that it is one of a batch.
	inBatch bool
	// broken is the fault of a call in a batch that breaks the batch.
	broken *Fault
}

// answer is what a call gives.
type answer struct {
	status int
	header map[string]string
	// body is nil where there is none.
	body any
}

// detail of an error.
type detail struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
	Target  string `json:"target,omitempty"`
}

// problem is the body of an error.
type problem struct {
	Error problemBody `json:"error"`
}

type problemBody struct {
	Code       string            `json:"code"`
	Message    string            `json:"message"`
	Details    []detail          `json:"details,omitempty"`
	InnerError map[string]string `json:"innerError"`
}

func refuse(status int, code, message string, details ...detail) answer {
	return answer{status: status, body: &problem{problemBody{Code: code, Message: message, Details: details}}}
}

const badRequest = "Request_BadRequest"

func invalid(format string, args ...any) answer {
	return refuse(http.StatusBadRequest, badRequest, fmt.Sprintf(format, args...))
}

// invalidValue refuses the value of a property.
func invalidValue(property, message string) answer {
	return refuse(http.StatusBadRequest, badRequest, message, detail{"InvalidValue", message, property})
}

// conflict tells that another object has the value.
func conflict(property string) answer {
	message := fmt.Sprintf("Another object with the same value for property %s already exists.", property)
	details := []detail{{"ObjectConflict", message, property}}
	if property == "proxyAddresses" {
		details = append(details, detail{"ConflictingObjects", message, property})
	}
	return refuse(http.StatusBadRequest, badRequest, message, details...)
}

func notFound(what string) answer {
	return refuse(http.StatusNotFound, "Request_ResourceNotFound",
		fmt.Sprintf("Resource '%s' does not exist or one of its queried reference-property objects are not present.", what))
}

func denied() answer {
	return refuse(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}

var noContent = answer{status: http.StatusNoContent}

func ok(status int, body any) answer { return answer{status: status, body: body} }

// finish puts in what every answer of Graph has.
func (a answer) finish(c *call) answer {
	header := map[string]string{"request-id": c.requestID, "client-request-id": c.clientRequestID()}
	for name, value := range a.header {
		header[name] = value
	}
	a.header = header
	if p, is := a.body.(*problem); is {
		p.Error.InnerError = map[string]string{
			"date": c.now.UTC().Format("2006-01-02T15:04:05"), "request-id": c.requestID, "client-request-id": c.clientRequestID(),
		}
	}
	return a
}

func (c *call) clientRequestID() string {
	if id := c.header.Get("client-request-id"); id != "" {
		return id
	}
	return c.requestID
}

// send writes an answer, or breaks it.
func (s *Server) send(w http.ResponseWriter, r *http.Request, c *call, a answer, f *Fault) {
	a = a.finish(c)
	w.Header().Set("Date", c.now.UTC().Format(http.TimeFormat))
	s.Send(w, r, fault.Answer{
		Status: a.status, Header: a.header, ContentType: "application/json;odata.metadata=minimal;charset=utf-8", Body: fault.Encode(a.body),
	}, f)
}
