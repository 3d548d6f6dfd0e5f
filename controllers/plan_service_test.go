/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

// readOnlyService has accounts, counts what it is asked, and fails the test that writes.
type readOnlyService struct {
	provision.Target
	accounts     []provision.Account
	finds, lists int
}

func (s *readOnlyService) Find(_ context.Context, reference provision.Reference) (*provision.Account, error) {
	s.finds++
	for _, account := range s.accounts {
		if matches(account, reference) {
			return &account, nil
		}
	}
	return nil, &provision.Error{Cause: provision.NotFound}
}

func (s *readOnlyService) List(_ context.Context, visit func(provision.Account) error) error {
	s.lists++
	for _, account := range s.accounts {
		if err := visit(account); err != nil {
			return err
		}
	}
	return nil
}

// TestPlannedServiceWritesNothing, and answers as if it had: the service below
// has no method that writes, so a call of one would be a panic.
func TestPlannedServiceWritesNothing(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	below := &readOnlyService{accounts: []provision.Account{
		{ExternalID: "1", UserName: "Taro@acme.example", CorrelationID: "taro", Active: true}, {ExternalID: "2", UserName: "hanako@acme.example", CorrelationID: "hanako", Active: true},
	}}
	s := newPlannedService(below)
	_, err := s.Create(ctx, provision.Desired{UserName: "taro@acme.example", CorrelationID: "other"})
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict), "as the service would say")
	g.Expect(s.taken()).To(BeEmpty())

	taro, err := s.Find(ctx, provision.Reference{ExternalID: "1"})
	g.Expect(err).NotTo(HaveOccurred())
	renamed, err := s.Update(ctx, *taro, provision.Desired{UserName: "t.yamada@acme.example", CorrelationID: "taro", Active: true})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(renamed.ExternalID).To(Equal("1"))
	_, err = s.Find(ctx, provision.Reference{UserName: "taro@acme.example"})
	g.Expect(provision.IsNotFound(err)).To(BeTrue(), "the name would be free")
	_, err = s.Create(ctx, provision.Desired{UserName: "taro@acme.example", CorrelationID: plannedPrefix + "000000000001"})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = s.Create(ctx, provision.Desired{UserName: "taro@acme.example", CorrelationID: plannedPrefix + "000000000002"})
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict), "and taken anew")

	hanako, err := s.Find(ctx, provision.Reference{CorrelationID: "hanako"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Disable(ctx, *hanako)).To(Succeed())
	g.Expect(s.Delete(ctx, *hanako)).To(Succeed())
	gone, err := s.Find(ctx, provision.Reference{ExternalID: "2"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(gone.Deleted).To(BeTrue())
	_, err = s.Restore(ctx, *gone)
	g.Expect(err).NotTo(HaveOccurred())
	var actions []provision.Action
	for _, write := range s.taken() {
		actions = append(actions, write.action)
	}
	g.Expect(actions).To(Equal([]provision.Action{provision.Update, provision.Create, provision.Disable, provision.Delete, provision.Restore}))
	g.Expect(s.taken()).To(BeEmpty())
}

// TestPlannedServiceLists where many accounts are looked up.
func TestPlannedServiceLists(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	below := &readOnlyService{}
	for i := range 200 {
		below.accounts = append(below.accounts, provision.Account{ExternalID: fmt.Sprint(i), UserName: fmt.Sprintf("m%d@acme.example", i)})
	}
	s := newPlannedService(below)
	for i := range 200 {
		_, err := s.Find(ctx, provision.Reference{ExternalID: fmt.Sprint(i)})
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(below.lists).To(Equal(1))
	g.Expect(below.finds).To(Equal(listAfter))
	_, err := s.Find(ctx, provision.Reference{CorrelationID: plannedPrefix + "000000000001"})
	g.Expect(provision.IsNotFound(err)).To(BeTrue())
	_, err = s.Find(ctx, provision.Reference{CorrelationID: "00000000000040008000000000000001"})
	g.Expect(provision.IsNotFound(err)).To(BeTrue())
	g.Expect(below.finds).To(Equal(listAfter), "nobody has an ID that is not given out yet")
}
