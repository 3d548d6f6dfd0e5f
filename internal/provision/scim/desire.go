/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"slices"
	"strings"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// standard are the properties that are filled by default.
var standard = []struct {
	path  path
	field string
	// everywhere: also at services that publish no schema. Some refuse users with
	// attributes that they do not know.
	everywhere bool
}{
	{mustPath("name.familyName"), "familyName", true},
	{mustPath("name.givenName"), "givenName", true},
	{mustPath("displayName"), "displayName", true},
	{mustPath(`emails[type eq "work"].value`), "mail", true},
	{mustPath(`phoneNumbers[type eq "work"].value`), "phone", false},
	{mustPath("preferredLanguage"), "language", false},
	{mustPath("locale"), "language", false},
	{mustPath("timezone"), "timeZone", false},
}

// role is the field of members' roles.
const role = "role"

var primaryRole = mustPath(`roles[primary eq true].value`)

// filling is a property, and the attribute that fills it.
type filling struct {
	path path
	from provision.Attribute
}

// fillings are all properties that accounts get at a service with these features.
func (t *Target) fillings(f features) []filling {
	var all []filling
	taken := map[string]bool{}
	add := func(p path, from provision.Attribute) {
		if key := strings.ToLower(p.String()); !taken[key] {
			taken[key] = true
			from.Name = p.String()
			all = append(all, filling{p, from})
		}
	}
	for i, attribute := range t.options.Attributes {
		add(t.mapped[i], attribute)
	}
	if len(t.options.Roles) > 0 && !t.mapsRole() && f.keeps(primaryRole) {
		add(primaryRole, provision.Attribute{Field: role})
	}
	for _, s := range standard {
		if f.sends(s.path, s.everywhere) {
			add(s.path, provision.Attribute{Field: s.field})
		}
	}
	for field, p := range f.phonetic() {
		add(p, provision.Attribute{Field: field})
	}
	return all
}

// mapsRole tells that an attribute says where the role goes.
func (t *Target) mapsRole() bool {
	return slices.ContainsFunc(t.options.Attributes, func(a provision.Attribute) bool { return a.Field == role })
}

// sends tells whether a property is filled by default.
func (f features) sends(p path, everywhere bool) bool {
	if f.attributes == nil {
		return everywhere
	}
	if f.keeps(p) {
		return true
	}
	// A schema may name a complex attribute and leave out what is in it.
	outer, listed := f.attributes[attributeKey(path{attribute: p.attribute})]
	return everywhere && listed && outer.writable() && len(outer.SubAttributes) == 0 && p.sub != ""
}

// mustPath is a path of this package's own.
func mustPath(text string) path {
	p, err := parsePath(text)
	if err != nil {
		panic(err)
	}
	return p
}

// Desire implements provision.Target. What it fills depends on what the service
// said when it was checked.
func (t *Target) Desire(subject directory.Subject) (provision.Desired, error) {
	f := t.supposed()
	desired := provision.Desired{
		CorrelationID: subject.ID,
		UserName:      subject.Member.Mail,
		Active:        !subject.Member.Suspended,
		Properties:    provision.Properties{},
	}
	if t.options.UserName == UserNameName {
		desired.UserName = subject.Member.Name
	}
	fillings := t.fillings(f)
	for _, filling := range fillings {
		desired.Properties[filling.path.String()] = t.value(subject, filling.from)
	}
	for _, filling := range fillings {
		name := filling.path.String()
		if desired.Properties[name] == "" && f.demands(filling.path, desired.Properties) {
			return provision.Desired{}, invalid(name, "The service requires %s, for which the member has no value; fill it in the Member, or map another value in spec.attributes.", name)
		}
	}
	return desired, nil
}

func (t *Target) value(subject directory.Subject, from provision.Attribute) string {
	if from.Field == role && len(t.options.Roles) > 0 {
		return t.options.Roles[subject.Member.Role]
	}
	return provision.Values(subject, []provision.Attribute{from})[from.Name]
}

func (t *Target) desiredPaths(f features) []path {
	fillings := t.fillings(f)
	paths := make([]path, len(fillings))
	for i, filling := range fillings {
		paths[i] = filling.path
	}
	return paths
}

// permissions are the core attributes that tell what an account may do there.
var permissions = []string{"roles", "entitlements"}

// learnablePaths are those whose values a service may keep otherwise than sent, the
// member's mark among them. A permission that it did not take away must stay a
// difference.
func (t *Target) learnablePaths(f features) []path {
	paths := []path{markPath}
	for _, filling := range t.fillings(f) {
		p := filling.path
		grants := p.urn == "" && slices.ContainsFunc(permissions, func(name string) bool { return strings.EqualFold(name, p.attribute) })
		if !grants && filling.from.Field != role {
			paths = append(paths, p)
		}
	}
	return paths
}
