/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestCheckApp(t *testing.T) {
	tenant := Tenant{Slug: "acme", Attributes: []AttributeDefinition{{Name: "employeeNumber", Unique: true}, {Name: "costCenter"}}}
	for name, test := range map[string]struct {
		saml *SAMLSettings
		want string
	}{
		"link":             {nil, ""},
		"mail as NameID":   {&SAMLSettings{}, ""},
		"unique attribute": {&SAMLSettings{NameIDAttribute: "employeeNumber"}, ""},
		"attribute with duplicates": {
			&SAMLSettings{NameIDAttribute: "costCenter"},
			`nameID.attribute: attribute "costCenter" allows duplicates, so it cannot identify a member; use one with unique: true`,
		},
		"undeclared attribute as NameID": {
			&SAMLSettings{NameIDAttribute: "badge"},
			`nameID.attribute: tenant acme declares no attribute "badge"; add it to the Tenant's spec.attributes`,
		},
		"mappings": {
			&SAMLSettings{Attributes: []AttributeMapping{{Name: "a", Attribute: "costCenter"}, {Name: "b", Attribute: "badge"}, {Name: "c", Field: FieldMail}, {Name: "d", Values: []string{"badge"}}}},
			`attributes[1].from.attribute: tenant acme declares no attribute "badge"; add it to the Tenant's spec.attributes`,
		},
		"everything at once": {
			&SAMLSettings{NameIDAttribute: "badge", Attributes: []AttributeMapping{{Name: "a", Attribute: "floor"}}},
			`nameID.attribute: tenant acme declares no attribute "badge"; add it to the Tenant's spec.attributes; ` +
				`attributes[0].from.attribute: tenant acme declares no attribute "floor"; add it to the Tenant's spec.attributes`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(CheckApp(tenant, App{SAML: test.saml}).String()).To(Equal(test.want))
		})
	}
}

func TestDefaultAssertionConsumerService(t *testing.T) {
	g := NewWithT(t)
	first, second := AssertionConsumerService{URL: "https://a.example/"}, AssertionConsumerService{URL: "https://b.example/", Default: true}
	g.Expect(SAMLSettings{AssertionConsumerServices: []AssertionConsumerService{first}}.DefaultAssertionConsumerService()).To(Equal(first))
	g.Expect(SAMLSettings{AssertionConsumerServices: []AssertionConsumerService{first, second}}.DefaultAssertionConsumerService()).To(Equal(second))
}

// The URIs are those of SAML core 8.3.
func TestNameIDFormatURI(t *testing.T) {
	for format, uri := range map[NameIDFormat]string{
		NameIDEmailAddress: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
		NameIDUnspecified:  "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
		NameIDPersistent:   "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
		NameIDTransient:    "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
	} {
		NewWithT(t).Expect(format.URI()).To(Equal(uri))
	}
}

func TestProblemsRead(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Problems(nil).String()).To(BeEmpty())
	g.Expect(Problems{{Field: "a", Message: "x"}, {Message: "y"}}.String()).To(Equal("a: x; y"))
}
