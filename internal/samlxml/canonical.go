/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml

import (
	"cmp"
	"slices"
	"strings"
)

// form is a canonical form without comments: the exclusive one (xml-exc-c14n
// section 3), or the inclusive one of Canonical XML 1.0 and 1.1, which differ
// in attributes of the xml prefix above the apex alone.
type form struct {
	inclusive bool
	// prefixes are treated by the exclusive form as the inclusive one does.
	prefixes []string
}

// canonical is the canonical form of e and all below it but the element without.
func (e *Element) canonical(without *Element, f form) []byte {
	c := canonicalizer{form: f, apex: e, without: without}
	c.write(e, nil)
	return []byte(c.out.String())
}

type canonicalizer struct {
	form

	out           strings.Builder
	apex, without *Element
}

// write renders e; rendered are the declarations that are in force where it
// stands in the output, the innermost last.
func (c *canonicalizer) write(e *Element, rendered []declaration) {
	name := qualified(e.prefix, e.name.Local)
	c.out.WriteString("<" + name)
	for _, d := range c.due(e, rendered) {
		rendered = append(rendered[:len(rendered):len(rendered)], d)
		c.writeAttribute(strings.TrimSuffix("xmlns:"+d.prefix, ":"), d.space)
	}
	for _, a := range slices.SortedFunc(slices.Values(e.attributes), compareAttributes) {
		c.writeAttribute(qualified(a.prefix, a.local), a.value)
	}
	c.out.WriteByte('>')
	for _, n := range e.nodes {
		switch {
		case n.element == nil:
			_, _ = textEscapes.WriteString(&c.out, n.text) // a Builder never fails
		case n.element != c.without:
			c.write(n.element, rendered)
		}
	}
	c.out.WriteString("</" + name + ">")
}

// due are the declarations that e needs and its output ancestors lack, in order.
func (c *canonicalizer) due(e *Element, rendered []declaration) []declaration {
	needed := c.used(e)
	if c.inclusive {
		needed = c.declared(e)
	}
	slices.Sort(needed)
	var due []declaration
	for _, prefix := range slices.Compact(needed) {
		if prefix == "xml" {
			continue
		}
		space, _ := e.namespace(prefix)
		if inForce(rendered, prefix) != space {
			due = append(due, declaration{prefix, space})
		}
	}
	return due
}

// used are the prefixes that e visibly uses, and those of the form.
func (c *canonicalizer) used(e *Element) []string {
	used := []string{e.prefix}
	for _, a := range e.attributes {
		if a.prefix != "" {
			used = append(used, a.prefix)
		}
	}
	for _, prefix := range c.prefixes {
		if _, declared := e.namespace(prefix); declared {
			used = append(used, prefix)
		}
	}
	return used
}

// declared are the prefixes that e declares; the apex those above it too.
func (c *canonicalizer) declared(e *Element) []string {
	var declared []string
	for at := e; at != nil; at = at.parent {
		for _, d := range at.declarations {
			declared = append(declared, d.prefix)
		}
		if e != c.apex {
			break
		}
	}
	return declared
}

// inForce is what the output declares of a prefix; nothing is no namespace.
func inForce(rendered []declaration, prefix string) string {
	for _, d := range slices.Backward(rendered) {
		if d.prefix == prefix {
			return d.space
		}
	}
	return ""
}

func (c *canonicalizer) writeAttribute(name, value string) {
	c.out.WriteString(" " + name + `="`)
	_, _ = attributeEscapes.WriteString(&c.out, value) // a Builder never fails
	c.out.WriteByte('"')
}

func qualified(prefix, local string) string {
	if prefix == "" {
		return local
	}
	return prefix + ":" + local
}

// compareAttributes orders by namespace, then by local name (Canonical XML 1.0 section 2.2).
func compareAttributes(a, b attribute) int {
	return cmp.Or(strings.Compare(a.space, b.space), strings.Compare(a.local, b.local))
}

// The replacements of Canonical XML 1.0 section 2.3.
var (
	textEscapes      = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	attributeEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)
