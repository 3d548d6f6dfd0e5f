/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package provisiontest

import (
	"context"
	"errors"
	"slices"
	"time"

	. "github.com/onsi/gomega" //nolint:staticcheck // a test suite, as readable as the tests

	"tegata.dev/tegata/internal/provision"
)

// try is one call of a target.
type try struct {
	name string
	do   func(context.Context) error
	// silent: services may answer it without a body, so that there is nothing to
	// spoil.
	silent bool
}

// tries are every call of a target on an account.
func (s *suite) tries(current provision.Account, desired provision.Desired) []try {
	changed := desired
	changed.Active = !changed.Active
	find := func(reference provision.Reference) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.Target.Find(ctx, reference)
			return err
		}
	}
	return []try{
		{"Find", find(provision.Reference{ExternalID: current.ExternalID}), false},
		{"Find by correlation ID", find(provision.Reference{CorrelationID: desired.CorrelationID}), false},
		{"Find by user name", find(provision.Reference{UserName: desired.UserName}), false},
		{"List", func(ctx context.Context) error {
			return s.Target.List(ctx, func(provision.Account) error { return nil })
		}, false},
		{"Create", func(ctx context.Context) error {
			_, err := s.Target.Create(ctx, s.desire(s.person("another")))
			return err
		}, false},
		{"Update", func(ctx context.Context) error {
			_, err := s.Target.Update(ctx, current, changed)
			return err
		}, true},
		{"Disable", func(ctx context.Context) error { return s.Target.Disable(ctx, current) }, true},
		{"Delete", func(ctx context.Context) error { return s.Target.Delete(ctx, current) }, true},
	}
}

// spoiled are failures of an answer's body.
var spoiled = []Failure{HTML, Nonsense, Truncated, Half}

const (
	// patience is how long a call may take, and short how long one may that hangs.
	patience = 10 * time.Second
	short    = 100 * time.Millisecond
)

// fails proves that each call tells a failure as what it is, in time.
func (s *suite) fails(failure Failure) {
	desired, created := s.create("hanako")
	mend := s.Break(failure)
	for _, try := range s.tries(*created, desired) {
		s.failing(failure, try)
		s.settle()
	}
	mend()
	if failure == Unauthorized {
		// A driver may remember for a while that it was refused.
		return
	}
	// What was lost may have been done: the account is there, or gone.
	if _, err := s.Target.Find(s.ctx, provision.Reference{CorrelationID: desired.CorrelationID}); err != nil {
		s.causes(err, provision.NotFound)
	}
	s.create("saburo")
}

func (s *suite) failing(failure Failure, try try) {
	s.t.Helper()
	limit := patience
	if failure == Hang {
		limit = short
	}
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	began := time.Now()
	err := try.do(ctx)
	s.Expect(time.Since(began)).To(BeNumerically("<", patience), "%s: %s", failure, try.name)
	if err == nil && try.silent && slices.Contains(spoiled, failure) {
		return
	}
	s.Expect(err).To(HaveOccurred(), "%s: %s", failure, try.name)
	if failure == Hang && errors.Is(err, context.DeadlineExceeded) {
		s.hidesSecrets(err)
		return
	}
	e := s.told(err, causes[failure])
	if failure == Throttled {
		s.Expect(e.RetryAfter).To(Equal(7*time.Second), "%s: %s", failure, try.name)
	}
}

func (s *suite) secondPage() {
	s.addMany()
	defer s.Break(SecondPage)()
	visited := 0
	err := s.Target.List(s.ctx, func(provision.Account) error {
		visited++
		return nil
	})
	s.causes(err, provision.Unavailable)
	s.Expect(visited).To(BeNumerically("<", s.Many))
}

func (s *suite) cancelled() {
	desired, created := s.create("hanako")
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for _, try := range s.tries(*created, desired) {
		err := try.do(ctx)
		s.Expect(err).To(HaveOccurred(), try.name)
		s.Expect(errors.Is(err, context.Canceled) || provision.CauseOf(err) == provision.Unavailable).To(BeTrue(), "%s: %v", try.name, err)
	}
	s.settle()
	s.same(s.find(provision.Reference{ExternalID: created.ExternalID}), desired)
}
