/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/status"
)

// switchedKind is live, or waits for a server.
type switchedKind struct{ running bool }

func (k *switchedKind) newObject() *v1alpha1.Tenant { return &v1alpha1.Tenant{} }

func (k *switchedKind) attempt(_ context.Context, _ *v1alpha1.Tenant, report *status.Report) {
	report.Add(accepted())
	report.Add(resolved())
	if k.running {
		report.Add(published())
	} else {
		report.Add(waits(v1alpha1.IdentityServerNotReadyReason, "The server does not run yet."))
	}
}

func (k *switchedKind) retract(context.Context, *v1alpha1.Tenant) (string, error) { return "", nil }

// TestStatusIsNotWorkedOutFromAnOldCache goes live, waits, and goes live again
// before the cache has seen the waiting.
func TestStatusIsNotWorkedOutFromAnOldCache(t *testing.T) {
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "acme", Generation: 1}}
	name := client.ObjectKeyFromObject(tenant)
	cluster := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(tenant).WithObjects(tenant).Build()
	var cached *v1alpha1.Tenant // nil: the cache is up to date
	lagging := interceptor.NewClient(cluster, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if old, ok := object.(*v1alpha1.Tenant); ok && cached != nil {
				cached.DeepCopyInto(old)
				return nil
			}
			return c.Get(ctx, key, object, options...)
		},
	})
	kind := &switchedKind{running: true}
	r := &reconciler[*v1alpha1.Tenant]{client: lagging, events: events.NewFakeRecorder(10), kind: kind}
	reconcile := func() ctrl.Result {
		t.Helper()
		result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: name})
		g.Expect(err).NotTo(HaveOccurred())
		return result
	}
	ready := func() bool {
		t.Helper()
		g.Expect(cluster.Get(t.Context(), name, tenant)).To(Succeed())
		return apimeta.IsStatusConditionTrue(tenant.Status.Conditions, v1alpha1.ReadyCondition)
	}

	reconcile()
	g.Expect(ready()).To(BeTrue())
	old := tenant.DeepCopy()
	kind.running = false
	reconcile()
	g.Expect(ready()).To(BeFalse())

	kind.running, cached = true, old
	g.Expect(reconcile().RequeueAfter).To(Equal(staleWait), "the cache still says that it is live")
	cached = nil
	g.Expect(reconcile().RequeueAfter).To(BeZero())
	g.Expect(ready()).To(BeTrue())
}
