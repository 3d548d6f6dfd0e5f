/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"encoding/json"
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

func parsed(t testing.TB, text string) resource {
	t.Helper()
	r, err := parseResource([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const fullUser = `{"schemas":["` + coreUser + `","` + enterpriseUser + `"],"id":"1","externalId":"x","userName":"a","Active":"False","displayName":"山田 花子",
	"name":{"familyName":"山田","givenName":"花子"},
	"emails":[{"value":"private@x.example","type":"home","primary":true},{"value":"a@x.example","type":"Work"}],
	"phoneNumbers":[{"value":"1"},{"value":"2","primary":true}],
	"roles":[{"value":"general"}],"x":3.10,"flag":true,
	"` + enterpriseUser + `":{"department":"営業部","manager":{"value":"7"}},"meta":{"version":"W/\"1\""}}`

func TestReadsProperties(t *testing.T) {
	r := parsed(t, fullUser)
	for text, want := range map[string]string{
		"displayName": "山田 花子", "DISPLAYNAME": "山田 花子", "name.familyName": "山田", "name.middleName": "", "nickName": "", "displayName.x": "",
		`emails[type eq "work"].value`: "a@x.example", `emails[type eq "other"].value`: "", `emails[primary eq true].value`: "private@x.example",
		// Without types the primary one counts.
		`phoneNumbers[type eq "work"].value`: "2", `roles[primary eq true].value`: "general", `roles[display eq "x"].value`: "",
		enterpriseUser + ":department": "営業部", enterpriseUser + ":manager.value": "7", "urn:x:y:User:department": "",
		"x": "3.10", "flag": "true", "emails": "", "name": "", `name[type eq "work"].value`: "",
	} {
		t.Run(text, func(t *testing.T) {
			NewWithT(t).Expect(r.value(mustPath(text))).To(Equal(want))
		})
	}
	g := NewWithT(t)
	g.Expect(r.active()).To(BeFalse())
	g.Expect(r.version()).To(Equal(`W/"1"`))
	g.Expect(resource{}.active()).To(BeTrue())
}

func TestEdits(t *testing.T) {
	for name, test := range map[string]struct {
		path, value string
		operations  string
	}{
		"same":                   {"displayName", "山田 花子", `null`},
		"replace":                {"displayName", "X", `[{"op":"replace","path":"displayName","value":"X"}]`},
		"add":                    {"nickName", "X", `[{"op":"add","path":"nickName","value":"X"}]`},
		"remove":                 {"displayName", "", `[{"op":"remove","path":"displayName"}]`},
		"remove what is not":     {"nickName", "", `null`},
		"replace within":         {"name.familyName", "X", `[{"op":"replace","path":"name.familyName","value":"X"}]`},
		"add within":             {"name.middleName", "X", `[{"op":"add","path":"name.middleName","value":"X"}]`},
		"replace element":        {`emails[type eq "work"].value`, "b@x.example", `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"b@x.example"}]`},
		"add element":            {`emails[type eq "other"].value`, "b@x.example", `[{"op":"add","path":"emails","value":[{"type":"other","value":"b@x.example"}]}]`},
		"remove element":         {`emails[type eq "work"].value`, "", `[{"op":"remove","path":"emails[type eq \"work\"]"}]`},
		"replace without a type": {`phoneNumbers[type eq "work"].value`, "9", `[{"op":"replace","path":"phoneNumbers[value eq \"2\"].value","value":"9"}]`},
		"replace the only role":  {`roles[primary eq true].value`, "admin", `[{"op":"replace","path":"roles[value eq \"general\"].value","value":"admin"}]`},
		"add multi-valued":       {`addresses[type eq "work"].country`, "JP", `[{"op":"add","path":"addresses","value":[{"country":"JP","type":"work"}]}]`},
		"add boolean":            {`ims[type eq "x"].primary`, "true", `[{"op":"add","path":"ims","value":[{"primary":true,"type":"x"}]}]`},
		"extension":              {enterpriseUser + ":department", "X", `[{"op":"replace","path":"` + enterpriseUser + `:department","value":"X"}]`},
		"extension's inner":      {enterpriseUser + ":manager.value", "", `[{"op":"remove","path":"` + enterpriseUser + `:manager.value"}]`},
		"new extension":          {"urn:x:y:User:a", "X", `[{"op":"add","path":"urn:x:y:User:a","value":"X"}]`},
		"a number stays one":     {"x", "4", `[{"op":"replace","path":"x","value":4}]`},
		"a boolean stays one":    {"flag", "FALSE", `[{"op":"replace","path":"flag","value":false}]`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			before := parsed(t, fullUser)
			e := edit{resource: before.clone()}
			p := mustPath(test.path)
			g.Expect(e.set(p, test.value)).To(Succeed())
			operations, err := json.Marshal(e.operations)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(operations).To(MatchJSON(test.operations))
			if test.value != "FALSE" {
				g.Expect(e.resource.value(p)).To(Equal(test.value), "what a PUT sends has it too")
			}
			g.Expect(before).To(Equal(parsed(t, fullUser)), "what was read stays as it is")
			once := len(e.operations)
			if test.value != "FALSE" {
				g.Expect(e.set(p, test.value)).To(Succeed())
				g.Expect(e.operations).To(HaveLen(once), "nothing is left to do")
			}
		})
	}
}

func TestEditsThatCannotBe(t *testing.T) {
	for text, value := range map[string]string{
		"emails.value": "X", "emails": "X", "name": "X", `name[type eq "work"].value`: "X", "displayName.x": "X", "x": "many", "flag": "perhaps",
	} {
		t.Run(text, func(t *testing.T) {
			g := NewWithT(t)
			e := edit{resource: parsed(t, fullUser)}
			err := e.set(mustPath(text), value)
			g.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
			refused, _ := errors.AsType[*provision.Error](err)
			g.Expect(refused.Property).To(Equal(text))
		})
	}
}

func TestNewElementsAreOnes(t *testing.T) {
	g := NewWithT(t)
	e := edit{resource: resource{"schemas": []any{coreUser}}}
	g.Expect(e.account(provision.Desired{CorrelationID: "x", UserName: "a", Active: true, Properties: provision.Properties{
		`emails[type eq "work"].value`: "a@x.example", `addresses[type eq "work"].country`: "JP", `addresses[type eq "work"].locality`: "東京",
		`phoneNumbers[type eq "work"].value`: "", enterpriseUser + ":department": "営業部", "nickName": "",
	}})).To(Succeed())
	body, err := json.Marshal(e.resource)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(body).To(MatchJSON(`{"schemas":["` + coreUser + `","` + enterpriseUser + `"],"userName":"a","externalId":"x","active":true,
		"emails":[{"type":"work","value":"a@x.example","primary":true}],"addresses":[{"type":"work","country":"JP","locality":"東京"}],
		"` + enterpriseUser + `":{"department":"営業部"}}`))
}

func TestAnElementThatSaysNothingMoreGoes(t *testing.T) {
	g := NewWithT(t)
	e := edit{resource: parsed(t, `{"id":"1","addresses":[{"type":"work","country":"JP","primary":true}]}`)}
	g.Expect(e.set(mustPath(`addresses[type eq "work"].country`), "")).To(Succeed())
	g.Expect(e.operations).To(Equal([]operation{{Op: "remove", Path: `addresses[type eq "work"]`}}))
	g.Expect(e.resource.get("addresses")).To(BeEmpty())
}

func FuzzResource(f *testing.F) {
	for _, text := range []string{fullUser, `{}`, `[]`, `null`, `{"emails":[1,null,{"type":1}]}`, `{"name":[]}`, `{"emails":{}}`, `{"meta":1,"id":{}}`, `{"totalResults":"2","Resources":[{"id":"1"},{"id":2}]}`} {
		f.Add([]byte(text))
	}
	paths := []path{mustPath("displayName"), mustPath("name.familyName"), mustPath(`emails[type eq "work"].value`), primaryRole, mustPath(enterpriseUser + ":department")}
	f.Fuzz(func(t *testing.T, body []byte) {
		if p, err := parsePage(body); err == nil && (p.total < 0 || p.total > maxResources) {
			t.Errorf("%q has a page of %d", body, p.total)
		}
		r, err := parseResource(body)
		if err != nil {
			return
		}
		_, _, _, _ = r.id(), r.active(), r.version(), r.members()
		for _, p := range paths {
			e := edit{resource: r.clone()}
			if e.set(p, "x") == nil && e.resource.value(p) != "x" {
				t.Errorf("%q: %s is %q after it was set", body, p, e.resource.value(p))
			}
			if e.set(p, "") == nil && e.resource.value(p) == "x" {
				t.Errorf("%q: %s is there after it was removed", body, p)
			}
			e.declareSchemas()
			if _, err := json.Marshal(e.resource); err != nil {
				t.Errorf("%q cannot be sent back: %v", body, err)
			}
		}
	})
}
