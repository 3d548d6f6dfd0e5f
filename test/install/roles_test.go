/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package install

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

var kinds = []string{"accounts", "groups", "identityservers", "linkapps", "members", "offboardings", "provisioningtargets", "samlapps", "tenants"}

// Which role may write what. The built-in roles take these in by their labels.
func TestAggregatedRoles(t *testing.T) {
	for _, test := range []struct {
		file, label string
		writes      []string
	}{
		{"admin.yaml", "rbac.authorization.k8s.io/aggregate-to-admin",
			[]string{"groups", "identityservers", "linkapps", "members", "provisioningtargets", "samlapps", "tenants"}},
		{"editor.yaml", "rbac.authorization.k8s.io/aggregate-to-edit", []string{"groups", "linkapps", "members", "samlapps"}},
		{"viewer.yaml", "rbac.authorization.k8s.io/aggregate-to-view", nil},
	} {
		t.Run(test.file, func(t *testing.T) {
			g := NewWithT(t)
			body, err := os.ReadFile(filepath.Join(root, "config/rbac", test.file))
			g.Expect(err).NotTo(HaveOccurred())
			role := &rbacv1.ClusterRole{}
			g.Expect(yaml.UnmarshalStrict(body, role)).To(Succeed())
			g.Expect(role.Labels).To(Equal(map[string]string{test.label: "true"}))
			var reads, writes []string
			for _, rule := range role.Rules {
				g.Expect(rule.APIGroups).To(Equal([]string{"identity.tegata.dev"}))
				g.Expect(rule.Verbs).To(ContainElements("get", "list", "watch"))
				reads = append(reads, rule.Resources...)
				if len(rule.Verbs) > 3 {
					g.Expect(rule.Verbs).To(ConsistOf("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"))
					writes = append(writes, rule.Resources...)
				}
			}
			g.Expect(reads).To(ConsistOf(kinds), "everything can be read, and no status written")
			g.Expect(writes).To(ConsistOf(test.writes))
		})
	}
}
