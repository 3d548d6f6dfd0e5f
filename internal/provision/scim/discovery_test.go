/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

func properties(d provision.Desired) []string { return slices.Sorted(maps.Keys(d.Properties)) }

var everywhere = []string{"displayName", `emails[type eq "work"].value`, "name.familyName", "name.givenName"}

// schemasJSON is a list of schemas with their attributes.
func schemasJSON(schemas map[string]string) string {
	var all []string
	for id, attributes := range schemas {
		all = append(all, fmt.Sprintf(`{"id":%q,"attributes":[%s]}`, id, attributes))
	}
	return fmt.Sprintf(`{"totalResults":%d,"Resources":[%s]}`, len(all), strings.Join(all, ","))
}

func simple(name string) string {
	return fmt.Sprintf(`{"name":%q,"type":"string","mutability":"readWrite","returned":"default"}`, name)
}

func complexOne(name string, multi bool, subs ...string) string {
	for i, sub := range subs {
		subs[i] = simple(sub)
	}
	return fmt.Sprintf(`{"name":%q,"type":"complex","multiValued":%v,"mutability":"readWrite","subAttributes":[%s]}`, name, multi, strings.Join(subs, ","))
}

func TestServicesThatSayNothing(t *testing.T) {
	for name, status := range map[string]int{"not found": 404, "not allowed": 405, "not implemented": 501, "forbidden": 403, "bad": 400} {
		for _, contentType := range []string{"text/html", scimJSON} {
			t.Run(name+" as "+contentType, func(t *testing.T) {
				g := NewWithT(t)
				f, address := newFake(t)
				f.fault = func(w http.ResponseWriter, r *http.Request) bool {
					if strings.HasPrefix(r.URL.Path, "/scim"+users) {
						return false
					}
					w.Header().Set("Content-Type", contentType)
					w.WriteHeader(status)
					_, _ = w.Write([]byte(map[bool]string{true: `{"detail":"x"}`, false: "<html>"}[contentType == scimJSON]))
					return true
				}
				target := newTarget(t, address, nil)
				findings, err := target.Check(t.Context())
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(findings.Remarks).To(BeEmpty())
				g.Expect(target.supposed()).To(Equal(assumed()))
				g.Expect(properties(desired(t, target, 1))).To(Equal(everywhere))
			})
		}
	}
}

func TestDiscoveryThatFails(t *testing.T) {
	for _, status := range []int{401, 429, 500, 503} {
		g := NewWithT(t)
		f, address := newFake(t)
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			failing := strings.HasSuffix(r.URL.Path, "/Schemas")
			if failing {
				refuse(w, status, "", "")
			}
			return failing
		}
		_, err := newTarget(t, address, nil).Check(t.Context())
		g.Expect(err).To(HaveOccurred())
		if status >= 500 {
			g.Expect(err).To(MatchError(ContainSubstring("at /Schemas")))
		}
	}
}

// TestAWebPageForWhatIsNotThere: a service with pages of its own answers with one
// of them, and status 200, for each path that it does not know.
func TestAWebPageForWhatIsNotThere(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	everything := false
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		page := everything || !strings.HasPrefix(r.URL.Path, "/scim"+users)
		if page {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>"))
		}
		return page
	}
	target := newTarget(t, address, nil)
	_, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(target.supposed()).To(Equal(assumed()))
	everything = true
	_, err = target.Check(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("not JSON")))
}

func TestSendsWhatTheSchemaLists(t *testing.T) {
	all := []string{simple("userName"), simple("displayName"), complexOne("name", false, "familyName", "givenName", "formatted"), complexOne("emails", true, "value", "type", "primary")}
	for name, test := range map[string]struct {
		core []string
		want []string
	}{
		"the least":     {all, everywhere},
		"more":          {append(all, simple("locale"), simple("timezone"), simple("preferredLanguage"), complexOne("phoneNumbers", true, "value", "type")), append(slices.Clone(everywhere), "locale", `phoneNumbers[type eq "work"].value`, "preferredLanguage", "timezone")},
		"no mail":       {all[:3], []string{"displayName", "name.familyName", "name.givenName"}},
		"name in bulk":  {append(all[:2:2], `{"name":"name","type":"complex","mutability":"readWrite"}`), []string{"displayName", "name.familyName", "name.givenName"}},
		"read-only":     {append(all, `{"name":"timezone","type":"string","mutability":"readOnly"}`), everywhere},
		"never told":    {append(all, `{"name":"timezone","type":"string","returned":"never"}`), everywhere},
		"other shapes":  {append(all, simple("phoneNumbers"), complexOne("locale", true, "value")), everywhere},
		"no attributes": {nil, everywhere},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			f.schemas = schemasJSON(map[string]string{coreUser: strings.Join(test.core, ","), coreGroup: simple("displayName") + "," + simple("nickName")})
			target := newTarget(t, address, nil)
			_, err := target.Check(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			test.want = slices.Sorted(slices.Values(test.want))
			g.Expect(properties(desired(t, target, 1))).To(Equal(test.want))
		})
	}
}

