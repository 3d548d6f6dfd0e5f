/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package cel

import "strings"

var (
	anotherTenant = []edit{set("spec.tenantRef.name", "other")}
	longMail      = strings.Repeat("m", 254-len("@acme.example")) + "@acme.example"
)

// inPods moves the minimal server into pods of its own.
func inPods(more ...edit) []edit {
	return append([]edit{unset("spec.embedded"), set("spec.deployment", map[string]any{})}, more...)
}

// webAddresses that no URL field takes.
var webAddresses = []any{
	"javascript:alert(1)", "data:text/html,hello", "ftp://sp.example/", "//sp.example/acs", "/acs", "sp.example/acs",
	"https://", "https:///acs", "https://user@sp.example/", "https://user:password@sp.example/acs",
	"https://sp.example/a b", "https://sp.example/\nacs", "https://sp.example\\@evil.example/", " https://sp.example/", "HTTPS://sp.example/",
}

var identityServerRules = []ruleTest{
	{
		kind: "IdentityServer", path: "",
		message: "with deployment, the name becomes part of names of Services: at most 51 lower-case letters, digits and hyphens, beginning with a letter",
		accepted: []variant{
			full("51 characters", set("metadata.name", strings.Repeat("a", 51))),
			with("embedded and 253 characters", set("metadata.name", strings.Repeat("a", 253))),
			with("embedded and dots", set("metadata.name", "1.id")),
		},
		refused: []variant{
			full("52 characters", set("metadata.name", strings.Repeat("a", 52))),
			full("dots", set("metadata.name", "id.example")),
			full("digit first", set("metadata.name", "1id")),
		},
	},
	{
		kind: "IdentityServer", path: "spec",
		message:  "say where the server runs: set exactly one of deployment (pods of its own) and embedded (in the operator's process)",
		accepted: []variant{with("embedded"), with("deployment", inPods()...)},
		refused:  []variant{with("nowhere", unset("spec.embedded")), with("both", set("spec.deployment", map[string]any{}))},
	},
	{
		kind: "IdentityServer", path: "spec",
		message: "the mode is immutable, as the data does not move; delete the IdentityServer and make it again on the same database instead",
		accepted: []variant{
			update("another address", nil, []edit{set("spec.embedded.listen", ":9090")}),
			update("another image", inPods(), inPods(set("spec.deployment.image", "tegata-idp:next"))),
		},
		refused: []variant{update("into pods", nil, inPods()), update("out of pods", inPods(), nil)},
	},
	{
		kind: "IdentityServer", path: "spec",
		message: "more than one replica needs storage.postgres; a SQLite file belongs to one process",
		accepted: []variant{
			full("three on PostgreSQL"),
			with("one by default on SQLite", inPods()...),
			with("one on SQLite", inPods(set("spec.deployment.replicas", int64(1)), set("spec.storage.sqlite", map[string]any{}))...),
		},
		refused: []variant{
			with("two on SQLite by default", inPods(set("spec.deployment.replicas", int64(2)))...),
			with("two on SQLite", inPods(set("spec.deployment.replicas", int64(2)), set("spec.storage.sqlite", map[string]any{}))...),
			update("scaled on SQLite", inPods(), inPods(set("spec.deployment.replicas", int64(2)))),
		},
	},
	{
		kind: "IdentityServer", path: "spec",
		message: "deployment.ingress and deployment.httpRoute are for host names, and externalURL has an address or no valid name: give it a DNS name, or leave both out and bring requests to the Service yourself",
		accepted: []variant{
			full("a name and a port"), full("upper case", set("spec.externalURL", "https://ID.example.co.jp")),
			full("localhost", set("spec.externalURL", "http://localhost:8080")),
			full("an international name", set("spec.externalURL", "https://xn--eckwd4c7c.xn--zckzah")),
			full("an address without", set("spec.externalURL", "https://192.0.2.1"), unset("spec.deployment.ingress"), unset("spec.deployment.httpRoute")),
			with("an address in the operator's process", set("spec.externalURL", "https://192.0.2.1")),
		},
		refused: []variant{
			full("IPv4", set("spec.externalURL", "https://192.0.2.1"), unset("spec.deployment.httpRoute")),
			full("IPv4 and a route", set("spec.externalURL", "https://192.0.2.1:8443"), unset("spec.deployment.ingress")),
			full("IPv6", set("spec.externalURL", "https://[2001:db8::1]")),
			full("loopback", set("spec.externalURL", "http://127.0.0.1:8080")),
			full("no name", set("spec.externalURL", "https://id..example")),
			full("a name with a hyphen last", set("spec.externalURL", "https://id-.example")),
			full("a dot last", set("spec.externalURL", "https://id.example.")),
		},
	},
	{
		kind: "IdentityServer", path: "spec.deployment",
		message:  "set at most one of image and version: an image says itself which version it is",
		accepted: []variant{with("version", inPods(set("spec.deployment.version", "v1.4.0"))...), with("image", inPods(set("spec.deployment.image", "idp:1"))...)},
		refused:  []variant{full("both", set("spec.deployment.version", "v1.4.0"))},
	},
	{
		kind: "IdentityServer", path: "spec.deployment.version",
		message: "must be the tag of an image, for example v1.4.0: letters, digits, '_', '.' and '-', not beginning with '.' or '-'",
		accepted: []variant{
			with("dots", inPods(set("spec.deployment.version", "1.4.0-rc.1_a"))...),
			with("128 characters", inPods(set("spec.deployment.version", strings.Repeat("v", 128)))...),
		},
		refused: []variant{
			with("digest", inPods(set("spec.deployment.version", "sha256:ab"))...),
			with("repository", inPods(set("spec.deployment.version", "idp/v1"))...),
			with("dot first", inPods(set("spec.deployment.version", ".1"))...),
			with("build metadata", inPods(set("spec.deployment.version", "1.4.0+1"))...),
		},
	},
	{
		kind: "IdentityServer", path: "spec.deployment.ingress.labels",
		message:  "app.kubernetes.io/name, app.kubernetes.io/instance and app.kubernetes.io/managed-by are the operator's own; leave them out",
		accepted: []variant{full("others", set("spec.deployment.ingress.labels", map[string]any{"app.kubernetes.io/part-of": "portal"}))},
		refused: []variant{
			full("name", set("spec.deployment.ingress.labels", map[string]any{"app.kubernetes.io/name": "x"})),
			full("instance", set("spec.deployment.ingress.labels", map[string]any{"app.kubernetes.io/instance": "x"})),
			full("managed-by", set("spec.deployment.ingress.labels", map[string]any{"app.kubernetes.io/managed-by": "Helm"})),
		},
	},
	{
		kind: "IdentityServer", path: "spec.deployment.httpRoute.labels",
		message:  "app.kubernetes.io/name, app.kubernetes.io/instance and app.kubernetes.io/managed-by are the operator's own; leave them out",
		accepted: []variant{full("others", set("spec.deployment.httpRoute.labels", map[string]any{"app.kubernetes.io/part-of": "portal"}))},
		refused: []variant{
			full("name", set("spec.deployment.httpRoute.labels", map[string]any{"app.kubernetes.io/name": "x"})),
			full("instance", set("spec.deployment.httpRoute.labels", map[string]any{"app.kubernetes.io/instance": "x"})),
			full("managed-by", set("spec.deployment.httpRoute.labels", map[string]any{"app.kubernetes.io/managed-by": "Helm"})),
		},
	},
	{
		kind: "IdentityServer", path: "spec.externalURL",
		message:  "must be scheme://host[:port] without path, query or trailing slash, for example https://id.example.co.jp",
		accepted: each("spec.externalURL", "https://id.example.co.jp", "https://id.example.co.jp:8443", "https://[2001:db8::1]:8443", "http://127.0.0.1:18080"),
		refused: each("spec.externalURL", "https://id.example.co.jp/", "https://id.example.co.jp/login", "https://id.example.co.jp?a=b",
			"https://id.example.co.jp#a", "https://user@id.example.co.jp", "https://id example.co.jp", "https://id.example.co.jp\n", "https://id.example.co.jp:port",
			"id.example.co.jp", "ftp://id.example.co.jp", "https://", "javascript:alert(1)"),
	},
	{
		kind: "IdentityServer", path: "spec.externalURL",
		message:  "must be https; plain http is allowed for loopback addresses (localhost, 127.0.0.1, [::1]) only",
		accepted: each("spec.externalURL", "http://localhost", "http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"),
		refused:  each("spec.externalURL", "http://id.example.co.jp", "http://127.0.0.1.example.co.jp", "http://localhost.example.co.jp:8080", "http://10.0.0.1"),
	},
	{
		kind: "IdentityServer", path: "spec.embedded.listen", message: "must be host:port or :port",
		accepted: each("spec.embedded.listen", ":8080", "127.0.0.1:8080", "localhost:8080", "[::1]:8080"),
		refused:  each("spec.embedded.listen", "8080", "127.0.0.1", "http://127.0.0.1:8080", "::1:8080", "127.0.0.1:http", "127.0.0.1:808080"),
	},
	{
		kind: "IdentityServer", path: "spec.storage", message: "set exactly one of sqlite and postgres",
		accepted: []variant{with("sqlite", set("spec.storage.sqlite", map[string]any{})), full("postgres")},
		refused:  []variant{with("neither", set("spec.storage", map[string]any{})), full("both", set("spec.storage.sqlite", map[string]any{}))},
	},
	{
		kind: "IdentityServer", path: "spec.mail.from", message: `must be a mail address or "Name <address>"`,
		accepted: []variant{
			full("address", set("spec.mail.from", "no-reply@example.co.jp")),
			full("name and address", set("spec.mail.from", "株式会社アクメ <no-reply@example.co.jp>")),
		},
		refused: []variant{
			full("name", set("spec.mail.from", "Tegata")),
			full("two addresses", set("spec.mail.from", "a@example.co.jp, b@example.co.jp")),
			full("another header", set("spec.mail.from", "Tegata\r\nBcc: x <a@example.co.jp>")),
		},
	},
	{
		kind: "IdentityServer", path: "spec.metadataSources.allowedNetworks[]", message: "must be a network in CIDR form, for example 10.0.0.0/8",
		accepted: each("spec.metadataSources.allowedNetworks.0", "10.0.0.0/8", "192.0.2.1/32", "fd00::/8"),
		refused:  each("spec.metadataSources.allowedNetworks.0", "10.0.0.1", "10.0.0.0/33", "everything"),
	},
	{
		kind: "IdentityServer", path: "spec.provisioningTargets.allowedNetworks[]", message: "must be a network in CIDR form, for example 10.0.0.0/8",
		accepted: each("spec.provisioningTargets.allowedNetworks.0", "10.0.0.0/8", "192.0.2.1/32", "fd00::/8"),
		refused:  each("spec.provisioningTargets.allowedNetworks.0", "10.0.0.1", "10.0.0.0/33", "everything"),
	},
	{
		kind: "IdentityServer", path: "spec.trustedProxies[]", message: "must be a network in CIDR form, for example 10.0.0.0/8",
		accepted: each("spec.trustedProxies.0", "10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"),
		refused:  each("spec.trustedProxies.0", "10.0.0.0", "10.0.0.0/33", "proxy.example", "all"),
	},
	{
		kind: "IdentityServer", path: "spec.tenants", message: "selector goes with from: Selector, and only with it",
		accepted: []variant{full("selector"), with("all", set("spec.tenants.from", "All")), with("same", set("spec.tenants.from", "Same"))},
		refused: []variant{
			with("selector missing", set("spec.tenants.from", "Selector")),
			full("selector with All", set("spec.tenants.from", "All")),
		},
	},
}

