/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

var deletionsHeld = prometheus.NewDesc("tegata_tenant_deletions_held",
	"Deletions of a tenant's members that the deletion guard holds until they are approved. The same in every replica.", []string{"namespace", "tenant"}, nil)

// deletionCollector reads from the tenants' status, at each scrape, what the deletion guard holds.
type deletionCollector struct {
	reader client.Reader
	log    logr.Logger
}

// Describe implements prometheus.Collector.
func (c deletionCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- deletionsHeld
}

// Collect implements prometheus.Collector.
func (c deletionCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
	defer cancel()
	tenants := &v1alpha1.TenantList{}
	if err := c.reader.List(ctx, tenants); err != nil {
		c.log.Error(err, "Failed to list what the deletion guard holds")
		return
	}
	for _, tenant := range tenants.Items {
		held := int32(0)
		if told := tenant.Status.Deletions; told != nil {
			held = ptr.Deref(told.Held, 0)
		}
		metrics <- prometheus.MustNewConstMetric(deletionsHeld, prometheus.GaugeValue, float64(held), tenant.Namespace, tenant.Name)
	}
}
