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

// canonical is the exclusive canonical form, without comments (xml-exc-c14n
// section 3), of e and all below it but the element without. Namespaces of the
// prefixes in inclusive are treated as inclusive canonicalisation does.
func (e *Element) canonical(without *Element, inclusive []string) []byte {
	c := canonicalizer{without: without, inclusive: inclusive}
	c.write(e, nil)
	return []byte(c.out.String())
}

type canonicalizer struct {
	out       strings.Builder
	without   *Element
	inclusive []string
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

// due are the declarations that e needs and its output ancestors lack, in
// order: those of the prefixes it visibly uses, and the inclusive ones.
func (c *canonicalizer) due(e *Element, rendered []declaration) []declaration {
	used := []string{e.prefix}
	for _, a := range e.attributes {
		if a.prefix != "" {
			used = append(used, a.prefix)
		}
	}
	for _, prefix := range c.inclusive {
		if _, declared := e.namespace(prefix); declared {
			used = append(used, prefix)
		}
	}
	slices.Sort(used)
	var due []declaration
	for _, prefix := range slices.Compact(used) {
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
