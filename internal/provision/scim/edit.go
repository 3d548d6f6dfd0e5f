/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tegata.dev/tegata/internal/provision"
)

// operation is one of a PATCH (RFC 7644 section 3.5.2). Its word is in lower
// case, as the standard has it.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

const (
	opAdd     = "add"
	opReplace = "replace"
	opRemove  = "remove"
)

// edit changes a resource, and remembers the operations that change it likewise
// at the service, one a path.
type edit struct {
	resource   resource
	features   features
	operations []operation
	// changed are the paths for which there are operations.
	changed []path
	// mark is the member's whose account the resource is to be; empty where the edit
	// is another change.
	mark string
	// markless: the service keeps no mark of this account, or one of its own.
	markless bool
}

// account makes the resource what a member should have.
func (e *edit) account(desired provision.Desired) error {
	e.mark = desired.CorrelationID
	// Some services take no other change of an inactive account.
	if desired.Active {
		e.active(true)
	}
	e.text("userName", desired.UserName)
	// A service makes the account without what only it may set.
	if !e.markless && (e.resource.id() == "" || !e.features.readOnly(markPath)) {
		e.text(externalIDAttribute, desired.CorrelationID)
	}
	for _, name := range slices.Sorted(maps.Keys(desired.Properties)) {
		p, err := parsePath(name)
		if err != nil {
			return invalidPath(name, err)
		}
		if err := e.set(p, desired.Properties[name]); err != nil {
			return err
		}
	}
	if err := e.formatted(desired.Properties); err != nil {
		return err
	}
	if !desired.Active {
		e.active(false)
	}
	e.declareSchemas()
	return nil
}

// unmarked is the edit without the change of the member's mark.
func (e *edit) unmarked(before resource) edit {
	rest := *e
	rest.operations = slices.DeleteFunc(slices.Clone(e.operations), func(o operation) bool { return o.Path == externalIDAttribute })
	rest.changed = slices.DeleteFunc(slices.Clone(e.changed), func(p path) bool { return p == markPath })
	rest.resource = e.resource.clone()
	delete(rest.resource, rest.resource.key(externalIDAttribute))
	if kept := before.get(externalIDAttribute); kept != nil {
		rest.resource[before.key(externalIDAttribute)] = kept
	}
	return rest
}

var formattedName = mustPath("name.formatted")

// formatted sends the whole name along where a part of it changes. Many services
// make it themselves, in an order of their own, so that it is no property by
// itself: it would differ for ever.
func (e *edit) formatted(properties provision.Properties) error {
	name, mapped := properties["displayName"], false
	for property := range properties {
		mapped = mapped || strings.EqualFold(property, formattedName.String())
	}
	renamed := slices.ContainsFunc(e.operations, func(o operation) bool { return o.Path == "displayName" || strings.HasPrefix(o.Path, "name.") })
	if name == "" || mapped || !renamed || !e.features.keeps(formattedName) {
		return nil
	}
	return e.set(formattedName, name)
}

// touches tells that there is an operation for one of the paths.
func (e *edit) touches(p path) bool {
	return slices.ContainsFunc(e.changed, func(changed path) bool { return strings.EqualFold(changed.String(), p.String()) })
}

func (e *edit) active(active bool) {
	current, exists := e.resource.get("active"), e.resource.get("active") != nil
	if exists && e.resource.active() == active || !exists && active && e.resource.id() != "" {
		return
	}
	e.assign("active", current, active)
}

// text sets one of the resource's own simple attributes.
func (e *edit) text(name, value string) {
	current := e.resource.get(name)
	if text(current) == value {
		return
	}
	e.changed = append(e.changed, path{attribute: name})
	if value == "" {
		delete(e.resource, e.resource.key(name))
		e.append(opRemove, name, nil)
		return
	}
	e.assign(name, current, value)
}

func (e *edit) assign(name string, current, value any) {
	e.resource[e.resource.key(name)] = value
	e.append(addOrReplace(current), name, value)
}

func (e *edit) append(op, path string, value any) {
	e.operations = append(e.operations, operation{op, path, value})
}

// addOrReplace: what is there is replaced, what is not is added.
func addOrReplace(current any) string {
	if current == nil {
		return opAdd
	}
	return opReplace
}

