/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"tegata.dev/tegata/api/v1alpha1"
)

func TestDeletionCollector(t *testing.T) {
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	quiet := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "quiet"}}
	guarded := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "guarded"}}
	guarded.Status.Deletions = &v1alpha1.DeletionStatus{Held: ptr.To[int32](30)}
	registry := prometheus.NewRegistry()
	registry.MustRegister(deletionCollector{fake.NewClientBuilder().WithScheme(scheme).WithObjects(quiet, guarded).Build(), logr.Discard()})
	families, err := registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(families).To(HaveLen(1))
	held := map[string]float64{}
	for _, metric := range families[0].GetMetric() {
		held[metric.GetLabel()[1].GetValue()] = metric.GetGauge().GetValue()
	}
	g.Expect(held).To(Equal(map[string]float64{"quiet": 0, "guarded": 30}))
}
