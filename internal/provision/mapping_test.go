/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package provision

import (
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
)

func subject() directory.Subject {
	return directory.Subject{
		ID: "0b1f1f3e-8f0c-4a53-9a3c-3f6a3d1f5f10",
		Member: directory.Member{
			Tenant: "acme", Name: "hanako", Mail: "hanako.yamada@acme.example", Role: directory.RoleStaff,
			Person:   directory.PersonName{Family: "山田", Given: "花子", PhoneticFamily: "ヤマダ", PhoneticGiven: "ハナコ"},
			TimeZone: "Asia/Tokyo", Language: "ja", Phone: "+81312345678",
			Attributes: map[string]string{"department": "営業部"},
		},
	}
}

func TestValues(t *testing.T) {
	for field, want := range map[string]string{
		"id": "0b1f1f3e-8f0c-4a53-9a3c-3f6a3d1f5f10", "name": "hanako", "mail": "hanako.yamada@acme.example", "mailLocalPart": "hanako.yamada",
		"displayName": "山田 花子", "familyName": "山田", "givenName": "花子", "phoneticFamilyName": "ヤマダ", "phoneticGivenName": "ハナコ",
		"phone": "+81312345678", "language": "ja", "timeZone": "Asia/Tokyo", "role": "Staff", "unknown": "",
	} {
		t.Run(field, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(Values(subject(), []Attribute{{Name: "p", Field: field}})).To(Equal(Properties{"p": want}))
		})
	}
}

func TestValuesOfAttributesAndFixedOnes(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Values(subject(), []Attribute{
		{Name: "department", Attribute: "department"},
		{Name: "costCenter", Attribute: "costCenter"},
		{Name: "companyName", Value: "Acme"},
	})).To(Equal(Properties{"department": "営業部", "costCenter": "", "companyName": "Acme"}), "what the member lacks is cleared")

	without := subject()
	without.Member.Phone = ""
	g.Expect(Values(without, []Attribute{{Name: "mobilePhone", Field: "phone"}})).To(Equal(Properties{"mobilePhone": ""}))
	g.Expect(Values(without, nil)).To(BeEmpty())
}

func TestMailParts(t *testing.T) {
	for mail, want := range map[string][2]string{
		"hanako@acme.example":  {"hanako", "acme.example"},
		`"a@b"@acme.example`:   {`"a@b"`, "acme.example"},
		"hanako":               {"hanako", ""},
		"花子@日本.example":        {"花子", "日本.example"},
		"hanako@":              {"hanako", ""},
		"":                     {"", ""},
		"@acme.example":        {"", "acme.example"},
		"a.b+c@sub.acme.local": {"a.b+c", "sub.acme.local"},
	} {
		t.Run(mail, func(t *testing.T) {
			local, domain := MailParts(mail)
			NewWithT(t).Expect([2]string{local, domain}).To(Equal(want))
		})
	}
}
