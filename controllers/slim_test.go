/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

func TestAltered(t *testing.T) {
	for name, test := range map[string]struct {
		generation int64
		change     func(*metav1.PartialObjectMetadata)
		want       bool
	}{
		"status":                         {1, func(*metav1.PartialObjectMetadata) {}, false},
		"spec":                           {1, func(o *metav1.PartialObjectMetadata) { o.Generation++ }, true},
		"labels":                         {1, func(o *metav1.PartialObjectMetadata) { o.Labels = nil }, true},
		"annotations":                    {1, func(o *metav1.PartialObjectMetadata) { o.Annotations = map[string]string{"a": "b"} }, true},
		"owners":                         {1, func(o *metav1.PartialObjectMetadata) { o.OwnerReferences = nil }, true},
		"a kind without generations":     {0, func(*metav1.PartialObjectMetadata) {}, true},
		"a resync of it changes nothing": {0, func(o *metav1.PartialObjectMetadata) { o.ResourceVersion = "1" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
				ResourceVersion: "1", Generation: test.generation, Labels: map[string]string{"a": "b"}, OwnerReferences: []metav1.OwnerReference{{Name: "id"}}}}
			after := before.DeepCopy()
			after.ResourceVersion = "2"
			test.change(after)
			NewWithT(t).Expect(altered.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after})).To(Equal(test.want))
		})
	}
	g := NewWithT(t)
	g.Expect(altered.Create(event.CreateEvent{})).To(BeTrue())
	g.Expect(altered.Delete(event.DeleteEvent{})).To(BeTrue())
}

func TestOnlyOurs(t *testing.T) {
	g := NewWithT(t)
	all := OnlyOurs()
	g.Expect(all).To(HaveLen(len(watchedParts()) + 1))
	whole := false
	for object, by := range all {
		_, workload := object.(*appsv1.Deployment)
		whole = whole || workload
		g.Expect(by.Label.Matches(labels.Set{"app.kubernetes.io/managed-by": "tegata-operator", "team": "identity"})).To(BeTrue(), "%T", object)
		g.Expect(by.Label.Matches(labels.Set{"app.kubernetes.io/managed-by": "Helm"})).To(BeFalse(), "%T", object)
	}
	g.Expect(whole).To(BeTrue())
}
