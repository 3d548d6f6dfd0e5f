/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tegata.dev/tegata/internal/provision"
)

// features are what a service says of itself (RFC 7644 section 4).
type features struct {
	// patch, filter and etag are of the ServiceProviderConfig.
	patch, filter, etag bool
	// page is how many resources a list may have at once; 0 where that is not said.
	page int
	// configured tells that there is a ServiceProviderConfig.
	configured bool
	// attributes are those of users, by attributeKey; nil where no schema of users
	// is published.
	attributes map[string]attribute
	// groups is false where ResourceTypes names users, but no groups.
	groups bool
	// membersAt begins the addresses by which members of groups are named beside
	// their IDs; empty where the schema of groups does not require that.
	membersAt string
}

// attribute is one of a schema (RFC 7643 section 7).
type attribute struct {
	// path names it, without a filter.
	path          path
	Name          string      `json:"name"`
	Type          string      `json:"type"`
	MultiValued   bool        `json:"multiValued"`
	Required      bool        `json:"required"`
	Mutability    string      `json:"mutability"`
	Returned      string      `json:"returned"`
	SubAttributes []attribute `json:"subAttributes"`
}

type schema struct {
	ID         string      `json:"id"`
	Attributes []attribute `json:"attributes"`
}

// assumed are the features of a service that says nothing: nearly everybody
// filters with eq, and PATCH is what most take.
func assumed() features { return features{patch: true, filter: true, groups: true} }

// maxDiscovered bounds what is read of a service's attributes.
const maxDiscovered = 5000

// discover reads what the service says of itself. A service need not say
// anything: only failures that have nothing to do with that are errors.
func (t *Target) discover(ctx context.Context) (features, error) {
	found := assumed()
	var configuration struct {
		Patch, ETag, Filter struct {
			Supported  any         `json:"supported"`
			MaxResults json.Number `json:"maxResults"`
		}
	}
	there, err := t.describe(ctx, "/ServiceProviderConfig", &configuration)
	if err != nil {
		return features{}, err
	}
	if there {
		found.configured = true
		found.patch = truth(configuration.Patch.Supported, true)
		found.filter = truth(configuration.Filter.Supported, true)
		found.etag = truth(configuration.ETag.Supported, false)
		if most, err := configuration.Filter.MaxResults.Int64(); err == nil && most > 0 {
			found.page = int(min(most, pageSize))
		}
	}
	types, err := t.resourceTypes(ctx)
	if err != nil {
		return features{}, err
	}
	found.groups = len(types) == 0 || !slices.ContainsFunc(types, isUser) || slices.ContainsFunc(types, func(r resourceType) bool { return r.serves("Group") })
	var schemas list[schema]
	if _, err := t.describe(ctx, "/Schemas", &schemas); err != nil {
		return features{}, err
	}
	found.attributes = attributesOf(schemas.Resources, types)
	if requiresAddresses(schemas.Resources) {
		found.membersAt = t.base + users + "/"
	}
	return found, nil
}

// requiresAddresses tells that members of groups must have a $ref (RFC 7643
// section 4.2), which few services want.
func requiresAddresses(schemas []schema) bool {
	for _, s := range schemas {
		for _, outer := range s.Attributes {
			if strings.EqualFold(s.ID, coreGroup) && strings.EqualFold(outer.Name, "members") {
				return slices.ContainsFunc(outer.SubAttributes, func(a attribute) bool { return a.Name == "$ref" && a.Required })
			}
		}
	}
	return false
}

type resourceType struct {
	ID, Name, Endpoint, Schema string
	SchemaExtensions           []struct{ Schema string }
}

func (r resourceType) serves(name string) bool {
	return strings.EqualFold(r.ID, name) || strings.EqualFold(r.Name, name) || strings.EqualFold(strings.Trim(r.Endpoint, "/"), name+"s")
}

func isUser(r resourceType) bool { return r.serves("User") }

func (t *Target) resourceTypes(ctx context.Context) ([]resourceType, error) {
	var types list[resourceType]
	_, err := t.describe(ctx, "/ResourceTypes", &types)
	return types.Resources, err
}

// list is a ListResponse, or the bare list that some services answer with.
type list[T any] struct{ Resources []T }

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	if strings.HasPrefix(string(data), "[") {
		return json.Unmarshal(data, &l.Resources)
	}
	var response struct{ Resources []T }
	err := json.Unmarshal(data, &response)
	l.Resources = response.Resources
	return err
}

