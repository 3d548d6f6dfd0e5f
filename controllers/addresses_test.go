/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/endpoints"
)

func TestWhoHasAnAddress(t *testing.T) {
	const address = "https://id.example"
	server := func(name string, created time.Time, serves string) *v1alpha1.IdentityServer {
		return &v1alpha1.IdentityServer{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name, CreationTimestamp: metav1.NewTime(created)},
			Spec:       v1alpha1.IdentityServerSpec{ExternalURL: address},
			Status:     v1alpha1.IdentityServerStatus{ExternalURL: serves},
		}
	}
	earlier := noon.Add(-time.Minute)
	for name, c := range map[string]struct {
		other, ours *v1alpha1.IdentityServer
		want        bool
	}{
		"the older of two new ones":         {server("b", earlier, ""), server("a", noon, ""), true},
		"the younger of two new ones":       {server("a", noon, ""), server("b", earlier, ""), false},
		"the first by name":                 {server("a", noon, ""), server("b", noon, ""), true},
		"one that serves it, though young":  {server("b", noon, "https://ID.example:443"), server("a", earlier, ""), true},
		"one that serves something else":    {server("b", noon, "https://other.example"), server("a", noon, ""), false},
		"not where we serve it":             {server("a", earlier, ""), server("b", noon, address), false},
		"the older where both serve it":     {server("b", earlier, address), server("a", noon, address), true},
		"not the younger where both do too": {server("a", noon, address), server("b", earlier, address), false},
	} {
		NewWithT(t).Expect(comesBefore(c.other, c.ours, endpoints.Origin(address))).To(Equal(c.want), name)
	}
}

func TestClaimedOrigins(t *testing.T) {
	g := NewWithT(t)
	server := &v1alpha1.IdentityServer{Spec: v1alpha1.IdentityServerSpec{ExternalURL: "https://new.example"}}
	server.Status.ExternalURL = "https://old.example"
	g.Expect(claimedOrigins(server)).To(Equal([]string{"https://new.example:443", "https://old.example:443"}))
	server.Status.ExternalURL = "https://NEW.example"
	g.Expect(claimedOrigins(server)).To(HaveLen(1))
	server.DeletionTimestamp = &metav1.Time{Time: noon}
	server.Finalizers = []string{v1alpha1.Finalizer, "example.com/other"}
	g.Expect(claimedOrigins(server)).To(HaveLen(1), "it still serves")
	server.Finalizers = server.Finalizers[1:]
	g.Expect(claimedOrigins(server)).To(BeEmpty(), "only somebody else's finalizer is left")
}

func TestAddressesAreTakenOnce(t *testing.T) {
	g := NewWithT(t)
	a, b := types.NamespacedName{Name: "a"}, types.NamespacedName{Name: "b"}
	var held addresses
	holder, freed := held.take("x", a)
	g.Expect(holder).To(Equal(a))
	g.Expect(freed).To(BeEmpty())
	holder, _ = held.take("x", b)
	g.Expect(holder).To(Equal(a))
	_, freed = held.take("y", a)
	g.Expect(freed).To(ConsistOf("x"))
	holder, _ = held.take("x", b)
	g.Expect(holder).To(Equal(b))
	g.Expect(held.release(a)).To(ConsistOf("y"))
	g.Expect(held.holder("y")).To(BeZero())
	g.Expect(held.release(a)).To(BeEmpty())
}
