/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/api/v1alpha1"
)

func TestServicesAreTheSameHoweverTheyAreWritten(t *testing.T) {
	const guid = "11111111-2222-3333-4444-aaaaaaaaaaaa"
	scim := func(url v1alpha1.TargetURL) v1alpha1.ProvisioningTargetSpec {
		return v1alpha1.ProvisioningTargetSpec{SCIM: &v1alpha1.SCIM{URL: url}}
	}
	entra := func(change func(*v1alpha1.EntraID)) v1alpha1.ProvisioningTargetSpec {
		spec := &v1alpha1.EntraID{TenantID: guid}
		change(spec)
		return v1alpha1.ProvisioningTargetSpec{EntraID: spec}
	}
	ours := scim("https://chat.example/scim/v2")
	directory := entra(func(*v1alpha1.EntraID) {})
	for name, test := range map[string]struct {
		one, other v1alpha1.ProvisioningTargetSpec
		same       bool
	}{
		"the same":             {ours, ours, true},
		"a slash at its end":   {ours, scim("https://chat.example/scim/v2/"), true},
		"capitals of the host": {ours, scim("https://Chat.Example/scim/v2"), true},
		"the port by name":     {ours, scim("https://chat.example:443/scim/v2"), true},
		"an MDM":               {ours, v1alpha1.ProvisioningTargetSpec{MDM: &v1alpha1.MDM{SCIM: ours.SCIM}}, true},
		"an MDM's contract":    {ours, v1alpha1.ProvisioningTargetSpec{MDM: &v1alpha1.MDM{REST: &v1alpha1.MDMREST{URL: ours.SCIM.URL}}}, true},
		"no path":              {scim("https://chat.example"), scim("https://chat.example/"), true},
		"another port":         {ours, scim("https://chat.example:8443/scim/v2"), false},
		"another scheme":       {ours, scim("http://chat.example/scim/v2"), false},
		"another path":         {ours, scim("https://chat.example/scim/V2"), false},
		"another host":         {ours, scim("https://chat2.example/scim/v2"), false},
		"a directory":          {directory, entra(func(e *v1alpha1.EntraID) { e.TenantID = "11111111-2222-3333-4444-AAAAAAAAAAAA"; e.ClientID = "x" }), true},
		"its cloud by name":    {directory, entra(func(e *v1alpha1.EntraID) { e.Cloud = "Global" }), true},
		"its cloud by address": {directory, entra(func(e *v1alpha1.EntraID) {
			e.Endpoints = &v1alpha1.EntraEndpoints{Graph: "https://graph.microsoft.com"}
		}), true},
		"another domain of it":  {directory, entra(func(e *v1alpha1.EntraID) { e.Domain = "b.example" }), true},
		"another directory":     {directory, entra(func(e *v1alpha1.EntraID) { e.TenantID = "22222222-2222-3333-4444-aaaaaaaaaaaa" }), false},
		"another cloud":         {directory, entra(func(e *v1alpha1.EntraID) { e.Cloud = "China" }), false},
		"a directory, and SCIM": {directory, ours, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			k := &provisioningTargets{}
			one, known := k.serviceOf(t.Context(), &v1alpha1.ProvisioningTarget{Spec: test.one})
			g.Expect(known).To(BeTrue())
			other, known := k.serviceOf(t.Context(), &v1alpha1.ProvisioningTarget{Spec: test.other})
			g.Expect(known).To(BeTrue())
			g.Expect(one == other).To(Equal(test.same))
		})
	}
}
