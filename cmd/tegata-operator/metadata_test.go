/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"errors"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// listed is a reader that lists these apps, or fails.
type listed struct {
	client.Reader
	apps []v1alpha1.SAMLApp
	err  error
}

func (l listed) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*v1alpha1.SAMLAppList).Items = l.apps
	return l.err
}

func TestMetadataMetric(t *testing.T) {
	app := func(name string, status metav1.ConditionStatus) v1alpha1.SAMLApp {
		made := v1alpha1.SAMLApp{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
		if status != "" {
			made.Status.Conditions = []metav1.Condition{{Type: v1alpha1.MetadataCurrentCondition, Status: status}}
		}
		return made
	}
	g := NewWithT(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metadataCollector{listed{apps: []v1alpha1.SAMLApp{
		app("current", metav1.ConditionTrue), app("old", metav1.ConditionFalse), app("new", metav1.ConditionUnknown), app("without", ""),
	}}, logr.Discard()})
	families, err := registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(families).To(HaveLen(1))
	values := map[string]float64{}
	for _, metric := range families[0].GetMetric() {
		// Labels are in the order of their names.
		values[metric.GetLabel()[0].GetValue()+"/"+metric.GetLabel()[1].GetValue()] = metric.GetGauge().GetValue()
	}
	g.Expect(values).To(Equal(map[string]float64{"acme/current": 1, "acme/old": 0}))

	failing := prometheus.NewPedanticRegistry()
	failing.MustRegister(metadataCollector{listed{err: errors.New("the cache is not there")}, logr.Discard()})
	families, err = failing.Gather()
	g.Expect(err).NotTo(HaveOccurred(), "the other metrics are served all the same")
	g.Expect(families).To(BeEmpty())
}
