/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package cel

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// schemas are the OpenAPI schemas of the CRDs by kind.
func schemas(t *testing.T) map[string]*apiextensionsv1.JSONSchemaProps {
	t.Helper()
	g := NewWithT(t)
	files, err := filepath.Glob(filepath.Join(crdDirectory, "*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	all := map[string]*apiextensionsv1.JSONSchemaProps{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		crd := apiextensionsv1.CustomResourceDefinition{}
		g.Expect(yaml.UnmarshalStrict(content, &crd)).To(Succeed(), file)
		all[crd.Spec.Names.Kind] = crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	}
	g.Expect(slices.Sorted(maps.Keys(all))).To(Equal(slices.Sorted(slices.Values(kinds))))
	return all
}

// visit calls see for every place of a schema. Paths are as the API server
// writes them, with [] for any item of a list and any value of a map.
func visit(path string, schema *apiextensionsv1.JSONSchemaProps, see func(path string, schema *apiextensionsv1.JSONSchemaProps)) {
	see(path, schema)
	for name, property := range schema.Properties {
		visit(strings.TrimPrefix(path+"."+name, "."), &property, see)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		visit(path+"[]", schema.Items.Schema, see)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		visit(path+"[]", schema.AdditionalProperties.Schema, see)
	}
}

// TestEveryRuleIsTested fails for each XValidation rule that ruleTests lacks.
func TestEveryRuleIsTested(t *testing.T) {
	g := NewWithT(t)
	var declared, tested []string
	for kind, schema := range schemas(t) {
		visit("", schema, func(path string, schema *apiextensionsv1.JSONSchemaProps) {
			for _, rule := range schema.XValidations {
				g.Expect(rule.Message).NotTo(BeEmpty(), "%s %s: a rule has no message", kind, path)
				declared = append(declared, kind+" "+path+": "+rule.Message)
			}
		})
	}
	for _, test := range ruleTests {
		g.Expect(test.accepted).NotTo(BeEmpty(), "%s %s accepts nothing", test.kind, test.path)
		g.Expect(test.refused).NotTo(BeEmpty(), "%s %s refuses nothing", test.kind, test.path)
		tested = append(tested, test.kind+" "+test.path+": "+test.message)
	}
	g.Expect(tested).To(ConsistOf(declared))
}
