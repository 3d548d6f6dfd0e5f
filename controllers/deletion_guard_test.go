/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/status"
)

func TestDeletionGuardOfTenant(t *testing.T) {
	for name, test := range map[string]struct {
		declared *v1alpha1.DeletionGuard
		guard    directory.DeletionGuard
	}{
		"none":    {nil, directory.DeletionGuard{Percent: 10, Count: 20, Window: time.Hour}},
		"percent": {&v1alpha1.DeletionGuard{Percent: ptr.To[int32](100)}, directory.DeletionGuard{Percent: 100, Count: 20, Window: time.Hour}},
		"nothing": {&v1alpha1.DeletionGuard{Percent: ptr.To[int32](0), Count: ptr.To[int32](0)}, directory.DeletionGuard{Window: time.Hour}},
		"window":  {&v1alpha1.DeletionGuard{Window: "24h"}, directory.DeletionGuard{Percent: 10, Count: 20, Window: 24 * time.Hour}},
		"no time": {&v1alpha1.DeletionGuard{Window: "0s"}, directory.DeletionGuard{Percent: 10, Count: 20, Window: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := &v1alpha1.Tenant{Spec: v1alpha1.TenantSpec{DeletionGuard: test.declared}}
			NewWithT(t).Expect(directoryTenant(tenant).DeletionGuard).To(Equal(test.guard))
		})
	}
}

func TestWarnHeld(t *testing.T) {
	g := NewWithT(t)
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "company"}}
	report := status.NewReport(v1alpha1.PublishedCondition)
	report.Add(published())
	warnHeld(report, tenant, admin.TenantState{})
	g.Expect(report.Outcome(v1alpha1.PublishedCondition)).To(Equal(published()))
	warnHeld(report, tenant, admin.TenantState{HeldDeletions: 30})
	report.Write(tenant)
	ready := tenant.Status.Conditions[0]
	g.Expect(ready.Status).To(Equal(metav1.ConditionTrue))
	g.Expect(ready.Reason).To(Equal("DeletionHeld"))
	g.Expect(ready.Message).To(Equal("Live in the IdP. Deletions of members that the deletion guard holds: 30. See whom with kubectl get members -n acme. " +
		`To approve them all: kubectl annotate tenant company -n acme identity.tegata.dev/approve-deletions="$(date)" --overwrite`))

	observeDeletions(tenant, admin.TenantState{HeldDeletions: 3, DeletionApproval: "yes"})
	g.Expect(tenant.Status.Deletions).To(Equal(&v1alpha1.DeletionStatus{Held: ptr.To[int32](3), LastApproval: "yes"}))
	observeDeletions(tenant, admin.TenantState{})
	g.Expect(tenant.Status.Deletions).To(BeNil())
}

// guarded holds every deletion until it gets an approval.
type guarded struct {
	shelf
	approval string
}

func (s *guarded) Apply(ctx context.Context, changes []admin.Change) ([]admin.Result, error) {
	results, err := s.shelf.Apply(ctx, changes)
	for i, change := range changes {
		if s.approval = change.DeletionApproval; s.approval == "" {
			results[i].Problem = &admin.Problem{Code: admin.ProblemHeld, Message: "too many"}
		}
	}
	return results, err
}

// TestCompareIsGuarded stands for a database out of a backup: what was deleted
// since is live again, and nothing declares it.
func TestCompareIsGuarded(t *testing.T) {
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	resource := &v1alpha1.IdentityServer{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "id"}}
	cache := fake.NewClientBuilder().WithScheme(scheme).WithObjects(resource).Build()
	tenant := admin.Key{Kind: admin.KindTenant, Tenant: "former"}
	idp := &guarded{shelf: shelf{entries: []admin.KeyDigest{{Key: tenant, Owner: "elsewhere/company"}}}}
	server := &Server{Service: idp, batcher: admin.NewBatcher(idp), digests: map[admin.Key]string{}}
	follow := &follower{Client: cache, wakers: newWakers()}
	compare := func(suspects map[admin.Key]bool) map[admin.Key]bool {
		suspects, err := follow.compare(t.Context(), types.NamespacedName{Namespace: "acme", Name: "id"}, server, suspects)
		g.Expect(err).NotTo(HaveOccurred())
		return suspects
	}
	suspects := compare(compare(nil))
	g.Expect(suspects).To(HaveKey(tenant), "what is held is asked for again")
	resource.Annotations = map[string]string{v1alpha1.ApproveDeletionsAnnotation: "by hanako"}
	g.Expect(cache.Update(t.Context(), resource)).To(Succeed())
	g.Expect(compare(suspects)).To(BeEmpty())
	g.Expect(idp.approval).To(Equal("by hanako"))
}
