/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// typesFile is Microsoft's own description of Graph v1.0, which make test
// installs with the packages of test/interop.
const typesFile = "../../interop/node_modules/@microsoft/microsoft-graph-types/microsoft-graph.d.ts"

var (
	interfaces = regexp.MustCompile(`(?ms)^export interface (\w+)(?: extends (\w+))? \{\n(.*?)^\}`)
	members    = regexp.MustCompile(`(?m)^    (\w+)\?: (.+);$`)
	unions     = regexp.MustCompile(`(?ms)^export type (\w+) =(.*?);`)
	quotes     = regexp.MustCompile(`"([^"]+)"`)
)

// types are what the file declares.
type types struct {
	// properties are by interface and name, inherited ones included.
	properties map[string]map[string]string
	unions     map[string][]string
}

func readTypes(g *WithT) types {
	raw, err := os.ReadFile(typesFile)
	g.Expect(err).NotTo(HaveOccurred(), "run make test, or npm ci in test/interop")
	declared := strings.ReplaceAll(string(raw), "\r\n", "\n")
	result := types{map[string]map[string]string{}, map[string][]string{}}
	parents := map[string]string{}
	for _, match := range interfaces.FindAllStringSubmatch(declared, -1) {
		own := map[string]string{}
		for _, member := range members.FindAllStringSubmatch(match[3], -1) {
			own[member[1]] = strings.TrimSuffix(strings.TrimPrefix(member[2], "NullableOption<"), ">")
		}
		result.properties[match[1]], parents[match[1]] = own, match[2]
	}
	for name := range result.properties {
		for parent := parents[name]; parent != ""; parent = parents[parent] {
			for property, kind := range result.properties[parent] {
				result.properties[name][property] = kind
			}
		}
	}
	for _, match := range unions.FindAllStringSubmatch(declared, -1) {
		for _, value := range quotes.FindAllStringSubmatch(match[2], -1) {
			result.unions[match[1]] = append(result.unions[match[1]], value[1])
		}
	}
	return result
}

// TestMicrosoftsTypes: every property that the tenant knows is one of Graph's, of
// the same type, and enumerations have the same values.
func TestMicrosoftsTypes(t *testing.T) {
	g := NewWithT(t)
	all := readTypes(g)
	for entity, properties := range map[string]map[string]property{
		"User": userProperties, "Domain": domainProperties, "InternalDomainFederation": federationProperties, "UnifiedRoleAssignment": assignmentProperties,
		"Organization": organizationProperties, "Application": applicationProperties, "ManagedDevice": deviceProperties,
	} {
		g.Expect(all.properties).To(HaveKey(entity))
		all.compare(g, entity, properties)
	}
	for entity, names := range map[string][]string{
		"PasswordCredential": {"customKeyIdentifier", "displayName", "endDateTime", "hint", "keyId", "secretText", "startDateTime"},
		"KeyCredential":      {"endDateTime", "startDateTime", "keyId", "type", "usage", "displayName", "key"},
		"VerifiedDomain":     {"name", "isDefault", "isInitial", "type", "capabilities"},
	} {
		for _, name := range names {
			g.Expect(all.properties[entity]).To(HaveKey(name), entity)
		}
	}
}

func (all types) compare(g *WithT, entity string, properties map[string]property) {
	for name, p := range properties {
		kind, isKnown := all.properties[entity][name]
		g.Expect(isKnown).To(BeTrue(), "%s.%s", entity, name)
		union := all.unions[kind]
		switch {
		case len(union) > 0:
			want := slices.DeleteFunc(slices.Clone(union), func(value string) bool { return value == "unknownFutureValue" })
			known := slices.DeleteFunc(slices.Clone(p.values), func(value string) bool { return !slices.Contains(want, value) })
			g.Expect(known).To(ConsistOf(p.values), "%s.%s has a value that Microsoft lacks", entity, name)
			g.Expect(p.values).NotTo(BeEmpty(), "%s.%s", entity, name)
		case p.kind == object:
			g.Expect(all.properties).To(HaveKey(kind), "%s.%s", entity, name)
			all.compare(g, kind, p.parts)
		case p.kind == text, p.kind == when:
			g.Expect(kind).To(Equal("string"), "%s.%s", entity, name)
		case p.kind == flag, p.kind == texts:
			g.Expect(kind).To(Equal(string(p.kind)), "%s.%s", entity, name)
		}
	}
}
