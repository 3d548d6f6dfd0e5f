/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package cel

import (
	"slices"
	"strings"
)

const (
	guidMessage     = "must be a GUID such as 11111111-2222-3333-4444-555555555555"
	originMessage   = "must be an origin such as https://graph.microsoft.com, without a path"
	targetMessage   = "must be an absolute http or https URL without a query, a fragment and credentials, for example https://example.com/scim/v2"
	durationMessage = "must be hours, minutes and seconds, for example 720h or 1h30m"
)

var (
	guids    = []any{"11111111-2222-3333-4444-555555555555", "AAAAAAAA-bbbb-CCCC-dddd-EEEEEEEEEEEE"}
	notGUIDs = []any{"11111111-2222-3333-4444-55555555555g", "111111112222333344445555555555555555", "1111111-12222-3333-4444-555555555555"}
	origins  = []any{"https://login.microsoftonline.us", "https://graph.chinacloudapi.cn:443", "http://127.0.0.1:8080", "http://[::1]:8080"}
	// Each has a path, credentials, or nothing to connect to.
	notOrigins = []any{"https://graph.microsoft.com/", "https://graph.microsoft.com/v1.0", "https://user@graph.example", "graph.microsoft.com", "ftp://graph.example"}
	urls       = []any{"https://service.example/scim/v2", "https://service.example", "http://10.0.0.1:8080/scim/", "https://service.example:8443/a%20b"}
	notURLs    = []any{
		"https://service.example/scim?tenant=1", "https://service.example/scim#x", "https://user:password@service.example/scim",
		"service.example/scim", "ftp://service.example/scim", "file:///etc/passwd", "https:///scim", "https://service.example/a b",
	}
)

// kindOfTarget replaces the minimal target's kind by another: a field of the spec and its value.
func kindOfTarget(field string, value any) []edit {
	return []edit{unset("spec.scim"), set("spec."+field, value)}
}

// eachOf is each, of another base.
func eachOf(base, path string, values ...any) []variant {
	variants := each(path, values...)
	for i := range variants {
		variants[i].base = base
	}
	return variants
}

// of is a variant of another base.
func of(base, name string, edits ...edit) variant {
	return variant{name: name, base: base, edits: edits}
}

// updateOf goes from a base to that with the edits.
func updateOf(base, name string, later ...edit) variant {
	return variant{name: name, base: base, edits: later, update: true}
}

var (
	entraID  = map[string]any{"tenantID": guids[0], "clientID": guids[0], "domain": "acme.example", "clientSecretRef": map[string]any{"name": "entra", "key": "secret"}}
	intune   = map[string]any{"intune": map[string]any{"targetRef": map[string]any{"name": "entra"}}}
	restMDM  = map[string]any{"url": "https://mdm.example/api", "tokenSecretRef": map[string]any{"name": "mdm", "key": "token"}}
	scimMDM  = map[string]any{"url": "https://mdm.example/scim", "authentication": map[string]any{"basicSecretRef": map[string]any{"name": "mdm"}}}
	oauthMDM = map[string]any{
		"tokenURL": "https://mdm.example/token", "clientID": "tegata", "clientSecretRef": map[string]any{"name": "mdm", "key": "secret"},
	}
)

// scimRules are those of a SCIM service, which stands at two places of a target.
func scimRules(path, bearer, oauth string) []ruleTest {
	return []ruleTest{
		{
			kind: "ProvisioningTarget", path: path + ".url", message: targetMessage,
			accepted: eachOf(bearer, path+".url", urls...), refused: eachOf(bearer, path+".url", notURLs...),
		},
		{
			kind: "ProvisioningTarget", path: path + ".authentication.oauth.tokenURL", message: targetMessage,
			accepted: eachOf(oauth, path+".authentication.oauth.tokenURL", urls...), refused: eachOf(oauth, path+".authentication.oauth.tokenURL", notURLs...),
		},
		{
			kind: "ProvisioningTarget", path: path + ".authentication", message: "set exactly one of bearerTokenSecretRef, basicSecretRef and oauth",
			accepted: []variant{
				of(bearer, "bearer"), of(oauth, "oauth"),
				of(bearer, "basic", set(path+".authentication", map[string]any{"basicSecretRef": map[string]any{"name": "service"}})),
				updateOf(bearer, "another way", set(path+".authentication", map[string]any{"oauth": oauthMDM})),
			},
			refused: []variant{
				of(bearer, "none", set(path+".authentication", map[string]any{})),
				of(bearer, "bearer and basic", set(path+".authentication.basicSecretRef", map[string]any{"name": "service"})),
				of(oauth, "oauth and basic", set(path+".authentication.basicSecretRef", map[string]any{"name": "service"})),
			},
		},
	}
}

