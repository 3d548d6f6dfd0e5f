/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Limits bound the calls of one app. Negative ones are none.
type Limits struct {
	// Units are resource units in 10 seconds; 0 is 3,500.
	Units int
	// Writes are those in 150 seconds; 0 is 3,000.
	Writes int
	// Tokens are those given in 5 minutes; 0 is 100.
	Tokens int
}

// Unlimited bounds nothing.
var Unlimited = Limits{Units: -1, Writes: -1, Tokens: -1}

const (
	unitsWindow  = 10 * time.Second
	writesWindow = 150 * time.Second
	tokensWindow = 5 * time.Minute
	// warnAt is the share from which on answers tell how much is used.
	warnAt = 0.8
)

func (l Limits) orDefaults() Limits {
	for value, fallback := range map[*int]int{&l.Units: 3500, &l.Writes: 3000, &l.Tokens: 100} {
		if *value == 0 {
			*value = fallback
		}
	}
	return l
}

// usage is what an app has used.
type usage struct{ units, writes window }

type window struct {
	since time.Time
	used  int
}

func (w *window) at(now time.Time, length time.Duration) *window {
	if now.Sub(w.since) >= length {
		*w = window{since: now}
	}
	return w
}

// cost is how many resource units a call takes, as Microsoft documents it.
func (c *call) cost(writes bool) int {
	units := 1
	if c.method == http.MethodGet && c.path == version+"/users" {
		units = 2
	}
	if writes {
		return units
	}
	q, err := parseQuery(c.query)
	if err != nil {
		return units
	}
	if q.has("$select") {
		units--
	}
	if q.has("$expand") {
		units++
	}
	if top, err := strconv.Atoi(q.get("$top")); err == nil && top < 20 {
		units--
	}
	return max(units, 1)
}

// throttle counts a call, and refuses it where the limit is reached.
func (s *Server) throttle(c *call) (refused *answer, header map[string]string) {
	writes := slices.Contains([]string{http.MethodPost, http.MethodPatch, http.MethodDelete}, c.method)
	used := s.usage[c.app.ClientID]
	if used == nil {
		used = &usage{}
		s.usage[c.app.ClientID] = used
	}
	units, written := used.units.at(c.now, unitsWindow), used.writes.at(c.now, writesWindow)
	cost := c.cost(writes)
	header = map[string]string{"x-ms-resource-unit": fmt.Sprint(cost)}
	limits := s.options.Limits
	switch {
	case limits.Units > 0 && units.used+cost > limits.Units:
		return s.tooMany(header, "ResourceUnitLimitExceeded"), nil
	case writes && limits.Writes > 0 && written.used+1 > limits.Writes:
		return s.tooMany(header, "WriteLimitExceeded"), nil
	}
	units.used += cost
	share := 0.0
	if limits.Units > 0 {
		share = float64(units.used) / float64(limits.Units)
	}
	if writes {
		written.used++
		if limits.Writes > 0 {
			share = max(share, float64(written.used)/float64(limits.Writes))
		}
	}
	if share >= warnAt {
		header["x-ms-throttle-limit-percentage"] = fmt.Sprintf("%.2f", share)
	}
	return nil, header
}

// Throttled is how many calls were refused because a limit was reached.
func (s *Server) Throttled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

func (s *Server) tooMany(header map[string]string, information string) *answer {
	s.refused++
	a := refuse(http.StatusTooManyRequests, "TooManyRequests", "Too many requests.")
	a.header = header
	header["x-ms-throttle-scope"] = "Tenant_Application/ReadWrite/" + s.options.TenantID
	header["x-ms-throttle-information"] = information
	if s.options.RetryAfter != "" {
		header["Retry-After"] = s.options.RetryAfter
	}
	return &a
}
