/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// listedTargets is a reader that lists these targets, or fails.
type listedTargets struct {
	client.Reader
	targets []v1alpha1.ProvisioningTarget
	err     error
}

func (l listedTargets) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*v1alpha1.ProvisioningTargetList).Items = l.targets
	return l.err
}

func TestTargetMetrics(t *testing.T) {
	g := NewWithT(t)
	target := func(name, reason string, stalled bool) v1alpha1.ProvisioningTarget {
		made := v1alpha1.ProvisioningTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name}}
		made.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionFalse, Reason: reason}}
		if stalled {
			made.Status.Conditions = append(made.Status.Conditions, metav1.Condition{Type: v1alpha1.StalledCondition, Status: metav1.ConditionTrue, Reason: reason})
		}
		return made
	}
	full := target("full", v1alpha1.AuthenticationFailedReason, true)
	number := int32(3)
	full.Status.LastSync, full.Status.CredentialExpires = metav1.Unix(1000, 0), metav1.NewTime(time.Unix(2000, 0))
	full.Status.Accounts = &v1alpha1.AccountCounts{Desired: &number}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(targetCollector{listedTargets{targets: []v1alpha1.ProvisioningTarget{
		full, target("suspended", v1alpha1.SuspendedReason, true), target("syncing", v1alpha1.SyncingReason, false),
	}}, logr.Discard()})
	families, err := registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			key := family.GetName()
			for _, label := range metric.GetLabel()[1:] {
				key += "/" + label.GetValue()
			}
			values[key] = metric.GetGauge().GetValue()
		}
	}
	g.Expect(values).To(Equal(map[string]float64{
		"tegata_provisioningtarget_failing/full": 1, "tegata_provisioningtarget_failing/suspended": 0, "tegata_provisioningtarget_failing/syncing": 0,
		"tegata_provisioningtarget_last_sync_timestamp_seconds/full":         1000,
		"tegata_provisioningtarget_credential_expiry_timestamp_seconds/full": 2000,
		"tegata_provisioningtarget_accounts/full/desired":                    3,
	}))

	failing := prometheus.NewPedanticRegistry()
	failing.MustRegister(targetCollector{listedTargets{err: errors.New("the cache is not there")}, logr.Discard()})
	families, err = failing.Gather()
	g.Expect(err).NotTo(HaveOccurred(), "the other metrics are served all the same")
	g.Expect(families).To(BeEmpty())
}
