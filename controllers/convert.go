/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
)

// What holds where a spec says nothing. The spec itself is never written.
const (
	defaultTimeZone = "Asia/Tokyo"
	defaultLanguage = v1alpha1.LanguageJapanese
)

// slugOf is the tenant's key.
func slugOf(tenant *v1alpha1.Tenant) string { return cmp.Or(tenant.Spec.Slug, tenant.Name) }

func directoryTenant(tenant *v1alpha1.Tenant) directory.Tenant {
	spec := tenant.Spec
	converted := directory.Tenant{
		Slug:        slugOf(tenant),
		DisplayName: spec.DisplayName,
		TimeZone:    cmp.Or(spec.TimeZone, defaultTimeZone),
		Language:    string(cmp.Or(spec.Language, defaultLanguage)),
		Plan:        directory.Plan(cmp.Or(string(spec.Plan), string(directory.PlanPlus))),
		Licenses:    int(spec.Licenses),

		DeletionGuard: deletionGuard(tenant),
	}
	for _, domain := range spec.Domains {
		converted.Domains = append(converted.Domains, string(domain))
	}
	for _, attribute := range spec.Attributes {
		converted.Attributes = append(converted.Attributes, directory.AttributeDefinition{
			Name: attribute.Name, DisplayName: attribute.DisplayName, Unique: ptr.Deref(attribute.Unique, false),
		})
	}
	return converted
}

func directoryMember(tenant directory.Tenant, member *v1alpha1.Member, image *directory.Image) directory.Member {
	spec := member.Spec
	converted := directory.Member{
		Tenant: tenant.Slug,
		Name:   member.Name,
		Person: directory.PersonName{
			Family: spec.Name.Family, Given: spec.Name.Given,
			PhoneticFamily: spec.Name.PhoneticFamily, PhoneticGiven: spec.Name.PhoneticGiven,
		},
		Mail:          spec.Mail,
		Role:          directory.Role(spec.Role),
		TimeZone:      cmp.Or(spec.TimeZone, tenant.TimeZone),
		Language:      cmp.Or(string(spec.Language), tenant.Language),
		Phone:         spec.Phone,
		Labels:        maps.Clone(member.Labels),
		Permissions:   directoryGrants(spec.Permissions),
		PasswordSetup: directory.PasswordSetup(cmp.Or(string(spec.PasswordSetup), string(directory.PasswordSetupMailLink))),
		Suspended:     ptr.Deref(spec.Suspended, false),
		Image:         image,
	}
	for name, value := range spec.Attributes {
		if converted.Attributes == nil {
			converted.Attributes = map[string]string{}
		}
		converted.Attributes[name] = string(value)
	}
	for _, permission := range spec.AdditionalPermissions {
		converted.AdditionalPermissions = append(converted.AdditionalPermissions, directory.AdditionalPermission(permission))
	}
	return converted
}

func directoryGroup(slug string, group *v1alpha1.Group) directory.Group {
	converted := directory.Group{
		Tenant:      slug,
		Name:        group.Name,
		DisplayName: group.Spec.DisplayName,
		Selector:    directorySelector(group.Spec.Selector),
		Permissions: directoryGrants(group.Spec.Permissions),
	}
	for _, member := range group.Spec.Members {
		converted.Members = append(converted.Members, directory.Participant{
			Member: member.MemberRef.Name,
			Role:   directory.GroupRole(cmp.Or(string(member.Role), string(directory.GroupUser))),
		})
	}
	return converted
}

func directorySelector(selector *metav1.LabelSelector) *directory.Selector {
	if selector == nil {
		return nil
	}
	converted := &directory.Selector{MatchLabels: maps.Clone(selector.MatchLabels)}
	for _, expression := range selector.MatchExpressions {
		converted.MatchExpressions = append(converted.MatchExpressions, directory.SelectorRequirement{
			Key: expression.Key, Operator: string(expression.Operator), Values: slices.Clone(expression.Values),
		})
	}
	return converted
}

func directoryGrants(grants []v1alpha1.PermissionGrant) []directory.PermissionGrant {
	var converted []directory.PermissionGrant
	for _, grant := range grants {
		converted = append(converted, directory.PermissionGrant{
			App:        directory.AppReference{Kind: directory.AppKind(grant.AppRef.Kind), Name: grant.AppRef.Name},
			Permission: grant.Permission,
		})
	}
	return converted
}

func directorySAMLApp(slug string, app *v1alpha1.SAMLApp, icon *directory.Image) directory.App {
	spec := app.Spec
	converted := directory.App{
		Tenant:            slug,
		Kind:              directory.KindSAMLApp,
		Name:              app.Name,
		DisplayName:       spec.DisplayName,
		Visible:           true,
		Icon:              icon,
		Permissions:       directoryPermissions(spec.Permissions),
		DefaultPermission: spec.DefaultPermission,
		SAML:              directorySAML(spec),
	}
	if portal := spec.Portal; portal != nil {
		converted.Visible = ptr.Deref(portal.Visible, true)
		converted.URL = portal.LoginURL
	}
	restrict(&converted, spec.Access)
	return converted
}

