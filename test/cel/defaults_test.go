/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package cel

import (
	"context"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestDefaultStatus: an object that no operator has seen says so, and tools
// that read kstatus wait for it.
func TestDefaultStatus(t *testing.T) {
	for _, kind := range kinds {
		for _, variant := range []string{"minimal", "full"} {
			t.Run(kind+" "+variant, func(t *testing.T) {
				g := NewWithT(t)
				object := base(t, kind, variant)
				g.Expect(server.Create(t.Context(), object)).To(Succeed())
				t.Cleanup(func() { g.Expect(server.Delete(context.Background(), object)).To(Succeed()) })

				conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
				g.Expect(err).NotTo(HaveOccurred())
				var types []any
				for _, condition := range conditions {
					fields, ok := condition.(map[string]any)
					g.Expect(ok).To(BeTrue())
					types = append(types, fields["type"])
					g.Expect(fields).To(HaveKeyWithValue("status", "Unknown"))
					g.Expect(fields).To(HaveKeyWithValue("reason", "Pending"))
					g.Expect(fields).To(HaveKeyWithValue("message", "Waiting for the operator."))
				}
				g.Expect(types).To(ConsistOf("Ready", "Accepted", "ResolvedRefs", liveness(kind)))

				result, err := status.Compute(object)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(result.Status).To(Equal(status.InProgressStatus))
			})
		}
	}
}

// liveness is the condition of a kind's last step.
func liveness(kind string) string {
	switch kind {
	case "ProvisioningTarget", "Account", "Offboarding":
		return "Synced"
	default:
		return "Published"
	}
}

// TestNothingIsDefaulted: absence means "unmanaged", so the API server writes
// nothing into a spec.
func TestNothingIsDefaulted(t *testing.T) {
	for _, kind := range kinds {
		for _, variant := range []string{"minimal", "full"} {
			t.Run(kind+" "+variant, func(t *testing.T) {
				g := NewWithT(t)
				object := base(t, kind, variant)
				declared := object.DeepCopy().Object["spec"]
				g.Expect(server.Create(t.Context(), object, client.DryRunAll)).To(Succeed())
				g.Expect(object.Object["spec"]).To(Equal(declared))
			})
		}
	}
}

func TestObjectNames(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			g := NewWithT(t)
			variants := fullVariants(kind) // the last one has no rule for its name
			object := base(t, kind, variants[len(variants)-1])
			object.SetName(strings.Repeat("a", 253))
			g.Expect(server.Create(t.Context(), object, client.DryRunAll)).To(Succeed())
			object.SetName(strings.Repeat("a", 300))
			g.Expect(server.Create(t.Context(), object, client.DryRunAll)).To(MatchError(ContainSubstring("must be no more than 253 ")))
		})
	}
}

// TestMistypedFieldsAreRefused, as kubectl asks for by default.
func TestMistypedFieldsAreRefused(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			g := NewWithT(t)
			object := apply(base(t, kind, "full"), set("spec.displayname", "x"))
			err := server.Create(t.Context(), object, client.DryRunAll, client.FieldValidation("Strict"))
			g.Expect(err).To(MatchError(ContainSubstring(`unknown field "spec.displayname"`)))
		})
	}
}
