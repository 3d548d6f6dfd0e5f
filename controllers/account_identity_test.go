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

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// directoryOf is a service that has the accounts of a map, and that nobody may change.
type directoryOf struct {
	provision.Target
	accounts map[string]provision.Account // by external ID
}

func (d directoryOf) Find(_ context.Context, reference provision.Reference) (*provision.Account, error) {
	for _, account := range d.accounts {
		if account.ExternalID == reference.ExternalID || reference.CorrelationID != "" && account.CorrelationID == reference.CorrelationID {
			return &account, nil
		}
	}
	return nil, &provision.Error{Cause: provision.NotFound}
}

// TestAnotherDirectory: a target that was led to another directory, where the
// same ID is somebody else's, neither changes nor removes that account.
func TestAnotherDirectory(t *testing.T) {
	fields := v1alpha1.AccountStatus{ExternalID: "17", CorrelationID: "id-1", UserName: "taro"}
	for name, test := range map[string]struct {
		found provision.Account
		cause provision.Cause
	}{
		"its own":                     {provision.Account{ExternalID: "17", CorrelationID: "id-1", UserName: "taro"}, ""},
		"its own, renamed there":      {provision.Account{ExternalID: "17", CorrelationID: "id-1", UserName: "t"}, ""},
		"its own, without the mark":   {provision.Account{ExternalID: "17", UserName: "TARO"}, ""},
		"a name that nobody saw made": {provision.Account{ExternalID: "17", UserName: "taro2"}, ""},
		"a stranger's":                {provision.Account{ExternalID: "17", UserName: "hanako"}, provision.Conflict},
		"another member's":            {provision.Account{ExternalID: "17", CorrelationID: "id-2", UserName: "hanako"}, provision.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			a := attemptAt(fields)
			a.live.service = directoryOf{accounts: map[string]provision.Account{"17": test.found}}
			found, linked, err := a.find(t.Context(), "id-1", "taro2")
			g.Expect(linked).To(BeTrue())
			if test.cause == "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(found).To(HaveValue(Equal(test.found)))
				return
			}
			g.Expect(provision.CauseOf(err)).To(Equal(test.cause))
			g.Expect(err).To(MatchError(And(ContainSubstring("17"), ContainSubstring("taro"), ContainSubstring("make a new ProvisioningTarget"))))
			g.Expect(found).To(BeNil())
		})
	}
}

// TestAnApprovalDoesNotOutliveItsRemoval: an operator that stopped before it took
// the approval away does so the next time.
func TestAnApprovalDoesNotOutliveItsRemoval(t *testing.T) {
	g := NewWithT(t)
	a := attemptAt(v1alpha1.AccountStatus{Digest: "d", State: v1alpha1.AccountActive})
	g.Expect(a.asDeclared("d")).To(BeTrue())
	g.Expect(a.asDeclared("e")).To(BeFalse())
	a.account.Annotations = map[string]string{v1alpha1.ApproveDeletionsAnnotation: "yes"}
	g.Expect(a.asDeclared("d")).To(BeFalse())
	held := attemptAt(v1alpha1.AccountStatus{Digest: "d", State: v1alpha1.AccountHeld})
	g.Expect(held.asDeclared("d")).To(BeFalse())
}

// TestWhoeverGetsAnotherID: only a Member that was made after the Account may be
// somebody else.
func TestWhoeverGetsAnotherID(t *testing.T) {
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		fields   v1alpha1.AccountStatus
		declared time.Time
		want     bool
	}{
		"the same":               {v1alpha1.AccountStatus{CorrelationID: "2", ExternalID: "x"}, now.Add(time.Hour), false},
		"made anew":              {v1alpha1.AccountStatus{CorrelationID: "1", ExternalID: "x"}, now.Add(time.Hour), true},
		"the IdP lost its data":  {v1alpha1.AccountStatus{CorrelationID: "1", ExternalID: "x"}, now.Add(-time.Hour), false},
		"in the same second":     {v1alpha1.AccountStatus{CorrelationID: "1", ExternalID: "x"}, now, false},
		"nothing was made yet":   {v1alpha1.AccountStatus{CorrelationID: "1"}, now.Add(time.Hour), false},
		"what it had is unknown": {v1alpha1.AccountStatus{ExternalID: "x"}, now.Add(time.Hour), false},
	} {
		account := &v1alpha1.Account{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now)}, Status: test.fields}
		NewWithT(t).Expect(owner{declared: test.declared}.another(account, provision.Desired{CorrelationID: "2"})).To(Equal(test.want), name)
	}
}
