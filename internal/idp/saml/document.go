/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	validator "github.com/mattermost/xml-roundtrip-validator"
)

// Limits of a document; a real request has 2 kB, ten elements, four levels and
// ten attributes. Elements cost the most time for each byte.
const (
	maximumDocument   = 256 << 10
	maximumElements   = 1000
	maximumDepth      = 32
	maximumAttributes = 64
)

const xmlSpace = " \t\r\n"

// element is a parsed XML element. Namespace declarations and attributes in a
// namespace are dropped: SAML's own have none.
type element struct {
	name       xml.Name
	attributes map[string]string
	children   []*element
	text       strings.Builder
	// commented: text that a comment splits reads differently in different
	// parsers, so leaf refuses it.
	commented bool
}

// parseDocument reads one strict document: UTF-8, within the limits, no
// document type or other directive, no processing instruction but the XML
// declaration, no undeclared prefix, no duplicate attribute, exactly one root
// and nothing but space around it, and stable under Go's own re-encoding
// (CVE-2020-29509, -29510, -29511).
func parseDocument(document []byte) (*element, error) {
	if len(document) > maximumDocument {
		return nil, refuse("The request is larger than 256 kB.")
	}
	document = bytes.TrimPrefix(document, []byte("\xEF\xBB\xBF")) // a byte order mark that says UTF-8 is harmless
	if !utf8.Valid(document) {
		return nil, refuse("The request is not UTF-8.")
	}
	decoder := xml.NewDecoder(bytes.NewReader(document)) //nolint:gosec // only tokens are read, nothing is deserialised
	p := parser{decoder: decoder, namespaces: map[string]int{}}
	for first := true; ; first = false {
		token, err := p.decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, refuse("The request is not well-formed XML.")
		}
		if err := p.take(token, first); err != nil {
			return nil, err
		}
	}
	if p.root == nil {
		return nil, refuse("The request is empty.")
	}
	if err := validator.Validate(bytes.NewReader(document)); err != nil {
		return nil, refuse("The request is XML that parsers read differently.")
	}
	return p.root, nil
}

// parser builds the tree. Its decoder checks that tags match.
type parser struct {
	decoder  *xml.Decoder
	root     *element
	open     []*element
	elements int
	// namespaces counts the declarations in scope; scopes are those of each open element.
	namespaces map[string]int
	scopes     [][]string
}

func (p *parser) take(token xml.Token, first bool) error {
	switch token := token.(type) {
	case xml.StartElement:
		return p.start(token)
	case xml.EndElement:
		last := len(p.open) - 1
		for _, namespace := range p.scopes[last] {
			p.namespaces[namespace]--
		}
		p.open, p.scopes = p.open[:last], p.scopes[:last]
	case xml.CharData:
		if len(p.open) == 0 {
			if len(bytes.Trim(token, xmlSpace)) > 0 {
				return refuse("The request has text outside its XML element.")
			}
			return nil
		}
		p.open[len(p.open)-1].text.Write(token)
	case xml.Comment:
		if len(p.open) > 0 {
			p.open[len(p.open)-1].commented = true
		} else if p.root != nil {
			return refuse("The request goes on after its XML element.")
		}
	case xml.ProcInst:
		if !first || token.Target != "xml" {
			return refuse("The request contains a processing instruction.")
		}
	case xml.Directive:
		return refuse("The request contains a document type declaration.")
	}
	return nil
}

func (p *parser) start(token xml.StartElement) error {
	p.elements++
	switch {
	case p.elements > maximumElements:
		return refuse("The request has more than 1000 elements.")
	case len(p.open) == 0 && p.root != nil:
		return refuse("The request goes on after its XML element.")
	case len(p.open) >= maximumDepth:
		return refuse("The request is nested deeper than 32 levels.")
	case len(token.Attr) > maximumAttributes:
		return refuse("The request has an element with more than 64 attributes.")
	}
	p.declare(token.Attr)
	e, err := p.newElement(token)
	if err != nil {
		return err
	}
	if len(p.open) == 0 {
		p.root = e
	} else {
		parent := p.open[len(p.open)-1]
		parent.children = append(parent.children, e)
	}
	p.open = append(p.open, e)
	return nil
}

// declare brings an element's namespace declarations into scope.
func (p *parser) declare(attributes []xml.Attr) {
	var declared []string
	for _, a := range attributes {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			declared = append(declared, a.Value)
			p.namespaces[a.Value]++
		}
	}
	p.scopes = append(p.scopes, declared)
}

func (p *parser) newElement(token xml.StartElement) (*element, error) {
	e := &element{name: token.Name, attributes: make(map[string]string, len(token.Attr))}
	if !p.knows(token.Name) {
		return nil, refuse("The request uses an XML name that is not declared.")
	}
	seen := make(map[xml.Name]bool, len(token.Attr))
	for _, a := range token.Attr {
		if seen[a.Name] {
			return nil, refuse("The request has an attribute twice.")
		}
		seen[a.Name] = true
		if a.Name.Space != "xmlns" && !p.knows(a.Name) {
			return nil, refuse("The request uses an XML name that is not declared.")
		}
		if a.Name.Space == "" {
			e.attributes[a.Name.Local] = a.Value
		}
	}
	return e, nil
}

// knows reports whether the name is a local name in a declared namespace. The
// decoder leaves an undeclared prefix in Space, and odd colons in Local.
func (p *parser) knows(name xml.Name) bool {
	if name.Local == "" || strings.Contains(name.Local, ":") {
		return false
	}
	return name.Space == "" || name.Space == "http://www.w3.org/XML/1998/namespace" || p.namespaces[name.Space] > 0
}

// all returns the direct children of that name.
func (e *element) all(namespace, local string) []*element {
	var found []*element
	for _, child := range e.children {
		if child.name.Space == namespace && child.name.Local == local {
			found = append(found, child)
		}
	}
	return found
}

// optional returns the only direct child of that name, or nil.
func (e *element) optional(namespace, local string) (*element, error) {
	found := e.all(namespace, local)
	if len(found) > 1 {
		return nil, refuse("The request has an element twice that may occur once.")
	}
	if len(found) == 0 {
		return nil, nil
	}
	return found[0], nil
}

// leaf is the whole text of an element that holds text alone, without
// surrounding space.
func (e *element) leaf() (string, error) {
	if len(e.children) > 0 || e.commented {
		return "", refuse("The request has a value that is not plain text.")
	}
	return strings.Trim(e.text.String(), xmlSpace), nil
}
