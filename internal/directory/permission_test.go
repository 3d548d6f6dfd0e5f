/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"testing"

	. "github.com/onsi/gomega"
)

var wiki = App{
	Tenant: "acme", Kind: KindSAMLApp, Name: "wiki",
	Permissions: []Permission{{Name: "admin", Administrator: true}, {Name: "editor"}, {Name: "viewer"}},
}

func grants(permissions ...string) []PermissionGrant {
	var all []PermissionGrant
	for _, permission := range permissions {
		all = append(all, PermissionGrant{App: wiki.Reference(), Permission: permission})
	}
	return all
}

func TestPermissionOf(t *testing.T) {
	giving := func(name string, permissions ...string) Group {
		return Group{Tenant: "acme", Name: name, Permissions: grants(permissions...)}
	}
	for name, test := range map[string]struct {
		own          []PermissionGrant
		groups       []Group
		fallback     string
		want         EffectivePermission
		appliesNever bool
	}{
		"nothing applies":                     {appliesNever: true},
		"own":                                 {own: grants("editor"), want: EffectivePermission{Own: "editor", Effective: "editor", SourceKind: SourceMember}},
		"group":                               {groups: []Group{giving("sales", "viewer")}, want: EffectivePermission{Effective: "viewer", SourceKind: SourceGroup, SourceName: "sales"}},
		"default":                             {fallback: "viewer", want: EffectivePermission{Effective: "viewer", SourceKind: SourceDefault}},
		"own above group and default":         {own: grants("admin"), groups: []Group{giving("sales", "editor")}, fallback: "viewer", want: EffectivePermission{Own: "admin", Effective: "admin", SourceKind: SourceMember, Administrator: true}},
		"group above own":                     {own: grants("viewer"), groups: []Group{giving("sales", "admin")}, want: EffectivePermission{Own: "viewer", Effective: "admin", SourceKind: SourceGroup, SourceName: "sales", Administrator: true}},
		"default above own and group":         {own: grants("viewer"), groups: []Group{giving("sales", "editor")}, fallback: "admin", want: EffectivePermission{Own: "viewer", Effective: "admin", SourceKind: SourceDefault, Administrator: true}},
		"tie of own and group":                {own: grants("editor"), groups: []Group{giving("sales", "editor")}, want: EffectivePermission{Own: "editor", Effective: "editor", SourceKind: SourceMember}},
		"tie of own and default":              {own: grants("editor"), fallback: "editor", want: EffectivePermission{Own: "editor", Effective: "editor", SourceKind: SourceMember}},
		"tie of group and default":            {groups: []Group{giving("sales", "editor")}, fallback: "editor", want: EffectivePermission{Effective: "editor", SourceKind: SourceGroup, SourceName: "sales"}},
		"tie of groups":                       {groups: []Group{giving("a", "viewer"), giving("b", "editor"), giving("c", "editor")}, want: EffectivePermission{Effective: "editor", SourceKind: SourceGroup, SourceName: "b"}},
		"highest of several own":              {own: grants("viewer", "admin", "editor"), want: EffectivePermission{Own: "admin", Effective: "admin", SourceKind: SourceMember, Administrator: true}},
		"highest of several of a group":       {groups: []Group{giving("sales", "viewer", "editor")}, want: EffectivePermission{Effective: "editor", SourceKind: SourceGroup, SourceName: "sales"}},
		"own undeclared counts for nothing":   {own: grants("owner"), fallback: "viewer", want: EffectivePermission{Effective: "viewer", SourceKind: SourceDefault}},
		"group undeclared counts for nothing": {groups: []Group{giving("sales", "owner")}, appliesNever: true},
		"default undeclared counts for nothing": {
			fallback: "owner", appliesNever: true,
		},
		"undeclared beside declared": {own: grants("owner", "viewer"), want: EffectivePermission{Own: "viewer", Effective: "viewer", SourceKind: SourceMember}},
		"another app's of that name": {
			own:          []PermissionGrant{{App: AppReference{Kind: KindLinkApp, Name: "wiki"}, Permission: "admin"}, {App: AppReference{Kind: KindSAMLApp, Name: "blog"}, Permission: "admin"}},
			appliesNever: true,
		},
		"names differ in case": {own: grants("Admin"), appliesNever: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			app := wiki
			app.DefaultPermission = test.fallback
			got, applies := PermissionOf(Member{Tenant: "acme", Permissions: test.own}, test.groups, app)
			g.Expect(applies).To(Equal(!test.appliesNever))
			if applies {
				test.want.App = wiki.Reference()
			}
			g.Expect(got).To(Equal(test.want))
		})
	}
	t.Run("an app without permissions gives none", func(t *testing.T) {
		app := App{Tenant: "acme", Kind: KindSAMLApp, Name: "wiki", DefaultPermission: "admin"}
		_, applies := PermissionOf(Member{Permissions: grants("admin")}, []Group{giving("sales", "admin")}, app)
		NewWithT(t).Expect(applies).To(BeFalse())
	})
}

