/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

const (
	memberID    = "8c1f0e6a-5d3b-4f7e-9a2c-6b1d0e4f7a35"
	immutableID = "8c1f0e6a5d3b4f7e9a2c6b1d0e4f7a35"
	userAdmin   = "fe930be7-5e62-47db-91af-98c3a49a38b1"
)

func testOptions() Options {
	return Options{
		Endpoints: Cloud(""), TenantID: "11111111-2222-3333-4444-555555555555", ClientID: "66666666-7777-4888-9999-aaaaaaaaaaaa",
		ClientSecret: "secret", Domain: "acme.example",
	}
}

func newTarget(t *testing.T, change func(*Options)) *Target {
	t.Helper()
	options := testOptions()
	if change != nil {
		change(&options)
	}
	target, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func taro() directory.Subject {
	return directory.Subject{ID: memberID, Member: directory.Member{
		Tenant: "acme", Name: "yamada-taro", Person: directory.PersonName{Family: "山田", Given: "太郎", PhoneticFamily: "ヤマダ"}, Mail: "taro.yamada@mail.example",
		Role: directory.RoleStaff, Language: "ja", TimeZone: "Asia/Tokyo", Phone: "+81 90 1234 5678", Attributes: map[string]string{"department": "営業部", "login": "taro"},
	}}
}

func TestDesire(t *testing.T) {
	g := NewWithT(t)
	desired, err := newTarget(t, func(o *Options) {
		o.UsageLocation = "JP"
		o.Attributes = []provision.Attribute{
			{Name: "department", Attribute: "department"}, {Name: "jobTitle", Attribute: "title"}, {Name: "companyName", Value: " Acme "},
			{Name: "extensionAttribute3", Field: "phoneticFamilyName"}, {Name: "otherMails", Field: "mail"},
		}
	}).Desire(taro())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(desired).To(Equal(provision.Desired{
		CorrelationID: immutableID, UserName: "taro.yamada@acme.example", Active: true,
		Properties: provision.Properties{
			"displayName": "山田 太郎", "givenName": "太郎", "surname": "山田", "mailNickname": "taro.yamada", "mobilePhone": "+81 90 1234 5678",
			"preferredLanguage": "ja-JP", "usageLocation": "JP", "department": "営業部", "jobTitle": "", "companyName": "Acme",
			"extensionAttribute3": "ヤマダ", "otherMails": "taro.yamada@mail.example",
		},
	}))
}

func TestDesireOfSuspendedMember(t *testing.T) {
	g := NewWithT(t)
	target := newTarget(t, func(o *Options) {
		o.Roles = []RoleMapping{{directory.RoleSuperAdmin, strings.ToUpper(userAdmin)}}
	})
	subject := taro()
	desire := func() provision.Desired {
		desired, err := target.Desire(subject)
		g.Expect(err).NotTo(HaveOccurred())
		return desired
	}
	g.Expect(desire().Properties).To(HaveKeyWithValue(rolesProperty, ""))
	subject.Member.Role = directory.RoleSuperAdmin
	g.Expect(desire().Properties).To(HaveKeyWithValue(rolesProperty, userAdmin))
	subject.Member.Suspended = true
	g.Expect(desire().Active).To(BeFalse())
	g.Expect(desire().Properties).To(HaveKeyWithValue(rolesProperty, ""), "an administrator cannot be disabled")
	g.Expect(desire().Properties).NotTo(HaveKey(locationProperty), "absent is left as it is")
}

func TestUserNameFromAttribute(t *testing.T) {
	g := NewWithT(t)
	target := newTarget(t, func(o *Options) { o.Attributes = []provision.Attribute{{Name: upnProperty, Attribute: "login"}} })
	for value, want := range map[string]string{"taro": "taro@acme.example", "t.y@ACME.example": "t.y@acme.example"} {
		subject := taro()
		subject.Member.Attributes["login"] = value
		desired, err := target.Desire(subject)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(desired.UserName).To(Equal(want))
	}
}

func TestWhatEntraDoesNotTake(t *testing.T) {
	long := strings.Repeat("a", 300)
	for name, test := range map[string]struct {
		change   func(*directory.Member)
		property string
		says     string
	}{
		"plus":               {func(m *directory.Member) { m.Mail = "taro+test@x.example" }, upnProperty, `"+" (U+002B)`},
		"accent":             {func(m *directory.Member) { m.Mail = "josé@x.example" }, upnProperty, `"é" (U+00E9)`},
		"space":              {func(m *directory.Member) { m.Mail = `"a b"@x.example` }, upnProperty, `" " (U+0020)`},
		"many characters":    {func(m *directory.Member) { m.Mail = "%&*/=?{|}@x.example" }, upnProperty, "others"},
		"dot before @":       {func(m *directory.Member) { m.Mail = "taro.@x.example" }, upnProperty, "dot"},
		"two dots":           {func(m *directory.Member) { m.Mail = "ta..ro@x.example" }, upnProperty, "dot"},
		"long local part":    {func(m *directory.Member) { m.Mail = long[:65] + "@x.example" }, upnProperty, "65 characters"},
		"nothing before @":   {func(m *directory.Member) { m.Mail = "@x.example" }, upnProperty, "empty"},
		"long family name":   {func(m *directory.Member) { m.Person.Family = long[:65] }, "surname", "64"},
		"long surrogates":    {func(m *directory.Member) { m.Person.Given = strings.Repeat("𠮷", 33) }, "givenName", "66 characters"},
		"control character":  {func(m *directory.Member) { m.Person.Given = "Ta\x00ro" }, "displayName", "U+0000"},
		"no name":            {func(m *directory.Member) { m.Person = directory.PersonName{} }, "displayName", "empty"},
		"long attribute":     {func(m *directory.Member) { m.Attributes["number"] = long[:17] }, "employeeId", "16"},
		"country":            {func(m *directory.Member) { m.Attributes["country"] = "jp" }, "usageLocation", "two capital letters"},
		"accent in mail":     {func(m *directory.Member) { m.Attributes["other"] = "josé@x.example" }, "otherMails", "U+00E9"},
		"nickname's own set": {func(m *directory.Member) { m.Attributes["nick"] = "a(b)" }, "mailNickname", `"(" (U+0028)`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			target := newTarget(t, func(o *Options) {
				o.Attributes = []provision.Attribute{{Name: "employeeId", Attribute: "number"}, {Name: "usageLocation", Attribute: "country"}, {Name: "otherMails", Attribute: "other"}}
				if name == "nickname's own set" {
					o.Attributes = append(o.Attributes, provision.Attribute{Name: nicknameProperty, Attribute: "nick"})
				}
			})
			subject := taro()
			test.change(&subject.Member)
			_, err := target.Desire(subject)
			var e *provision.Error
			g.Expect(errors.As(err, &e)).To(BeTrue(), "%v", err)
			g.Expect(e.Cause).To(Equal(provision.Invalid))
			g.Expect(e.Property).To(Equal(test.property))
			g.Expect(e.Message).To(And(HavePrefix(test.property+": "), ContainSubstring(test.says), HaveSuffix(".")))
		})
	}
}