// rotation is a rotation with both of its times.
func rotation(interval, overlap string) []edit {
	return []edit{set("spec.signingKey.rotation.interval", interval), set("spec.signingKey.rotation.overlap", overlap)}
}

var tenantRules = []ruleTest{
	{
		kind: "Tenant", path: "",
		message: "a name with dots or more than 63 characters cannot stand in URLs; set spec.slug",
		accepted: []variant{
			with("63 characters", set("metadata.name", strings.Repeat("a", 63))),
			with("dots and a slug", set("metadata.name", "acme.co.jp"), set("spec.slug", "acme")),
			with("253 characters and a slug", set("metadata.name", strings.Repeat("a", 253)), set("spec.slug", "acme")),
		},
		refused: []variant{
			with("64 characters", set("metadata.name", strings.Repeat("a", 64))),
			with("dots", set("metadata.name", "acme.co.jp")),
		},
	},
	{
		kind: "Tenant", path: "spec",
		message: "slug is immutable: it stands in the URLs that service providers were given; make a new Tenant instead",
		accepted: []variant{
			update("unchanged", []edit{set("spec.slug", "acme")}, []edit{set("spec.slug", "acme"), set("spec.displayName", "アクメ")}),
			update("never set", nil, []edit{set("spec.displayName", "アクメ")}),
		},
		refused: []variant{
			update("changed", []edit{set("spec.slug", "acme")}, []edit{set("spec.slug", "other")}),
			update("set later", nil, []edit{set("spec.slug", "other")}),
			update("set later to the name", nil, []edit{set("spec.slug", "acme")}),
			update("unset", []edit{set("spec.slug", "acme")}, nil),
		},
	},
	{
		kind: "Tenant", path: "spec", message: "identityServerRef is immutable; make a new Tenant instead",
		accepted: []variant{update("unchanged", nil, []edit{set("spec.displayName", "アクメ")})},
		refused: []variant{
			update("changed", nil, []edit{set("spec.identityServerRef.name", "other")}),
			update("namespace set", nil, []edit{set("spec.identityServerRef.namespace", "other")}),
			update("namespace unset", []edit{set("spec.identityServerRef.namespace", "identity-system")}, nil),
			update("namespace changed", []edit{set("spec.identityServerRef.namespace", "identity-system")}, []edit{set("spec.identityServerRef.namespace", "other")}),
		},
	},
	{
		kind: "Tenant", path: "spec.slug",
		message:  "must consist of lower-case letters, digits and '-', and start and end with a letter or digit",
		accepted: each("spec.slug", "a", "acme-2", strings.Repeat("a", 63)),
		refused:  each("spec.slug", "Acme", "-acme", "acme-", "acme.co", "acme/../other", "アクメ"),
	},
	{
		kind: "Tenant", path: "spec.domains[]", message: "must be a mail domain in lower case, for example example.co.jp",
		accepted: each("spec.domains.0", "example.co.jp", "xn--eckwd4c7c.jp", strings.Repeat("a", 253)),
		refused:  each("spec.domains.0", "Example.co.jp", "@example.co.jp", "example..jp", "example.jp.", "-example.jp", "*.example.jp", "https://example.jp"),
	},
	{
		kind: "Tenant", path: "spec.attributes[]", message: "unique is immutable; make a new attribute instead",
		accepted: []variant{
			update("display name changed", attribute("employeeNumber", true), []edit{
				set("spec.attributes.0", map[string]any{"name": "employeeNumber", "displayName": "社員番号(新)", "unique": true}),
			}),
			update("false said aloud", attribute("employeeNumber", nil), attribute("employeeNumber", false)),
			update("another attribute", attribute("employeeNumber", true), attribute("costCenter", false)),
			update("removed", attribute("employeeNumber", true), nil),
		},
		refused: []variant{
			update("to true", attribute("employeeNumber", nil), attribute("employeeNumber", true)),
			update("to false", attribute("employeeNumber", true), attribute("employeeNumber", false)),
			update("unset", attribute("employeeNumber", true), attribute("employeeNumber", nil)),
		},
	},
	{
		kind: "Tenant", path: "spec.attributes[].name",
		message: "must start with a letter and consist of letters, digits, '-' and '_'",
		accepted: []variant{
			with("letters", attribute("employeeNumber", nil)...),
			with("63 characters", attribute("a_-"+strings.Repeat("9", 60), nil)...),
		},
		refused: []variant{
			with("digit first", attribute("1st", nil)...),
			with("Japanese", attribute("社員番号", nil)...),
			with("space", attribute("employee number", nil)...),
			with("dot", attribute("employee.number", nil)...),
		},
	},
	{
		kind: "Tenant", path: "spec.signingKey",
		message: "algorithm is that of keys which the operator makes; leave it out beside secretRef",
		accepted: []variant{
			with("algorithm", set("spec.signingKey.algorithm", "RSA4096")),
			with("secret", set("spec.signingKey.secretRef.name", "ours")),
			with("neither", set("spec.signingKey.rotation.overlap", "48h")),
		},
		refused: []variant{with("both", set("spec.signingKey.secretRef.name", "ours"), set("spec.signingKey.algorithm", "RSA2048"))},
	},
	{
		kind: "Tenant", path: "spec.signingKey",
		message: "a key of secretRef is renewed where it comes from; leave rotation.interval out",
		accepted: []variant{
			with("interval", set("spec.signingKey.rotation.interval", "8760h")),
			with("secret with overlap", set("spec.signingKey.secretRef.name", "ours"), set("spec.signingKey.rotation.overlap", "48h")),
		},
		refused: []variant{with("secret with interval", set("spec.signingKey.secretRef.name", "ours"), set("spec.signingKey.rotation.interval", "8760h"))},
	},
	{
		kind: "Tenant", path: "spec.signingKey.rotation",
		message: "overlap, by default 720h, must be shorter than interval",
		accepted: []variant{
			with("shorter", rotation("24h", "23h59m59s")...),
			with("longer than the default", set("spec.signingKey.rotation.interval", "720h1s")),
			with("no interval", set("spec.signingKey.rotation.overlap", "9999h")),
		},
		refused: []variant{
			with("as long", rotation("48h", "2880m")...),
			with("longer", rotation("48h", "49h")...),
			with("shorter than the default", set("spec.signingKey.rotation.interval", "720h")),
		},
	},
	{
		kind: "Tenant", path: "spec.signingKey.rotation.interval", message: "must be 24h to 43800h",
		accepted: []variant{with("shortest", rotation("1440m", "2h")...), with("longest", rotation("43800h", "2h")...)},
		refused:  []variant{with("too short", rotation("23h59m59s", "2h")...), with("too long", rotation("43800h1s", "2h")...)},
	},
	{
		kind: "Tenant", path: "spec.signingKey.rotation.interval", message: "must be hours, minutes and seconds, for example 720h or 1h30m",
		accepted: []variant{with("hours, minutes, seconds", rotation("99h30m1s", "2h")...)},
		refused: []variant{
			with("days", rotation("365d", "2h")...), with("fraction", rotation("99.5h", "2h")...),
			with("negative", rotation("-99h", "2h")...), with("order", rotation("1m99h", "2h")...), with("number", rotation("99", "2h")...),
		},
	},
	{
		kind: "Tenant", path: "spec.signingKey.rotation.overlap", message: "must be 2h or more",
		accepted: []variant{with("shortest", set("spec.signingKey.rotation.overlap", "120m"))},
		refused:  []variant{with("too short", set("spec.signingKey.rotation.overlap", "1h59m59s"))},
	},
	{
		kind: "Tenant", path: "spec.signingKey.rotation.overlap", message: "must be hours, minutes and seconds, for example 720h or 1h30m",
		accepted: each("spec.signingKey.rotation.overlap", "2h", "720h", "30h15m"),
		refused:  each("spec.signingKey.rotation.overlap", "30d", "72000000ms", "2h2h", "720 h"),
	},
	{
		kind: "Tenant", path: "spec.deletionGuard.window", message: durationMessage,
		accepted: each("spec.deletionGuard.window", "1h", "30m", "24h"),
		refused:  each("spec.deletionGuard.window", "1d", "60", "an hour"),
	},
}

