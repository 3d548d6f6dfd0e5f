/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"testing"

	. "github.com/onsi/gomega"
)

func subject() Subject {
	return Subject{
		ID: "5f0c7a52-8d6e-4b8e-9a53-0c4a8f1e2d3b",
		Member: Member{
			Tenant: "acme", Name: "yamada-taro", Mail: "Taro.Yamada@acme.example", Role: RoleStaff,
			Person:   PersonName{Family: "山田", Given: "太郎", PhoneticFamily: "ヤマダ", PhoneticGiven: "タロウ"},
			TimeZone: "Asia/Tokyo", Language: "ja", Phone: "03-6435-8570",
			Attributes:            map[string]string{"employeeNumber": "00042"},
			AdditionalPermissions: []AdditionalPermission{DeviceManager},
			Permissions:           grants("viewer"),
		},
		Groups: []Group{
			{Tenant: "acme", Name: "hr", DisplayName: "人事部"},
			{Tenant: "acme", Name: "sales", DisplayName: "営業部", Permissions: grants("editor")},
		},
	}
}

func TestNameID(t *testing.T) {
	for name, test := range map[string]struct {
		attribute, want string
		refused         bool
	}{
		"mail as declared":        {"", "Taro.Yamada@acme.example", false},
		"custom attribute":        {"employeeNumber", "00042", false},
		"attribute without value": {"badge", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := subject().NameID(App{SAML: &SAMLSettings{NameIDAttribute: test.attribute}})
			g.Expect(got).To(Equal(test.want))
			if test.refused {
				g.Expect(err).To(MatchError(ErrNoNameID))
				g.Expect(err).To(MatchError(ContainSubstring("badge")))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
			}
		})
	}
}

func TestImmutableNameID(t *testing.T) {
	g := NewWithT(t)
	settings := SAMLSettings{NameIDFormat: NameIDPersistent, NameIDField: FieldImmutableID}
	g.Expect(settings.Pairwise()).To(BeFalse())
	got, err := subject().NameID(App{SAML: &settings})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal("5f0c7a528d6e4b8e9a530c4a8f1e2d3b"))
}

func TestValuesInAnotherDomain(t *testing.T) {
	for name, test := range map[string]struct {
		mapping AttributeMapping
		want    []string
	}{
		"mail":                    {AttributeMapping{Field: FieldMail, Domain: "m365.example"}, []string{"Taro.Yamada@m365.example"}},
		"mail as it is":           {AttributeMapping{Field: FieldMail}, []string{"Taro.Yamada@acme.example"}},
		"attribute without @":     {AttributeMapping{Attribute: "employeeNumber", Domain: "m365.example"}, []string{"00042@m365.example"}},
		"attribute without value": {AttributeMapping{Attribute: "badge", Domain: "m365.example"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(subject().Values(App{}, test.mapping)).To(HaveLen(len(test.want)))
			NewWithT(t).Expect(subject().Values(App{}, test.mapping)).To(ContainElements(test.want))
		})
	}
}

func TestValuesOfEveryField(t *testing.T) {
	for field, want := range map[Field][]string{
		FieldID:                    {"5f0c7a52-8d6e-4b8e-9a53-0c4a8f1e2d3b"},
		FieldMail:                  {"Taro.Yamada@acme.example"},
		FieldDisplayName:           {"山田 太郎"},
		FieldFamilyName:            {"山田"},
		FieldGivenName:             {"太郎"},
		FieldPhoneticFamilyName:    {"ヤマダ"},
		FieldPhoneticGivenName:     {"タロウ"},
		FieldPhone:                 {"03-6435-8570"},
		FieldLanguage:              {"ja"},
		FieldTimeZone:              {"Asia/Tokyo"},
		FieldRole:                  {"Staff"},
		FieldGroups:                {"人事部", "営業部"},
		FieldPermission:            {"editor"},
		FieldAdditionalPermissions: {"DeviceManager"},
		"shoeSize":                 nil,
	} {
		t.Run(string(field), func(t *testing.T) {
			g := NewWithT(t)
			mapping := AttributeMapping{Name: "a", NameFormat: "uri", Field: field}
			g.Expect(subject().Values(wiki, mapping)).To(Equal(want))
			if field != FieldDisplayName {
				g.Expect(Subject{}.Values(wiki, mapping)).To(BeEmpty(), "nothing is sent for what is not known")
			}
		})
	}
}

func TestValues(t *testing.T) {
	g := NewWithT(t)
	g.Expect(subject().Values(wiki, AttributeMapping{Values: []string{"production", "test"}})).To(Equal([]string{"production", "test"}))
	g.Expect(subject().Values(wiki, AttributeMapping{Attribute: "employeeNumber"})).To(Equal([]string{"00042"}))
	g.Expect(subject().Values(wiki, AttributeMapping{Attribute: "badge"})).To(BeEmpty())
	g.Expect(subject().Values(wiki, AttributeMapping{})).To(BeEmpty())
	admin := subject()
	admin.Member.Role = RoleSuperAdmin
	g.Expect(admin.Values(wiki, AttributeMapping{Field: FieldAdditionalPermissions})).To(Equal([]string{"AssetManager", "DeviceManager"}))
}
