/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// fullService lists accounts.
type fullService struct {
	provision.Target
	accounts []provision.Account
}

func (s fullService) List(_ context.Context, visit func(provision.Account) error) error {
	for _, account := range s.accounts {
		if err := visit(account); err != nil {
			return err
		}
	}
	return nil
}

// TestListing: of accounts that are nobody's no more is kept than is shown, and
// they are counted once, and not once they are somebody's.
func TestListing(t *testing.T) {
	g := NewWithT(t)
	accountOf := func(id, mark string) v1alpha1.Account {
		return v1alpha1.Account{
			Spec:   v1alpha1.AccountSpec{MemberRef: &v1alpha1.MemberReference{Name: "taro"}},
			Status: v1alpha1.AccountStatus{ExternalID: id, CorrelationID: mark},
		}
	}
	large := provision.Properties{"title": strings.Repeat("x", 1000)}
	service := fullService{accounts: []provision.Account{
		{ExternalID: "linked", Properties: large},
		{ExternalID: "marked", CorrelationID: "mark", Properties: large},
		// A mark that many carry must not keep them all.
		{ExternalID: "marked-too", CorrelationID: "mark", Properties: large},
		{ExternalID: "old", CorrelationID: "gone", Properties: large},
		{ExternalID: "deleted", Deleted: true},
		{ExternalID: strings.Repeat("0", longestText+1)},
	}}
	for i := range 2 * maxUnmanaged {
		stranger := provision.Account{ExternalID: fmt.Sprintf("%04d", 2*maxUnmanaged-i), UserName: strings.Repeat("n", 2*longestText), Properties: large}
		service.accounts = append(service.accounts, stranger, stranger)
	}
	k := &provisioningTargets{clock: time.Now}
	found, err := k.list(t.Context(), service, []v1alpha1.Account{accountOf("linked", ""), accountOf("", "mark"), {Status: v1alpha1.AccountStatus{ExternalID: "old"}}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.accounts).To(HaveLen(2))
	g.Expect(found.accounts["linked"].Properties).To(Equal(large))
	g.Expect(found.marked).To(Equal(map[string]string{"mark": "marked"}))
	g.Expect(found.shown).To(HaveLen(maxUnmanaged))
	g.Expect(found.shown[0]).To(Equal(provision.Account{ExternalID: "0001", UserName: strings.Repeat("n", longestText)}))
	g.Expect(found.shown[maxUnmanaged-1].ExternalID).To(Equal("1000"))

	shown, count := found.unaccounted(map[string]bool{"linked": true, "marked": true})
	g.Expect(shown).To(HaveLen(maxUnmanaged))
	g.Expect(count).To(Equal(2*maxUnmanaged + 3))
	// Some were made while the service was listed; another is let go.
	shown, count = found.unaccounted(map[string]bool{"linked": true, "0001": true, "1500": true, "": true})
	g.Expect(shown).To(HaveLen(maxUnmanaged))
	g.Expect(count).To(Equal(2*maxUnmanaged + 3 - 2 + 1))
}
