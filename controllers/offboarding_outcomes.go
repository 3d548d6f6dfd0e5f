/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

// maxOutcomes is the schema's bound of a receipt's targets.
const maxOutcomes = 100

const (
	keptForReturn = "The member was declared again before the account was removed; it was kept."
	keptUnmanaged = "Its Account was deleted first, as with its ProvisioningTarget; what the service has was left as it is."
)

// outcomes are what was done in each service, by what was told before and the
// accounts as they are now. back tells that the member was declared again.
func outcomes(before []v1alpha1.OffboardingTarget, accounts []v1alpha1.Account, back bool) []v1alpha1.OffboardingTarget {
	targets := map[string]v1alpha1.OffboardingTarget{}
	for _, target := range before {
		targets[target.Name] = target
	}
	seen := map[string]bool{}
	for i := range accounts {
		account := &accounts[i]
		name := account.Spec.TargetRef.Name
		seen[name] = true
		if known, told := targets[name]; told && isDone(known) {
			continue
		}
		target := outcomeOf(account)
		if back && !isDone(target) {
			if target.ExternalID == "" {
				delete(targets, name)
				continue
			}
			target.Outcome, target.Message = v1alpha1.AccountRetained, keptForReturn
		}
		targets[name] = target
	}
	for name, target := range targets {
		switch {
		case seen[name] || isDone(target):
		case target.ExternalID == "":
			delete(targets, name) // there never was an account
		default:
			target.Outcome, target.Message = v1alpha1.AccountRetained, keptUnmanaged
			targets[name] = target
		}
	}
	list := slices.SortedFunc(maps.Values(targets), func(a, b v1alpha1.OffboardingTarget) int { return strings.Compare(a.Name, b.Name) })
	return list[:min(len(list), maxOutcomes)]
}

// outcomeOf is what an account tells of its removal.
func outcomeOf(account *v1alpha1.Account) v1alpha1.OffboardingTarget {
	found := account.Status
	target := v1alpha1.OffboardingTarget{
		Name: account.Spec.TargetRef.Name, Outcome: v1alpha1.AccountPending,
		ExternalID: found.ExternalID, UserName: found.UserName, At: found.RemovedAt,
	}
	if found.Error != nil {
		target.Message = found.Error.Message
	}
	switch {
	case !found.RemovedAt.IsZero():
		target.Message = ""
		target.Outcome = v1alpha1.AccountRemoved
		if found.State == v1alpha1.AccountDisabled || found.State == v1alpha1.AccountRetained {
			target.Outcome = found.State
		}
	case found.State == v1alpha1.AccountHeld, found.State == v1alpha1.AccountFailed:
		target.Outcome = found.State
	default:
		if reason, message := obstacle(account); reason != "" {
			target.Message = message
			if !passes(reason) && (found.ExternalID != "" || found.CorrelationID != "") {
				target.Outcome = v1alpha1.AccountFailed
			}
		}
	}
	return target
}

// obstacle is what keeps an account's target from being worked on, in the words of
// its condition; empty where nothing does.
func obstacle(account *v1alpha1.Account) (reason, message string) {
	synced := meta.FindStatusCondition(account.Status.Conditions, v1alpha1.SyncedCondition)
	if synced == nil || synced.Status != metav1.ConditionFalse {
		return "", ""
	}
	return synced.Reason, bounded(synced.Message)
}

// passes tells that nobody has to do anything.
func passes(reason string) bool {
	return slices.Contains([]string{
		v1alpha1.PendingReason, v1alpha1.SyncingReason, v1alpha1.UnavailableReason, v1alpha1.ThrottledReason, string(provision.NotFound),
	}, reason)
}

// isDone reports whether nothing more will be done in the target's service.
func isDone(target v1alpha1.OffboardingTarget) bool {
	return slices.Contains([]v1alpha1.AccountState{v1alpha1.AccountRemoved, v1alpha1.AccountDisabled, v1alpha1.AccountRetained}, target.Outcome)
}

// summarise says what the receipt waits for; Done where everything is done.
func summarise(targets []v1alpha1.OffboardingTarget) status.Outcome {
	names := map[v1alpha1.AccountState][]string{}
	for _, target := range targets {
		if !isDone(target) {
			names[target.Outcome] = append(names[target.Outcome], target.Name)
		}
	}
	list := func(state v1alpha1.AccountState) string { return strings.Join(names[state], ", ") }
	switch {
	case len(names[v1alpha1.AccountHeld]) > 0:
		return mustAct(v1alpha1.SyncedCondition, v1alpha1.DeletionHeldReason, fmt.Sprintf(
			"Sign-in is blocked. The deletion guard holds the accounts in %s; the ProvisioningTarget says how to approve.", list(v1alpha1.AccountHeld)))
	case len(names[v1alpha1.AccountFailed]) > 0:
		return mustAct(v1alpha1.SyncedCondition, v1alpha1.AccountsFailedReason, fmt.Sprintf(
			"Sign-in is blocked. The accounts in %s could not be removed; status.targets says why.", list(v1alpha1.AccountFailed)))
	case len(names) > 0:
		message := fmt.Sprintf("Sign-in is blocked; accounts are being removed: %s.", list(v1alpha1.AccountPending))
		if slices.ContainsFunc(targets, func(t v1alpha1.OffboardingTarget) bool { return !isDone(t) && t.Message != "" }) {
			message += " What they wait for is in status.targets."
		}
		return waits(v1alpha1.SyncingReason, message)
	}
	return status.Outcome{Condition: v1alpha1.SyncedCondition, Reason: v1alpha1.SyncedReason}
}
