/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package cel

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// probe is one change of one place of a full object.
type probe struct {
	name    string
	edits   []edit
	refused string // part of the message; empty: accepted
}

// TestBounds drives every enum, length, number, list size and required field
// of every spec to its limit, which is accepted, and past it, which is refused.
func TestBounds(t *testing.T) {
	for kind, schema := range schemas(t) {
		t.Run(kind, func(t *testing.T) {
			spec := schema.Properties["spec"]
			seen := map[string]bool{}
			for _, variant := range fullVariants(kind) {
				object := base(t, kind, variant)
				for _, place := range places(object.Object["spec"], &spec, place{path: "spec", pattern: "spec"}) {
					if seen[place.pattern] && variant != "full" {
						continue
					}
					seen[place.pattern] = true
					for _, probe := range place.probes(kind) {
						t.Run(place.path+" "+probe.name, func(t *testing.T) { probe.check(t, object) })
					}
				}
			}
			g := NewWithT(t)
			visit("spec", &spec, func(path string, _ *apiextensionsv1.JSONSchemaProps) {
				if !seen[path] && !strings.Contains(path, ".selector.") {
					g.Expect(path).To(BeEmpty(), "testdata/%s-full.yaml lacks this field", strings.ToLower(kind))
				}
			})
		})
	}
}

func (p probe) check(t *testing.T, object *unstructured.Unstructured) {
	g := NewWithT(t)
	err := server.Create(t.Context(), apply(object, p.edits...), client.DryRunAll)
	if p.refused == "" {
		g.Expect(err).NotTo(HaveOccurred())
	} else {
		g.Expect(err).To(MatchError(ContainSubstring(p.refused)))
	}
}

// fullVariants are the objects that together have every field: a kind with
// unions needs one more for their other sides.
func fullVariants(kind string) []string {
	switch kind {
	case "IdentityServer":
		return []string{"full", "version", "embedded"}
	case "Tenant":
		return []string{"full", "keys"}
	case "SAMLApp":
		return []string{"full", "url", "inline", "configmap"}
	case "ProvisioningTarget":
		return []string{"full", "certificate", "oauth", "bearer", "basic", "mdm-rest", "mdm-oauth", "mdm-bearer", "mdm-basic", "intune"}
	default:
		return []string{"full"}
	}
}

// place is a value of an object together with its schema.
type place struct {
	path     string // as edits write it
	pattern  string // as visit writes it
	value    any
	schema   *apiextensionsv1.JSONSchemaProps
	required bool
}

// places lists a value and everything below it.
func places(value any, schema *apiextensionsv1.JSONSchemaProps, here place) []place {
	here.value, here.schema = value, schema
	list := []place{here}
	if strings.HasSuffix(here.path, ".selector") {
		return list // apimachinery's LabelSelector, which has no bounds of its own
	}
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			below := place{path: here.path + "." + name, pattern: here.pattern + "." + name, required: slices.Contains(schema.Required, name)}
			if property, ok := schema.Properties[name]; ok {
				list = append(list, places(value[name], &property, below)...)
			} else if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema.Type == "string" {
				below.pattern = here.pattern + "[]"
				list = append(list, places(value[name], schema.AdditionalProperties.Schema, below)...)
			}
		}
	case []any:
		for i := range value {
			below := place{path: here.path + "." + strconv.Itoa(i), pattern: here.pattern + "[]"}
			list = append(list, places(value[i], schema.Items.Schema, below)...)
		}
	}
	return list
}

func (p place) probes(kind string) []probe {
	var probes []probe
	add := func(name string, value any, refused string) {
		probes = append(probes, probe{name, append([]edit{set(p.path, value)}, alongside[kind+" "+p.pattern]...), refused})
	}
	if p.required {
		probes = append(probes, probe{"absent", []edit{unset(p.path)}, "Required value"})
	}
	switch {
	case len(p.schema.Enum) > 0:
		add("unknown", "Nonsense", `Unsupported value: "Nonsense"`)
		for _, value := range p.schema.Enum {
			choice := strings.Trim(string(value.Raw), `"`)
			add("enum "+choice, choice, ruledOut[kind+" "+p.pattern+" "+choice])
		}
	case p.schema.Format == "date-time":
		add("no time", "tomorrow", "must be of type date-time")
	case p.schema.Type == "string":
		p.stringProbes(kind, add)
	case p.schema.Type == "integer":
		minimum, maximum := int64(*p.schema.Minimum), int64(*p.schema.Maximum)
		add("minimum", minimum, "")
		add("below minimum", minimum-1, "should be greater than or equal to")
		add("maximum", maximum, "")
		add("above maximum", maximum+1, "should be less than or equal to")
	case p.schema.Type == "array":
		p.listProbes(kind, add)
	case p.schema.MaxProperties != nil:
		add("most", values(*p.schema.MaxProperties), "")
		add("too many", values(*p.schema.MaxProperties+1), "must have at most")
		add("empty", map[string]any{}, "should have at least 1 properties")
	}
	return probes
}

func (p place) stringProbes(kind string, add func(name string, value any, refused string)) {
	longest := int(*p.schema.MaxLength)
	// Lengths count characters, not bytes.
	add("too long", strings.Repeat("あ", longest+1), "Too long: may not be more than "+strconv.Itoa(longest))
	add("empty", "", "should be at least")
	if len(p.schema.XValidations) == 0 && ruledOut[kind+" "+p.pattern] == "" {
		add("longest", strings.Repeat("あ", longest), "")
	}
}

