/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// listTimeout bounds a scrape's look into the cache, which may be filling still.
const listTimeout = 5 * time.Second

var certificateExpiry = prometheus.NewDesc("tegata_tenant_certificate_expiry_timestamp_seconds",
	"When a certificate that service providers trust ends, in seconds since 1970. The same in every replica.", []string{"namespace", "tenant", "fingerprint", "use"}, nil)

// certificateCollector reads the tenants' certificates from their status at each scrape.
type certificateCollector struct {
	reader client.Reader
	log    logr.Logger
}

// Describe implements prometheus.Collector.
func (c certificateCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- certificateExpiry
}

// Collect implements prometheus.Collector.
func (c certificateCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
	defer cancel()
	tenants := &v1alpha1.TenantList{}
	if err := c.reader.List(ctx, tenants); err != nil {
		c.log.Error(err, "Failed to list the tenants' certificates")
		return
	}
	for _, tenant := range tenants.Items {
		for _, certificate := range tenant.Status.Certificates {
			metrics <- prometheus.MustNewConstMetric(certificateExpiry, prometheus.GaugeValue,
				float64(certificate.NotAfter.Unix()), tenant.Namespace, tenant.Name, certificate.Fingerprint, string(certificate.Use))
		}
	}
}
