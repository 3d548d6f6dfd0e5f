/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// device is a device, by its number in lists.
type device struct {
	number int
	Device
}

// item is something in a list.
type item struct {
	number int
	body   any
}

func (s *Server) listUsers(c *call) answer {
	if bad, is := c.unexpected("limit", "cursor", "externalId", "mail"); is {
		return bad
	}
	var items []item
	for _, u := range s.users {
		if matches(c, "externalId", func(v string) bool { return u.text("externalId") == v }) && matches(c, "mail", func(v string) bool { return strings.EqualFold(u.text("mail"), v) }) {
			items = append(items, item{u.number, u.fields})
		}
	}
	return s.page(c, "users", items)
}

func matches(c *call, parameter string, equals func(string) bool) bool {
	values := c.query[parameter]
	return len(values) == 0 || equals(values[0])
}

func (s *Server) listDevices(c *call) answer {
	if bad, is := c.unexpected("limit", "cursor"); is {
		return bad
	}
	items := make([]item, len(s.devices))
	for i, d := range s.devices {
		items[i] = item{d.number, d.Device}
	}
	return s.page(c, "devices", items)
}

const maxLimit = 1000

// page is the part of a list, sorted by number, that a call asks for.
func (s *Server) page(c *call, name string, items []item) answer {
	limit, after := s.options.PageSize, 0
	if asked := c.query["limit"]; len(asked) > 0 {
		n, err := strconv.Atoi(asked[0])
		if err != nil || n < 1 || n > maxLimit {
			return refuse(http.StatusBadRequest, "bad_request", fmt.Sprintf("limit must be from 1 to %d.", maxLimit))
		}
		limit = min(limit, n)
	}
	if asked := c.query["cursor"]; len(asked) > 0 {
		var err error
		if after, err = readCursor(name, asked[0]); err != nil {
			return refuse(http.StatusBadRequest, "cursor_expired", "The cursor is none of this list's, or too old.")
		}
	}
	page, shown := map[string]any{"total": len(items)}, []any{}
	for _, i := range items {
		if i.number <= after {
			continue
		}
		if len(shown) == limit {
			page["nextCursor"] = cursor(name, after)
			break
		}
		shown, after = append(shown, i.body), i.number
	}
	page[name] = shown
	return answer{status: http.StatusOK, body: page}
}

// cursor is a place in a list, which means nothing to others.
func cursor(name string, after int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s after %d", name, after))
}

func readCursor(name, text string) (int, error) {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimPrefix(string(decoded), name+" after "))
}