// describe reads one of the documents by which a service describes itself; false
// where it has none, or not one that can be read.
func (t *Target) describe(ctx context.Context, path string, into any) (bool, error) {
	answer, err := t.call(ctx, request{method: http.MethodGet, path: path})
	if err == nil {
		return json.Unmarshal(answer.body, into) == nil, nil
	}
	// What is not SCIM, such as a web page, has its status in the code.
	status := strconv.Itoa(answer.status)
	if e, ok := errors.AsType[*provision.Error](err); ok && answer.status == 0 {
		status = e.Code
	}
	// 200: a web page in the place of what is not there. Where it stands for the
	// whole service, the users are no JSON either.
	if slices.Contains([]string{"200", "400", "403", "404", "405", "501"}, status) {
		return false, nil
	}
	return false, err
}

// attributesOf are the attributes of users; nil where no schema of users is published.
func attributesOf(schemas []schema, types []resourceType) map[string]attribute {
	core, extensions := coreUser, []string(nil)
	typed := slices.IndexFunc(types, isUser)
	if typed >= 0 {
		if types[typed].Schema != "" {
			core = types[typed].Schema
		}
		for _, extension := range types[typed].SchemaExtensions {
			extensions = append(extensions, extension.Schema)
		}
	}
	all, listed := map[string]attribute{}, false
	for _, s := range schemas {
		urn := s.ID
		switch {
		case strings.EqualFold(s.ID, core):
			urn, listed = "", len(s.Attributes) > 0
		case typed >= 0 && !slices.ContainsFunc(extensions, func(e string) bool { return strings.EqualFold(e, s.ID) }):
			continue
		case typed < 0 && !strings.HasSuffix(strings.ToLower(s.ID), ":user"):
			continue
		}
		gather(all, urn, s.Attributes)
	}
	if !listed {
		return nil
	}
	return all
}

func gather(into map[string]attribute, urn string, attributes []attribute) {
	for _, outer := range attributes {
		if len(into) >= maxDiscovered {
			return
		}
		outer.path = path{urn: urn, attribute: outer.Name}
		into[attributeKey(outer.path)] = outer
		for _, inner := range outer.SubAttributes {
			inner.path = path{urn: urn, attribute: outer.Name, sub: inner.Name}
			// What holds for the outer one holds for all within.
			if outer.Mutability == "readOnly" {
				inner.Mutability = outer.Mutability
			}
			inner.MultiValued = outer.MultiValued
			into[attributeKey(inner.path)] = inner
		}
	}
}

// attributeKey names what a path leads to, whatever its filter.
func attributeKey(p path) string {
	p.filter = nil
	return strings.ToLower(p.String())
}

// kind is the type of a property; empty where it is not known.
func (f features) kind(p path) string {
	if found, ok := f.attributes[attributeKey(p)]; ok {
		return found.Type
	}
	if strings.EqualFold(p.sub, "primary") {
		return "boolean"
	}
	return ""
}

// keeps tells that the service's schema has a property that can be written and
// is told afterwards; false where it publishes none.
func (f features) keeps(p path) bool {
	found, ok := f.attributes[attributeKey(p)]
	return ok && found.writable() && (p.filter != nil) == found.MultiValued
}

func (a attribute) writable() bool {
	return a.Mutability != "readOnly" && a.Mutability != "writeOnly" && a.Returned != "never"
}

// readOnly tells that only the service sets a property.
func (f features) readOnly(p path) bool {
	return f.attributes[attributeKey(p)].Mutability == "readOnly"
}

// lacks tells that the elements of a path's attribute have no sub-attribute of a
// name; false where no schema tells what they have.
func (f features) lacks(p path, sub string) bool {
	outer, listed := f.attributes[attributeKey(path{urn: p.urn, attribute: p.attribute})]
	return listed && len(outer.SubAttributes) > 0 &&
		!slices.ContainsFunc(outer.SubAttributes, func(a attribute) bool { return strings.EqualFold(a.Name, sub) })
}

// demands tells that a property may not be empty beside others: one within an
// attribute that need not be there has to be only where that is (RFC 7643 section 7).
func (f features) demands(p path, properties provision.Properties) bool {
	if found, listed := f.attributes[attributeKey(p)]; !listed || !found.Required {
		return false
	}
	if p.sub == "" || f.attributes[attributeKey(path{urn: p.urn, attribute: p.attribute})].Required {
		return true
	}
	for name, value := range properties {
		if other, err := parsePath(name); err == nil && value != "" && other.within(p) {
			return true
		}
	}
	return false
}

