/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	tegatastatus "tegata.dev/tegata/internal/status"
)

func (p *place) create(objects ...client.Object) {
	p.t.Helper()
	for _, object := range objects {
		p.Expect(p.k8s.Create(ctx, object)).To(Succeed())
	}
}

func (p *place) refresh(object client.Object) {
	p.t.Helper()
	p.Expect(p.k8s.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
}

// change edits the object as it is now on the server.
func (p *place) change(object client.Object, edit func()) {
	p.t.Helper()
	p.refresh(object)
	before := object.DeepCopyObject().(client.Object)
	edit()
	p.Expect(p.k8s.Patch(ctx, object, client.MergeFrom(before))).To(Succeed())
}

// current waits until each object is Ready, and checks every invariant that
// kstatus, kubectl wait and Argo CD lean on.
func (p *place) current(objects ...tegatastatus.Object) {
	p.t.Helper()
	for _, object := range objects {
		p.Eventually(func() error {
			if err := p.k8s.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
				return err
			}
			return p.invariants(object)
		}, patience, glance).Should(Succeed(), "%T %s", object, object.GetName())
	}
}

func (p *place) invariants(object tegatastatus.Object) error {
	conditions := object.GetConditions()
	last := v1alpha1.PublishedCondition
	switch object.(type) {
	case *v1alpha1.ProvisioningTarget, *v1alpha1.Account, *v1alpha1.Offboarding:
		last = v1alpha1.SyncedCondition
	}
	for _, conditionType := range []string{v1alpha1.ReadyCondition, v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, last} {
		condition := meta.FindStatusCondition(conditions, conditionType)
		if condition == nil || condition.Status != metav1.ConditionTrue || condition.ObservedGeneration != object.GetGeneration() {
			return fmt.Errorf("condition %s is %+v at generation %d; all: %+v", conditionType, condition, object.GetGeneration(), conditions)
		}
	}
	for _, absent := range []string{v1alpha1.ReconcilingCondition, v1alpha1.StalledCondition} {
		if condition := meta.FindStatusCondition(conditions, absent); condition != nil {
			return fmt.Errorf("condition %s is present: %+v", absent, condition)
		}
	}
	if verdict := p.kstatus(object); verdict != status.CurrentStatus {
		return fmt.Errorf("kstatus is %s", verdict)
	}
	return nil
}

func (p *place) kstatus(object client.Object) status.Status {
	content := must(runtime.DefaultUnstructuredConverter.ToUnstructured(object))
	u := &unstructured.Unstructured{Object: content}
	gvk := must(p.k8s.GroupVersionKindFor(object))
	u.SetGroupVersionKind(gvk)
	return must(status.Compute(u)).Status
}

// stalled waits until the object says that a person must act, for this reason
// at this generation, and returns Ready's message.
func (p *place) stalled(object tegatastatus.Object, reason string) string {
	p.t.Helper()
	return p.fails(object, reason, status.FailedStatus)
}

// waiting waits until the object says that it waits for something else.
func (p *place) waiting(object tegatastatus.Object, reason string) string {
	p.t.Helper()
	return p.fails(object, reason, status.InProgressStatus)
}

func (p *place) fails(object tegatastatus.Object, reason string, verdict status.Status) string {
	p.t.Helper()
	var message string
	p.Eventually(func(g Gomega) {
		g.Expect(p.k8s.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
		ready := meta.FindStatusCondition(object.GetConditions(), v1alpha1.ReadyCondition)
		g.Expect(ready).NotTo(BeNil())
		g.Expect(ready.Reason).To(Equal(reason), ready.Message)
		g.Expect(ready.Status).To(Equal(metav1.ConditionFalse))
		g.Expect(ready.ObservedGeneration).To(Equal(object.GetGeneration()))
		g.Expect(p.kstatus(object)).To(Equal(verdict))
		message = ready.Message
	}, patience, glance).Should(Succeed())
	return message
}

// gone waits until the object no longer exists.
func (p *place) gone(objects ...client.Object) {
	p.t.Helper()
	for _, object := range objects {
		p.Eventually(func() bool {
			return apierrors.IsNotFound(p.k8s.Get(ctx, client.ObjectKeyFromObject(object), object))
		}, patience, glance).Should(BeTrue(), "%T %s still exists", object, object.GetName())
	}
}

func (p *place) remove(objects ...client.Object) {
	p.t.Helper()
	for _, object := range objects {
		p.Expect(p.k8s.Delete(ctx, object)).To(Succeed())
	}
}

// unchanged checks that nothing writes to the object for a while.
func (p *place) unchanged(object client.Object, during time.Duration) {
	p.t.Helper()
	p.refresh(object)
	version := object.GetResourceVersion()
	p.Consistently(func() string {
		p.refresh(object)
		return object.GetResourceVersion()
	}, during, glance).Should(Equal(version))
}

// temporaryPassword waits for a member's temporary password and returns it.
func (p *place) temporaryPassword(member *v1alpha1.Member) string {
	p.t.Helper()
	secret := &corev1.Secret{}
	p.Eventually(func(g Gomega) {
		p.refresh(member)
		g.Expect(member.Status.Password).NotTo(BeNil())
		g.Expect(member.Status.Password.State).To(Equal("Temporary"))
		g.Expect(member.Status.Password.SecretRef).NotTo(BeNil())
		name := client.ObjectKey{Namespace: p.namespace, Name: member.Status.Password.SecretRef.Name}
		g.Expect(p.k8s.Get(ctx, name, secret)).To(Succeed())
	}, patience, glance).Should(Succeed())
	return string(secret.Data[corev1.BasicAuthPasswordKey])
}
