/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// The table of docs/operations.md has every flag and no other.
func TestFlagsAreDocumented(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile(root + "/docs/operations.md")
	g.Expect(err).NotTo(HaveOccurred())
	_, table, _ := strings.Cut(string(page), "| Flag | Meaning | Default |")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented, defined []string
	for _, row := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\|").FindAllStringSubmatch(table, -1) {
		documented = append(documented, row[1])
	}
	flags := flag.NewFlagSet("tegata-operator", flag.ContinueOnError)
	new(options).define(flags)
	flags.VisitAll(func(f *flag.Flag) { defined = append(defined, f.Name) })
	g.Expect(flag.Lookup("kubeconfig")).NotTo(BeNil(), "controller-runtime defines it")
	g.Expect(documented).To(ConsistOf(append(defined, "kubeconfig")))
}