func (p place) listProbes(kind string, add func(name string, value any, refused string)) {
	add("empty", []any{}, "should have at least 1 items")
	item := items[kind+" "+p.pattern]
	if item == nil {
		return
	}
	add("most", repeat(int(*p.schema.MaxItems), item), "")
	add("too many", repeat(int(*p.schema.MaxItems)+1, item), "Too many")
}

// items make the i-th item of a list, each unlike the others. Lists without
// one (sets of an enum) cannot be filled beyond their bound.
var items = map[string]func(i int) any{
	"IdentityServer spec.trustedProxies":                  func(i int) any { return fmt.Sprintf("10.%d.0.0/16", i) },
	"IdentityServer spec.metadataSources.allowedNetworks": func(i int) any { return fmt.Sprintf("10.%d.0.0/16", i) },
	"IdentityServer spec.deployment.httpRoute.parentRefs": func(i int) any { return map[string]any{"name": fmt.Sprintf("g%d", i)} },
	"Tenant spec.domains":                                 func(i int) any { return fmt.Sprintf("d%d.example", i) },
	"ProvisioningTarget spec.entraID.otherDomains":        func(i int) any { return fmt.Sprintf("d%d.example", i) },
	"Tenant spec.attributes":                              func(i int) any { return map[string]any{"name": fmt.Sprintf("a%d", i), "displayName": "属性"} },
	"Member spec.permissions":                             grant,
	"Group spec.permissions":                              grant,
	"Group spec.members": func(i int) any {
		return map[string]any{"memberRef": map[string]any{"name": fmt.Sprintf("m%d", i)}, "role": "Administrator"}
	},
	"SAMLApp spec.serviceProvider.assertionConsumerServices": func(i int) any {
		return map[string]any{"url": fmt.Sprintf("https://sp.example/%d", i), "index": int64(i)}
	},
	"SAMLApp spec.serviceProvider.certificates": func(int) any { return map[string]any{"certificate": "-----BEGIN CERTIFICATE-----"} },
	"SAMLApp spec.serviceProvider.singleLogoutServices": func(i int) any {
		return map[string]any{"binding": "HTTPRedirect", "url": fmt.Sprintf("https://sp.example/%d", i)}
	},
	"IdentityServer spec.provisioningTargets.allowedNetworks":      func(i int) any { return fmt.Sprintf("10.%d.0.0/16", i) },
	"ProvisioningTarget spec.attributes":                           func(i int) any { return map[string]any{"name": fmt.Sprintf("a%d", i), "value": "v"} },
	"ProvisioningTarget spec.members.groups":                       group,
	"ProvisioningTarget spec.scim.authentication.oauth.scopes":     func(i int) any { return fmt.Sprintf("s%d", i) },
	"ProvisioningTarget spec.mdm.scim.authentication.oauth.scopes": func(i int) any { return fmt.Sprintf("s%d", i) },
	"SAMLApp spec.attributes":                                      func(i int) any { return map[string]any{"name": fmt.Sprintf("a%d", i), "value": "v"} },
	"SAMLApp spec.permissions":                                     permission,
	"LinkApp spec.permissions":                                     permission,
	"SAMLApp spec.access.groups":                                   group,
	"LinkApp spec.access.groups":                                   group,
}

func grant(i int) any {
	return map[string]any{"appRef": map[string]any{"kind": "SAMLApp", "name": fmt.Sprintf("a%d", i)}, "permission": "p"}
}

func permission(i int) any {
	return map[string]any{"name": fmt.Sprintf("p%d", i), "administrator": true}
}

func group(i int) any { return map[string]any{"name": fmt.Sprintf("g%d", i)} }

func values(n int64) map[string]any {
	all := map[string]any{}
	for i := range n {
		all[fmt.Sprintf("a%d", i)] = "v"
	}
	return all
}

// alongside are the edits without which a rule would refuse the probe of a place.
var alongside = map[string][]edit{
	"SAMLApp spec.permissions":        {unset("spec.defaultPermission")},
	"LinkApp spec.permissions":        {unset("spec.defaultPermission")},
	"SAMLApp spec.permissions[].name": {unset("spec.defaultPermission")},
	"LinkApp spec.permissions[].name": {unset("spec.defaultPermission")},
	"Group spec.members[].role":       {set("spec.members.2", map[string]any{"memberRef": map[string]any{"name": "suzuki"}, "role": "Administrator"})},
}

// ruledOut are values within bounds that the full object's other fields forbid,
// with the message of the rule.
var ruledOut = map[string]string{
	"Member spec.role SuperAdmin":                                            "a SuperAdmin always holds every additional permission",
	"IdentityServer spec.tenants.from Same":                                  "selector goes with from: Selector",
	"IdentityServer spec.tenants.from All":                                   "selector goes with from: Selector",
	"SAMLApp spec.nameID.format emailAddress":                                "emailAddress takes the member's mail and no attribute",
	"SAMLApp spec.nameID.format transient":                                   "nameQualifier and spNameQualifier go with format persistent",
	"SAMLApp spec.nameID.format unspecified":                                 "nameQualifier and spNameQualifier go with format persistent",
	"SAMLApp spec.serviceProvider.assertionConsumerServices[].match Pattern": "a pattern begins with https://",
	"SAMLApp spec.serviceProvider.certificates[].certificate":                "must be PEM",
	"SAMLApp spec.defaultPermission":                                         "defaultPermission must be one of permissions",
	"LinkApp spec.defaultPermission":                                         "defaultPermission must be one of permissions",
}
