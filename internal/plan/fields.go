/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Differences are what differs between two objects as JSON decodes them: in
// spec, labels, and the annotations that Tegata heeds. Nil is an absent object.
func Differences(before, after map[string]any) []Field {
	var fields []Field
	compare("spec", before["spec"], after["spec"], &fields)
	for _, part := range []string{"labels", "annotations"} {
		compare("metadata."+part, heeded(before, part), heeded(after, part), &fields)
	}
	return fields
}

// heeded are an object's labels, or its annotations of Tegata.
func heeded(object map[string]any, part string) any {
	metadata, _ := object["metadata"].(map[string]any)
	values, _ := metadata[part].(map[string]any)
	kept := map[string]any{}
	for name, value := range values {
		if part == "labels" || strings.HasPrefix(name, "identity.tegata.dev/") {
			kept[name] = value
		}
	}
	return kept
}

func compare(path string, before, after any, fields *[]Field) {
	from, isMap := before.(map[string]any)
	to, isMapToo := after.(map[string]any)
	if (isMap || before == nil) && (isMapToo || after == nil) {
		names := slices.Sorted(maps.Keys(from))
		for _, name := range slices.Sorted(maps.Keys(to)) {
			if _, both := from[name]; !both {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			compare(path+"."+name, from[name], to[name], fields)
		}
		return
	}
	fromList, isList := before.([]any)
	toList, isListToo := after.([]any)
	if (isList || before == nil) && (isListToo || after == nil) {
		compareLists(path, fromList, toList, fields)
		return
	}
	if a, b := text(before), text(after); a != b {
		*fields = append(*fields, Field{Path: path, From: a, To: b})
	}
}

// compareLists tells what leaves a list and what enters it.
func compareLists(path string, before, after []any, fields *[]Field) {
	counts := map[string]int{}
	var from, to []string
	for _, entry := range before {
		from = append(from, text(entry))
		counts[text(entry)]++
	}
	for _, entry := range after {
		to = append(to, text(entry))
		counts[text(entry)]--
	}
	if slices.Equal(from, to) {
		return
	}
	found := len(*fields)
	for _, entry := range from {
		if counts[entry] > 0 {
			counts[entry]--
			*fields = append(*fields, Field{Path: path + "[]", From: entry})
		}
	}
	for _, entry := range to {
		if counts[entry] < 0 {
			counts[entry]++
			*fields = append(*fields, Field{Path: path + "[]", To: entry})
		}
	}
	if len(*fields) == found {
		*fields = append(*fields, Field{Path: path + "[]", From: strings.Join(from, ", "), To: strings.Join(to, ", ")})
	}
}

// text is a value in one line.
func text(value any) string {
	switch typed := value.(type) {
	case nil:
		return ""
	case string:
		return typed
	case map[string]any, []any:
		body, err := json.Marshal(typed)
		if err == nil {
			return string(body)
		}
	}
	return fmt.Sprint(value)
}
