/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Role is what a member may do in the tenant (O3.2).
type Role string

// The roles: super admin 特権管理者, staff who may create groups
// 一般スタッフ(グループ作成可), staff 一般スタッフ.
const (
	RoleSuperAdmin   Role = "SuperAdmin"
	RoleGroupCreator Role = "GroupCreator"
	RoleStaff        Role = "Staff"
)

// AdditionalPermission is a right beside the role (O3.2). A super admin holds
// all of them always.
type AdditionalPermission string

// The additional permissions: 物品管理者 and 機器管理権限.
const (
	AssetManager  AdditionalPermission = "AssetManager"
	DeviceManager AdditionalPermission = "DeviceManager"
)

// PasswordSetup is how a member gets a first password (O3.3).
type PasswordSetup string

// The ways: a mailed link, a temporary password handed over by an
// administrator, or none (a password is never set here).
const (
	PasswordSetupMailLink  PasswordSetup = "MailLink"
	PasswordSetupTemporary PasswordSetup = "TemporaryPassword" // #nosec G101 -- a mode's name
	PasswordSetupNone      PasswordSetup = "None"
)

// PersonName is a member's name with its reading (O3.1).
type PersonName struct {
	Family         string `json:"family"`
	Given          string `json:"given"`
	PhoneticFamily string `json:"phoneticFamily,omitempty"`
	PhoneticGiven  string `json:"phoneticGiven,omitempty"`
}

// Display is the name as its bearer's language writes it: family name first in
// Japanese, given name first otherwise.
func (n PersonName) Display(language string) string {
	if language == "ja" {
		return n.Family + " " + n.Given
	}
	return n.Given + " " + n.Family
}

// Member is a person who can log in (O3).
type Member struct {
	// Tenant and Name are the key: tenant slug and object name.
	Tenant string     `json:"tenant"`
	Name   string     `json:"name"`
	Person PersonName `json:"person"`
	// Mail is the log-in name, unique over the whole server.
	Mail     string `json:"mail"`
	Role     Role   `json:"role"`
	TimeZone string `json:"timeZone"`
	Language string `json:"language"`
	Phone    string `json:"phone,omitempty"`
	// Labels are what group selectors match.
	Labels map[string]string `json:"labels,omitempty"`
	// Attributes are custom attribute values by attribute name.
	Attributes            map[string]string      `json:"attributes,omitempty"`
	AdditionalPermissions []AdditionalPermission `json:"additionalPermissions,omitempty"`
	// Permissions are application permissions given to this member.
	Permissions   []PermissionGrant `json:"permissions,omitempty"`
	PasswordSetup PasswordSetup     `json:"passwordSetup"`
	Suspended     bool              `json:"suspended,omitempty"`
	// Image is the profile picture, at most 1 MiB.
	Image *Image `json:"image,omitempty"`
}

// EffectiveAdditionalPermissions are the ones held: all for a super admin (O3.2).
func (m Member) EffectiveAdditionalPermissions() []AdditionalPermission {
	if m.Role == RoleSuperAdmin {
		return []AdditionalPermission{AssetManager, DeviceManager}
	}
	return m.AdditionalPermissions
}

// NormalizeMail is the form in which mail addresses are compared: without
// surrounding space, full-width letters narrowed (Japanese input methods write
// them), lower case, Unicode composed (RFC 8265, UsernameCaseMapped).
func NormalizeMail(mail string) string {
	mail = width.Fold.String(strings.ToValidUTF8(mail, "\uFFFD"))
	return norm.NFC.String(strings.ToLower(strings.TrimSpace(mail)))
}

// CheckMember tells what is wrong with a member that the schema cannot tell.
func CheckMember(t Tenant, m Member) Problems {
	problems := checkTimeZone("timeZone", m.TimeZone)
	for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
		if _, declared := t.Attribute(name); !declared {
			problems = append(problems, Problem{
				Field:   "attributes." + name,
				Message: fmt.Sprintf("tenant %s declares no attribute of that name; add it to the Tenant's spec.attributes or remove it here", t.Slug),
			})
		}
	}
	return problems
}

// WithoutFaults is the member without what CheckMember finds wrong, so that a
// member who is live stays under control in spite of a fault.
func WithoutFaults(t Tenant, m Member) Member {
	for _, zone := range []string{t.TimeZone, fallbackTimeZone} {
		if len(checkTimeZone("", m.TimeZone)) > 0 {
			m.TimeZone = zone
		}
	}
	attributes := maps.Clone(m.Attributes)
	maps.DeleteFunc(attributes, func(name, _ string) bool {
		_, declared := t.Attribute(name)
		return !declared
	})
	m.Attributes = attributes
	return m
}