var provisioningTargetRules = slices.Concat(scimRules("spec.scim", "bearer", "oauth"), scimRules("spec.mdm.scim", "mdm-bearer", "mdm-oauth"), []ruleTest{
	{
		kind: "ProvisioningTarget", path: "spec", message: "tenantRef is immutable; make a new ProvisioningTarget instead",
		accepted: []variant{update("unchanged", nil, []edit{set("spec.writesPerSecond", int64(3))})},
		refused:  []variant{update("changed", nil, anotherTenant)},
	},
	{
		kind: "ProvisioningTarget", path: "spec", message: "set exactly one of entraID, mdm and scim",
		accepted: []variant{with("scim"), full("entraID"), of("mdm-rest", "mdm")},
		refused: []variant{
			with("none", unset("spec.scim")), with("scim and mdm", set("spec.mdm", intune)),
			with("scim and entraID", set("spec.entraID", entraID)), full("entraID and mdm", set("spec.mdm", intune)),
		},
	},
	{
		kind: "ProvisioningTarget", path: "spec",
		message:  "the kind of target cannot change: its accounts belong to the service; make a new ProvisioningTarget instead",
		accepted: []variant{update("another address", nil, []edit{set("spec.scim.url", "https://service.example/scim/v3")})},
		refused: []variant{
			update("to mdm", nil, kindOfTarget("mdm", intune)), update("to entraID", nil, kindOfTarget("entraID", entraID)),
			updateOf("mdm-rest", "from mdm", unset("spec.mdm"), set("spec.scim", scimMDM)),
		},
	},
	{
		kind: "ProvisioningTarget", path: "spec", message: "groups are for scim targets",
		accepted: []variant{of("oauth", "scim"), with("an empty selector", set("spec.groups.selector", map[string]any{}))},
		refused: []variant{
			full("entraID", set("spec.groups.selector", map[string]any{})), of("mdm-bearer", "scim of an mdm", set("spec.groups.selector", map[string]any{})),
		},
	},
	{
		kind: "ProvisioningTarget", path: "spec.attributes[]", message: "set exactly one of from and value",
		accepted: []variant{
			with("from", set("spec.attributes.0", map[string]any{"name": "title", "from": map[string]any{"field": "role"}})),
			with("value", set("spec.attributes.0", map[string]any{"name": "title", "value": "x"})),
		},
		refused: []variant{
			with("neither", set("spec.attributes.0", map[string]any{"name": "title"})),
			with("both", set("spec.attributes.0", map[string]any{"name": "title", "value": "x", "from": map[string]any{"field": "role"}})),
		},
	},
	{
		kind: "ProvisioningTarget", path: "spec.attributes[].from", message: "set exactly one of field and attribute",
		accepted: []variant{full("each")},
		refused: []variant{
			full("neither", set("spec.attributes.0.from", map[string]any{})),
			full("both", set("spec.attributes.0.from.attribute", "costCenter")),
		},
	},
	{
		kind: "ProvisioningTarget", path: "spec.entraID", message: "set exactly one of clientSecretRef and clientCertificateRef",
		accepted: []variant{
			full("secret"), of("certificate", "certificate"),
			updateOf("certificate", "to a secret", unset("spec.entraID.clientCertificateRef"), set("spec.entraID.clientSecretRef", map[string]any{"name": "entra", "key": "secret"})),
		},
		refused: []variant{
			full("neither", unset("spec.entraID.clientSecretRef")),
			full("both", set("spec.entraID.clientCertificateRef", map[string]any{"name": "entra"})),
		},
	},
	{
		kind: "ProvisioningTarget", path: "spec.entraID", message: "tenantID is immutable: its accounts belong to that tenant; make a new ProvisioningTarget instead",
		accepted: []variant{updateOf("certificate", "another app", set("spec.entraID.clientID", guids[1]))},
		refused:  []variant{updateOf("certificate", "another tenant", set("spec.entraID.tenantID", guids[1]))},
	},
	{
		kind: "ProvisioningTarget", path: "spec.entraID.tenantID", message: guidMessage,
		accepted: eachOfFull("spec.entraID.tenantID", guids...), refused: eachOfFull("spec.entraID.tenantID", notGUIDs...),
	},
	{
		kind: "ProvisioningTarget", path: "spec.entraID.clientID", message: guidMessage,
		accepted: eachOfFull("spec.entraID.clientID", guids...), refused: eachOfFull("spec.entraID.clientID", notGUIDs...),
	},
	{
		kind: "ProvisioningTarget", path: "spec.entraID.roles[].directoryRole", message: guidMessage,
		accepted: eachOfFull("spec.entraID.roles.0.directoryRole", guids...), refused: eachOfFull("spec.entraID.roles.0.directoryRole", notGUIDs...),
	},
	{
		kind: "ProvisioningTarget", path: "spec.entraID.domain", message: "must be a mail domain in lower case, for example example.co.jp",
		accepted: eachOfFull("spec.entraID.domain", "acme.example", "acme.onmicrosoft.com"),
		refused:  eachOfFull("spec.entraID.domain", "Acme.example", "@acme.example", "acme..example"),
	},
	{
		kind: "ProvisioningTarget", path: "spec.entraID.otherDomains[]", message: "must be a mail domain in lower case, for example example.co.jp",
		accepted: eachOfFull("spec.entraID.otherDomains.0", "acme.fr", "acme.co.jp"),
		refused:  eachOfFull("spec.entraID.otherDomains.0", "Acme.fr", "@acme.fr", "acme..fr"),
	},
	{
		kind: "ProvisioningTarget", path: "spec.entraID.endpoints.login", message: originMessage,
		accepted: eachOfFull("spec.entraID.endpoints.login", origins...), refused: eachOfFull("spec.entraID.endpoints.login", notOrigins...),
	},
	{
		kind: "ProvisioningTarget", path: "spec.entraID.endpoints.graph", message: originMessage,
		accepted: eachOfFull("spec.entraID.endpoints.graph", origins...), refused: eachOfFull("spec.entraID.endpoints.graph", notOrigins...),
	},
	{
		kind: "ProvisioningTarget", path: "spec.entraID.usageLocation", message: "must be two capital letters, for example JP",
		accepted: eachOfFull("spec.entraID.usageLocation", "JP", "US"), refused: eachOfFull("spec.entraID.usageLocation", "jp", "J1", "日本"),
	},
	{
		kind: "ProvisioningTarget", path: "spec.mdm", message: "set exactly one of rest, scim and intune",
		accepted: []variant{of("mdm-rest", "rest"), of("mdm-bearer", "scim"), of("intune", "intune")},
		refused: []variant{
			of("intune", "none", unset("spec.mdm.intune"), set("spec.mdm.roles", []any{map[string]any{"role": "Staff", "value": "x"}})),
			of("intune", "intune and rest", set("spec.mdm.rest", restMDM)), of("mdm-rest", "rest and scim", set("spec.mdm.scim", scimMDM)),
		},
	},
	{
		kind: "ProvisioningTarget", path: "spec.mdm", message: "the way to the MDM cannot change; make a new ProvisioningTarget instead",
		accepted: []variant{updateOf("intune", "another target", set("spec.mdm.intune.targetRef.name", "other"))},
		refused: []variant{
			updateOf("intune", "to rest", unset("spec.mdm.intune"), set("spec.mdm.rest", restMDM)),
			updateOf("mdm-rest", "to scim", unset("spec.mdm.rest"), set("spec.mdm.scim", scimMDM)),
		},
	},
	{
		kind: "ProvisioningTarget", path: "spec.mdm.rest.url", message: targetMessage,
		accepted: eachOf("mdm-rest", "spec.mdm.rest.url", urls...), refused: eachOf("mdm-rest", "spec.mdm.rest.url", notURLs...),
	},
	{
		kind: "ProvisioningTarget", path: "status.progress.timeLeft", message: durationMessage,
		accepted: timeLeft("2h30m", "45s"), refused: timeLeft("2.5h", "soon"),
	},
})

