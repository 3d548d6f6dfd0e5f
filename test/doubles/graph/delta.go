/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// deltaKept is how long a delta token holds.
const deltaKept = 7 * 24 * time.Hour

// deltaPage is how many users a page of a delta query has.
const deltaPage = 200

// usersDelta is GET /users/delta. A token is where in the list of changes the
// next query begins, and when it was given.
func (s *Server) usersDelta(c *call, _ params) answer {
	q, err := parseQuery(c.query)
	if err == nil {
		err = q.only("$select", "$deltatoken", "$deltaToken", "$skiptoken", "$filter")
	}
	if err != nil {
		return refuse(http.StatusBadRequest, badRequest, err.Error()+".")
	}
	fields, refused := selection(q, userProperties, "users")
	if refused != nil {
		return *refused
	}
	raw := q.get("$deltatoken") + q.get("$deltaToken") + q.get("$skiptoken")
	from, first := 0, raw == ""
	switch {
	case raw == "latest":
		from = s.changesSeen(c.now)
	case !first:
		var given time.Time
		if from, given, err = readDelta(raw); err != nil || from > len(s.changes) {
			return refuse(http.StatusBadRequest, badRequest, "Badly formed token.")
		}
		if c.now.Sub(given) >= deltaKept {
			a := refuse(http.StatusGone, "syncStateNotFound", "The sync state generation is not found; the token has expired. Begin anew.")
			a.header = map[string]string{"Location": c.origin + c.path + "?" + selectOnly(q)}
			return a
		}
	}
	return s.deltaFrom(c, q, fields, from, first)
}

func (s *Server) deltaFrom(c *call, q query, fields []string, from int, first bool) answer {
	items, at, told := []any{}, from, map[string]bool{}
	until := s.changesSeen(c.now)
	for ; at < until && len(items) < deltaPage; at++ {
		u := s.changes[at].user
		if told[u.id] {
			continue
		}
		told[u.id] = true
		seen, is := u.seen(c.now)
		switch {
		case is && seen.deleted.IsZero():
			items = append(items, picked(seen.fields, fields))
		case first:
		case is:
			items = append(items, map[string]any{"id": u.id, "@removed": map[string]any{"reason": "changed"}})
		default:
			items = append(items, map[string]any{"id": u.id, "@removed": map[string]any{"reason": "deleted"}})
		}
	}
	body := map[string]any{"@odata.context": c.origin + version + "/$metadata#users", "value": items}
	link, name := "@odata.deltaLink", "$deltatoken"
	if at < until {
		link, name = "@odata.nextLink", "$skiptoken"
	}
	body[link] = c.origin + c.path + "?" + selectOnly(q) + "&" + name + "=" + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d", at, c.now.Unix()))
	return ok(http.StatusOK, body)
}

func selectOnly(q query) string {
	if !q.has("$select") {
		return ""
	}
	return "$select=" + strings.ReplaceAll(url.QueryEscape(q.get("$select")), "%2C", ",")
}

func readDelta(raw string) (from int, given time.Time, err error) {
	decoded, err := base64.RawURLEncoding.DecodeString(raw)
	if err != nil {
		return 0, given, err
	}
	var at int64
	_, err = fmt.Sscanf(string(decoded), "%d %d", &from, &at)
	return from, time.Unix(at, 0), err
}

// changesSeen is how many changes have been replicated.
func (s *Server) changesSeen(now time.Time) int {
	n := len(s.changes)
	for n > 0 && s.changes[n-1].at.After(now) {
		n--
	}
	return n
}
