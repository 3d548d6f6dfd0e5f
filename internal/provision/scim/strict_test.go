/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

// canaille is what the schema of that service lists: addresses have but a value,
// which they may not lack, and everything else is refused.
var canaille = schemasJSON(map[string]string{coreUser: strings.Join([]string{
	required("value", complexOne("emails", true, "value")),
	required("value", complexOne("phoneNumbers", true, "value")),
	required("familyName", complexOne("name", false, "familyName", "givenName")),
}, ",")})

// required marks an attribute of a schema.
func required(name, attribute string) string {
	return strings.ReplaceAll(attribute, `{"name":"`+name+`",`, `{"name":"`+name+`","required":true,`)
}

func TestElementsWithoutTypes(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.schemas = canaille
	target := newTarget(t, address, nil)
	_, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	account, want := made(t, target)
	sent := f.writes()[0].body
	g.Expect(sent["emails"]).To(Equal([]any{map[string]any{"value": "hanako.1@acme.example"}}))
	g.Expect(sent["phoneNumbers"]).To(Equal([]any{map[string]any{"value": "+81312345678"}}))
	g.Expect(provision.Differences(account, want)).To(BeEmpty())
	want.Properties[`emails[type eq "work"].value`] = "new@acme.example"
	f.made = nil
	_, err = target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	operation, _ := object(f.writes()[1].body.get("Operations").([]any)[0])
	g.Expect(operation.text("path")).To(Equal(`emails[value eq "hanako.1@acme.example"].value`))
}

// TestWhatHasToBeThereOnlyWithOthers: no phone is needed for a list of phones
// whose elements need a value, but a name needs its family name.
func TestWhatHasToBeThereOnlyWithOthers(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.schemas = canaille
	target := newTarget(t, address, nil)
	_, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	s := subject(1)
	s.Member.Phone = ""
	_, err = target.Desire(s)
	g.Expect(err).NotTo(HaveOccurred())
	s.Member.Person.Family = ""
	_, err = target.Desire(s)
	g.Expect(err).To(MatchError(ContainSubstring("requires name.familyName")))
	s.Member.Person.Given = ""
	_, err = target.Desire(s)
	g.Expect(err).NotTo(HaveOccurred())

	f.schemas = required("phoneNumbers", canaille)
	_, err = target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = target.Desire(s)
	g.Expect(err).To(MatchError(ContainSubstring(`requires phoneNumbers[type eq "work"].value`)))
}
