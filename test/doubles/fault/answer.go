/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package fault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Answer is what a call gives.
type Answer struct {
	Status int
	Header map[string]string
	// ContentType is of the body; nil is none.
	ContentType string
	Body        []byte
}

// Send writes an answer, or breaks it as f says; f may be nil.
func (s *Faults) Send(w http.ResponseWriter, r *http.Request, a Answer, f *Fault) {
	if f == nil {
		f = &Fault{}
	}
	if f.Hang {
		s.hang(r)
	}
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	if f.Text != "" {
		a.Status, a.Body, a.ContentType = f.Status, []byte(f.Text), f.ContentType
		for name, value := range f.Header {
			w.Header().Set(name, value)
		}
	}
	if a.Body == nil {
		w.WriteHeader(a.Status)
		return
	}
	sent := a.Body
	if f.Cut || f.Half {
		sent = sent[:len(sent)/2]
	}
	declared := len(sent)
	if f.Cut {
		declared = len(a.Body)
	}
	w.Header().Set("Content-Type", a.ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(declared))
	w.WriteHeader(a.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(sent)
	}
	if f.Cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// hang ends when the client has enough, or at Close.
func (s *Faults) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.release():
	}
	panic(http.ErrAbortHandler)
}

// Encode is a body as JSON; nil stays so.
func Encode(body any) []byte {
	if body == nil {
		return nil
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("an answer cannot be encoded: %v", err))
	}
	return encoded
}
