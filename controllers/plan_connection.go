/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// keepsKeys tells that asking a target's service sends the cluster's keys where
// they are sent already. Manifests that nobody has reviewed yet must not have them
// sent elsewhere.
func (p *planner) keepsKeys(ctx context.Context, target *v1alpha1.ProvisioningTarget) (bool, error) {
	now := &v1alpha1.ProvisioningTarget{}
	if err := p.now.Get(ctx, client.ObjectKeyFromObject(target), now); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return equality.Semantic.DeepEqual(connection(now.Spec), connection(target.Spec)), nil
}

// connection is what of a spec says where the service is and with which keys it is
// asked. A field that is new counts, unless it is taken out here.
func connection(spec v1alpha1.ProvisioningTargetSpec) v1alpha1.ProvisioningTargetSpec {
	whole := spec.DeepCopy()
	only := v1alpha1.ProvisioningTargetSpec{EntraID: whole.EntraID, MDM: whole.MDM, SCIM: whole.SCIM}
	if entra := only.EntraID; entra != nil {
		entra.Domain, entra.OtherDomains, entra.UsageLocation, entra.Roles, entra.Federation, entra.ClientSecretExpires = "", nil, "", nil, nil, metav1.Time{}
	}
	services := []*v1alpha1.SCIM{only.SCIM}
	if only.MDM != nil {
		only.MDM.Roles = nil
		services = append(services, only.MDM.SCIM)
	}
	for _, service := range services {
		if service != nil {
			service.Updates, service.UserName = "", ""
		}
	}
	return only
}
