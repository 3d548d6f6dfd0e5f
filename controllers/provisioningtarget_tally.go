/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// tally sums up a target's Accounts.
type tally struct {
	desired, synced, failed, held int
	unmanaged                     int
	// lasting is how many of the failed a person has to look at.
	lasting int
	// unanswered is how many of the pending ones the service gave no sensible answer
	// for; silence is what one of them says.
	unanswered int
	silence    string
}

func (t tally) pending() int { return max(t.desired-t.synced-t.failed, 0) }

func tallyOf(accounts []v1alpha1.Account) tally {
	var t tally
	for i := range accounts {
		account := &accounts[i]
		if account.Spec.MemberRef == nil {
			if account.DeletionTimestamp.IsZero() {
				t.unmanaged++
			}
			continue
		}
		state := account.Status.State
		failure := account.Status.Error
		switch {
		case state == v1alpha1.AccountHeld && account.Annotations[v1alpha1.ApproveDeletionsAnnotation] == "":
			t.held++
			continue
		case state == v1alpha1.AccountFailed:
			t.failed++
			if failure == nil || failure.NextTry.IsZero() {
				t.lasting++
			}
		case !account.Status.RemovedAt.IsZero() || !account.DeletionTimestamp.IsZero():
			continue
		case meta.IsStatusConditionTrue(account.Status.Conditions, v1alpha1.SyncedCondition):
			t.synced++
		case failure != nil && failure.Cause == string(provision.Unavailable):
			t.unanswered++
			t.silence = failure.Message
		}
		t.desired++
	}
	return t
}
