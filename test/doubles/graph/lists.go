/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"net/http"
	"slices"
	"strings"
)

// list answers with a page of the objects that visit yields in order: it calls
// give with each and its place, until that returns false.
func (s *Server) list(c *call, properties map[string]property, entity string, visit func(conditions []condition, from int, give func(place int, object map[string]any) bool)) answer {
	q, err := parseQuery(c.query)
	if err == nil {
		err = q.only("$select", "$filter", "$top", "$skiptoken")
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "BadRequest", err.Error()+".")
	}
	fields, refused := selection(q, properties, entity)
	if refused != nil {
		return *refused
	}
	var conditions []condition
	if q.has("$filter") {
		if conditions, err = parseFilter(q.get("$filter"), properties); err != nil {
			return refuse(http.StatusBadRequest, "Request_UnsupportedQuery", err.Error()+".")
		}
	}
	bounds, err := q.paging(100)
	if err != nil {
		return refuse(http.StatusBadRequest, badRequest, err.Error()+".")
	}
	body := map[string]any{"@odata.context": c.origin + version + "/$metadata#" + entity}
	items := []map[string]any{}
	visit(conditions, bounds.from, func(place int, object map[string]any) bool {
		if !holds(conditions, object) {
			return true
		}
		if len(items) == bounds.top {
			body["@odata.nextLink"] = c.next(q, place)
			return false
		}
		items = append(items, picked(object, fields))
		return true
	})
	body["value"] = items
	return ok(http.StatusOK, body)
}

// listAll lists objects that are at hand.
func (s *Server) listAll(c *call, properties map[string]property, entity string, objects []map[string]any) answer {
	return s.list(c, properties, entity, func(_ []condition, from int, give func(int, map[string]any) bool) {
		for i := from; i < len(objects); i++ {
			if !give(i, objects[i]) {
				return
			}
		}
	})
}

// single answers with one object.
func (s *Server) single(c *call, properties map[string]property, entity string, object map[string]any) answer {
	q, err := parseQuery(c.query)
	if err == nil {
		err = q.only("$select")
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "BadRequest", err.Error()+".")
	}
	fields, refused := selection(q, properties, entity)
	if refused != nil {
		return *refused
	}
	body := picked(object, fields)
	body["@odata.context"] = c.origin + version + "/$metadata#" + entity + "/$entity"
	return ok(http.StatusOK, body)
}

// selection are the properties that $select names, or those given by default.
func selection(q query, properties map[string]property, entity string) ([]string, *answer) {
	var fields []string
	if !q.has("$select") {
		for name, p := range properties {
			if p.byDefault {
				fields = append(fields, name)
			}
		}
		return fields, nil
	}
	for name := range strings.SplitSeq(q.get("$select"), ",") {
		if _, isKnown := properties[name]; !isKnown {
			a := refuse(http.StatusBadRequest, "BadRequest", "Parsing OData Select and Expand failed: Could not find a property named '"+name+"' on the type of "+entity+".")
			return nil, &a
		}
		if !slices.Contains(fields, name) {
			fields = append(fields, name)
		}
	}
	// The ID comes whether it is asked for or not.
	if !slices.Contains(fields, "id") {
		fields = append(fields, "id")
	}
	return fields, nil
}

// picked has every field; null where there is no value. Passwords are never shown.
func picked(object map[string]any, fields []string) map[string]any {
	result := make(map[string]any, len(fields)+1)
	for _, name := range fields {
		result[name] = object[name]
		if name == "passwordProfile" {
			result[name] = nil
		}
	}
	return result
}
