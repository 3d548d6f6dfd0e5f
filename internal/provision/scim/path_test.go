/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const enterpriseUser = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

func TestPaths(t *testing.T) {
	for text, want := range map[string]path{
		"displayName":                          {attribute: "displayName"},
		"name.familyName":                      {attribute: "name", sub: "familyName"},
		`emails[type eq "work"].value`:         {attribute: "emails", filter: &filter{"type", "work"}, sub: "value"},
		`emails[type EQ "work"].value`:         {attribute: "emails", filter: &filter{"type", "work"}, sub: "value"},
		`roles[primary eq true].value`:         {attribute: "roles", filter: &filter{"primary", true}, sub: "value"},
		`emails[type eq "a\"].b"].value`:       {attribute: "emails", filter: &filter{"type", `a"].b`}, sub: "value"},
		`emails[type eq "urn:x:y"].value`:      {attribute: "emails", filter: &filter{"type", "urn:x:y"}, sub: "value"},
		enterpriseUser + ":department":         {urn: enterpriseUser, attribute: "department"},
		enterpriseUser + ":manager.value":      {urn: enterpriseUser, attribute: "manager", sub: "value"},
		coreUser + ":name.givenName":           {attribute: "name", sub: "givenName"},
		`urn:x:y:User:ids[kind eq "a"].number`: {urn: "urn:x:y:User", attribute: "ids", filter: &filter{"kind", "a"}, sub: "number"},
	} {
		t.Run(text, func(t *testing.T) {
			g := NewWithT(t)
			got, err := parsePath(text)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(want))
			again, err := parsePath(got.String())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(again).To(Equal(want))
		})
	}
}

func TestPathsThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", " ", ".", "a.", ".a", "a.b.c", "display name", "1name", "name.family name", "emails[]", "emails[].value", `emails[type eq "work"]`, `emails[type eq "work"].`,
		`emails[type eq "work"]value`, `emails[type ne "work"].value`, `emails[type eq work].value`, `emails[type eq 1].value`, `emails[type eq null].value`,
		`emails[type eq {"a":1}].value`, `emails[type eq "work" and primary eq true].value`, `emails[type eq "work].value`, `[type eq "work"].value`, `emails["work"].value`,
		"x:department", "urn:department", "urn::x:department", ":department", enterpriseUser, enterpriseUser + ":", "name.familyName\n", "名前", "name/familyName", strings.Repeat("a", 256),
	} {
		t.Run(text, func(t *testing.T) {
			got, err := parsePath(text)
			// A URN alone reads as an attribute of a shorter one.
			if text == enterpriseUser {
				NewWithT(t).Expect(got.attribute).To(Equal("User"))
				return
			}
			NewWithT(t).Expect(err).To(HaveOccurred())
		})
	}
}

func TestLiterals(t *testing.T) {
	g := NewWithT(t)
	g.Expect(equals("userName", `a"b\c <é>`)).To(Equal(`userName eq "a\"b\\c <é>"`))
	g.Expect(filter{"primary", true}.String()).To(Equal("primary eq true"))
}

func FuzzPath(f *testing.F) {
	for _, text := range []string{"displayName", "name.familyName", `emails[type eq "work"].value`, `roles[primary eq true].value`, enterpriseUser + ":department", `a[b eq "\u2028\ud800"].c`, "a[", "urn:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePath(text)
		if err != nil {
			return
		}
		if p.attribute == "" || (p.filter != nil && p.sub == "") {
			t.Errorf("%q became %+v", text, p)
		}
		if written := p.String(); len(written) <= maxPath {
			again, err := parsePath(written)
			if err != nil || again.String() != written {
				t.Errorf("%q became %q, and that %q, %v", text, written, again, err)
			}
		}
	})
}
