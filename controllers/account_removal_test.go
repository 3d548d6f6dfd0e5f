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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// receiptsReader answers with receipts, and notes what it was asked for.
type receiptsReader struct {
	client.Client
	receipts []v1alpha1.Offboarding
	asked    []string
}

func (r *receiptsReader) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	asked := &client.ListOptions{}
	asked.ApplyOptions(options)
	r.asked = append(r.asked, asked.Namespace+" "+asked.FieldSelector.String())
	list.(*v1alpha1.OffboardingList).Items = r.receipts
	return nil
}

// TestReceiptsAreAskedForByMember: a namespace keeps the receipts of 400 days, and
// each removal asks.
func TestReceiptsAreAskedForByMember(t *testing.T) {
	g := NewWithT(t)
	a := attemptAt(v1alpha1.AccountStatus{})
	a.account.Namespace, a.account.Spec.MemberRef = "acme", &v1alpha1.MemberReference{Name: "taro"}
	a.owner.gone = true
	receipt := v1alpha1.Offboarding{
		Spec:   v1alpha1.OffboardingSpec{TenantRef: a.target.Spec.TenantRef, MemberRef: *a.account.Spec.MemberRef},
		Status: v1alpha1.OffboardingStatus{SignInBlockedAt: metav1.NewTime(a.account.CreationTimestamp.Add(time.Hour))},
	}
	cache, server := &receiptsReader{}, &receiptsReader{receipts: []v1alpha1.Offboarding{receipt}}
	a.gatherer, a.uncached = gatherer{cache}, server
	g.Expect(a.offboarded(t.Context())).To(BeTrue())
	want := []string{"acme spec.memberRef.name=taro"}
	g.Expect(cache.asked).To(Equal(want))
	g.Expect(server.asked).To(Equal(want))

	cache.receipts, server.asked = server.receipts, nil
	g.Expect(a.offboarded(t.Context())).To(BeTrue())
	g.Expect(server.asked).To(BeEmpty(), "the cache has it")
}