func directorySAML(spec v1alpha1.SAMLAppSpec) *directory.SAMLSettings {
	settings := &directory.SAMLSettings{
		Flow:         directory.Flow(cmp.Or(string(spec.Flow), string(directory.FlowSPInitiated))),
		EntityID:     spec.ServiceProvider.EntityID,
		Signing:      directory.SignResponseAndAssertion,
		Hash:         directory.SHA256,
		NameIDFormat: directory.NameIDEmailAddress,
		Issuer:       spec.Issuer, DefaultRelayState: spec.DefaultRelayState,
	}
	for i, service := range spec.ServiceProvider.AssertionConsumerServices {
		settings.AssertionConsumerServices = append(settings.AssertionConsumerServices, directory.AssertionConsumerService{
			URL: service.URL, Default: ptr.Deref(service.Default, false), Pattern: service.Match == v1alpha1.AddressPattern,
			Index: int(ptr.Deref(service.Index, int32(i))), // #nosec G115 -- at most 100 items
		})
	}
	for _, certificate := range spec.ServiceProvider.Certificates {
		settings.Certificates = append(settings.Certificates, directory.ServiceProviderCertificate{
			PEM: certificate.Certificate, Use: directory.CertificateUse(certificate.Use),
		})
	}
	if requests := spec.ServiceProvider.Requests; requests != nil {
		settings.Requests = directory.RequestPolicy{
			Signed: requests.Signed == v1alpha1.RequestSigningRequired, AllowSHA1: ptr.Deref(requests.AllowSHA1, false),
		}
	}
	if spec.Metadata != nil {
		settings.Requests.AllowSHA1 = ptr.Deref(spec.Metadata.AllowSHA1, false)
	}
	for _, service := range spec.ServiceProvider.SingleLogoutServices {
		settings.SingleLogoutServices = append(settings.SingleLogoutServices, directory.SingleLogoutService{
			Binding: directory.Binding(service.Binding), URL: service.URL, ResponseURL: service.ResponseURL,
		})
	}
	if spec.Signing != nil {
		settings.Signing = directory.SigningMode(cmp.Or(string(spec.Signing.Mode), string(directory.SignResponseAndAssertion)))
		settings.Hash = directory.Hash(cmp.Or(string(spec.Signing.Hash), string(directory.SHA256)))
	}
	if spec.Encryption != nil {
		settings.Encryption = directory.Encryption(cmp.Or(string(spec.Encryption.Algorithm), string(directory.AES256GCM)))
	}
	if spec.NameID != nil {
		settings.NameIDFormat = directory.NameIDFormat(spec.NameID.Format)
		settings.NameIDAttribute, settings.NameIDField = spec.NameID.Attribute, directory.Field(spec.NameID.Field)
		settings.NameQualifier, settings.SPNameQualifier = spec.NameID.NameQualifier, spec.NameID.SPNameQualifier
	}
	for _, attribute := range spec.Attributes {
		mapping := directory.AttributeMapping{
			Name: attribute.Name, NameFormat: cmp.Or(attribute.NameFormat, "unspecified"), Values: attribute.Values,
		}
		if attribute.Value != "" {
			mapping.Values = []string{attribute.Value}
		}
		if attribute.From != nil {
			mapping.Field, mapping.Attribute = directory.Field(attribute.From.Field), attribute.From.Attribute
			mapping.Domain = string(attribute.From.Domain)
		}
		settings.Attributes = append(settings.Attributes, mapping)
	}
	return settings
}

func directoryLinkApp(slug string, app *v1alpha1.LinkApp, icon *directory.Image) directory.App {
	spec := app.Spec
	converted := directory.App{
		Tenant:            slug,
		Kind:              directory.KindLinkApp,
		Name:              app.Name,
		DisplayName:       spec.DisplayName,
		Visible:           spec.Portal == nil || ptr.Deref(spec.Portal.Visible, true),
		URL:               spec.URL,
		Icon:              icon,
		Permissions:       directoryPermissions(spec.Permissions),
		DefaultPermission: spec.DefaultPermission,
	}
	restrict(&converted, spec.Access)
	return converted
}

func directoryPermissions(permissions []v1alpha1.AppPermission) []directory.Permission {
	var converted []directory.Permission
	for _, permission := range permissions {
		converted = append(converted, directory.Permission{
			Name: permission.Name, DisplayName: cmp.Or(permission.DisplayName, permission.Name),
			Administrator: ptr.Deref(permission.Administrator, false),
		})
	}
	return converted
}

func restrict(app *directory.App, access *v1alpha1.AppAccess) {
	if access == nil {
		return
	}
	app.Restricted = true
	for _, group := range access.Groups {
		app.Groups = append(app.Groups, group.Name)
	}
}
