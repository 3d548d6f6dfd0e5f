/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
)

func TestAbsentFieldsTakeTheirDefaultsInMemoryOnly(t *testing.T) {
	g := NewWithT(t)
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
	converted := directoryTenant(tenant)
	g.Expect(converted).To(Equal(directory.Tenant{
		Slug: "acme", TimeZone: "Asia/Tokyo", Language: "ja", Plan: directory.PlanPlus, DeletionGuard: directory.DefaultDeletionGuard(),
	}))
	g.Expect(tenant.Spec).To(Equal(v1alpha1.TenantSpec{}))

	member := directoryMember(directory.Tenant{Slug: "acme", TimeZone: "Europe/Paris", Language: "en"}, &v1alpha1.Member{}, nil)
	g.Expect(member.TimeZone).To(Equal("Europe/Paris"))
	g.Expect(member.Language).To(Equal("en"))
	g.Expect(member.PasswordSetup).To(Equal(directory.PasswordSetupMailLink))

	group := directoryGroup("acme", &v1alpha1.Group{Spec: v1alpha1.GroupSpec{Members: []v1alpha1.GroupMember{{MemberRef: v1alpha1.MemberReference{Name: "a"}}}}})
	g.Expect(group.Members).To(ConsistOf(directory.Participant{Member: "a", Role: directory.GroupUser}))
	g.Expect(group.Selector).To(BeNil(), "an absent selector selects nobody, an empty one everybody")
	empty := directoryGroup("acme", &v1alpha1.Group{Spec: v1alpha1.GroupSpec{Selector: &metav1.LabelSelector{}}})
	g.Expect(empty.Selector).NotTo(BeNil())

	app := directorySAMLApp("acme", &v1alpha1.SAMLApp{}, nil)
	g.Expect(app.Visible).To(BeTrue())
	g.Expect(app.Restricted).To(BeFalse())
	g.Expect(app.SAML.Flow).To(Equal(directory.FlowSPInitiated))
	g.Expect(app.SAML.Signing).To(Equal(directory.SignResponseAndAssertion))
	g.Expect(app.SAML.Hash).To(Equal(directory.SHA256))
	g.Expect(app.SAML.Encryption).To(BeEmpty())
	g.Expect(app.SAML.NameIDFormat).To(Equal(directory.NameIDEmailAddress))

	app = directorySAMLApp("acme", &v1alpha1.SAMLApp{Spec: v1alpha1.SAMLAppSpec{Signing: &v1alpha1.SAMLSigning{}, Encryption: &v1alpha1.SAMLEncryption{}}}, nil)
	g.Expect(app.SAML.Signing).To(Equal(directory.SignResponseAndAssertion))
	g.Expect(app.SAML.Hash).To(Equal(directory.SHA256))
	g.Expect(app.SAML.Encryption).To(Equal(directory.AES256GCM))
}

