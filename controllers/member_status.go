/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// observeDirectory writes what the directory's rules say of the member.
func observeDirectory(member *v1alpha1.Member, tenant directory.Tenant, converted directory.Member, around surroundings) {
	fields := &member.Status
	fields.MailKind = "External"
	if tenant.OwnsDomainOf(converted.Mail) {
		fields.MailKind = "Internal"
	}
	groups := directory.GroupsOf(converted, around.groups)
	fields.Groups = nil
	for _, group := range groups {
		role, _ := group.RoleOf(converted)
		fields.Groups = append(fields.Groups, v1alpha1.MemberGroup{Name: group.Name, Role: v1alpha1.GroupRole(role)})
	}
	fields.AdditionalPermissions = nil
	for _, permission := range converted.EffectiveAdditionalPermissions() {
		fields.AdditionalPermissions = append(fields.AdditionalPermissions, v1alpha1.AdditionalPermission(permission))
	}
	fields.Permissions = nil
	for _, permission := range directory.EffectivePermissions(converted, groups, around.apps) {
		fields.Permissions = append(fields.Permissions, v1alpha1.EffectivePermission{
			AppRef:    v1alpha1.AppReference{Kind: v1alpha1.AppKind(permission.App.Kind), Name: permission.App.Name},
			Own:       permission.Own,
			Effective: permission.Effective,
			Source:    string(permission.SourceKind),
			Group:     permission.SourceName,
		})
	}
}

// observeMember writes what only the IdP knows of the member.
func observeMember(member *v1alpha1.Member, state admin.MemberState, hasSecret bool, now time.Time) {
	fields := &member.Status
	fields.ID = state.ID
	fields.State = memberState(member, state, now)
	fields.LastLogin = metav1.Time{}
	if state.LastLogin != nil {
		fields.LastLogin = metav1.NewTime(*state.LastLogin)
	}
	fields.Password = &v1alpha1.PasswordStatus{
		State:     string(state.Password),
		LastReset: state.PasswordReset,
		MailError: state.MailError,
	}
	if state.PasswordExpiresAt != nil {
		fields.Password.ExpiresAt = metav1.NewTime(*state.PasswordExpiresAt)
	}
	if hasSecret {
		fields.Password.SecretRef = &v1alpha1.SecretReference{Name: temporarySecretName(member)}
	}
}

// memberState says in one word whether the member can log in.
func memberState(member *v1alpha1.Member, state admin.MemberState, now time.Time) v1alpha1.MemberState {
	switch {
	case member.Spec.Suspended != nil && *member.Spec.Suspended:
		return v1alpha1.MemberSuspended
	case state.LockedUntil != nil && state.LockedUntil.After(now):
		return v1alpha1.MemberLocked
	case state.Password == admin.PasswordSet:
		return v1alpha1.MemberActive
	case state.Password == admin.PasswordExpired:
		return v1alpha1.MemberPasswordExpired
	default:
		return v1alpha1.MemberPasswordPending
	}
}
