/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"strings"
)

// Domain of a tenant.
type Domain struct {
	Name string
	// Unverified domains cannot be used yet.
	Unverified bool
	// Initial is the *.onmicrosoft.com that the tenant began with.
	Initial, Default bool
	// Subdomain is one whose parent is in the tenant too: it follows its parent.
	Subdomain bool
}

// domain is one with its federation.
type domain struct {
	Domain
	// federation is nil where the domain is managed.
	federation map[string]any
	// broken tells that it was federated without a certificate.
	broken bool
}

var domainProperties = map[string]property{
	"id": {kind: text, byDefault: true, readOnly: true}, "authenticationType": {kind: text, byDefault: true}, "availabilityStatus": {kind: text, byDefault: true},
	"isAdminManaged": {kind: flag, byDefault: true}, "isDefault": {kind: flag, byDefault: true}, "isInitial": {kind: flag, byDefault: true},
	"isRoot": {kind: flag, byDefault: true}, "isVerified": {kind: flag, byDefault: true}, "supportedServices": {kind: texts, byDefault: true},
	"passwordNotificationWindowInDays": {kind: other, byDefault: true}, "passwordValidityPeriodInDays": {kind: other, byDefault: true},
}

func (d *domain) federated() bool { return d.federation != nil || d.broken }

func (d *domain) fields() map[string]any {
	kind := "Managed"
	if d.federated() {
		kind = "Federated"
	}
	return map[string]any{
		"id": d.Name, "authenticationType": kind, "availabilityStatus": nil, "isAdminManaged": true, "isDefault": d.Default, "isInitial": d.Initial,
		"isRoot": !d.Subdomain, "isVerified": !d.Unverified, "supportedServices": []any{"Email", "OfficeCommunicationsOnline"},
		"passwordNotificationWindowInDays": 14, "passwordValidityPeriodInDays": 90,
	}
}

// domain is one by name; nil where the tenant has none.
func (s *Server) domain(name string) *domain {
	for _, d := range s.domains {
		if strings.EqualFold(d.Name, name) {
			return d
		}
	}
	return nil
}

func (s *Server) domainsList(c *call, _ params) answer {
	var all []map[string]any
	for _, d := range s.domains {
		all = append(all, d.fields())
	}
	return s.listAll(c, domainProperties, "domains", all)
}

func (s *Server) domainRead(c *call, p params) answer {
	d := s.domain(p["domain"])
	if d == nil {
		return notFound(p["domain"])
	}
	return s.single(c, domainProperties, "domains", d.fields())
}

// federatedName tells whether a user name is in a federated domain.
func (s *Server) federatedName(name any) bool {
	written, _ := name.(string)
	_, in, _ := strings.Cut(written, "@")
	d := s.domain(in)
	return d != nil && d.federated()
}

// crosses tells whether a user would go from one federated domain to another.
func (s *Server) crosses(from, to string) bool {
	_, before, _ := strings.Cut(from, "@")
	_, after, _ := strings.Cut(to, "@")
	return !strings.EqualFold(before, after) && s.federatedName(from) && s.federatedName(to)
}

var organizationProperties = map[string]property{
	"id": {kind: text, byDefault: true}, "displayName": {kind: text, byDefault: true}, "tenantType": {kind: text, byDefault: true},
	"verifiedDomains": {kind: other, byDefault: true}, "countryLetterCode": {kind: text, byDefault: true}, "onPremisesSyncEnabled": {kind: flag, byDefault: true},
	"createdDateTime": {kind: when, byDefault: true},
}

func (s *Server) organizationList(c *call, _ params) answer {
	domains := []any{}
	for _, d := range s.domains {
		if !d.Unverified {
			kind := "Managed"
			if d.federated() {
				kind = "Federated"
			}
			domains = append(domains, map[string]any{"name": d.Name, "isDefault": d.Default, "isInitial": d.Initial, "type": kind, "capabilities": "Email, OfficeCommunicationsOnline"})
		}
	}
	return s.listAll(c, organizationProperties, "organization", []map[string]any{{
		"id": s.options.TenantID, "displayName": "Acme", "tenantType": "AAD", "verifiedDomains": domains, "countryLetterCode": "JP",
	}})
}