func TestTheWholeNameGoesAlong(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.schemas = schemasJSON(map[string]string{coreUser: simple("userName") + "," + simple("displayName") + "," + simple("title") + "," + complexOne("name", false, "familyName", "givenName", "formatted")})
	target := newTarget(t, address, func(o *Options) { o.Attributes = []provision.Attribute{{Name: "title", Attribute: "title"}} })
	_, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	account, want := made(t, target)
	name := func() string { return f.kept[users][0].value(formattedName) }
	g.Expect(name()).To(Equal("山田 花子"))

	// The service writes it in its own way.
	g.Expect((&edit{resource: f.kept[users][0]}).set(formattedName, "花子 山田")).To(Succeed())
	want.Properties["title"] = "部長"
	after, err := target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(name()).To(Equal("花子 山田"))
	g.Expect(provision.Differences(*after, want)).To(BeEmpty())
	want.Properties["name.familyName"], want.Properties["displayName"] = "佐藤", "佐藤 花子"
	_, err = target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(name()).To(Equal("佐藤 花子"))

	target.options.Attributes, target.mapped = []provision.Attribute{{Name: "name.formatted", Field: "givenName"}}, []path{formattedName}
	_, err = target.Update(t.Context(), account, desired(t, target, 1))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(name()).To(Equal("花子"))
}

const readings = "urn:example:params:scim:schemas:extension:reading:1.0:User"

