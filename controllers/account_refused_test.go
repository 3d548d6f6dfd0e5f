/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/status"
)

func memberPublished(generation, observed int64, is metav1.ConditionStatus, reason string) *v1alpha1.Member {
	member := &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: "taro", Generation: generation}}
	member.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.PublishedCondition, Status: is, Reason: reason, Message: "mail: it is used.", ObservedGeneration: observed,
	}}
	return member
}

func TestRefusal(t *testing.T) {
	now := metav1.Now()
	leaving := memberPublished(3, 2, metav1.ConditionFalse, "Conflict")
	leaving.DeletionTimestamp = &now
	for name, test := range map[string]struct {
		member    *v1alpha1.Member
		refused   string
		undecided bool
	}{
		"new":                        {&v1alpha1.Member{}, "", false},
		"live":                       {memberPublished(2, 2, metav1.ConditionTrue, "Published"), "", false},
		"another's mail":             {memberPublished(2, 2, metav1.ConditionFalse, "Conflict"), "Conflict: mail: it is used.", false},
		"no licence":                 {memberPublished(2, 2, metav1.ConditionFalse, "LicenseLimitReached"), "LicenseLimitReached: mail: it is used.", false},
		"the IdP is away":            {memberPublished(2, 2, metav1.ConditionFalse, "Unavailable"), "", false},
		"the server does not run":    {memberPublished(2, 2, metav1.ConditionFalse, "IdentityServerNotReady"), "", false},
		"changed after the refusal":  {memberPublished(3, 2, metav1.ConditionFalse, "Conflict"), "", true},
		"changed a moment ago":       {memberPublished(3, 2, metav1.ConditionTrue, "Published"), "", true},
		"being deleted when refused": {leaving, "Conflict: mail: it is used.", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(refusal(test.member)).To(Equal(test.refused))
			g.Expect(undecided(test.member)).To(Equal(test.undecided))
		})
	}
	g := NewWithT(t)
	refused, taken := memberPublished(2, 2, metav1.ConditionFalse, "Conflict"), memberPublished(2, 2, metav1.ConditionTrue, "Published")
	g.Expect(provisionable.Update(event.UpdateEvent{ObjectOld: refused, ObjectNew: taken})).To(BeTrue())
	g.Expect(provisionable.Update(event.UpdateEvent{ObjectOld: refused, ObjectNew: refused})).To(BeFalse())
	g.Expect(provisionable.Update(event.UpdateEvent{ObjectOld: memberPublished(2, 1, metav1.ConditionTrue, "Published"), ObjectNew: taken})).To(BeTrue())
}

// strictService has one account, which may be disabled and nothing else.
type strictService struct {
	provision.Target
	has provision.Account
}

func (s *strictService) Desire(subject directory.Subject) (provision.Desired, error) {
	return provision.Desired{CorrelationID: subject.ID, UserName: subject.Member.Mail, Active: !subject.Member.Suspended}, nil
}

func (s *strictService) Find(context.Context, provision.Reference) (*provision.Account, error) {
	found := s.has
	return &found, nil
}

func (s *strictService) Disable(context.Context, provision.Account) error {
	s.has.Active = false
	return nil
}

// TestSpecThatTheIdPRefuses: services are not told of it, but who is suspended is
// kept out.
func TestSpecThatTheIdPRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		owner     owner
		suspended bool
		message   string
		active    bool
	}{
		"refused":               {owner{refused: "Conflict: mail: it is used."}, false, `Member "taro". Its condition Published says: Conflict: mail: it is used.`, true},
		"not asked about yet":   {owner{undecided: true}, false, `Member "taro" as it is now is not live`, true},
		"refused and suspended": {owner{refused: "Conflict: mail: it is used."}, true, "Its condition Published says: Conflict", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			a := attemptAt(v1alpha1.AccountStatus{
				State: v1alpha1.AccountActive, ExternalID: "x", CorrelationID: "1", Digest: "former", LastSync: metav1.NewTime(time.Unix(1, 0)),
			})
			service := &strictService{has: provision.Account{ExternalID: "x", CorrelationID: "1", UserName: "taro@acme.example", Active: true}}
			a.account.Spec.MemberRef = &v1alpha1.MemberReference{Name: "taro"}
			a.live.service, a.owner, a.awaitsIdP = service, test.owner, true
			a.owner.subject = &directory.Subject{ID: "1", Member: directory.Member{Name: "taro", Mail: "jiro@acme.example", Suspended: test.suspended}}
			outcome := a.decide(t.Context(), status.NewReport(v1alpha1.SyncedCondition))
			g.Expect(outcome.Verdict).To(Equal(status.Waits))
			g.Expect(outcome.Message).To(ContainSubstring(test.message))
			g.Expect(service.has.Active).To(Equal(test.active))
			if test.active {
				g.Expect(a.account.Status.State).To(Equal(v1alpha1.AccountActive))
			} else {
				g.Expect(a.account.Status.State).To(Equal(v1alpha1.AccountDisabled))
				g.Expect(a.account.Status.Digest).To(BeEmpty(), "as it was before is no longer what is there")
			}
		})
	}
}
