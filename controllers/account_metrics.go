/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	targetLabels = []string{"namespace", "provisioningtarget"}

	accountResults = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tegata_provisioning_results_total",
		Help: "What attempts on accounts ended with: an action that was taken, or the cause of a failure.",
	}, append(targetLabels, "action", "cause"))

	serviceDurations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "tegata_provisioning_call_duration_seconds",
		Help:    "How long calls of services took, the wait for the budget of writes included.",
		Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30, 100},
	}, append(targetLabels, "operation"))

	waitingAccounts = prometheus.NewDesc("tegata_provisioning_waiting", "Accounts that wait to be looked at or changed.", targetLabels, nil)
	timeLeft        = prometheus.NewDesc("tegata_provisioning_time_left_seconds", "How long the accounts that wait take by the budget of writes.", targetLabels, nil)

	progress = &progressCollector{}
)

func init() { metrics.Registry.MustRegister(accountResults, serviceDurations, progress) }

// progressCollector tells how much waits in the lanes of the queue in use.
type progressCollector struct {
	accounts atomic.Pointer[accounts]
}

// Describe implements prometheus.Collector.
func (*progressCollector) Describe(out chan<- *prometheus.Desc) {
	out <- waitingAccounts
	out <- timeLeft
}

// Collect implements prometheus.Collector.
func (c *progressCollector) Collect(out chan<- prometheus.Metric) {
	k := c.accounts.Load()
	if k == nil {
		return
	}
	for target, waiting := range k.queue.waitingByTarget() {
		out <- prometheus.MustNewConstMetric(waitingAccounts, prometheus.GaugeValue, float64(waiting), target.Namespace, target.Name)
		if writes := k.targets.get(target).writesPerSecond; writes > 0 {
			out <- prometheus.MustNewConstMetric(timeLeft, prometheus.GaugeValue, float64(waiting)/float64(writes), target.Namespace, target.Name)
		}
	}
}

// accountMetrics counts what is done to accounts.
type accountMetrics struct{}

func (accountMetrics) count(target types.NamespacedName, action, cause string) {
	accountResults.WithLabelValues(target.Namespace, target.Name, action, cause).Inc()
}

func (accountMetrics) took(target types.NamespacedName, operation string, took time.Duration) {
	serviceDurations.WithLabelValues(target.Namespace, target.Name, operation).Observe(took.Seconds())
}

// forget drops the metrics of a target that is gone.
func (accountMetrics) forget(target types.NamespacedName) {
	of := prometheus.Labels{"namespace": target.Namespace, "provisioningtarget": target.Name}
	accountResults.DeletePartialMatch(of)
	serviceDurations.DeletePartialMatch(of)
}