// set makes a property a value; an empty one removes it.
func (e *edit) set(p path, value string) error {
	if e.resource.value(p) == value {
		return nil
	}
	e.changed = append(e.changed, p)
	home := e.resource.home(p)
	if home == nil {
		// Only a value that is not empty differs from what an absent extension has.
		home = resource{}
		e.resource[p.urn] = map[string]any(home)
	}
	switch {
	case p.filter != nil:
		return e.setElement(home, p, value)
	case p.sub != "":
		inner, ok := object(home.get(p.attribute))
		if !ok && home.get(p.attribute) != nil {
			return wrongShape(p)
		}
		if !ok {
			inner = resource{}
			home[home.key(p.attribute)] = map[string]any(inner)
		}
		return e.setValue(inner, p.sub, p, p.String(), value)
	default:
		switch home.get(p.attribute).(type) {
		case map[string]any, resource, []any:
			return wrongShape(p)
		}
		return e.setValue(home, p.attribute, p, p.String(), value)
	}
}

// setValue sets or removes a simple value within an object.
func (e *edit) setValue(within resource, name string, p path, where, value string) error {
	current := within.get(name)
	if value == "" {
		delete(within, within.key(name))
		e.append(opRemove, where, nil)
		return nil
	}
	typed, err := e.typed(p, value, current)
	if err != nil {
		return err
	}
	within[within.key(name)] = typed
	e.append(addOrReplace(current), where, typed)
	return nil
}

func (e *edit) setElement(home resource, p path, value string) error {
	elements, ok := home.get(p.attribute).([]any)
	if !ok && home.get(p.attribute) != nil {
		return wrongShape(p)
	}
	at, chosen := p.locate(elements)
	if at < 0 {
		return e.addElement(home, p, elements, value)
	}
	element, _ := object(elements[at])
	selected := p
	selected.filter = &chosen
	if value == "" && (p.sub == "value" || lonely(element, p)) {
		home[home.key(p.attribute)] = slices.Delete(slices.Clone(elements), at, at+1)
		selected.sub = ""
		e.append(opRemove, selected.String(), nil)
		return nil
	}
	return e.setValue(element, p.sub, p, selected.String(), value)
}

// lonely tells that an element has nothing to say without what the path names.
func lonely(element resource, p path) bool {
	for name := range element {
		if !slices.ContainsFunc([]string{p.sub, p.filter.attribute, "type", "primary"}, func(known string) bool { return strings.EqualFold(known, name) }) {
			return false
		}
	}
	return true
}

func (e *edit) addElement(home resource, p path, elements []any, value string) error {
	typed, err := e.typed(p, value, nil)
	if err != nil {
		return err
	}
	element := map[string]any{p.sub: typed}
	// A value that has no type is known by itself. Some services refuse what their
	// schema does not list.
	if p.sub != "value" || !e.features.lacks(p, p.filter.attribute) {
		element[p.filter.attribute] = p.filter.value
	}
	// Mail goes to the primary address; another may be somebody's own choice.
	if p.urn == "" && strings.EqualFold(p.attribute, "emails") && !slices.ContainsFunc(elements, primary) && !e.features.lacks(p, "primary") {
		element["primary"] = true
	}
	home[home.key(p.attribute)] = append(slices.Clone(elements), element)
	e.append(opAdd, p.root(), []any{cloneValue(element)})
	return nil
}

func primary(element any) bool {
	e, ok := object(element)
	return ok && truth(e.get("primary"), false)
}

// typed is a value in the type that the service's schema says, or that stands
// there now; a text where neither tells.
func (e *edit) typed(p path, value string, current any) (any, error) {
	kind := e.features.kind(p)
	if kind == "" {
		switch current.(type) {
		case bool:
			kind = "boolean"
		case json.Number:
			kind = "decimal"
		}
	}
	switch kind {
	case "boolean":
		switch strings.ToLower(value) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, wrongValue(p, "true or false")
	case "integer", "decimal":
		if _, err := strconv.ParseFloat(value, 64); err != nil || !json.Valid([]byte(value)) {
			return nil, wrongValue(p, "a number")
		}
		return json.Number(value), nil
	default:
		return value, nil
	}
}

// declareSchemas lists the extensions that the resource holds (RFC 7643 section 3).
func (e *edit) declareSchemas() {
	declared, _ := e.resource.get("schemas").([]any)
	if len(declared) == 0 {
		declared = []any{coreUser}
	}
	for _, name := range slices.Sorted(maps.Keys(e.resource)) {
		if _, extension := object(e.resource[name]); !extension || !strings.Contains(name, ":") {
			continue
		}
		if !slices.ContainsFunc(declared, func(d any) bool { return strings.EqualFold(text(d), name) }) {
			declared = append(slices.Clone(declared), name)
		}
	}
	e.resource[e.resource.key("schemas")] = declared
}
