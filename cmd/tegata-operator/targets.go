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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/status"
)

var (
	targetNames      = []string{"namespace", "provisioningtarget"}
	targetCredential = prometheus.NewDesc("tegata_provisioningtarget_credential_expiry_timestamp_seconds",
		"When the credentials of a service end, where that is known, in seconds since 1970. The same in every replica.", targetNames, nil)
	targetLastSync = prometheus.NewDesc("tegata_provisioningtarget_last_sync_timestamp_seconds",
		"When all accounts of a service were last compared, in seconds since 1970. The same in every replica.", targetNames, nil)
	targetFailing = prometheus.NewDesc("tegata_provisioningtarget_failing",
		"Whether a service is not kept as declared and something is wrong: 1, or 0; work under way and a suspended target are 0. The same in every replica.", targetNames, nil)
	targetAccounts = prometheus.NewDesc("tegata_provisioningtarget_accounts",
		"Accounts of a service by how they are: desired, synced, failed, held or unmanaged. The same in every replica.", []string{"namespace", "provisioningtarget", "state"}, nil)
)

// targetCollector reads the targets' status at each scrape.
type targetCollector struct {
	reader client.Reader
	log    logr.Logger
}

// Describe implements prometheus.Collector.
func (c targetCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{targetCredential, targetLastSync, targetFailing, targetAccounts} {
		descriptions <- description
	}
}

// Collect implements prometheus.Collector.
func (c targetCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
	defer cancel()
	targets := &v1alpha1.ProvisioningTargetList{}
	if err := c.reader.List(ctx, targets); err != nil {
		c.log.Error(err, "Failed to list the targets")
		return
	}
	for _, target := range targets.Items {
		tell := func(description *prometheus.Desc, value float64, labels ...string) {
			metrics <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, append([]string{target.Namespace, target.Name}, labels...)...)
		}
		if expires := target.Status.CredentialExpires; !expires.IsZero() {
			tell(targetCredential, float64(expires.Unix()))
		}
		if last := target.Status.LastSync; !last.IsZero() {
			tell(targetLastSync, float64(last.Unix()))
		}
		failing := 0.0
		ready := meta.FindStatusCondition(target.Status.Conditions, v1alpha1.ReadyCondition)
		if status.Failed(target.Status.Conditions) && ready != nil && ready.Reason != v1alpha1.SuspendedReason {
			failing = 1
		}
		tell(targetFailing, failing)
		if counts := target.Status.Accounts; counts != nil {
			for state, number := range map[string]*int32{
				"desired": counts.Desired, "synced": counts.Synced, "failed": counts.Failed, "held": counts.Held, "unmanaged": counts.Unmanaged,
			} {
				if number != nil {
					tell(targetAccounts, float64(*number), state)
				}
			}
		}
	}
}
