/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits bound a document. Elements cost the most time for each byte.
type Limits struct {
	// Bytes, Elements, Depth and Attributes (of one element) are the most allowed.
	Bytes, Elements, Depth, Attributes int
}

// Space is the white space of XML 1.0 section 2.3.
const Space = " \t\r\n"

const (
	namespaceXML   = "http://www.w3.org/XML/1998/namespace"
	namespaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

// Error tells what is wrong with a document or its signature, as the end of a
// sentence about it: "is not UTF-8". It repeats nothing of the document.
type Error struct{ Reason string }

// Error implements error.
func (e *Error) Error() string { return "the document " + e.Reason }

func refuse(format string, arguments ...any) error {
	return &Error{Reason: fmt.Sprintf(format, arguments...)}
}

// Parse reads one strict document: UTF-8, within the limits, no document type
// or other directive, no processing instruction but the XML declaration, no
// undeclared prefix, no duplicate attribute, exactly one root and nothing but
// space around it. Every failure is an *Error.
func Parse(document []byte, limits Limits) (*Element, error) {
	if len(document) > limits.Bytes {
		return nil, refuse("is larger than %d kB", limits.Bytes>>10)
	}
	document = bytes.TrimPrefix(document, []byte("\xEF\xBB\xBF")) // a byte order mark that says UTF-8 is harmless
	if !utf8.Valid(document) {
		return nil, refuse("is not UTF-8")
	}
	p := parser{limits: limits, decoder: xml.NewDecoder(bytes.NewReader(document))}
	if err := p.run(); err != nil {
		return nil, err
	}
	return p.root, nil
}

// parser builds the tree from raw tokens: the decoder's own translation of
// namespaces loses the prefixes that canonical form needs.
type parser struct {
	limits   Limits
	decoder  *xml.Decoder
	root     *Element
	open     *Element
	depth    int
	elements int
}

func (p *parser) run() error {
	for first := true; ; first = false {
		token, err := p.decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return refuse("is not well-formed XML")
		}
		if err := p.take(token, first); err != nil {
			return err
		}
	}
	switch {
	case p.open != nil:
		return refuse("is not well-formed XML")
	case p.root == nil:
		return refuse("is empty")
	}
	return nil
}

func (p *parser) take(token xml.Token, first bool) error {
	switch token := token.(type) {
	case xml.StartElement:
		return p.start(token)
	case xml.EndElement:
		if p.open == nil || p.open.prefix != token.Name.Space || p.open.name.Local != token.Name.Local {
			return refuse("is not well-formed XML")
		}
		p.open = p.open.parent
		p.depth--
	case xml.CharData:
		return p.text(token)
	case xml.Comment:
		if p.open != nil {
			p.open.commented = true
		} else if p.root != nil {
			return refuse("goes on after its XML element")
		}
	case xml.ProcInst:
		if !first || token.Target != "xml" {
			return refuse("contains a processing instruction")
		}
	case xml.Directive:
		return refuse("contains a document type declaration")
	}
	return nil
}

func (p *parser) text(token xml.CharData) error {
	if p.open == nil {
		if len(bytes.Trim(token, Space)) > 0 {
			return refuse("has text outside its XML element")
		}
		return nil
	}
	p.open.nodes = append(p.open.nodes, node{text: string(token)})
	return nil
}

func (p *parser) start(token xml.StartElement) error {
	p.elements++
	switch {
	case p.elements > p.limits.Elements:
		return refuse("has more than %d elements", p.limits.Elements)
	case p.open == nil && p.root != nil:
		return refuse("goes on after its XML element")
	case p.depth >= p.limits.Depth:
		return refuse("is nested deeper than %d levels", p.limits.Depth)
	case len(token.Attr) > p.limits.Attributes:
		return refuse("has an element with more than %d attributes", p.limits.Attributes)
	}
	e := &Element{prefix: token.Name.Space, parent: p.open}
	if err := e.declare(token.Attr); err != nil {
		return err
	}
	if err := e.resolve(token); err != nil {
		return err
	}
	if p.open == nil {
		p.root = e
	} else {
		p.open.nodes = append(p.open.nodes, node{element: e})
		p.open.children = append(p.open.children, e)
	}
	p.open = e
	p.depth++
	return nil
}

// declare takes the namespace declarations out of a start tag's attributes
// (Namespaces in XML 1.0 section 3).
func (e *Element) declare(raw []xml.Attr) error {
	for _, a := range raw {
		prefix, declares := "", a.Name.Space == "" && a.Name.Local == "xmlns"
		if a.Name.Space == "xmlns" {
			prefix, declares = a.Name.Local, true
		}
		if !declares {
			continue
		}
		_, twice := find(e.declarations, prefix)
		reserved := prefix == "xml" || prefix == "xmlns" || a.Value == namespaceXML || a.Value == namespaceXMLNS
		if twice || reserved || prefix != "" && a.Value == "" || strings.Contains(prefix, ":") {
			return refuse("declares an XML namespace that cannot be declared")
		}
		e.declarations = append(e.declarations, declaration{prefix, a.Value})
	}
	return nil
}

// resolve gives the element and its attributes their namespaces.
func (e *Element) resolve(token xml.StartElement) error {
	space, known := e.namespace(e.prefix)
	if !known || !isLocal(token.Name.Local) {
		return refuse("uses an XML name that is not declared")
	}
	e.name = xml.Name{Space: space, Local: token.Name.Local}
	for _, a := range token.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		resolved := attribute{prefix: a.Name.Space, local: a.Name.Local, value: a.Value}
		if resolved.prefix != "" { // without a prefix an attribute has no namespace
			resolved.space, known = e.namespace(resolved.prefix)
		}
		if !known || !isLocal(resolved.local) {
			return refuse("uses an XML name that is not declared")
		}
		for _, earlier := range e.attributes {
			if earlier.space == resolved.space && earlier.local == resolved.local {
				return refuse("has an attribute twice")
			}
		}
		e.attributes = append(e.attributes, resolved)
	}
	return nil
}

// isLocal: the decoder leaves odd colons in the local name.
func isLocal(name string) bool { return name != "" && !strings.Contains(name, ":") }
