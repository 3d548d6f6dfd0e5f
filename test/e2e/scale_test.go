//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

const (
	many    = 10000
	writers = 16
	// manyPatience is for many members on a machine that is busy otherwise.
	manyPatience = 10 * time.Minute
)

// growTo measures a tenant of many members, and its end.
func (c *cluster) growTo(server *v1alpha1.IdentityServer, members int) {
	p := c.newPlace("many", server, 0)
	p.awaitServing()
	start := time.Now()
	p.createMembers(members)
	summary.add(fmt.Sprintf("%d members created", members), "%.1f s", time.Since(start).Seconds())
	p.Eventually(func(g Gomega) {
		p.isReady(g, p.tenant)
		g.Expect(p.tenant.Status.Members).To(HaveValue(BeEquivalentTo(members)))
	}, manyPatience, time.Second).Should(Succeed())
	p.Eventually(p.unready, manyPatience, time.Second).Should(BeZero())
	summary.add(fmt.Sprintf("%d members created until all are Ready", members), "%.1f s", time.Since(start).Seconds())
	when := fmt.Sprintf("at %d members", members)
	p.reportMemory(when, systemNamespace, idpPods)
	p.reportMemory(when, systemNamespace, operatorPods)

	start = time.Now()
	p.removeMany()
	summary.add(fmt.Sprintf("namespace with %d members deleted", members), "%.1f s", time.Since(start).Seconds())
}

// removeMany deletes the namespace of more members than the deletion guard lets
// go: it stays until that is approved on its Tenant.
func (p *place) removeMany() {
	p.t.Helper()
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.namespace}}
	p.Expect(p.k8s.Delete(p.t.Context(), space)).To(Succeed())
	p.Eventually(func(g Gomega) {
		g.Expect(p.k8s.Get(p.t.Context(), client.ObjectKeyFromObject(p.tenant), p.tenant)).To(Succeed())
		stalled := apimeta.FindStatusCondition(p.tenant.Status.Conditions, v1alpha1.StalledCondition)
		g.Expect(stalled).NotTo(BeNil())
		g.Expect(stalled.Reason).To(Equal(v1alpha1.DeletionHeldReason))
	}, manyPatience, glance).Should(Succeed())
	p.kubectl("annotate", "tenant", p.tenant.Name, "-n", p.namespace, v1alpha1.ApproveDeletionsAnnotation+"=e2e", "--overwrite")
	p.remove()
}

func (p *place) createMembers(members int) {
	p.t.Helper()
	creating, ctx := errgroup.WithContext(p.t.Context())
	creating.SetLimit(writers)
	for i := range members {
		creating.Go(func() error { return p.k8s.Create(ctx, p.newMember(i)) })
	}
	p.Expect(creating.Wait()).To(Succeed())
}

// unready counts members that are not Ready, in pages, as the API server would hold them all in memory otherwise.
func (p *place) unready() (count int, err error) {
	page := &v1alpha1.MemberList{}
	for {
		if err := p.k8s.List(context.Background(), page, client.InNamespace(p.namespace), client.Limit(500), client.Continue(page.Continue)); err != nil {
			return 0, err
		}
		for i := range page.Items {
			if !apimeta.IsStatusConditionTrue(page.Items[i].Status.Conditions, v1alpha1.ReadyCondition) {
				count++
			}
		}
		if page.Continue == "" {
			return count, nil
		}
	}
}