func attribute(name string, unique any) []edit {
	definition := map[string]any{"name": name, "displayName": "属性"}
	if unique != nil {
		definition["unique"] = unique
	}
	return []edit{set("spec.attributes.0", definition)}
}

var memberRules = []ruleTest{
	{
		kind: "Member", path: "spec", message: "tenantRef is immutable; a member cannot move to another tenant",
		accepted: []variant{update("unchanged", nil, []edit{set("spec.role", "SuperAdmin")})},
		refused:  []variant{update("changed", nil, anotherTenant)},
	},
	{
		kind: "Member", path: "spec", message: "a SuperAdmin always holds every additional permission; remove additionalPermissions",
		accepted: []variant{
			with("SuperAdmin alone", set("spec.role", "SuperAdmin")),
			with("Staff with permissions", set("spec.additionalPermissions", []any{"AssetManager", "DeviceManager"})),
		},
		refused: []variant{with("SuperAdmin with a permission", set("spec.role", "SuperAdmin"), set("spec.additionalPermissions", []any{"AssetManager"}))},
	},
	{
		kind: "Member", path: "spec.mail",
		message: "must be a mail address such as taro@example.co.jp, without spaces, quotes or apostrophes",
		accepted: each("spec.mail", "taro@example.co.jp", "taro.yamada+tegata@example.co.jp", "t_y-1@sub.example.co.jp", "Taro@Example.CO.JP",
			"太郎@example.co.jp", "taro@localhost", longMail),
		refused: each("spec.mail", "o'brien@example.co.jp", `"taro yamada"@example.co.jp`, "taro yamada@example.co.jp", "taro\u3000yamada@example.co.jp",
			"taro@example.co.jp\n", "taro@example.co.jp\u3000", "taro", "taro@", "@example.co.jp", "taro@@example.co.jp", "taro@example..jp",
			"taro@-example.jp", "<taro@example.co.jp>", "a,b@example.co.jp", `a\b@example.co.jp`, "a[b@example.co.jp", "taro\u202e@example.co.jp"),
	},
	{
		kind: "Member", path: "spec.phone", message: "must consist of digits, spaces and + - ( ) #",
		accepted: each("spec.phone", "03-6435-8570", "+81 (0)3 6435 8570 #12"),
		refused:  each("spec.phone", "ext. 12", "\uff10\uff13-6435-8570", "call me"),
	},
}

