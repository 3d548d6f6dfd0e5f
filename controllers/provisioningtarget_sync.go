/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// asFailure is an error in a service's words.
func asFailure(err error) *provision.Error {
	if failure, ok := errors.AsType[*provision.Error](err); ok {
		return failure
	}
	return &provision.Error{Cause: provision.Unavailable, Message: "It was not finished in time, or the API server could not be reached; it is tried again.", Err: err}
}

// work is what a run does at one target.
type work struct {
	target *v1alpha1.ProvisioningTarget
	in     *scope
	live   liveTarget
	// everything is compared; else the service is only checked, and groups where
	// they are wanted anew.
	everything bool
	request    string
	groups     *wantedGroups
	// federation is nil where the domain is not looked at.
	federation *wantedFederation
}

// runOf makes a run of work. Failures of credentials pause the target.
func (k *provisioningTargets) runOf(w work) run {
	return func(ctx context.Context) (runReport, error) {
		report, err := k.do(ctx, w)
		if err != nil {
			k.targets.failed(w.live, err)
			logf.FromContext(ctx).Info("Failed to sync a target", "target", w.live.name, "cause", provision.CauseOf(err), "error", err.Error())
		} else {
			k.targets.recovered(w.live.name)
		}
		return report, err
	}
}

func (k *provisioningTargets) do(ctx context.Context, w work) (runReport, error) {
	report := runReport{}
	var err error
	if report.findings, err = w.live.service.Check(ctx); err != nil {
		return report, err
	}
	report.checked = true
	if w.everything {
		result := &syncResult{request: w.request}
		if intuneTarget(w.target.Spec) == "" {
			if result.unmanaged, err = k.compare(ctx, w); err != nil {
				return report, err
			}
		}
		if result.devices, err = k.syncDevices(ctx, w); err != nil {
			return report, err
		}
		result.at = k.clock()
		report.synced = result
	}
	if w.groups != nil {
		report.groups, err = syncGroups(ctx, w)
	}
	if w.federation != nil && err == nil {
		report.federation, err = k.federate(ctx, w)
	}
	return report, err
}

// compare wakes the Accounts that are not in the service as they should be, and
// keeps Accounts for those that no member accounts for. It returns their number.
// It writes nothing to the service: the Accounts look again, each by itself.
func (k *provisioningTargets) compare(ctx context.Context, w work) (int, error) {
	before, err := k.accountsOf(ctx, w.live.name)
	if err != nil {
		return 0, err
	}
	found, err := k.list(ctx, w.live.service, before)
	if err != nil {
		return 0, err
	}
	// Listing takes a while, in which accounts are made and linked.
	accounts, err := k.accountsOf(ctx, w.live.name)
	if err != nil {
		return 0, err
	}
	known := map[string]bool{} // external IDs
	var unmanaged []*v1alpha1.Account
	var suspects []types.NamespacedName
	for i := range accounts {
		account := &accounts[i]
		if account.Spec.MemberRef == nil {
			unmanaged = append(unmanaged, account)
			continue
		}
		id := account.Status.ExternalID
		if marked, ok := found.marked[account.Status.CorrelationID]; ok && id == "" {
			id = marked
		}
		known[id] = true
		if k.differs(ctx, w, account, found, id) {
			suspects = append(suspects, client.ObjectKeyFromObject(account))
		}
	}
	k.targets.suspect(suspects...)
	k.wakeAccounts(suspects...)
	strangers, count := found.unaccounted(known)
	return count, k.keepUnmanaged(ctx, w, unmanaged, strangers)
}

// differs tells that an Account has to be looked at: what the service has is not
// what Decide leaves alone, or the last attempt failed.
func (k *provisioningTargets) differs(ctx context.Context, w work, account *v1alpha1.Account, found listing, id string) bool {
	if !account.DeletionTimestamp.IsZero() || account.Status.LastSync.After(found.began) {
		return false // it was looked at meanwhile
	}
	desired, err := k.desired(ctx, w.live, account)
	switch {
	case err != nil:
		return false // the Account says so itself
	case desired == nil && (account.Status.State == v1alpha1.AccountHeld || w.neverDeletes()):
		return false
	case account.Status.State == v1alpha1.AccountFailed:
		return true
	}
	situation := provision.Situation{
		Desired: desired, Linked: account.Status.ExternalID != "", AdoptByUserName: w.live.adoptByUserName, Removal: w.live.removal,
	}
	if there, ok := found.accounts[id]; ok {
		situation.Found = &there
	}
	action := provision.Decide(situation).Action
	return action != provision.Nothing && action != provision.Retain
}

// neverDeletes tells of a sync by schedule in Entra ID: it repairs additions and
// changes only (O7.2).
func (w work) neverDeletes() bool {
	return w.target.Spec.EntraID != nil && w.live.removal == provision.RemovalDelete && w.request == ""
}

// accountsOf are the Accounts of a target in the cache. They must not be changed.
func (k *provisioningTargets) accountsOf(ctx context.Context, target types.NamespacedName) ([]v1alpha1.Account, error) {
	list := &v1alpha1.AccountList{}
	err := k.List(ctx, list, client.InNamespace(target.Namespace), client.MatchingFields{byTarget: target.Name}, client.UnsafeDisableDeepCopy)
	return list.Items, err
}
