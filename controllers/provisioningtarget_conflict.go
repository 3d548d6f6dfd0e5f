/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/provision/entra"
	"tegata.dev/tegata/internal/status"
)

// serviceID names the service that a target leads to, however that is written.
type serviceID struct {
	// url is of a service that has one; directory is that of Entra ID, and origin of
	// its Graph.
	url, directory, origin string
	// devices tells of what lists a directory's devices only.
	devices bool
}

// olderClaims reports whether a target yields to an older one of its tenant that
// leads to the same service. The older one goes first whatever state it is in:
// were it to yield while its credentials are refused, both would write in turn.
// Targets of several tenants may share a service: their members are others.
func (k *provisioningTargets) olderClaims(ctx context.Context, target *v1alpha1.ProvisioningTarget, report *status.Report) bool {
	ours, known := k.serviceOf(ctx, target)
	if !known || ours.url != "" && target.Annotations[v1alpha1.AnotherServiceAnnotation] == "true" {
		return false
	}
	targets := &v1alpha1.ProvisioningTargetList{}
	if err := k.List(ctx, targets, client.InNamespace(target.Namespace), client.MatchingFields{byTenant: target.Spec.TenantRef.Name}, client.UnsafeDisableDeepCopy); err != nil {
		report.Add(readFailed("The other targets", err))
		return true
	}
	var oldest *v1alpha1.ProvisioningTarget
	for i := range targets.Items {
		other := &targets.Items[i]
		if theirs, known := k.serviceOf(ctx, other); known && theirs == ours && older(other, target) && (oldest == nil || precedes(other, oldest)) {
			oldest = other
		}
	}
	if oldest == nil {
		return false
	}
	domains := ""
	if ours.directory != "" && !ours.devices {
		domains = ", and its spec.entraID.otherDomains name all domains"
	}
	message := fmt.Sprintf("ProvisioningTarget %q of this tenant, which is older, leads to the same service. Both would take the same accounts for theirs, so this one does nothing there. "+
		"Let spec.members of that one select everybody%s, and delete this one; or delete that one, and this one takes its accounts over.", oldest.Name, domains)
	if ours.url != "" {
		message += fmt.Sprintf(" Where the service has one URL for all customers, and the credentials of this one are of another: kubectl annotate provisioningtarget -n %s %s %s=true", target.Namespace, target.Name, v1alpha1.AnotherServiceAnnotation)
	}
	report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.ConflictReason, message))
	return true
}

// serviceOf is the service that a target leads to; false where that is not known,
// as with Intune by a target that does not exist.
func (k *provisioningTargets) serviceOf(ctx context.Context, target *v1alpha1.ProvisioningTarget) (serviceID, bool) {
	spec := target.Spec
	switch {
	case spec.EntraID != nil:
		return directoryIDOf(spec.EntraID), true
	case spec.SCIM != nil:
		return serviceID{url: addressOf(spec.SCIM.URL)}, true
	case spec.MDM != nil && spec.MDM.SCIM != nil:
		return serviceID{url: addressOf(spec.MDM.SCIM.URL)}, true
	case spec.MDM != nil && spec.MDM.REST != nil:
		return serviceID{url: addressOf(spec.MDM.REST.URL)}, true
	}
	by := &v1alpha1.ProvisioningTarget{}
	err := k.Get(ctx, types.NamespacedName{Namespace: target.Namespace, Name: intuneTarget(spec)}, by)
	if err != nil || by.Spec.EntraID == nil {
		return serviceID{}, false
	}
	devices := directoryIDOf(by.Spec.EntraID)
	devices.devices = true
	return devices, true
}

func directoryIDOf(spec *v1alpha1.EntraID) serviceID {
	graph := entra.Cloud(string(spec.Cloud)).Graph
	if spec.Endpoints != nil {
		graph = string(spec.Endpoints.Graph)
	}
	return serviceID{directory: strings.ToLower(string(spec.TenantID)), origin: endpoints.Origin(graph)}
}

// addressOf is a service's URL in one form.
func addressOf(text v1alpha1.TargetURL) string {
	u, err := url.Parse(string(text))
	if err != nil {
		return string(text)
	}
	return endpoints.Origin(string(text)) + strings.TrimRight(u.EscapedPath(), "/")
}

// ofSameService wakes the other targets of a target's tenant: what it leads to, or
// led to, may be theirs.
func (k *provisioningTargets) ofSameService(ctx context.Context, target client.Object) []reconcile.Request {
	return k.where(ctx, target.GetNamespace(), byTenant, target.(*v1alpha1.ProvisioningTarget).Spec.TenantRef.Name)
}