// phonetic are the paths of the reading of names, in whatever extension has them.
func (f features) phonetic() map[string]path {
	paths := map[string]path{}
	for _, key := range slices.Sorted(maps.Keys(f.attributes)) {
		a := f.attributes[key]
		if a.path.urn == "" || a.path.sub != "" || a.MultiValued || !a.writable() {
			continue
		}
		for _, field := range []string{"phoneticFamilyName", "phoneticGivenName"} {
			if _, taken := paths[field]; !taken && strings.EqualFold(a.Name, field) {
				paths[field] = a.path
			}
		}
	}
	return paths
}

// features are what the service said when it was asked last, or is asked now.
func (t *Target) features(ctx context.Context) (features, error) {
	if known := t.known.Load(); known != nil {
		return *known, nil
	}
	return t.refresh(ctx)
}

// refresh asks the service anew. Many who want to know at once share the answers.
func (t *Target) refresh(ctx context.Context) (features, error) {
	done := t.discovery.DoChan("", func() (any, error) {
		// The one who asks first may give up while others still wait.
		found, err := t.discover(context.WithoutCancel(ctx))
		if err == nil {
			t.known.Store(&found)
			t.unfiltered.Clear()
			t.patchless.Store(false)
			t.unmarked.Store(false)
		}
		return found, err
	})
	select {
	case <-ctx.Done():
		return features{}, ctx.Err()
	case result := <-done:
		return result.Val.(features), result.Err
	}
}

// supposed are the features without asking.
func (t *Target) supposed() features {
	if known := t.known.Load(); known != nil {
		return *known
	}
	return assumed()
}

// remarks tell an administrator what the service lacks.
func (t *Target) remarks(f features) []string {
	var remarks []string
	if !f.filter {
		remarks = append(remarks, "The service cannot look accounts up by a filter: look-ups read the whole list, and share it for a minute. Allow for that in writesPerSecond and the schedule.")
	}
	if f.configured && !f.patch && t.options.Updates == Patch {
		remarks = append(remarks, "The service says that it does not take PATCH; set "+t.options.field("updates")+" to PUT if updates fail.")
	}
	if len(t.options.Roles) > 0 && !t.mapsRole() && !f.keeps(primaryRole) {
		remarks = append(remarks, "The service's schema has no roles, so that it learns nobody's role; if it has another attribute for that, map the field role to it in spec.attributes.")
	}
	if altered := t.altered.properties(); len(altered) > 0 {
		remarks = append(remarks, "The service keeps otherwise than sent, or not at all, in some accounts: "+strings.Join(altered, ", ")+". They are sent again when they change.")
	}
	if f.attributes == nil {
		return remarks
	}
	return append(remarks, t.remarksOnSchema(f)...)
}

// remarksOnSchema tell where a service's schema and what is sent do not fit.
func (t *Target) remarksOnSchema(f features) []string {
	var remarks []string
	if f.attributes[strings.ToLower(userNameAttribute)].Mutability == "immutable" && t.options.UserName != UserNameName {
		remarks = append(remarks, "The service lets nobody change a userName, so that an account whose mail address changes fails; set "+t.options.field("userName")+" to name.")
	}
	for _, p := range t.mapped {
		if _, listed := f.attributes[attributeKey(p)]; !listed {
			remarks = append(remarks, "The service's schema has no attribute "+p.String()+"; it may refuse or forget it. Check its name in spec.attributes.")
		}
	}
	sent := t.desiredPaths(f)
	for _, key := range slices.Sorted(maps.Keys(f.attributes)) {
		a := f.attributes[key]
		if a.Required && a.path.sub == "" && a.path.urn == "" && a.writable() && !ours(a.Name) && !slices.ContainsFunc(sent, func(p path) bool { return p.urn == "" && strings.EqualFold(p.attribute, a.Name) }) {
			remarks = append(remarks, "The service requires the attribute "+a.Name+", which nothing fills; add it to spec.attributes.")
		}
	}
	return remarks
}

// ours are the attributes that every account gets beside its properties.
func ours(name string) bool {
	return slices.ContainsFunc([]string{"userName", "externalId", "active"}, func(known string) bool { return strings.EqualFold(known, name) })
}

var _ provision.Target = (*Target)(nil)
