/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
)

// shelf is an IdP that holds entries and remembers what was deleted.
type shelf struct {
	admin.Service
	entries []admin.KeyDigest
	deleted []string
}

func (s *shelf) Digests(_ context.Context, after admin.Key, _ int) ([]admin.KeyDigest, error) {
	if after != (admin.Key{}) {
		return nil, nil
	}
	return s.entries, nil
}

func (s *shelf) Apply(_ context.Context, changes []admin.Change) ([]admin.Result, error) {
	for _, change := range changes {
		s.deleted = append(s.deleted, change.Key.String())
	}
	return make([]admin.Result, len(changes)), nil
}

// TestCompareRemovesOnlyWhatNothingDeclares stands for an operator that
// restarted while what is live could not be published again: a signing Secret
// is missing, a spec turned invalid. None of it may be taken for an orphan.
func TestCompareRemovesOnlyWhatNothingDeclares(t *testing.T) {
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	at := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "acme", Name: name} }
	ref := v1alpha1.TenantReference{Name: "company"}
	moved := &v1alpha1.Tenant{ObjectMeta: at("moved"), Spec: v1alpha1.TenantSpec{IdentityServerRef: v1alpha1.IdentityServerReference{Name: "other"}}}
	cache := fake.NewClientBuilder().WithScheme(scheme).
		WithIndex(&v1alpha1.Tenant{}, bySlug, func(o client.Object) []string { return []string{slugOf(o.(*v1alpha1.Tenant))} }).
		WithObjects(
			&v1alpha1.Tenant{ObjectMeta: at("company"), Spec: v1alpha1.TenantSpec{Slug: "acme", IdentityServerRef: v1alpha1.IdentityServerReference{Name: "id"}}},
			moved,
			&v1alpha1.Member{ObjectMeta: at("hanako"), Spec: v1alpha1.MemberSpec{TenantRef: ref}},
			// It lost the slug to the other, which holds what was declared for this one.
			&v1alpha1.Tenant{ObjectMeta: at("second"), Spec: v1alpha1.TenantSpec{Slug: "acme", IdentityServerRef: v1alpha1.IdentityServerReference{Name: "id"}}},
			&v1alpha1.Member{ObjectMeta: at("taro"), Spec: v1alpha1.MemberSpec{TenantRef: v1alpha1.TenantReference{Name: "second"}}},
			&v1alpha1.Group{ObjectMeta: at("sales"), Spec: v1alpha1.GroupSpec{TenantRef: ref}},
			&v1alpha1.SAMLApp{ObjectMeta: at("wiki"), Spec: v1alpha1.SAMLAppSpec{TenantRef: ref}},
			&v1alpha1.LinkApp{ObjectMeta: at("handbook"), Spec: v1alpha1.LinkAppSpec{TenantRef: ref}},
		).Build()
	entry := func(kind admin.Kind, tenant, name, owner string) admin.KeyDigest {
		found := admin.KeyDigest{Key: admin.Key{Kind: kind, Tenant: tenant, Name: name}, Owner: owner}
		if kind != admin.KindTenant {
			found.TenantOwner = "acme/company"
		}
		return found
	}
	idp := &shelf{entries: []admin.KeyDigest{
		entry(admin.KindGroup, "acme", "sales", "acme/sales"),
		entry(admin.KindLinkApp, "acme", "handbook", "acme/handbook"),
		entry(admin.KindMember, "acme", "hanako", "acme/hanako"),
		entry(admin.KindSAMLApp, "acme", "wiki", "acme/wiki"),
		entry(admin.KindTenant, "acme", "", "acme/company"),
		// What follows is declared by nothing, or for something else.
		entry(admin.KindMember, "acme", "gone", "acme/gone"),
		entry(admin.KindMember, "acme", "taro", "acme/taro"),
		entry(admin.KindMember, "former", "hanako", "acme/hanako"),
		entry(admin.KindTenant, "moved", "", "acme/moved"),
		entry(admin.KindTenant, "former", "", "elsewhere/company"),
	}}
	server := &Server{Service: idp, batcher: admin.NewBatcher(idp), digests: map[admin.Key]string{}}
	follow := &follower{Client: cache, wakers: newWakers()}
	name := types.NamespacedName{Namespace: "acme", Name: "id"}

	suspects, err := follow.compare(t.Context(), name, server, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(idp.deleted).To(BeEmpty(), "seen once, it may still be on its way")
	g.Expect(suspects).To(HaveLen(5))
	_, err = follow.compare(t.Context(), name, server, suspects)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(idp.deleted).To(ConsistOf("Member acme/gone", "Member acme/taro", "Member former/hanako", "Tenant moved", "Tenant former"))
}