func TestEffectivePermissions(t *testing.T) {
	named := func(kind AppKind, name string) App {
		return App{Tenant: "acme", Kind: kind, Name: name, Permissions: wiki.Permissions, DefaultPermission: "viewer"}
	}
	silent := named(KindLinkApp, "silent")
	silent.DefaultPermission = ""
	var references []AppReference
	for _, permission := range EffectivePermissions(Member{}, nil, []App{named(KindSAMLApp, "b"), silent, named(KindSAMLApp, "a"), named(KindLinkApp, "z")}) {
		references = append(references, permission.App)
	}
	NewWithT(t).Expect(references).To(Equal([]AppReference{{KindLinkApp, "z"}, {KindSAMLApp, "a"}, {KindSAMLApp, "b"}}))
}

func TestCanUse(t *testing.T) {
	sales, hr := Group{Tenant: "acme", Name: "sales"}, Group{Tenant: "acme", Name: "hr"}
	for name, test := range map[string]struct {
		member Member
		groups []Group
		app    App
		want   bool
	}{
		"open to everybody":           {Member{Tenant: "acme"}, nil, App{Tenant: "acme"}, true},
		"of another tenant":           {Member{Tenant: "other"}, nil, App{Tenant: "acme"}, false},
		"suspended":                   {Member{Tenant: "acme", Suspended: true}, []Group{sales}, App{Tenant: "acme"}, false},
		"in one of the groups":        {Member{Tenant: "acme"}, []Group{hr, sales}, App{Tenant: "acme", Restricted: true, Groups: []string{"legal", "sales"}}, true},
		"in none of the groups":       {Member{Tenant: "acme"}, []Group{hr}, App{Tenant: "acme", Restricted: true, Groups: []string{"sales"}}, false},
		"in no group":                 {Member{Tenant: "acme"}, nil, App{Tenant: "acme", Restricted: true, Groups: []string{"sales"}}, false},
		"restricted to nobody":        {Member{Tenant: "acme"}, []Group{sales}, App{Tenant: "acme", Restricted: true}, false},
		"a super admin is no group":   {Member{Tenant: "acme", Role: RoleSuperAdmin}, nil, App{Tenant: "acme", Restricted: true, Groups: []string{"sales"}}, false},
		"invisible can still be used": {Member{Tenant: "acme"}, nil, App{Tenant: "acme", Visible: false}, true},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(CanUse(test.member, test.groups, test.app)).To(Equal(test.want))
		})
	}
}

func TestCheckGrants(t *testing.T) {
	find := func(ref AppReference) (App, bool) { return wiki, ref == wiki.Reference() }
	all := append(grants("admin", "owner"), PermissionGrant{App: AppReference{Kind: KindLinkApp, Name: "wiki"}, Permission: "admin"})
	g := NewWithT(t)
	g.Expect(CheckGrants("permissions", all, find).String()).To(Equal(
		`permissions[1].permission: SAMLApp "wiki" declares no permission "owner"; use one of its spec.permissions; ` +
			`permissions[2].appRef: LinkApp "wiki" does not exist in this tenant; create it or remove the permission`))
	g.Expect(CheckGrants("permissions", grants("admin", "editor", "viewer"), find)).To(BeEmpty())
	g.Expect(CheckGrants("permissions", nil, find)).To(BeEmpty())
}