var groupRules = []ruleTest{
	{
		kind: "Group", path: "spec", message: "tenantRef is immutable; a group cannot move to another tenant",
		accepted: []variant{update("unchanged", nil, []edit{set("spec.displayName", "営業一部")})},
		refused:  []variant{update("changed", nil, anotherTenant)},
	},
	{
		kind: "Group", path: "spec.members", message: "a group needs an administrator: give role Administrator to at least one member",
		accepted: []variant{full("one administrator, one user")},
		refused: []variant{
			with("no role", unset("spec.members.0.role")),
			with("users only", set("spec.members.0.role", "User")),
			update("administrator taken away", nil, []edit{set("spec.members.0.role", "User")}),
		},
	},
}

var linkAppRules = append(appRules("LinkApp"), ruleTest{
	kind: "LinkApp", path: "spec.url", message: "must be an absolute http or https URL without user name",
	accepted: each("spec.url", "https://handbook.acme.example", "http://handbook.acme.example:8080/a?b=c#d", "https://就業規則.example/規則", "https://e.example?mail=a@b.example"),
	refused:  each("spec.url", webAddresses...),
})

// acsPattern adds a pattern to the app's addresses; more are further fields of it.
func acsPattern(url string, more ...any) edit {
	service := map[string]any{"url": url, "match": "Pattern"}
	for i := 0; i < len(more); i += 2 {
		service[more[i].(string)] = more[i+1]
	}
	return set("spec.serviceProvider.assertionConsumerServices.1", service)
}

