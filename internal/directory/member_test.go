/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
)

func TestNormalizeMail(t *testing.T) {
	for name, test := range map[string]struct{ in, want string }{
		"as it is":                    {"taro@acme.example", "taro@acme.example"},
		"case":                        {"Taro.YAMADA@Acme.Example", "taro.yamada@acme.example"},
		"surrounding space":           {" \t\u3000taro@acme.example\u00a0\n", "taro@acme.example"},
		"space within stays":          {"ta ro@acme.example", "ta ro@acme.example"},
		"full width":                  {"ｔａｒｏ．Ｙａｍａｄａ＠ａｃｍｅ．ｅｘａｍｐｌｅ", "taro.yamada@acme.example"},
		"half-width katakana":         {"ﾔﾏﾀﾞ@acme.example", "ヤマダ@acme.example"},
		"decomposed voiced katakana":  {"ヤマタ\u3099@acme.example", "ヤマダ@acme.example"},
		"composed and decomposed":     {"Jose\u0301@acme.example", "jos\u00e9@acme.example"},
		"Kelvin sign":                 {"\u212a@acme.example", "k@acme.example"},
		"plus and dots are kept":      {"taro.yamada+test@acme.example", "taro.yamada+test@acme.example"},
		"sharp s is not two letters":  {"stra\u00dfe@acme.example", "stra\u00dfe@acme.example"},
		"kanji":                       {"山田@acme.example", "山田@acme.example"},
		"invalid UTF-8 is no address": {"a\xff@b", "a\ufffd@b"},
		"empty":                       {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(NormalizeMail(test.in)).To(Equal(test.want))
		})
	}
}

func TestEffectiveAdditionalPermissions(t *testing.T) {
	g := NewWithT(t)
	all := []AdditionalPermission{AssetManager, DeviceManager}
	g.Expect(Member{Role: RoleSuperAdmin}.EffectiveAdditionalPermissions()).To(Equal(all))
	g.Expect(Member{Role: RoleStaff}.EffectiveAdditionalPermissions()).To(BeEmpty())
	g.Expect(Member{Role: RoleGroupCreator, AdditionalPermissions: all[1:]}.EffectiveAdditionalPermissions()).To(Equal(all[1:]))
}

func TestPersonDisplay(t *testing.T) {
	g := NewWithT(t)
	name := PersonName{Family: "山田", Given: "太郎"}
	g.Expect(name.Display("ja")).To(Equal("山田 太郎"))
	g.Expect(name.Display("en")).To(Equal("太郎 山田"))
	g.Expect(name.Display("")).To(Equal("太郎 山田"))
}

func TestTimeZones(t *testing.T) {
	for zone, exists := range map[string]bool{
		"Asia/Tokyo": true, "UTC": true, "Etc/GMT-9": true, "America/Argentina/Ushuaia": true, "Japan": true,
		"": false, "Local": false, "localtime": false, "posixrules": false, "posix/Asia/Tokyo": false, "right/Asia/Tokyo": false, "Factory": false,
		"Asia": false, "Mars/Olympus": false, "asia/tokyo/": false, "../zoneinfo/Asia/Tokyo": false, "/usr/share/zoneinfo/Asia/Tokyo": false,
		"zone.tab": false, "Asia/Tokyo\x00": false, "東京": false, "+09:00": false, "JST-9": false,
	} {
		t.Run(zone, func(t *testing.T) {
			g := NewWithT(t)
			want := Problems(nil)
			if !exists {
				want = Problems{{Field: "timeZone", Message: "time zone " + strconv.Quote(zone) + " does not exist; use an IANA name such as Asia/Tokyo"}}
			}
			g.Expect(CheckTenant(Tenant{TimeZone: zone})).To(Equal(want))
			g.Expect(CheckMember(Tenant{}, Member{TimeZone: zone})).To(Equal(want))
		})
	}
}