func TestPhoneticNames(t *testing.T) {
	for name, test := range map[string]struct {
		types string
		want  bool
	}{
		"no types":            {"", true},
		"an extension":        {`[{"name":"User","schema":"` + coreUser + `","schemaExtensions":[{"schema":"` + readings + `","required":false}]}]`, true},
		"not one of users":    {`{"Resources":[{"endpoint":"/Users","schema":"` + coreUser + `"}]}`, false},
		"types without users": {`{"Resources":[{"name":"Device"}]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			f.types = test.types
			f.schemas = schemasJSON(map[string]string{coreUser: simple("userName"), readings: simple("phoneticFamilyName") + "," + simple("PhoneticGivenName")})
			target := newTarget(t, address, nil)
			findings, err := target.Check(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(findings.Remarks).To(BeEmpty())
			want := provision.Properties{}
			if test.want {
				want = provision.Properties{readings + ":phoneticFamilyName": "ヤマダ", readings + ":PhoneticGivenName": "ハナコ"}
			}
			g.Expect(desired(t, target, 1).Properties).To(Equal(want))
		})
	}
}

func TestRoles(t *testing.T) {
	roles := map[directory.Role]string{directory.RoleSuperAdmin: "administrator", directory.RoleStaff: "general", directory.RoleGroupCreator: "general"}
	withRoles := schemasJSON(map[string]string{coreUser: simple("userName") + "," + complexOne("roles", true, "value", "primary")})
	for name, test := range map[string]struct {
		schemas    string
		attributes []provision.Attribute
		want       provision.Properties
		remarks    int
	}{
		"listed":          {schemas: withRoles, want: provision.Properties{primaryRole.String(): "general"}},
		"not listed":      {schemas: schemasJSON(map[string]string{coreUser: simple("userName")}), want: provision.Properties{}, remarks: 1},
		"no schema":       {remarks: 1},
		"by a path":       {attributes: []provision.Attribute{{Name: "userType", Field: "role"}}, want: provision.Properties{"userType": "general"}},
		"by an attribute": {schemas: withRoles, attributes: []provision.Attribute{{Name: "userType", Field: "role"}}, want: provision.Properties{"userType": "general"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			f.schemas = test.schemas
			target := newTarget(t, address, func(o *Options) { o.Roles, o.Attributes = roles, test.attributes })
			findings, err := target.Check(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			if test.attributes == nil {
				g.Expect(findings.Remarks).To(HaveLen(test.remarks))
			}
			got := desired(t, target, 1).Properties
			if test.schemas == "" {
				for _, name := range everywhere {
					delete(got, name)
				}
			}
			if test.want == nil {
				test.want = provision.Properties{}
			}
			g.Expect(got).To(Equal(test.want))
		})
	}
	g := NewWithT(t)
	f, address := newFake(t)
	f.schemas = withRoles
	target := newTarget(t, address, nil)
	_, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(desired(t, target, 1).Properties).To(BeEmpty(), "nobody said what the service calls its roles")
}

func TestMappingsGoFirst(t *testing.T) {
	g := NewWithT(t)
	_, address := newFake(t)
	target := newTarget(t, address, func(o *Options) {
		o.Attributes = []provision.Attribute{{Name: "DISPLAYNAME", Field: "familyName"}, {Name: coreUser + ":title", Value: "様"}, {Name: enterpriseUser + ":department", Attribute: "department"}}
	})
	d := desired(t, target, 1)
	g.Expect(d.Properties).To(HaveKeyWithValue("DISPLAYNAME", "山田"))
	g.Expect(d.Properties).NotTo(HaveKey("displayName"))
	g.Expect(d.Properties).To(HaveKeyWithValue("title", "様"))
	g.Expect(d.Properties).To(HaveKeyWithValue(enterpriseUser+":department", ""))
	made, err := target.Create(t.Context(), d)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provision.Differences(*made, d)).To(BeEmpty())
}

func TestTypesOfTheSchema(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.schemas = schemasJSON(map[string]string{coreUser: simple("userName") + `,{"name":"vip","type":"boolean"},{"name":"level","type":"integer"},{"name":"nickName","type":"string","required":true}`})
	attributes := func(vip, level string) func(*Options) {
		return func(o *Options) {
			o.Attributes = []provision.Attribute{{Name: "vip", Value: vip}, {Name: "level", Value: level}, {Name: "nickName", Value: "n"}}
		}
	}
	target := newTarget(t, address, attributes("True", "3"))
	_, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	_, err = target.Create(t.Context(), desired(t, target, 1))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.kept[users][0]["vip"]).To(BeTrue())
	g.Expect(text(f.kept[users][0]["level"])).To(Equal("3"))

	for _, wrong := range [][2]string{{"yes", "3"}, {"true", "three"}, {"true", "0x1"}} {
		target := newTarget(t, address, attributes(wrong[0], wrong[1]))
		_, err := target.Check(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		_, err = target.Create(t.Context(), desired(t, target, 2))
		g.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
	}
}

func TestRemarks(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.configuration = `{"patch":{"supported":false},"filter":{"supported":"False"},"etag":{"supported":false}}`
	f.schemas = schemasJSON(map[string]string{coreUser: `{"name":"userName","required":true},{"name":"title","type":"string","required":true},{"name":"locale","type":"string","required":true}`})
	target := newTarget(t, address, func(o *Options) {
		o.Updates = Patch
		o.Attributes = []provision.Attribute{{Name: "nickName", Field: "givenName"}}
	})
	findings, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(findings.Remarks).To(HaveLen(4))
	g.Expect(findings.Remarks).To(ContainElement(ContainSubstring("cannot look accounts up by a filter")))
	g.Expect(findings.Remarks).To(ContainElement(ContainSubstring("does not take PATCH")))
	g.Expect(findings.Remarks).To(ContainElement(ContainSubstring("has no attribute nickName")))
	g.Expect(findings.Remarks).To(ContainElement(ContainSubstring("requires the attribute title, which nothing fills")))

	without := subject(1)
	without.Member.Language = ""
	_, err = target.Desire(without)
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
	g.Expect(err).To(MatchError(ContainSubstring("The service requires locale, for which the member has no value")))
}

func TestDiscoveryIsAskedOnceAndByCheck(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, nil)
	asked := func() int {
		count := 0
		for _, uri := range f.gets() {
			if uri == "/Schemas" {
				count++
			}
		}
		return count
	}
	for range 3 {
		_, err := target.Find(t.Context(), provision.Reference{UserName: "a"})
		g.Expect(provision.IsNotFound(err)).To(BeTrue())
	}
	g.Expect(asked()).To(Equal(1))
	f.configuration = `{"patch":{"supported":false}}`
	_, err := target.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(asked()).To(Equal(2))
	account, want := made(t, target)
	want.Properties["displayName"] = "X"
	_, err = target.Update(t.Context(), account, want)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.writes()[1].method).To(Equal(http.MethodPut), "as the service says now")
}

func FuzzSchemas(f *testing.F) {
	f.Add([]byte(schemasJSON(map[string]string{coreUser: simple("userName"), readings: simple("phoneticFamilyName")})), []byte(`[{"name":"User"}]`))
	f.Add([]byte(`[null,{"attributes":[{"subAttributes":[{}]}]}]`), []byte(`{"Resources":[null]}`))
	f.Fuzz(func(t *testing.T, schemas, types []byte) {
		var s list[schema]
		var r list[resourceType]
		_, _ = decode(schemas, &s), decode(types, &r)
		found := assumed()
		found.attributes = attributesOf(s.Resources, r.Resources)
		target := &Target{}
		if len(found.attributes) > maxDiscovered+1000 {
			t.Errorf("%d attributes are kept", len(found.attributes))
		}
		for _, p := range target.desiredPaths(found) {
			if p.attribute == "" {
				t.Errorf("%q leads to a path without a name", schemas)
			}
		}
		_ = target.remarks(found)
	})
}

func TestUserNamesThatCannotChange(t *testing.T) {
	for userName, want := range map[string]int{"": 1, UserNameMail: 1, UserNameName: 0} {
		g := NewWithT(t)
		f, address := newFake(t)
		f.schemas = schemasJSON(map[string]string{coreUser: `{"name":"userName","type":"string","mutability":"immutable"}`})
		findings, err := newTarget(t, address, func(o *Options) { o.UserName = userName }).Check(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(findings.Remarks).To(HaveLen(want))
		for _, remark := range findings.Remarks {
			g.Expect(remark).To(HaveSuffix("set spec.scim.userName to name."))
		}
	}
}
