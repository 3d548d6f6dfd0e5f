/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package chart

import (
	"os"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// schema is the part of a JSON schema that these tests read.
type schema struct {
	Properties           map[string]*schema
	AdditionalProperties any
	Items                *schema
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	g := NewWithT(t)
	body, err := os.ReadFile(chart + "/" + file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(yaml.Unmarshal(body, into)).To(Succeed())
}

// leaves are the paths of the values that a user sets as a whole.
func (s *schema) leaves(prefix string) (paths []string) {
	for name, property := range s.Properties {
		if prefix == "" && name == "global" {
			// Helm's own, for charts that hold this one.
			continue
		}
		if len(property.Properties) > 0 {
			paths = append(paths, property.leaves(prefix+name+".")...)
		} else {
			paths = append(paths, prefix+name)
		}
	}
	return paths
}

var quoted = regexp.MustCompile("`([^`]+)`")

// documented are the paths in the first column of README's table; ".b" after "a.c" is "a.b".
func documented(t *testing.T) (paths []string) {
	t.Helper()
	body, err := os.ReadFile(chart + "/README.md")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	_, table, _ := strings.Cut(string(body), "| Value | Meaning | Default |")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		cell := strings.SplitN(line, "|", 3)
		if len(cell) < 3 {
			continue
		}
		parent := ""
		for _, match := range quoted.FindAllStringSubmatch(cell[1], -1) {
			path := match[1]
			if strings.HasPrefix(path, ".") {
				path = parent + path
			}
			parent = path[:max(strings.LastIndex(path, "."), 0)]
			paths = append(paths, path)
		}
	}
	return paths
}

// The three places that name values name the same ones.
func TestValuesSchemaAndReadmeAgree(t *testing.T) {
	g := NewWithT(t)
	declared, defaults := &schema{}, map[string]any{}
	readYAML(t, "values.schema.json", declared)
	readYAML(t, "values.yaml", &defaults)
	paths := declared.leaves("")
	g.Expect(len(paths)).To(BeNumerically(">", 30))
	g.Expect(documented(t)).To(ConsistOf(paths), "README.md")
	for _, path := range paths {
		var at any = defaults
		for name := range strings.SplitSeq(path, ".") {
			g.Expect(at).To(HaveKey(name), "values.yaml has %s", path)
			at = at.(map[string]any)[name]
		}
	}
}

// A mistyped name is refused at every level.
func TestUnknownValuesAreRefusedEverywhere(t *testing.T) {
	root := &schema{}
	readYAML(t, "values.schema.json", root)
	var check func(path string, s *schema)
	check = func(path string, s *schema) {
		if len(s.Properties) > 0 {
			NewWithT(t).Expect(s.AdditionalProperties).To(BeFalse(), "additionalProperties of %s", path)
		}
		for name, property := range s.Properties {
			check(path+"."+name, property)
		}
		if s.Items != nil {
			check(path+"[]", s.Items)
		}
	}
	check("values", root)
}