func TestUserNameInAnotherDomain(t *testing.T) {
	g := NewWithT(t)
	_, err := newTarget(t, func(o *Options) { o.Attributes = []provision.Attribute{{Name: upnProperty, Field: "mail"}} }).Desire(taro())
	g.Expect(err).To(MatchError(ContainSubstring("taro.yamada@mail.example is not in a domain of this target, such as acme.example")))
}

func TestSeveralDomains(t *testing.T) {
	g := NewWithT(t)
	target := newTarget(t, func(o *Options) {
		o.OtherDomains = []string{"acme.co.jp", "acme.fr"}
		o.Attributes = []provision.Attribute{{Name: upnProperty, Attribute: "login"}}
	})
	for _, test := range []struct{ mail, login, want string }{
		{"taro@acme.co.jp", "taro", "taro@acme.co.jp"},
		{"taro@ACME.fr", "t.y", "t.y@acme.fr"},
		{"taro@acme.example", "taro", "taro@acme.example"},
		{"taro@gmail.example", "taro", "taro@acme.example"},
		{"taro@sub.acme.fr", "taro", "taro@acme.example"},
		{"taro@acme.co.jp", "taro@acme.fr", "taro@acme.fr"},
		{"taro@acme.co.jp", "taro@Acme.example", "taro@acme.example"},
	} {
		subject := taro()
		subject.Member.Mail, subject.Member.Attributes["login"] = test.mail, test.login
		desired, err := target.Desire(subject)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(desired.UserName).To(Equal(test.want), "%s of %s", test.login, test.mail)
	}
}

