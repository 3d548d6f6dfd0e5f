/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"bytes"
	"encoding/base64"
	"strings"
	"sync"
	"unicode/utf8"
)

// attribute is one attribute or namespace declaration as it is written.
type attribute struct{ name, value string }

// canonicalWriter renders XML that is its own exclusive canonical form
// (xml-exc-c14n, without comments), given that its caller
//   - passes namespace declarations first, then attributes, each sorted by name
//     (no attribute here has a namespace), and
//   - declares a prefix on every outermost element that uses it, nowhere else.
//
// Both hold by construction and are property-tested against goxmldsig and xmlsec1.
type canonicalWriter struct{ bytes.Buffer }

// maximumKept is the largest buffer that is used again; most responses take 6 kB.
const maximumKept = 64 << 10

var canonicalWriters = sync.Pool{New: func() any { return new(canonicalWriter) }}

// borrowWriter is an empty writer, to be given back once its bytes were copied.
func borrowWriter() *canonicalWriter { return canonicalWriters.Get().(*canonicalWriter) }

func (w *canonicalWriter) giveBack() {
	if w.Cap() > maximumKept {
		return
	}
	w.Reset()
	canonicalWriters.Put(w)
}

// open writes a start tag. Attributes without a value are left out: SAML has
// no empty ones, and validating parsers refuse them.
func (w *canonicalWriter) open(name string, attributes ...attribute) {
	w.WriteByte('<')
	w.WriteString(name)
	for _, a := range attributes {
		if a.value == "" {
			continue
		}
		w.WriteByte(' ')
		w.WriteString(a.name)
		w.WriteString(`="`)
		w.escape(a.value, attributeEscape)
		w.WriteByte('"')
	}
	w.WriteByte('>')
}

func (w *canonicalWriter) close(name string) {
	w.WriteString("</")
	w.WriteString(name)
	w.WriteByte('>')
}

// element writes an element that holds text only; canonical form has no
// self-closing tags.
func (w *canonicalWriter) element(name, text string, attributes ...attribute) {
	w.open(name, attributes...)
	w.escape(text, textEscape)
	w.close(name)
}

// base64 writes bytes in standard base64, which needs no escaping.
func (w *canonicalWriter) base64(raw []byte) {
	w.Grow(base64.StdEncoding.EncodedLen(len(raw)))
	w.Write(base64.StdEncoding.AppendEncode(w.AvailableBuffer(), raw))
}

// textEscape and attributeEscape are the replacements of Canonical XML 1.0
// section 2.3; all other characters stay as they are.
func textEscape(r rune) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '\r':
		return "&#xD;"
	default:
		return ""
	}
}

func attributeEscape(r rune) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '"':
		return "&quot;"
	case '\t':
		return "&#x9;"
	case '\n':
		return "&#xA;"
	case '\r':
		return "&#xD;"
	default:
		return ""
	}
}

// escape writes text. What XML 1.0 cannot carry becomes U+FFFD, never nothing,
// so that no value can be shortened into another one.
func (w *canonicalWriter) escape(text string, replacement func(rune) string) {
	done := 0
	for i, width := 0, 0; i < len(text); i += width {
		if c := text[i]; c > '>' && c < utf8.RuneSelf {
			width = 1 // letters, mostly; no replacement is beyond '>'
			continue
		}
		var r rune
		r, width = utf8.DecodeRuneInString(text[i:])
		escaped := replacement(r)
		if !isXMLCharacter(r) || r == utf8.RuneError && width == 1 {
			escaped = "\uFFFD"
		}
		if escaped != "" {
			w.WriteString(text[done:i])
			w.WriteString(escaped)
			done = i + width
		}
	}
	w.WriteString(text[done:])
}

// isXMLCharacter is the production Char of XML 1.0 section 2.2.
func isXMLCharacter(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// isXMLText reports whether XML 1.0 can carry the text unchanged.
func isXMLText(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !isXMLCharacter(r) }) < 0
}
