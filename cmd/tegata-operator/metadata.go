/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

var metadataCurrent = prometheus.NewDesc("tegata_samlapp_metadata_current",
	"Whether the metadata that an app is described by is current: 1, or 0 where its condition MetadataCurrent is False. The same in every replica.",
	[]string{"namespace", "samlapp"}, nil)

// metadataCollector reads the condition of apps with metadata at each scrape.
type metadataCollector struct {
	reader client.Reader
	log    logr.Logger
}

// Describe implements prometheus.Collector.
func (c metadataCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- metadataCurrent
}

// Collect implements prometheus.Collector.
func (c metadataCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
	defer cancel()
	apps := &v1alpha1.SAMLAppList{}
	if err := c.reader.List(ctx, apps); err != nil {
		c.log.Error(err, "Failed to list the apps' metadata")
		return
	}
	for _, app := range apps.Items {
		condition := meta.FindStatusCondition(app.Status.Conditions, v1alpha1.MetadataCurrentCondition)
		if condition == nil || condition.Status == metav1.ConditionUnknown {
			continue
		}
		value := 0.0
		if condition.Status == metav1.ConditionTrue {
			value = 1
		}
		metrics <- prometheus.MustNewConstMetric(metadataCurrent, prometheus.GaugeValue, value, app.Namespace, app.Name)
	}
}
