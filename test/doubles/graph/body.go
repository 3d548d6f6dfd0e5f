/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// fields reads the JSON object of a body strictly.
func (c *call) fields() (map[string]any, *answer) {
	if !strings.HasPrefix(strings.ToLower(c.header.Get("Content-Type")), "application/json") {
		a := refuse(http.StatusUnsupportedMediaType, badRequest, "A missing or empty content type header was found when trying to read a message. The content type header is required.")
		return nil, &a
	}
	decoder := json.NewDecoder(bytes.NewReader(c.body))
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil || fields == nil || decoder.More() {
		a := refuse(http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
		return nil, &a
	}
	delete(fields, "@odata.type")
	return fields, nil
}
