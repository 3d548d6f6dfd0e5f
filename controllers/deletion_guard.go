/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/status"
)

// deletionHeldError means that the deletion guard holds a deletion (X3). Nothing
// is retried: the approval wakes it.
type deletionHeldError struct {
	// message is one stable sentence that says how to approve.
	message string
}

func (e *deletionHeldError) Error() string { return e.message }

// deletionGuard is the guard that a tenant declares, for its members and for the
// accounts of each of its ProvisioningTargets.
func deletionGuard(tenant *v1alpha1.Tenant) directory.DeletionGuard {
	guard, declared := directory.DefaultDeletionGuard(), tenant.Spec.DeletionGuard
	if declared == nil {
		return guard
	}
	guard.Percent = int(ptr.Deref(declared.Percent, directory.DefaultGuardPercent))
	guard.Count = int(ptr.Deref(declared.Count, directory.DefaultGuardCount))
	if window := durationOr(declared.Window, 0); window >= time.Millisecond {
		guard.Window = window
	}
	return guard
}

// approvalAsked passes a new value of the annotation that approves deletions.
var approvalAsked = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return e.ObjectOld.GetAnnotations()[v1alpha1.ApproveDeletionsAnnotation] != e.ObjectNew.GetAnnotations()[v1alpha1.ApproveDeletionsAnnotation]
}}

// approval is the token with which deletions are approved, or "".
func approval(object client.Object) string {
	return token(object.GetAnnotations()[v1alpha1.ApproveDeletionsAnnotation])
}

// approveCommand is what to type to approve the deletions that an object of the
// kind, in kubectl's words, holds.
func approveCommand(kind string, name types.NamespacedName) string {
	return fmt.Sprintf(`kubectl annotate %s %s -n %s %s="$(date)" --overwrite`, kind, name.Name, name.Namespace, v1alpha1.ApproveDeletionsAnnotation)
}

// held is the error of a deletion that the IdP refused as held, to be approved
// with the tenant.
func held(problem admin.Problem, tenant types.NamespacedName) error {
	return &deletionHeldError{message: fmt.Sprintf("The deletion guard holds this deletion: %s. To approve all that it holds now: %s",
		problem.Message, approveCommand("tenant", tenant))}
}

// observeDeletions writes what the guard holds of a tenant.
func observeDeletions(tenant *v1alpha1.Tenant, state admin.TenantState) {
	tenant.Status.Deletions = nil
	if state.HeldDeletions > 0 || state.DeletionApproval != "" {
		tenant.Status.Deletions = &v1alpha1.DeletionStatus{Held: count(state.HeldDeletions), LastApproval: state.DeletionApproval}
	}
}

// warnHeld says in Published's message how to approve what the guard holds. The
// tenant is as live as before.
func warnHeld(report *status.Report, tenant *v1alpha1.Tenant, state admin.TenantState) {
	if state.HeldDeletions == 0 {
		return
	}
	outcome := report.Outcome(v1alpha1.PublishedCondition)
	if outcome.Verdict != status.Done {
		return
	}
	outcome.Reason = v1alpha1.DeletionHeldReason
	outcome.Message = fmt.Sprintf("%s Deletions of members that the deletion guard holds: %d. See whom with kubectl get members -n %s. To approve them all: %s",
		outcome.Message, state.HeldDeletions, tenant.Namespace, approveCommand("tenant", client.ObjectKeyFromObject(tenant)))
	report.Add(outcome)
}
