/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package admin

import "net/http"

// NewHandler serves service over HTTP.
func NewHandler(service Service) http.Handler { return nil }

// NewClient speaks to a handler of NewHandler at baseURL.
func NewClient(baseURL string, client *http.Client) Service { return nil }
