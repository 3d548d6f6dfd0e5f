/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

var (
	// attackRow is a row of the index: case, outcome, tests.
	attackRow = regexp.MustCompile(`^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`)
	// indexed is a test in it: package, function and, after a slash, its row.
	indexed = regexp.MustCompile("`([a-z]+) ((?:Test|Fuzz)[A-Za-z0-9]+)(?: / ([^`]+))?`")
)

// TestAttacksHaveTests: the index of attacks names tests that exist, for each case one at least.
func TestAttacksHaveTests(t *testing.T) {
	body, err := os.ReadFile(filepath.Join(root, "docs", "saml-attacks.md"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	sources, seen := map[string]string{}, map[string]bool{}
	for line := range strings.Lines(string(body)) {
		row := attackRow.FindStringSubmatch(strings.TrimSpace(line))
		if row == nil || row[1] == "Case" || strings.HasPrefix(row[1], "-") {
			continue
		}
		t.Run(row[1], func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(seen[row[1]]).To(BeFalse(), "a case stands once")
			seen[row[1]] = true
			tests := indexed.FindAllStringSubmatch(row[3], -1)
			g.Expect(indexed.ReplaceAllString(row[3], "")).To(MatchRegexp("^(, )*$"), "nothing but tests")
			g.Expect(tests).NotTo(BeEmpty())
			for _, test := range tests {
				if _, read := sources[test[1]]; !read {
					sources[test[1]] = testSources(t, test[1])
				}
				found := declaration(sources[test[1]], test[2])
				g.Expect(found).NotTo(BeEmpty(), "%s has no %s", test[1], test[2])
				if test[3] != "" {
					g.Expect(sources[test[1]]).To(ContainSubstring(`"`+test[3]+`"`), "%s %s has no such row", test[1], test[2])
				}
			}
		})
	}
	NewWithT(t).Expect(len(seen)).To(BeNumerically(">", 150))
}

// declaration is how a test begins; empty where there is none.
func declaration(source, name string) string {
	return regexp.MustCompile(`(?m)^func ` + name + `\([a-z]+ \*testing\.[TF]\) \{$`).FindString(source)
}

// testSources are the tests of the package in the folder of that name, as one text.
func testSources(t *testing.T, folder string) string {
	t.Helper()
	g := NewWithT(t)
	var all strings.Builder
	var from []string
	for _, above := range []string{"internal", "internal/idp", "test"} {
		files, err := filepath.Glob(filepath.Join(root, above, folder, "*_test.go"))
		g.Expect(err).NotTo(HaveOccurred())
		if len(files) > 0 {
			from = append(from, above)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			all.Write(text)
		}
	}
	g.Expect(from).To(HaveLen(1), "a package %s with tests", folder)
	return all.String()
}
