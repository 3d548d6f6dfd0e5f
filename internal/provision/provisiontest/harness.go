/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package provisiontest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	. "github.com/onsi/gomega" //nolint:staticcheck // a test suite, as readable as the tests

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
)

// Failure is a way in which a service fails.
type Failure string

// The failures. Each lasts until it is mended, and is of every call that reads or
// writes accounts unless its comment says otherwise.
const (
	// ServerError answers 500.
	ServerError Failure = "ServerError"
	// HTML answers 200 with a page for people.
	HTML Failure = "HTML"
	// Nonsense answers 200 with JSON that means nothing here.
	Nonsense Failure = "Nonsense"
	// Truncated ends the connection in the middle of the answer.
	Truncated Failure = "Truncated"
	// Half sends half the answer as if it were all.
	Half Failure = "Half"
	// Hang never answers.
	Hang Failure = "Hang"
	// Throttled answers 429 and asks to wait 7 seconds.
	Throttled Failure = "Throttled"
	// Unauthorized refuses the credentials, tokens that were given before included.
	Unauthorized Failure = "Unauthorized"
	// Forbidden lacks a permission.
	Forbidden Failure = "Forbidden"
	// SecondPage lets a listing end in the middle of its second page; other calls
	// succeed.
	SecondPage Failure = "SecondPage"
)

// causes are what the failures are told as.
var causes = map[Failure]provision.Cause{
	ServerError: provision.Unavailable, HTML: provision.Unavailable, Nonsense: provision.Unavailable, Truncated: provision.Unavailable,
	Half: provision.Unavailable, Hang: provision.Unavailable, Throttled: provision.Throttled, Unauthorized: provision.Unauthorized, Forbidden: provision.Forbidden,
}

// Service is a service with no account in it, and a target that speaks to it.
type Service struct {
	Target provision.Target
	// Domain is where the mail addresses of members are.
	Domain string
	// Add makes an account that Tegata did not make, and returns its external ID.
	Add func(userName string) string
	// Remove takes an account away for good, by somebody else's hand.
	Remove func(externalID string)
	// Count is how many accounts there are, without those deleted.
	Count func() int
	// Break lets calls fail until mend is called.
	Break func(failure Failure) (mend func())
	// Settle waits until everything written can be read; nil where that is at once.
	Settle func()
	// Lag lets what is written from now on be read only after Settle; nil where the
	// service has no such delay.
	Lag func()
	// Restores tells that a deleted account can be restored.
	Restores bool
	// Refused changes a member so that the service takes the account no more, for
	// example by a character; nil where it takes everything.
	Refused func(member *directory.Member)
	// Many is how many accounts a listing needs for at least three pages.
	Many int
	// Secrets must not be in any error.
	Secrets []string
}

// suite is one test with a fresh service.
type suite struct {
	*WithT
	Service
	t   *testing.T
	ctx context.Context
}

// person is a member of the service's tenant.
func (s *suite) person(local string) directory.Subject {
	return directory.Subject{
		ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(local)).String(),
		Member: directory.Member{
			Tenant: "acme", Name: local, Mail: local + "@" + s.Domain, Role: directory.RoleStaff, Language: "ja", TimeZone: "Asia/Tokyo", Phone: "+81312345678",
			Person: directory.PersonName{Family: "山田", Given: "花子", PhoneticFamily: "ヤマダ", PhoneticGiven: "ハナコ"},
		},
	}
}

// desire is the account that a member should have.
func (s *suite) desire(subject directory.Subject) provision.Desired {
	s.t.Helper()
	desired, err := s.Target.Desire(subject)
	s.Expect(err).NotTo(HaveOccurred())
	return desired
}

// create makes a member's account, which can be read then.
func (s *suite) create(local string) (provision.Desired, *provision.Account) {
	s.t.Helper()
	desired := s.desire(s.person(local))
	created, err := s.Target.Create(s.ctx, desired)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(created.ExternalID).NotTo(BeEmpty())
	s.settle()
	return desired, created
}

func (s *suite) settle() {
	if s.Settle != nil {
		s.Settle()
	}
}

// find looks an account up that must be there.
func (s *suite) find(reference provision.Reference) *provision.Account {
	s.t.Helper()
	found, err := s.Target.Find(s.ctx, reference)
	s.Expect(err).NotTo(HaveOccurred())
	return found
}

// gone expects that an account is not there, or can be restored at most.
func (s *suite) gone(externalID string) {
	s.t.Helper()
	found, err := s.Target.Find(s.ctx, provision.Reference{ExternalID: externalID})
	if err == nil {
		s.Expect(s.Restores && found.Deleted).To(BeTrue(), "%+v", found)
		return
	}
	s.causes(err, provision.NotFound)
}

// same expects that an account is as desired.
func (s *suite) same(found *provision.Account, desired provision.Desired) {
	s.t.Helper()
	s.Expect(provision.Differences(*found, desired)).To(BeEmpty())
	s.Expect(found.Deleted).To(BeFalse())
}

// causes expects an error that is fit to be shown, of one of some causes.
func (s *suite) causes(err error, want ...provision.Cause) {
	s.t.Helper()
	_ = s.told(err, want...)
}

// told is an error that causes expects.
func (s *suite) told(err error, want ...provision.Cause) *provision.Error {
	s.t.Helper()
	s.Expect(err).To(HaveOccurred())
	e, is := errors.AsType[*provision.Error](err)
	s.Expect(is).To(BeTrue(), "every error is a *provision.Error or the context's: %v", err)
	s.Expect(want).To(ContainElement(e.Cause), "%v", err)
	s.Expect(e.Message).To(MatchRegexp(`(?s)^\S.+[.)]$`), "whole sentences")
	s.hidesSecrets(err)
	return e
}

func (s *suite) hidesSecrets(err error) {
	s.t.Helper()
	for _, secret := range s.Secrets {
		s.Expect(fmt.Sprintf("%v %+v %#v", err, err, err)).NotTo(ContainSubstring(secret))
	}
}