var (
	noLogout  = unset("spec.serviceProvider.singleLogoutServices")
	plain     = unset("spec.encryption")
	anySigned = set("spec.serviceProvider.requests.signed", "Optional")
)

// onlyCertificate leaves the app one certificate; an empty use is left out.
func onlyCertificate(use string) edit {
	certificate := map[string]any{"certificate": "-----BEGIN CERTIFICATE-----"}
	if use != "" {
		certificate["use"] = use
	}
	return set("spec.serviceProvider.certificates", []any{certificate})
}

// byMetadata has the minimal app described by metadata: pairs of a field and its value.
func byMetadata(fields ...any) []edit {
	metadata := map[string]any{}
	for i := 0; i < len(fields); i += 2 {
		metadata[fields[i].(string)] = fields[i+1]
	}
	return []edit{unset("spec.serviceProvider"), set("spec.metadata", metadata)}
}

const (
	metadataURL     = "https://wiki.acme.example/saml/metadata"
	pemCertificate  = "-----BEGIN CERTIFICATE-----"
	refreshInterval = "refreshInterval"
)

var metadataConfigMap = map[string]any{"name": "wiki", "key": "metadata.xml"}

var samlAppRules = append(appRules("SAMLApp"), []ruleTest{
	{
		kind: "SAMLApp", path: "spec.portal.loginURL", message: "must be an absolute http or https URL without user name",
		accepted: each("spec.portal.loginURL", "https://wiki.acme.example/login#start"),
		refused:  each("spec.portal.loginURL", webAddresses...),
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider.entityID", message: "must not contain spaces",
		accepted: each("spec.serviceProvider.entityID", "urn:example:wiki", "wiki", "https://wiki.acme.example/saml"),
		refused:  each("spec.serviceProvider.entityID", "our wiki", "wiki\n", " wiki"),
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider", message: "requests.signed: Required needs a certificate to verify by; add the service provider's to certificates",
		accepted: []variant{
			full("required, with a certificate"),
			full("optional, without", set("spec.serviceProvider.requests.signed", "Optional"), noLogout, unset("spec.serviceProvider.certificates"), plain),
			full("absent, without", unset("spec.serviceProvider.requests.signed"), noLogout, unset("spec.serviceProvider.certificates"), plain),
			full("for both uses", onlyCertificate("")),
		},
		refused: []variant{
			full("required, without", noLogout, unset("spec.serviceProvider.certificates"), plain),
			full("for encryption only", noLogout, onlyCertificate("encryption")),
		},
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider", message: "singleLogoutServices need a certificate to verify log-out messages by; add the service provider's to certificates",
		accepted: []variant{
			full("with a certificate", anySigned),
			full("for both uses", anySigned, onlyCertificate("")),
			full("neither", anySigned, noLogout, unset("spec.serviceProvider.certificates"), plain),
		},
		refused: []variant{
			full("without", anySigned, unset("spec.serviceProvider.certificates"), plain),
			full("for encryption only", anySigned, onlyCertificate("encryption")),
		},
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider.singleLogoutServices[].url",
		message:  "must be an absolute http or https URL without user name or fragment",
		accepted: eachOfFull("spec.serviceProvider.singleLogoutServices.0.url", "https://wiki.acme.example/slo?a=b", "https://wiki.acme.example", "http://127.0.0.1:18081/saml/slo"),
		refused:  eachOfFull("spec.serviceProvider.singleLogoutServices.0.url", append([]any{"https://wiki.acme.example/slo#fragment"}, webAddresses...)...),
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider.singleLogoutServices[].responseURL",
		message:  "must be an absolute http or https URL without user name or fragment",
		accepted: eachOfFull("spec.serviceProvider.singleLogoutServices.0.responseURL", "https://wiki.acme.example/slo?a=b", "http://127.0.0.1:18081/saml/slo"),
		refused:  eachOfFull("spec.serviceProvider.singleLogoutServices.0.responseURL", append([]any{"https://wiki.acme.example/slo#fragment"}, webAddresses...)...),
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider.certificates[].certificate", message: "must be PEM: text that begins with -----BEGIN CERTIFICATE-----",
		accepted: []variant{full("PEM")},
		refused:  []variant{full("DER in base64", set("spec.serviceProvider.certificates.0.certificate", "MIIBsjCC"))},
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider.assertionConsumerServices[]", message: "a pattern begins with https:// and a host without *, has * in its path and no query, and is neither default nor indexed",
		accepted: []variant{
			with("pattern", acsPattern("https://sp.example/acs/*")),
			with("in the middle", acsPattern("https://sp.example/acs/*/v*-x")),
			with("exact with an asterisk", set("spec.serviceProvider.assertionConsumerServices.1", map[string]any{"url": "https://sp.example/*", "match": "Exact"})),
		},
		refused: []variant{
			with("host", acsPattern("https://*.sp.example/acs")),
			with("no asterisk", acsPattern("https://sp.example/acs")),
			with("plain http", acsPattern("http://sp.example/*")),
			with("query", acsPattern("https://sp.example/*?x=1")),
			with("default", acsPattern("https://sp.example/*", "default", true)),
			with("index", acsPattern("https://sp.example/*", "index", int64(1))),
		},
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider.assertionConsumerServices", message: "at least one assertion consumer service must be an exact address, for answers to requests that name none",
		accepted: []variant{with("exact and pattern", acsPattern("https://sp.example/acs/*"))},
		refused: []variant{with("pattern only", set("spec.serviceProvider.assertionConsumerServices",
			[]any{map[string]any{"url": "https://sp.example/acs/*", "match": "Pattern"}}))},
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider.assertionConsumerServices", message: "at most one assertion consumer service may be the default",
		accepted: []variant{
			full("one default"),
			full("default: false", set("spec.serviceProvider.assertionConsumerServices.1.default", false)),
		},
		refused: []variant{full("two defaults", set("spec.serviceProvider.assertionConsumerServices.1.default", true))},
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider.assertionConsumerServices",
		message: "give every assertion consumer service an index of its own, or none of them one",
		accepted: []variant{
			full("two indexes"),
			full("no index", unset("spec.serviceProvider.assertionConsumerServices.0.index"), unset("spec.serviceProvider.assertionConsumerServices.1.index")),
		},
		refused: []variant{
			full("one index twice", set("spec.serviceProvider.assertionConsumerServices.1.index", int64(5))),
			full("one index only", unset("spec.serviceProvider.assertionConsumerServices.0.index")),
		},
	},
	{
		kind: "SAMLApp", path: "spec.serviceProvider.assertionConsumerServices[].url",
		message:  "must be an absolute http or https URL without user name or fragment",
		accepted: each("spec.serviceProvider.assertionConsumerServices.0.url", "https://wiki.acme.example/acs?a=b", "https://wiki.acme.example", "http://127.0.0.1:18081/saml/acs"),
		refused: each("spec.serviceProvider.assertionConsumerServices.0.url",
			append([]any{"https://wiki.acme.example/acs#fragment", "https://wiki.acme.example#fragment", "https://wiki.acme.example?a=b#c"}, webAddresses...)...),
	},
	{
		kind: "SAMLApp", path: "spec", message: "encryption needs a certificate to encrypt to; add the service provider's to serviceProvider.certificates",
		accepted: []variant{
			full("with a certificate for it"),
			full("for both uses", onlyCertificate("")),
			full("none, none", unset("spec.encryption"), onlyCertificate("signing")),
			full("default algorithm", set("spec.encryption", map[string]any{})),
			with("to what metadata says", append(byMetadata("url", metadataURL), set("spec.encryption", map[string]any{}))...),
		},
		refused: []variant{
			with("without certificates", set("spec.encryption", map[string]any{})),
			full("for signing only", onlyCertificate("signing")),
		},
	},
	{
		kind: "SAMLApp", path: "spec", message: "say how the app is spoken to: set exactly one of serviceProvider and metadata",
		accepted: []variant{with("serviceProvider"), with("metadata", byMetadata("inline", "<x/>")...)},
		refused: []variant{
			with("neither", unset("spec.serviceProvider")),
			with("both", set("spec.metadata", map[string]any{"url": metadataURL})),
		},
	},
	{
		kind: "SAMLApp", path: "spec.metadata", message: "set exactly one of inline, configMapRef and url",
		accepted: []variant{
			with("inline", byMetadata("inline", "<x/>")...), with("ConfigMap", byMetadata("configMapRef", metadataConfigMap)...), with("URL", byMetadata("url", metadataURL)...),
		},
		refused: []variant{
			with("none", byMetadata()...), with("two", byMetadata("inline", "<x/>", "url", metadataURL)...),
			with("three", byMetadata("inline", "<x/>", "url", metadataURL, "configMapRef", metadataConfigMap)...),
		},
	},
	{
		kind: "SAMLApp", path: "spec.metadata", message: "refreshInterval goes with url; anything else is read when it changes",
		accepted: []variant{with("URL", byMetadata("url", metadataURL, refreshInterval, "6h")...)},
		refused: []variant{
			with("inline", byMetadata("inline", "<x/>", refreshInterval, "6h")...),
			with("ConfigMap", byMetadata("configMapRef", metadataConfigMap, refreshInterval, "6h")...),
		},
	},
	{
		kind: "SAMLApp", path: "spec.metadata.refreshInterval", message: "must be 1m to 720h",
		accepted: []variant{with("shortest", byMetadata("url", metadataURL, refreshInterval, "60s")...), with("longest", byMetadata("url", metadataURL, refreshInterval, "720h")...)},
		refused:  []variant{with("too short", byMetadata("url", metadataURL, refreshInterval, "59s")...), with("too long", byMetadata("url", metadataURL, refreshInterval, "720h1s")...)},
	},
	{
		kind: "SAMLApp", path: "spec.metadata.refreshInterval", message: "must be hours, minutes and seconds, for example 720h or 1h30m",
		accepted: []variant{with("all three", byMetadata("url", metadataURL, refreshInterval, "1h30m5s")...)},
		refused:  []variant{with("days", byMetadata("url", metadataURL, refreshInterval, "30d")...), with("number", byMetadata("url", metadataURL, refreshInterval, "90")...)},
	},
	{
		kind: "SAMLApp", path: "spec.metadata.url", message: "must be an absolute http or https URL without user name or fragment",
		accepted: []variant{with("https", byMetadata("url", metadataURL)...), with("http", byMetadata("url", "http://10.0.0.1:8080/metadata?sp=1")...)},
		refused: []variant{
			with("file", byMetadata("url", "file:///etc/passwd")...), with("user name", byMetadata("url", "https://user@wiki.acme.example/")...),
			with("fragment", byMetadata("url", "https://wiki.acme.example/#a")...), with("path", byMetadata("url", "/metadata")...), with("space", byMetadata("url", "https://wiki.acme.example/a b")...),
		},
	},
	{
		kind: "SAMLApp", path: "spec.metadata.trustedCertificate", message: "must be PEM: text that begins with -----BEGIN CERTIFICATE-----",
		accepted: []variant{with("PEM", byMetadata("url", metadataURL, "trustedCertificate", pemCertificate)...)},
		refused:  []variant{with("DER in base64", byMetadata("url", metadataURL, "trustedCertificate", "MIIBsjCC")...)},
	},
	{
		kind: "SAMLApp", path: "spec.issuer", message: "must not contain spaces",
		accepted: each("spec.issuer", "http://acme.example/adfs/services/trust/", "urn:uri:acme.example"),
		refused:  each("spec.issuer", "our issuer", "issuer\n"),
	},
	{
		kind: "SAMLApp", path: "spec.defaultRelayState", message: "must not contain control characters",
		accepted: each("spec.defaultRelayState", "https://wiki.acme.example/a b?c=d#e", "社内"),
		refused:  each("spec.defaultRelayState", "a\nb", "a\tb", "\u0085"),
	},
	{
		kind: "SAMLApp", path: "spec.nameID", message: "emailAddress takes the member's mail and no attribute",
		accepted: []variant{with("mail", set("spec.nameID.format", "emailAddress")), full("attribute")},
		refused:  []variant{full("mail and attribute", set("spec.nameID.format", "emailAddress"))},
	},
	{
		kind: "SAMLApp", path: "spec.nameID", message: "field goes with format persistent, and without attribute",
		accepted: []variant{with("persistent", set("spec.nameID", map[string]any{"format": "persistent", "field": "immutableID"}))},
		refused: []variant{
			with("transient", set("spec.nameID", map[string]any{"format": "transient", "field": "immutableID"})),
			full("with attribute", set("spec.nameID.field", "immutableID")),
		},
	},
	{
		kind: "SAMLApp", path: "spec.nameID", message: "unspecified needs attribute: the name of a unique custom attribute",
		accepted: []variant{
			with("attribute", set("spec.nameID", map[string]any{"format": "unspecified", "attribute": "employeeNumber"})),
			with("persistent without attribute", set("spec.nameID.format", "persistent")),
			with("transient without attribute", set("spec.nameID.format", "transient")),
		},
		refused: []variant{with("without attribute", set("spec.nameID.format", "unspecified"))},
	},
	{
		kind: "SAMLApp", path: "spec.nameID", message: "nameQualifier and spNameQualifier go with format persistent",
		accepted: []variant{
			full("persistent"),
			full("transient without", set("spec.nameID", map[string]any{"format": "transient", "attribute": "employeeNumber"})),
		},
		refused: []variant{
			with("nameQualifier", set("spec.nameID", map[string]any{"format": "emailAddress", "nameQualifier": "acme"})),
			with("spNameQualifier", set("spec.nameID", map[string]any{"format": "transient", "spNameQualifier": "wiki"})),
		},
	},
	{
		kind: "SAMLApp", path: "spec.attributes[]", message: "set exactly one of from, value and values",
		accepted: []variant{full("each kind")},
		refused: []variant{
			full("neither", unset("spec.attributes.0.from")),
			full("both", set("spec.attributes.0.value", "v")),
			full("from and values", set("spec.attributes.0.values", []any{"v"})),
			full("value and values", unset("spec.attributes.0.from"), set("spec.attributes.0.value", "v"), set("spec.attributes.0.values", []any{"v"})),
		},
	},
	{
		kind: "SAMLApp", path: "spec.attributes[].from", message: "domain goes with field mail or an attribute",
		accepted: []variant{
			full("attribute"), full("mail", set("spec.attributes.0.from", map[string]any{"field": "mail", "domain": "m365.acme.example"})),
		},
		refused: []variant{full("another field", set("spec.attributes.0.from.domain", "m365.acme.example"))},
	},
	{
		kind: "SAMLApp", path: "spec.attributes[].from.domain", message: "must be a mail domain in lower case, for example example.co.jp",
		accepted: eachOfFull("spec.attributes.2.from.domain", "acme.example", "m365.acme.example"),
		refused:  eachOfFull("spec.attributes.2.from.domain", "Acme.example", "@acme.example", "acme..example"),
	},
	{
		kind: "SAMLApp", path: "spec.attributes[].from", message: "set exactly one of field and attribute",
		accepted: []variant{full("each kind")},
		refused: []variant{
			full("neither", set("spec.attributes.0.from", map[string]any{})),
			full("both", set("spec.attributes.0.from.attribute", "costCenter")),
		},
	},
}...)

// appRules are the rules that both kinds of app have.
func appRules(kind string) []ruleTest {
	return []ruleTest{
		{
			kind: kind, path: "spec", message: "tenantRef is immutable; an app cannot move to another tenant",
			accepted: []variant{update("unchanged", nil, []edit{set("spec.displayName", "別名")})},
			refused:  []variant{update("changed", nil, anotherTenant)},
		},
		{
			kind: kind, path: "spec", message: "defaultPermission must be one of permissions",
			accepted: []variant{full("one of them"), full("none", unset("spec.defaultPermission"))},
			refused: []variant{
				full("another", set("spec.defaultPermission", "owner")),
				with("without permissions", set("spec.defaultPermission", "owner")),
			},
		},
		{
			kind: kind, path: "spec", message: "at least one of permissions must have administrator: true",
			accepted: []variant{full("one")},
			refused: []variant{
				full("none", unset("spec.permissions.0.administrator")),
				full("false", set("spec.permissions.0.administrator", false)),
			},
		},
	}
}
