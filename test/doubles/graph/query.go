/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query are the options of OData in an address.
type query struct{ values url.Values }

func parseQuery(raw string) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, errors.New("the query cannot be read")
	}
	for name, all := range values {
		if len(all) > 1 {
			return query{}, fmt.Errorf("query option '%s' was specified more than once, but it must be specified at most once", name)
		}
	}
	return query{values}, nil
}

func (q query) has(name string) bool   { return q.values.Has(name) }
func (q query) get(name string) string { return q.values.Get(name) }

// only refuses options that the call does not support.
func (q query) only(names ...string) error {
	for name := range q.values {
		if !slices.Contains(names, name) {
			return fmt.Errorf("query option '%s' is not supported", name)
		}
	}
	return nil
}

// condition is one comparison of a filter; all of them must hold.
type condition struct {
	property string
	// value is a string or a bool.
	value any
}

// parseFilter reads "a eq 'b' and c eq true", all that is supported.
func parseFilter(raw string, properties map[string]property) ([]condition, error) {
	var conditions []condition
	for rest := raw; ; {
		name, after, found := strings.Cut(rest, " eq ")
		if !found {
			return nil, fmt.Errorf("invalid filter clause: %s", raw)
		}
		p, isKnown := properties[name]
		if !isKnown || !p.filterable {
			return nil, fmt.Errorf("unsupported or invalid query filter clause specified for property '%s'", name)
		}
		value, tail, err := literal(after)
		if err != nil {
			return nil, err
		}
		if _, isText := value.(string); isText == (p.kind == flag) {
			return nil, fmt.Errorf("a binary operator with incompatible types was detected for property '%s'", name)
		}
		conditions = append(conditions, condition{name, value})
		if tail == "" {
			return conditions, nil
		}
		if rest, found = strings.CutPrefix(tail, " and "); !found {
			return nil, fmt.Errorf("syntax error in '%s'", raw)
		}
	}
}

// literal reads a value at the beginning of a text: a string or a Boolean.
func literal(text string) (value any, rest string, err error) {
	for word, boolean := range map[string]bool{"true": true, "false": false} {
		if after, found := strings.CutPrefix(text, word); found {
			return boolean, after, nil
		}
	}
	if !strings.HasPrefix(text, "'") {
		return nil, "", fmt.Errorf("invalid literal in '%s'", text)
	}
	var built strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			built.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			built.WriteByte('\'')
			i++
			continue
		}
		return built.String(), text[i+1:], nil
	}
	return nil, "", fmt.Errorf("an unterminated string literal in '%s'", text)
}

// holds tells whether an object meets every condition; texts compare without
// regard to case.
func holds(conditions []condition, object map[string]any) bool {
	for _, c := range conditions {
		want, isText := c.value.(string)
		got, _ := object[c.property].(string)
		if isText && !strings.EqualFold(got, want) || !isText && object[c.property] != c.value {
			return false
		}
	}
	return true
}

// page are the bounds of a list's page.
type page struct {
	top, from int
}

const maxTop = 999

// paging reads $top and $skiptoken.
func (q query) paging(byDefault int) (page, error) {
	p := page{top: byDefault}
	if raw := q.get("$top"); q.has("$top") {
		top, err := strconv.Atoi(raw)
		if err != nil || top < 1 || top > maxTop {
			return p, fmt.Errorf("invalid page size specified: '%s'. Must be between 1 and %d inclusive", raw, maxTop)
		}
		p.top = top
	}
	if raw := q.get("$skiptoken"); q.has("$skiptoken") {
		decoded, err := base64.RawURLEncoding.DecodeString(raw)
		from, numberErr := strconv.Atoi(strings.TrimPrefix(string(decoded), "from:"))
		if err != nil || numberErr != nil || from < 0 {
			return p, errors.New("the skip token is not valid")
		}
		p.from = from
	}
	return p, nil
}

// next is the address of the page that begins at a place.
func (c *call) next(q query, from int) string {
	values := url.Values{}
	for name, value := range q.values {
		values[name] = value
	}
	values.Set("$skiptoken", base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "from:%d", from)))
	return c.origin + c.path + "?" + strings.ReplaceAll(values.Encode(), "+", "%20")
}