func TestCheckMember(t *testing.T) {
	g := NewWithT(t)
	tenant := Tenant{Slug: "acme", Attributes: []AttributeDefinition{{Name: "costCenter"}}}
	g.Expect(CheckMember(tenant, Member{TimeZone: "Asia/Tokyo", Attributes: map[string]string{"costCenter": "120"}})).To(BeEmpty())
	g.Expect(CheckMember(tenant, Member{TimeZone: "x", Attributes: map[string]string{"b": "1", "costCenter": "120", "CostCenter": "1", "a": "1"}}).String()).To(Equal(
		`timeZone: time zone "x" does not exist; use an IANA name such as Asia/Tokyo; ` +
			`attributes.CostCenter: tenant acme declares no attribute of that name; add it to the Tenant's spec.attributes or remove it here; ` +
			`attributes.a: tenant acme declares no attribute of that name; add it to the Tenant's spec.attributes or remove it here; ` +
			`attributes.b: tenant acme declares no attribute of that name; add it to the Tenant's spec.attributes or remove it here`))
}

func TestWithoutFaults(t *testing.T) {
	declared := []AttributeDefinition{{Name: "costCenter"}}
	for name, test := range map[string]struct {
		tenant Tenant
		member Member
		want   Member
	}{
		"nothing wrong": {
			Tenant{TimeZone: "Asia/Tokyo", Attributes: declared},
			Member{Name: "taro", TimeZone: "Europe/Paris", Attributes: map[string]string{"costCenter": "120"}, Suspended: true},
			Member{Name: "taro", TimeZone: "Europe/Paris", Attributes: map[string]string{"costCenter": "120"}, Suspended: true},
		},
		"time zone becomes the tenant's": {
			Tenant{TimeZone: "Europe/Paris"}, Member{TimeZone: "Local", Suspended: true}, Member{TimeZone: "Europe/Paris", Suspended: true},
		},
		"the tenant's is wrong as well": {
			Tenant{TimeZone: "Mars/Olympus"}, Member{TimeZone: ""}, Member{TimeZone: "Asia/Tokyo"},
		},
		"undeclared attributes go": {
			Tenant{TimeZone: "UTC", Attributes: declared},
			Member{TimeZone: "UTC", Attributes: map[string]string{"costCenter": "120", "floor": "3"}},
			Member{TimeZone: "UTC", Attributes: map[string]string{"costCenter": "120"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			attributes := len(test.member.Attributes)
			got := WithoutFaults(test.tenant, test.member)
			g.Expect(got).To(Equal(test.want))
			g.Expect(CheckMember(test.tenant, got)).To(BeEmpty())
			g.Expect(test.member.Attributes).To(HaveLen(attributes), "the declared member stays as it is")
		})
	}
}

func TestOwnsDomainOf(t *testing.T) {
	g := NewWithT(t)
	acme := Tenant{Domains: []string{"acme.example", "acme.co.jp"}}
	for mail, owns := range map[string]bool{
		"taro@acme.example": true, "Taro@ACME.co.jp": true, "ｔａｒｏ＠ａｃｍｅ．ｃｏ．ｊｐ": true,
		"taro@sub.acme.example": false, "taro@notacme.example": false, "taro@acme.example.com": false, "taro": false, "": false,
	} {
		g.Expect(acme.OwnsDomainOf(mail)).To(Equal(owns), mail)
		g.Expect(Tenant{}.OwnsDomainOf(mail)).To(BeTrue(), "without domains every address is the tenant's")
	}
}

func TestPlans(t *testing.T) {
	g := NewWithT(t)
	g.Expect(PlanFree.AllowsSAMLApps()).To(BeFalse())
	g.Expect(PlanPlus.AllowsSAMLApps()).To(BeTrue())
	g.Expect(PlanFree.AllowsProvisioning()).To(BeFalse())
	g.Expect(PlanPlus.AllowsProvisioning()).To(BeTrue())
}
