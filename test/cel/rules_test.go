/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package cel

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ruleTest has what one XValidation rule accepts and refuses.
type ruleTest struct {
	kind, path, message string
	accepted, refused   []variant
}

// variant is a base object with edits. A variant with an earlier state is
// created in that state and then updated.
type variant struct {
	name    string
	base    string // minimal where empty
	earlier []edit
	edits   []edit
	update  bool
}

func with(name string, edits ...edit) variant { return variant{name: name, edits: edits} }

// full is a variant of the full object.
func full(name string, edits ...edit) variant { return variant{name: name, base: "full", edits: edits} }

// update goes from the minimal object with the first edits to that with the second.
func update(name string, earlier, later []edit) variant {
	return variant{name: name, earlier: earlier, edits: later, update: true}
}

// each is one variant for every value of one place.
func each(path string, values ...any) []variant {
	variants := make([]variant, len(values))
	for i, value := range values {
		name, _ := value.(string)
		variants[i] = with(name, set(path, value))
	}
	return variants
}

// eachOfFull is each, of the full object.
func eachOfFull(path string, values ...any) []variant {
	variants := each(path, values...)
	for i := range variants {
		variants[i].base = "full"
	}
	return variants
}

func TestRules(t *testing.T) {
	for _, test := range ruleTests {
		t.Run(test.kind+" "+test.path+" "+test.message, func(t *testing.T) {
			for _, v := range test.accepted {
				t.Run("accepts "+v.name, func(t *testing.T) {
					NewWithT(t).Expect(v.submit(t, test)).To(Succeed())
				})
			}
			for _, v := range test.refused {
				t.Run("refuses "+v.name, func(t *testing.T) {
					g := NewWithT(t)
					err := v.submit(t, test)
					g.Expect(err).To(MatchError(ContainSubstring(test.message)))
					// The message stands at the field that a person must look at.
					g.Expect(positions.Replace(err.Error())).To(ContainSubstring(at(test.path) + ": Invalid value"))
				})
			}
		})
	}
}

// positions makes the paths of items those of their lists.
var positions = strings.NewReplacer("[0]", "[]", "[1]", "[]", "[2]", "[]")

// at is how the API server calls a place; the object itself has no path.
func at(path string) string {
	if path == "" {
		return "<nil>"
	}
	return path
}

// submit creates or updates the variant and returns the API server's refusal.
func (v variant) submit(t *testing.T, test ruleTest) error {
	t.Helper()
	object, ofStatus := base(t, test.kind, cmp.Or(v.base, "minimal")), strings.HasPrefix(test.path, "status.")
	if !v.update && !ofStatus {
		return server.Create(t.Context(), apply(object, v.edits...), client.DryRunAll)
	}
	g := NewWithT(t)
	stored := apply(object, v.earlier...)
	g.Expect(server.Create(t.Context(), stored)).To(Succeed())
	t.Cleanup(func() { g.Expect(server.Delete(context.Background(), stored)).To(Succeed()) })
	if ofStatus {
		return server.Status().Update(t.Context(), apply(stored, v.edits...), client.DryRunAll)
	}
	later := apply(object, v.edits...)
	later.SetResourceVersion(stored.GetResourceVersion())
	return server.Update(t.Context(), later, client.DryRunAll)
}

var ruleTests = slices.Concat(identityServerRules, tenantRules, memberRules, groupRules, samlAppRules, linkAppRules,
	provisioningTargetRules, accountRules, offboardingRules)