func TestSAMLAppIsConvertedWhole(t *testing.T) {
	g := NewWithT(t)
	app := directorySAMLApp("acme", &v1alpha1.SAMLApp{
		ObjectMeta: metav1.ObjectMeta{Name: "wiki"},
		Spec: v1alpha1.SAMLAppSpec{
			DisplayName: "Wiki", Flow: "IdPInitiated",
			Portal: &v1alpha1.SAMLAppPortal{Visible: ptr.To(false), LoginURL: "https://wiki.example/login"},
			ServiceProvider: v1alpha1.ServiceProvider{EntityID: "urn:wiki", AssertionConsumerServices: []v1alpha1.AssertionConsumerService{
				{URL: "https://wiki.example/a"}, {URL: "https://wiki.example/b", Index: ptr.To[int32](7), Default: ptr.To(true)}}},
			Signing:    &v1alpha1.SAMLSigning{Mode: "Assertion", Hash: "SHA1"},
			Encryption: &v1alpha1.SAMLEncryption{Algorithm: "AES128CBC"},
			Issuer:     "urn:acme", DefaultRelayState: "/home",
			NameID: &v1alpha1.NameID{Format: "persistent", Attribute: "employeeNumber", NameQualifier: "acme", SPNameQualifier: "wiki"},
			Attributes: []v1alpha1.SAMLAttribute{
				{Name: "mail", NameFormat: "uri", From: &v1alpha1.AttributeSource{Field: "mail"}},
				{Name: "cost", From: &v1alpha1.AttributeSource{Attribute: "costCenter"}},
				{Name: "env", Value: "production"},
				{Name: "plans", NameFormat: "basic", Values: []string{"gold", "silver"}}},
			Permissions:       []v1alpha1.AppPermission{{Name: "admin", Administrator: ptr.To(true)}, {Name: "user", DisplayName: "利用者"}},
			DefaultPermission: "user",
			Access:            &v1alpha1.AppAccess{Groups: []v1alpha1.GroupReference{{Name: "sales"}}},
		},
	}, nil)
	g.Expect(app).To(Equal(directory.App{
		Tenant: "acme", Kind: directory.KindSAMLApp, Name: "wiki", DisplayName: "Wiki", URL: "https://wiki.example/login",
		Groups: []string{"sales"}, Restricted: true, DefaultPermission: "user",
		Permissions: []directory.Permission{{Name: "admin", DisplayName: "admin", Administrator: true}, {Name: "user", DisplayName: "利用者"}},
		SAML: &directory.SAMLSettings{
			Flow: directory.FlowIdPInitiated, EntityID: "urn:wiki",
			AssertionConsumerServices: []directory.AssertionConsumerService{
				{URL: "https://wiki.example/a", Index: 0}, {URL: "https://wiki.example/b", Index: 7, Default: true}},
			Signing: directory.SignAssertion, Hash: directory.SHA1, Encryption: directory.AES128CBC, Issuer: "urn:acme", DefaultRelayState: "/home",
			NameIDFormat: directory.NameIDPersistent, NameIDAttribute: "employeeNumber", NameQualifier: "acme", SPNameQualifier: "wiki",
			Attributes: []directory.AttributeMapping{
				{Name: "mail", NameFormat: "uri", Field: directory.FieldMail},
				{Name: "cost", NameFormat: "unspecified", Attribute: "costCenter"},
				{Name: "env", NameFormat: "unspecified", Values: []string{"production"}},
				{Name: "plans", NameFormat: "basic", Values: []string{"gold", "silver"}}},
		},
	}))
}

func TestMemberIsConvertedWhole(t *testing.T) {
	member := directoryMember(directory.Tenant{Slug: "acme"}, &v1alpha1.Member{
		ObjectMeta: metav1.ObjectMeta{Name: "yamada", Labels: map[string]string{"department": "sales"}},
		Spec: v1alpha1.MemberSpec{
			Name: v1alpha1.PersonName{Family: "山田", Given: "太郎", PhoneticFamily: "ヤマダ", PhoneticGiven: "タロウ"},
			Mail: "taro@acme.example", Role: "GroupCreator", TimeZone: "Asia/Tokyo", Language: "ja", Phone: "03",
			AdditionalPermissions: []v1alpha1.AdditionalPermission{"AssetManager"},
			Permissions:           []v1alpha1.PermissionGrant{{AppRef: v1alpha1.AppReference{Kind: "LinkApp", Name: "handbook"}, Permission: "editor"}},
			Attributes:            map[string]v1alpha1.AttributeValue{"employeeNumber": "1"},
			PasswordSetup:         "TemporaryPassword", Suspended: ptr.To(true),
		},
	}, &directory.Image{ContentType: "image/png"})
	NewWithT(t).Expect(member).To(Equal(directory.Member{
		Tenant: "acme", Name: "yamada", Person: directory.PersonName{Family: "山田", Given: "太郎", PhoneticFamily: "ヤマダ", PhoneticGiven: "タロウ"},
		Mail: "taro@acme.example", Role: directory.RoleGroupCreator, TimeZone: "Asia/Tokyo", Language: "ja", Phone: "03",
		Labels:                map[string]string{"department": "sales"},
		AdditionalPermissions: []directory.AdditionalPermission{directory.AssetManager},
		Permissions:           []directory.PermissionGrant{{App: directory.AppReference{Kind: directory.KindLinkApp, Name: "handbook"}, Permission: "editor"}},
		Attributes:            map[string]string{"employeeNumber": "1"},
		PasswordSetup:         directory.PasswordSetupTemporary, Suspended: true, Image: &directory.Image{ContentType: "image/png"},
	}))
}
