/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package formclient

import (
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Form is a form of a page with the values it would be sent with as it is.
type Form struct {
	// Method is GET or POST.
	Method string
	// Action is absolute.
	Action *url.URL
	// Fields are the inputs' values by name, hidden ones too.
	Fields url.Values

	page *Page
}

// Forms are the forms of the page, in order. A form whose action is no URL is left out.
func (p *Page) Forms() []*Form {
	var forms []*Form
	walk(p.root, func(node *html.Node) {
		if node.Data != "form" {
			return
		}
		action, err := p.URL.Parse(attribute(node, "action"))
		if err != nil {
			return
		}
		form := &Form{Method: http.MethodGet, Action: action, Fields: url.Values{}, page: p}
		if strings.EqualFold(attribute(node, "method"), http.MethodPost) {
			form.Method = http.MethodPost
		}
		walk(node, form.add)
		forms = append(forms, form)
	})
	return forms
}

func (f *Form) has(names []string) bool {
	for _, name := range names {
		if _, ok := f.Fields[name]; !ok {
			return false
		}
	}
	return true
}

// add takes the value of an input, unless it is one that a browser would not send.
func (f *Form) add(node *html.Node) {
	name := attribute(node, "name")
	if _, disabled := optionalAttribute(node, "disabled"); name == "" || disabled {
		return
	}
	switch node.Data {
	case "input":
		f.addInput(node, name)
	case "textarea":
		f.Fields.Add(name, text(node))
	case "select":
		f.Fields.Add(name, selected(node))
	}
}

func (f *Form) addInput(node *html.Node, name string) {
	value, valued := optionalAttribute(node, "value")
	switch strings.ToLower(attribute(node, "type")) {
	case "submit", "button", "reset", "image", "file":
		return
	case "checkbox", "radio":
		if _, checked := optionalAttribute(node, "checked"); !checked {
			return
		}
		if !valued {
			value = "on"
		}
	}
	f.Fields.Add(name, value)
}

// selected is the value of a list's selected option, else of its first.
func selected(list *html.Node) string {
	first, chosen := "", ""
	seen := false
	walk(list, func(node *html.Node) {
		if node.Data != "option" {
			return
		}
		value, valued := optionalAttribute(node, "value")
		if !valued {
			value = text(node)
		}
		if !seen {
			first, seen = value, true
		}
		if _, ok := optionalAttribute(node, "selected"); ok {
			chosen = value
		}
	})
	if chosen != "" {
		return chosen
	}
	return first
}
