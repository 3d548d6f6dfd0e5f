/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// path names one value of a resource (RFC 7644 section 3.5.2), in one of the
// forms that this client takes:
//
//	displayName
//	name.familyName
//	emails[type eq "work"].value
//	urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department
type path struct {
	// urn of the extension that the attribute belongs to; empty for the core.
	urn string
	// attribute is the outer one.
	attribute string
	// filter chooses an element of a multi-valued attribute; nil where it is none.
	filter *filter
	// sub is the attribute within; empty for a simple one.
	sub string
}

// filter chooses the elements whose attribute equals a value: a string or a bool.
type filter struct {
	attribute string
	value     any
}

const (
	coreUser  = "urn:ietf:params:scim:schemas:core:2.0:User"
	coreGroup = "urn:ietf:params:scim:schemas:core:2.0:Group"
	maxPath   = 255
)

var (
	nameSyntax   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)
	urnSyntax    = regexp.MustCompile(`^(?i:urn):[A-Za-z0-9][A-Za-z0-9-]{0,31}(:[A-Za-z0-9._~-]+)+$`)
	filterSyntax = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_-]*) (?i:eq) (.+)$`)
)

// parsePath takes a path in one of the forms of path, and nothing else.
func parsePath(text string) (path, error) {
	if len(text) > maxPath {
		return path{}, fmt.Errorf("longer than %d characters", maxPath)
	}
	head, rest, filtered := strings.Cut(text, "[")
	var p path
	if colon := strings.LastIndexByte(head, ':'); colon >= 0 {
		p.urn, head = head[:colon], head[colon+1:]
		if !urnSyntax.MatchString(p.urn) {
			return path{}, errors.New("what is before the last colon must be the URN of a schema")
		}
		if strings.EqualFold(p.urn, coreUser) {
			p.urn = ""
		}
	}
	if filtered {
		end := strings.LastIndex(rest, "].")
		if end < 0 {
			return path{}, errors.New(`a filter must be followed by an attribute, as in emails[type eq "work"].value`)
		}
		f, err := parseFilter(rest[:end])
		if err != nil {
			return path{}, err
		}
		p.attribute, p.filter, p.sub = head, f, rest[end+2:]
		return p, p.checkNames(true)
	}
	var within bool
	p.attribute, p.sub, within = strings.Cut(head, ".")
	return p, p.checkNames(within)
}

func parseFilter(text string) (*filter, error) {
	parts := filterSyntax.FindStringSubmatch(text)
	if parts == nil {
		return nil, errors.New(`a filter must compare an attribute with eq, as in [type eq "work"]`)
	}
	var value any
	if err := json.Unmarshal([]byte(parts[2]), &value); err != nil {
		return nil, errors.New("a filter must compare with a text in double quotes, true or false")
	}
	switch value.(type) {
	case string, bool:
		return &filter{attribute: parts[1], value: value}, nil
	default:
		return nil, errors.New("a filter must compare with a text in double quotes, true or false")
	}
}

func (p path) checkNames(withSub bool) error {
	if !nameSyntax.MatchString(p.attribute) || withSub && !nameSyntax.MatchString(p.sub) {
		return errors.New("an attribute's name begins with a letter, and has letters, digits, - and _ only")
	}
	return nil
}

// String is the path as a service reads it.
func (p path) String() string {
	text := p.root()
	if p.filter != nil {
		text += "[" + p.filter.String() + "]"
	}
	if p.sub != "" {
		text += "." + p.sub
	}
	return text
}

// within tells that two paths lead into the same complex value.
func (p path) within(other path) bool {
	p.sub, other.sub = "", ""
	return strings.EqualFold(p.String(), other.String())
}

// root is the path of the outer attribute.
func (p path) root() string {
	if p.urn == "" {
		return p.attribute
	}
	return p.urn + ":" + p.attribute
}

func (f filter) String() string { return f.attribute + " eq " + literal(f.value) }

// literal is a value as filters compare with it (RFC 7644 section 3.4.2.2).
func literal(value any) string {
	text := &strings.Builder{}
	encoder := json.NewEncoder(text)
	// A service need not know JSON's escapes of < and >.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return `""`
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// equals is an attribute's filter over all resources.
func equals(attribute, value string) string { return filter{attribute, value}.String() }
