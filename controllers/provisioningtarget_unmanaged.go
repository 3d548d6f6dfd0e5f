/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

const (
	// maxUnmanaged is how many accounts that no member accounts for are shown.
	maxUnmanaged = 1000
	// longestText is what the API takes of a service's text.
	longestText = 512
)

// keepUnmanaged makes the Accounts that nobody accounts for those that the service has.
func (k *provisioningTargets) keepUnmanaged(ctx context.Context, w work, kept []*v1alpha1.Account, strangers []provision.Account) error {
	wanted := map[string]provision.Account{}
	for _, stranger := range strangers {
		wanted[stranger.ExternalID] = stranger
	}
	for _, account := range kept {
		stranger, still := wanted[account.Spec.ExternalID]
		delete(wanted, account.Spec.ExternalID)
		var err error
		if still {
			err = k.showUnmanaged(ctx, account.DeepCopy(), stranger)
		} else {
			err = client.IgnoreNotFound(k.Delete(ctx, account.DeepCopy()))
		}
		if err != nil {
			return err
		}
	}
	for _, stranger := range wanted {
		account := &v1alpha1.Account{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.live.name.Namespace, Name: unmanagedName(w.live.name.Name, stranger.ExternalID)},
			Spec:       v1alpha1.AccountSpec{TargetRef: v1alpha1.ProvisioningTargetReference{Name: w.live.name.Name}, ExternalID: stranger.ExternalID},
		}
		err := k.Create(ctx, account)
		if apierrors.IsAlreadyExists(err) {
			continue // the cache is behind; the next sync shows it
		}
		if err != nil {
			return err
		}
		if err := k.showUnmanaged(ctx, account, stranger); err != nil {
			return err
		}
	}
	return nil
}

// unmanagedName is the same for the same account at each sync.
func unmanagedName(target, externalID string) string {
	sum := sha256.Sum256([]byte(externalID))
	return derivedName(target, "-unmanaged-"+hex.EncodeToString(sum[:6]))
}

// showUnmanaged writes what the service says of an account.
func (k *provisioningTargets) showUnmanaged(ctx context.Context, account *v1alpha1.Account, stranger provision.Account) error {
	before, err := status.SnapshotOf(account)
	if err != nil {
		return err
	}
	account.Status.State, account.Status.ExternalID = v1alpha1.AccountUnmanaged, stranger.ExternalID
	account.Status.UserName, account.Status.DisplayName = shortened(stranger.UserName), shortened(stranger.DisplayName)
	report := status.NewReport(v1alpha1.AcceptedCondition, v1alpha1.ResolvedRefsCondition, v1alpha1.SyncedCondition)
	report.Add(accepted())
	report.Add(resolved())
	report.Add(status.Outcome{Reason: v1alpha1.UnmanagedReason, Message: "The service has this account, and no member accounts for it. Nothing is done to it."})
	report.Write(account)
	_, err = before.Patch(ctx, k.Client, account)
	return client.IgnoreNotFound(err)
}

// shortened is a service's text as far as the API takes it.
func shortened(text string) string {
	if runes := []rune(text); len(runes) > longestText {
		return string(runes[:longestText])
	}
	return text
}

// dropAdopted deletes the Accounts that nobody accounted for and somebody does now.
func (k *provisioningTargets) dropAdopted(ctx context.Context, accounts []v1alpha1.Account) error {
	linked := map[string]bool{}
	for i := range accounts {
		if accounts[i].Spec.MemberRef != nil && accounts[i].Status.ExternalID != "" {
			linked[accounts[i].Status.ExternalID] = true
		}
	}
	for i := range accounts {
		if account := &accounts[i]; account.Spec.MemberRef == nil && account.DeletionTimestamp.IsZero() && linked[account.Spec.ExternalID] {
			if err := k.Delete(ctx, account.DeepCopy()); client.IgnoreNotFound(err) != nil {
				return err
			}
		}
	}
	return nil
}