func timeLeft(values ...string) []variant {
	var variants []variant
	for _, value := range values {
		variants = append(variants, with(value, set("status.progress", map[string]any{"waiting": int64(1), "timeLeft": value})))
	}
	return variants
}

var accountRules = []ruleTest{{
	kind: "Account", path: "spec", message: "an Account is made by the operator and does not change",
	accepted: []variant{update("a label", nil, []edit{set("metadata.labels", map[string]any{"a": "b"})})},
	refused: []variant{
		update("another target", nil, []edit{set("spec.targetRef.name", "other")}),
		update("a member", nil, []edit{set("spec.memberRef.name", "yamada-taro")}),
		updateOf("full", "another account", set("spec.externalID", strings.Repeat("a", 512))),
	},
}}

var offboardingRules = []ruleTest{{
	kind: "Offboarding", path: "spec", message: "an Offboarding is a record and does not change",
	accepted: []variant{update("a label", nil, []edit{set("metadata.labels", map[string]any{"a": "b"})})},
	refused: []variant{
		update("another member", nil, []edit{set("spec.memberRef.name", "other")}),
		update("another time", nil, []edit{set("spec.requestedAt", "2026-11-22T10:00:00Z")}),
		updateOf("full", "no mail", unset("spec.mail")),
	},
}}
