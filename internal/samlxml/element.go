/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml

import (
	"encoding/xml"
	"strings"
)

// Element is a parsed XML element. It is not changed after Parse.
type Element struct {
	name         xml.Name
	prefix       string
	declarations []declaration
	attributes   []attribute
	nodes        []node
	children     []*Element
	parent       *Element
	// commented: text that a comment splits reads differently in different
	// parsers, so Text refuses it.
	commented bool
}

// declaration is a namespace declaration; an empty prefix is the default namespace.
type declaration struct{ prefix, space string }

// attribute is an attribute that is no namespace declaration.
type attribute struct{ prefix, space, local, value string }

// node is an element, or text where that is nil.
type node struct {
	element *Element
	text    string
}

// Is reports whether the element has that name.
func (e *Element) Is(namespace, local string) bool {
	return e.name.Space == namespace && e.name.Local == local
}

// Name is the element's namespace and local name.
func (e *Element) Name() xml.Name { return e.name }

// Children are the direct child elements, in order.
func (e *Element) Children() []*Element { return e.children }

// Lookup returns an attribute without a namespace (SAML's own have none), and
// whether it is there.
func (e *Element) Lookup(local string) (string, bool) {
	for _, a := range e.attributes {
		if a.space == "" && a.local == local {
			return a.value, true
		}
	}
	return "", false
}

// Attribute is Lookup's value, empty where the attribute is absent.
func (e *Element) Attribute(local string) string {
	value, _ := e.Lookup(local)
	return value
}

// All returns the direct children of that name.
func (e *Element) All(namespace, local string) []*Element {
	var found []*Element
	for _, child := range e.children {
		if child.Is(namespace, local) {
			found = append(found, child)
		}
	}
	return found
}

// Optional returns the only direct child of that name, or nil; an *Error where
// there are several.
func (e *Element) Optional(namespace, local string) (*Element, error) {
	found := e.All(namespace, local)
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	default:
		return nil, refuse("has an element twice that may occur once")
	}
}

// Text is the whole text of an element that holds text alone, without
// surrounding space; an *Error where there are elements or comments in it.
func (e *Element) Text() (string, error) {
	if len(e.children) > 0 || e.commented {
		return "", refuse("has a value that is not plain text")
	}
	var text strings.Builder
	for _, n := range e.nodes {
		text.WriteString(n.text)
	}
	return strings.Trim(text.String(), Space), nil
}

// namespace finds what a prefix means here, and whether it is declared. No
// default namespace is no namespace.
func (e *Element) namespace(prefix string) (string, bool) {
	if prefix == "xml" {
		return namespaceXML, true
	}
	for at := e; at != nil; at = at.parent {
		if space, found := find(at.declarations, prefix); found {
			return space, true
		}
	}
	return "", prefix == ""
}

func find(declarations []declaration, prefix string) (string, bool) {
	for _, d := range declarations {
		if d.prefix == prefix {
			return d.space, true
		}
	}
	return "", false
}
