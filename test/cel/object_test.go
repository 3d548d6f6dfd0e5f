/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package cel

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

var kinds = []string{"IdentityServer", "Tenant", "Member", "Group", "SAMLApp", "LinkApp", "ProvisioningTarget", "Account", "Offboarding"}

// base is testdata/<kind>-<variant>.yaml: "minimal" has only what is required,
// "full" every field of the spec but the other sides of unions.
func base(t *testing.T, kind, variant string) *unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join("testdata", strings.ToLower(kind)+"-"+variant+".yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	content, err = yaml.YAMLToJSON(append([]byte("kind: "+kind+"\n"), content...))
	g.Expect(err).NotTo(HaveOccurred())
	object := &unstructured.Unstructured{}
	g.Expect(object.UnmarshalJSON(content)).To(Succeed())
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "identity.tegata.dev", Version: "v1alpha1", Kind: kind})
	object.SetNamespace("default")
	return object
}

// edit changes one place of an object. Its path has dots between fields and
// numbers for list positions, for example "spec.members.0.role".
type edit struct {
	path  string
	value any
}

// remove is the value that takes a field away.
type remove struct{}

func set(path string, value any) edit { return edit{path, value} }
func unset(path string) edit          { return edit{path, remove{}} }

func apply(object *unstructured.Unstructured, edits ...edit) *unstructured.Unstructured {
	changed := object.DeepCopy()
	for _, e := range edits {
		changed.Object, _ = put(changed.Object, strings.Split(e.path, "."), e.value).(map[string]any)
	}
	return changed
}

// put returns node with value at path. Lists and maps on the way are made.
func put(node any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	if position, err := strconv.Atoi(path[0]); err == nil {
		list, _ := node.([]any)
		for len(list) <= position {
			list = append(list, nil)
		}
		list[position] = put(list[position], path[1:], value)
		return list
	}
	fields, _ := node.(map[string]any)
	if fields == nil {
		fields = map[string]any{}
	}
	if _, gone := value.(remove); gone && len(path) == 1 {
		delete(fields, path[0])
		return fields
	}
	fields[path[0]] = put(fields[path[0]], path[1:], value)
	return fields
}

// repeat is a list of n items.
func repeat(n int, item func(i int) any) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = item(i)
	}
	return list
}
