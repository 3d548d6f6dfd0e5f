/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"encoding/json"
	"strconv"
	"strings"
)

// resource is a resource, or a complex value within one, as it came.
type resource map[string]any

// key is the name under which an attribute stands: names are compared without
// case (RFC 7643 section 2.1).
func (r resource) key(name string) string {
	if _, ok := r[name]; ok {
		return name
	}
	for candidate := range r {
		if strings.EqualFold(candidate, name) {
			return candidate
		}
	}
	return name
}

func (r resource) get(name string) any { return r[r.key(name)] }

func (r resource) text(name string) string { return text(r.get(name)) }

// text is a simple value as a property holds it; empty for all others.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// truth is a boolean that some services write as a text.
func truth(value any, absent bool) bool {
	switch strings.ToLower(text(value)) {
	case "true":
		return true
	case "false":
		return false
	default:
		return absent
	}
}

// id is what the service names the resource by.
func (r resource) id() string { return r.text("id") }

// active is true where a service does not say.
func (r resource) active() bool { return truth(r.get("active"), true) }

// version is the resource's ETag; empty where it has none.
func (r resource) version() string {
	meta, _ := object(r.get("meta"))
	return meta.text("version")
}

func object(value any) (resource, bool) {
	switch v := value.(type) {
	case map[string]any:
		return v, v != nil
	case resource:
		return v, v != nil
	default:
		return nil, false
	}
}

// home is the object in which a path's outer attribute stands: the resource, or
// an extension of it; nil where the resource lacks the extension.
func (r resource) home(p path) resource {
	if p.urn == "" {
		return r
	}
	extension, _ := object(r.get(p.urn))
	return extension
}

// value is what stands at a path; empty where nothing does.
func (r resource) value(p path) string {
	home := r.home(p)
	if home == nil {
		return ""
	}
	outer := home.get(p.attribute)
	switch {
	case p.filter != nil:
		elements, _ := outer.([]any)
		if at, _ := p.locate(elements); at >= 0 {
			element, _ := object(elements[at])
			return element.text(p.sub)
		}
		return ""
	case p.sub != "":
		inner, _ := object(outer)
		return inner.text(p.sub)
	default:
		return text(outer)
	}
}

// locate finds the element that a path's filter chooses, and the filter that
// chooses it at the service; -1 where none does.
func (p path) locate(elements []any) (int, filter) {
	for i, element := range elements {
		e, ok := object(element)
		if ok && p.filter.matches(e.get(p.filter.attribute)) {
			return i, *p.filter
		}
	}
	found := p.unmarked(elements)
	if found < 0 {
		return -1, filter{}
	}
	e, _ := object(elements[found])
	return found, filter{"value", e.text("value")}
}

// unmarked finds the element that stands for the one a filter wants, as some
// services keep no type with a mail address, and do not say that a role is the
// primary one when there is no other.
func (p path) unmarked(elements []any) int {
	byType, byPrimary := p.filter.attribute == "type", p.filter.attribute == "primary" && len(elements) == 1
	found := -1
	for i, element := range elements {
		e, ok := object(element)
		if !ok || !byType && !byPrimary || e.get(p.filter.attribute) != nil || e.text("value") == "" {
			continue
		}
		if found < 0 || truth(e.get("primary"), false) {
			found = i
		}
	}
	return found
}

// matches compares without case, as types are (RFC 7643 section 2.4).
func (f filter) matches(value any) bool {
	if want, ok := f.value.(bool); ok {
		return value != nil && truth(value, !want) == want
	}
	return strings.EqualFold(text(value), text(f.value)) && text(value) != ""
}

// clone is a copy that shares nothing that changes.
func (r resource) clone() resource {
	copied := make(resource, len(r))
	for name, value := range r {
		copied[name] = cloneValue(value)
	}
	return copied
}

func cloneValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return map[string]any(resource(v).clone())
	case resource:
		return map[string]any(v.clone())
	case []any:
		copied := make([]any, len(v))
		for i, element := range v {
			copied[i] = cloneValue(element)
		}
		return copied
	default:
		return value
	}
}