func TestOptions(t *testing.T) {
	for says, change := range map[string]func(*Options){
		"GUID":              func(o *Options) { o.TenantID = "acme.example" },
		"cloud":             func(o *Options) { o.Endpoints = Cloud("Moon") },
		"exactly one":       func(o *Options) { o.ClientSecret = "" },
		"line break":        func(o *Options) { o.ClientSecret = "secret\n" },
		"no property":       func(o *Options) { o.Attributes = []provision.Attribute{{Name: "accountEnabled", Value: "true"}} },
		"a domain":          func(o *Options) { o.Domain = "" },
		"48 characters":     func(o *Options) { o.Domain = strings.Repeat("a", 49) },
		"otherDomains":      func(o *Options) { o.OtherDomains = []string{"acme.fr", strings.Repeat("a", 49)} },
		"lacks":             func(o *Options) { o.ClientSecret, o.Certificate = "", &Certificate{} },
		"belong":            func(o *Options) { o.ClientSecret, o.Certificate = "", mismatched(t) },
		"onPremisesImmutab": func(o *Options) { o.Attributes = []provision.Attribute{{Name: immutableIDProperty, Value: "x"}} },
	} {
		t.Run(says, func(t *testing.T) {
			options := testOptions()
			change(&options)
			_, err := New(options)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(says)))
		})
	}
}

func mismatched(t *testing.T) *Certificate {
	one, other := testCertificate(t), testCertificate(t)
	return &Certificate{Leaf: one.Leaf, Key: other.Key}
}

func TestSecretsAreNotShown(t *testing.T) {
	g := NewWithT(t)
	options := testOptions()
	options.Certificate = testCertificate(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		shown := fmt.Sprintf(format, options)
		g.Expect(shown).NotTo(ContainSubstring(`secret`), format)
		g.Expect(shown).NotTo(ContainSubstring(options.Certificate.Key.D.String()), format)
	}
}

func TestPassword(t *testing.T) {
	g := NewWithT(t)
	seen := map[string]bool{}
	for range 100 {
		password, err := newPassword(rand.Reader)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(password).To(HaveLen(passwordLength))
		for _, class := range passwordClasses {
			g.Expect(strings.ContainsAny(password, class)).To(BeTrue())
		}
		g.Expect(seen).NotTo(HaveKey(password))
		seen[password] = true
	}
	_, err := newPassword(strings.NewReader("short"))
	g.Expect(err).To(HaveOccurred())
}

func TestSecretExpiry(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	body := []byte(`{"passwordCredentials":[
		{"hint":"sec","endDateTime":"2027-05-01T00:00:00Z"},{"hint":"sec","endDateTime":"2027-02-01T00:00:00.1234567Z"},
		{"hint":"sec","endDateTime":"2026-02-01T00:00:00Z"},{"hint":"xyz","endDateTime":"2026-12-01T00:00:00Z"},{"hint":null,"endDateTime":"2026-11-30T00:00:00Z"}]}`)
	expires, known := secretExpiry(body, "secret", now)
	g.Expect(known).To(BeTrue())
	g.Expect(expires).To(BeTemporally("~", time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), time.Second))
	for _, other := range []string{`{}`, `[]`, `{"passwordCredentials":[{"hint":"sec","endDateTime":"soon"}]}`} {
		_, known := secretExpiry([]byte(other), "secret", now)
		g.Expect(known).To(BeFalse(), other)
	}
}
