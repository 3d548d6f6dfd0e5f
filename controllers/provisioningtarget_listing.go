/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"time"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// listing is what a service has, as far as it is compared or shown: a service may
// have a million accounts that are nobody's.
type listing struct {
	began time.Time
	// accounts that an Account may be of, by external ID.
	accounts map[string]provision.Account
	// marked are external IDs by correlation ID.
	marked map[string]string
	// others are the external IDs of all others, hashed.
	others map[uint64]struct{}
	seed   maphash.Seed
	// shown are the first of them by external ID, so that the same are shown each time.
	shown []provision.Account
}

// list reads a whole service, for Accounts. A listing that broke off is an error.
func (k *provisioningTargets) list(ctx context.Context, service provision.Target, accounts []v1alpha1.Account) (listing, error) {
	found := listing{
		began: k.clock(), accounts: map[string]provision.Account{}, marked: map[string]string{},
		others: map[uint64]struct{}{}, seed: maphash.MakeSeed(),
	}
	ids, marks := map[string]bool{}, map[string]bool{}
	for i := range accounts {
		if accounts[i].Spec.MemberRef != nil {
			ids[accounts[i].Status.ExternalID], marks[accounts[i].Status.CorrelationID] = true, true
		}
	}
	err := service.List(ctx, func(account provision.Account) error {
		if account.Deleted || account.ExternalID == "" {
			return nil
		}
		id, mark := account.ExternalID, account.CorrelationID
		ours := false
		if mark != "" && marks[mark] {
			first, marked := found.marked[mark]
			ours = !marked || first == id
			if ours {
				found.marked[mark] = id
			}
		}
		if ours || ids[id] {
			found.accounts[id] = account
		} else {
			found.stranger(account)
		}
		return nil
	})
	return found, err
}

// stranger counts an account that is of none of the Accounts, and keeps what is
// shown of it.
func (l *listing) stranger(account provision.Account) {
	hash := maphash.String(l.seed, account.ExternalID)
	if _, again := l.others[hash]; again {
		return
	}
	l.others[hash] = struct{}{}
	at, _ := slices.BinarySearchFunc(l.shown, account, func(a, b provision.Account) int { return cmp.Compare(a.ExternalID, b.ExternalID) })
	if at == maxUnmanaged || len(account.ExternalID) > longestText {
		return
	}
	l.shown = slices.Insert(l.shown[:min(len(l.shown), maxUnmanaged-1)], at, provision.Account{
		ExternalID: account.ExternalID, UserName: shortened(account.UserName), DisplayName: shortened(account.DisplayName),
	})
}

// unaccounted are those that no member accounts for, as far as they are shown, and
// their number: some are known that were not when the listing began.
func (l *listing) unaccounted(known map[string]bool) ([]provision.Account, int) {
	count := len(l.others)
	for id := range known {
		if _, other := l.others[maphash.String(l.seed, id)]; other {
			count--
		}
	}
	strangers := slices.DeleteFunc(slices.Clone(l.shown), func(account provision.Account) bool { return known[account.ExternalID] })
	for id, account := range l.accounts {
		if !known[id] {
			count++
			if len(id) <= longestText {
				strangers = append(strangers, account)
			}
		}
	}
	return strangers[:min(len(strangers), maxUnmanaged)], count
}
