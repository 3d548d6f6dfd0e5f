/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Plan is what a tenant has subscribed to (O1.5).
type Plan string

// The plans. Plus has every feature; Free lacks SAML apps, IP restriction,
// provisioning, upstream IdPs and the audit log.
const (
	PlanFree Plan = "Free"
	PlanPlus Plan = "Plus"
)

// AllowsSAMLApps reports whether apps other than links may be published (O1.5).
func (p Plan) AllowsSAMLApps() bool { return p != PlanFree }

// AllowsProvisioning reports whether members may have accounts in Entra ID and in an MDM.
func (p Plan) AllowsProvisioning() bool { return p != PlanFree }

// Tenant is a company (企業): the owner of members, groups and apps (O1).
type Tenant struct {
	// Slug is the tenant's immutable key, unique on its IdP server; it stands in URLs.
	Slug        string `json:"slug"`
	DisplayName string `json:"displayName"`
	// TimeZone is the IANA name used where a member declares none.
	TimeZone string `json:"timeZone"`
	// Language is the BCP 47 tag, "ja" or "en", used where a member declares none.
	Language string `json:"language"`
	Plan     Plan   `json:"plan"`
	// Licenses is the largest number of members; 0 is no limit (O1.6).
	Licenses int `json:"licenses,omitempty"`
	// Domains are the mail domains of the company, lower case.
	Domains []string `json:"domains,omitempty"`
	// Attributes are the custom attributes members may carry, by name (O4).
	Attributes []AttributeDefinition `json:"attributes,omitempty"`
	// DeletionGuard holds deletions of many members (X3); zero is the default one.
	DeletionGuard DeletionGuard `json:"deletionGuard,omitzero"`
}

// AttributeDefinition declares a custom attribute (O4.1).
type AttributeDefinition struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	// Unique forbids that two members of the tenant share a value. Only a
	// unique attribute may serve as NameID (O4.2).
	Unique bool `json:"unique,omitempty"`
}

// Attribute finds a custom attribute by name.
func (t Tenant) Attribute(name string) (AttributeDefinition, bool) {
	i := slices.IndexFunc(t.Attributes, func(a AttributeDefinition) bool { return a.Name == name })
	if i < 0 {
		return AttributeDefinition{}, false
	}
	return t.Attributes[i], true
}

// OwnsDomainOf reports whether the mail address belongs to one of the
// tenant's domains; a tenant without domains owns every address.
func (t Tenant) OwnsDomainOf(mail string) bool {
	if len(t.Domains) == 0 {
		return true
	}
	_, domain, _ := strings.Cut(NormalizeMail(mail), "@")
	return slices.Contains(t.Domains, domain)
}

// CheckTenant tells what is wrong with a tenant that the schema cannot tell.
func CheckTenant(t Tenant) Problems {
	return checkTimeZone("timeZone", t.TimeZone)
}

// fallbackTimeZone is O3.1's default.
const fallbackTimeZone = "Asia/Tokyo"

func checkTimeZone(field, name string) Problems {
	if _, err := time.LoadLocation(name); err != nil || dependsOnMachine(name) {
		return Problems{{Field: field, Message: fmt.Sprintf("time zone %q does not exist; use an IANA name such as Asia/Tokyo", name)}}
	}
	return nil
}

// dependsOnMachine tells names that LoadLocation takes although they are none
// of IANA's: "" is UTC and "Local" this machine's zone, and the others are
// files that some systems keep beside the zones.
func dependsOnMachine(name string) bool {
	return slices.Contains([]string{"", "Local", "localtime", "posixrules", "Factory"}, name) ||
		strings.HasPrefix(name, "posix/") || strings.HasPrefix(name, "right/")
}
