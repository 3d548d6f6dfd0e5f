/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package provisiontest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	. "github.com/onsi/gomega" //nolint:staticcheck // a test suite, as readable as the tests

	"tegata.dev/tegata/internal/provision"
)

// Run runs every test, each with a service of its own that start makes.
func Run(t *testing.T, start func(t *testing.T) Service) {
	t.Helper()
	for name, test := range map[string]func(*suite){
		"Check": (*suite).check, "Desire": (*suite).desires, "Find": (*suite).finds, "NotFound": (*suite).notFound, "List": (*suite).lists,
		"ListStops": (*suite).listStops, "Conflict": (*suite).conflicts, "Update": (*suite).updates, "Rename": (*suite).renames, "Adopt": (*suite).adopts,
		"Disable": (*suite).disables, "Delete": (*suite).deletes, "Restore": (*suite).restores, "Invalid": (*suite).refuses,
		"SecondPage": (*suite).secondPage, "Cancelled": (*suite).cancelled, "Replication": (*suite).replication, "Secrets": (*suite).secrets,
	} {
		t.Run(name, func(t *testing.T) {
			test(&suite{WithT: NewWithT(t), Service: start(t), t: t, ctx: t.Context()})
		})
	}
	for failure := range causes {
		t.Run("Failure/"+string(failure), func(t *testing.T) {
			(&suite{WithT: NewWithT(t), Service: start(t), t: t, ctx: t.Context()}).fails(failure)
		})
	}
}

func (s *suite) check() {
	_, err := s.Target.Check(s.ctx)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.Count()).To(BeZero(), "a check writes nothing")
	mend := s.Break(Unauthorized)
	_, err = s.Target.Check(s.ctx)
	s.causes(err, provision.Unauthorized)
	mend()
}

func (s *suite) desires() {
	mend := s.Break(ServerError)
	defer mend()
	one, two := s.desire(s.person("hanako")), s.desire(s.person("hanako"))
	s.Expect(one).To(Equal(two), "the same for the same member, and without I/O")
	s.Expect(one.CorrelationID).NotTo(BeEmpty())
	s.Expect(one.UserName).NotTo(BeEmpty())
	s.Expect(one.Active).To(BeTrue())
	suspended := s.person("hanako")
	suspended.Member.Suspended = true
	s.Expect(s.desire(suspended).Active).To(BeFalse())
	s.Expect(s.desire(s.person("jiro")).CorrelationID).NotTo(Equal(one.CorrelationID))
}

func (s *suite) finds() {
	desired, created := s.create("hanako")
	s.same(created, desired)
	s.create("jiro")
	for _, reference := range []provision.Reference{
		{ExternalID: created.ExternalID}, {CorrelationID: desired.CorrelationID}, {UserName: desired.UserName},
		{ExternalID: created.ExternalID, CorrelationID: "of nobody", UserName: "nobody@" + s.Domain},
	} {
		found := s.find(reference)
		s.Expect(found.ExternalID).To(Equal(created.ExternalID), "%+v", reference)
		s.same(found, desired)
	}
}

func (s *suite) notFound() {
	s.create("hanako")
	nobody := s.desire(s.person("nobody"))
	for _, reference := range []provision.Reference{
		{ExternalID: "0b1f1f3e-8f0c-4a53-9a3c-3f6a3d1f5f10"}, {CorrelationID: nobody.CorrelationID}, {UserName: nobody.UserName},
		{UserName: "o'neil\"\\@" + s.Domain},
	} {
		_, err := s.Target.Find(s.ctx, reference)
		s.causes(err, provision.NotFound)
		s.Expect(provision.IsNotFound(err)).To(BeTrue())
	}
}

// all lists the external IDs of every account, sorted.
func (s *suite) all() []string {
	s.t.Helper()
	var ids []string
	s.Expect(s.Target.List(s.ctx, func(a provision.Account) error {
		ids = append(ids, a.ExternalID)
		return nil
	})).To(Succeed())
	// A matcher of sets takes long for thousands.
	slices.Sort(ids)
	return ids
}

func (s *suite) addMany() []string {
	var ids []string
	for n := range s.Many {
		ids = append(ids, s.Add(fmt.Sprintf("person%04d@%s", n, s.Domain)))
	}
	s.settle()
	return ids
}

func (s *suite) lists() {
	s.Expect(s.all()).To(BeEmpty())
	want := s.addMany()
	desired, created := s.create("hanako")
	want = append(want, created.ExternalID)
	slices.Sort(want)
	s.Expect(slices.Equal(s.all(), want)).To(BeTrue(), "each account once")
	s.Expect(s.Target.List(s.ctx, func(a provision.Account) error {
		if a.ExternalID == created.ExternalID {
			s.same(&a, desired)
		} else {
			s.Expect(a.CorrelationID).To(BeEmpty())
		}
		return nil
	})).To(Succeed())
}

func (s *suite) listStops() {
	s.addMany()
	stop, visited := errors.New("enough"), 0
	err := s.Target.List(s.ctx, func(provision.Account) error {
		visited++
		return stop
	})
	s.Expect(err).To(MatchError(stop))
	s.Expect(visited).To(Equal(1))
}

func (s *suite) conflicts() {
	desired, _ := s.create("hanako")
	_, err := s.Target.Create(s.ctx, desired)
	s.causes(err, provision.Conflict)
	other := desired
	other.CorrelationID = s.desire(s.person("jiro")).CorrelationID
	_, err = s.Target.Create(s.ctx, other)
	s.causes(err, provision.Conflict)
	s.settle()
	s.Expect(s.Count()).To(Equal(1))

	theirs, jiro := s.create("jiro")
	theirs.UserName = desired.UserName
	_, err = s.Target.Update(s.ctx, *jiro, theirs)
	s.causes(err, provision.Conflict)
}

func (s *suite) updates() {
	_, created := s.create("hanako")
	changed := s.person("hanako")
	changed.Member.Person.Family, changed.Member.Phone, changed.Member.Suspended = "佐藤", "", true
	desired := s.desire(changed)
	updated, err := s.Target.Update(s.ctx, *created, desired)
	s.Expect(err).NotTo(HaveOccurred())
	s.same(updated, desired)
	s.settle()
	found := s.find(provision.Reference{ExternalID: created.ExternalID})
	s.same(found, desired)
	s.Expect(found.Active).To(BeFalse())

	again, err := s.Target.Update(s.ctx, *found, desired)
	s.Expect(err).NotTo(HaveOccurred())
	s.same(again, desired)
	back := s.desire(s.person("hanako"))
	_, err = s.Target.Update(s.ctx, *again, back)
	s.Expect(err).NotTo(HaveOccurred())
	s.settle()
	s.same(s.find(provision.Reference{ExternalID: created.ExternalID}), back)

	s.Remove(created.ExternalID)
	s.settle()
	_, err = s.Target.Update(s.ctx, *created, desired)
	s.causes(err, provision.NotFound)
}

func (s *suite) renames() {
	before, created := s.create("hanako")
	subject := s.person("hanako")
	subject.Member.Mail = "h.yamada@" + s.Domain
	subject.Member.Name = "h-yamada"
	desired := s.desire(subject)
	s.Expect(desired.CorrelationID).To(Equal(before.CorrelationID))
	_, err := s.Target.Update(s.ctx, *created, desired)
	s.Expect(err).NotTo(HaveOccurred())
	s.settle()
	s.same(s.find(provision.Reference{CorrelationID: before.CorrelationID}), desired)
	s.Expect(s.find(provision.Reference{UserName: desired.UserName}).ExternalID).To(Equal(created.ExternalID))
	if before.UserName != desired.UserName {
		_, err = s.Target.Find(s.ctx, provision.Reference{UserName: before.UserName})
		s.causes(err, provision.NotFound)
	}
}

func (s *suite) adopts() {
	desired := s.desire(s.person("hanako"))
	id := s.Add(desired.UserName)
	s.settle()
	found := s.find(provision.Reference{UserName: desired.UserName})
	s.Expect(found.ExternalID).To(Equal(id))
	s.Expect(found.CorrelationID).To(BeEmpty())
	_, err := s.Target.Update(s.ctx, *found, desired)
	s.Expect(err).NotTo(HaveOccurred())
	s.settle()
	adopted := s.find(provision.Reference{CorrelationID: desired.CorrelationID})
	s.Expect(adopted.ExternalID).To(Equal(id))
	s.same(adopted, desired)
}

func (s *suite) disables() {
	_, created := s.create("hanako")
	for range 2 {
		s.Expect(s.Target.Disable(s.ctx, *created)).To(Succeed())
		s.settle()
		s.Expect(s.find(provision.Reference{ExternalID: created.ExternalID}).Active).To(BeFalse())
	}
	s.Expect(s.Count()).To(Equal(1))
}

func (s *suite) deletes() {
	desired, created := s.create("hanako")
	_, kept := s.create("jiro")
	for range 2 {
		s.Expect(s.Target.Delete(s.ctx, *created)).To(Succeed())
		s.settle()
		s.gone(created.ExternalID)
	}
	s.Expect(s.Count()).To(Equal(1))
	s.Expect(s.all()).To(ConsistOf(kept.ExternalID))
	_, err := s.Target.Find(s.ctx, provision.Reference{UserName: desired.UserName})
	if err != nil {
		s.causes(err, provision.NotFound)
	}
}

func (s *suite) restores() {
	desired, created := s.create("hanako")
	s.Expect(s.Target.Delete(s.ctx, *created)).To(Succeed())
	s.settle()
	if !s.Restores {
		again, err := s.Target.Create(s.ctx, desired)
		s.Expect(err).NotTo(HaveOccurred())
		s.same(again, desired)
		return
	}
	found := s.find(provision.Reference{CorrelationID: desired.CorrelationID})
	s.Expect(found.Deleted).To(BeTrue())
	restored, err := s.Target.Restore(s.ctx, *found)
	s.Expect(err).NotTo(HaveOccurred())
	s.settle()
	_, err = s.Target.Update(s.ctx, *restored, desired)
	s.Expect(err).NotTo(HaveOccurred())
	s.settle()
	back := s.find(provision.Reference{ExternalID: created.ExternalID})
	s.same(back, desired)
	s.Expect(s.Count()).To(Equal(1))
}

func (s *suite) refuses() {
	if s.Refused == nil {
		s.create("hanako")
		return
	}
	subject := s.person("hanako")
	s.Refused(&subject.Member)
	desired, err := s.Target.Desire(subject)
	if err == nil {
		_, err = s.Target.Create(s.ctx, desired)
	}
	e := s.told(err, provision.Invalid)
	s.Expect(e.Property).NotTo(BeEmpty(), "it names what is wrong")
	s.Expect(s.Count()).To(BeZero())
}

// replication: what was just made cannot be seen, and is not made twice.
func (s *suite) replication() {
	if s.Lag == nil {
		s.create("hanako")
		return
	}
	s.Lag()
	desired := s.desire(s.person("hanako"))
	created, err := s.Target.Create(s.ctx, desired)
	s.Expect(err).NotTo(HaveOccurred())
	for _, reference := range []provision.Reference{{ExternalID: created.ExternalID}, {CorrelationID: desired.CorrelationID}, {UserName: desired.UserName}} {
		_, err = s.Target.Find(s.ctx, reference)
		s.causes(err, provision.NotFound)
	}
	_, err = s.Target.Create(s.ctx, desired)
	s.causes(err, provision.Conflict)
	s.settle()
	s.same(s.find(provision.Reference{CorrelationID: desired.CorrelationID}), desired)
	s.Expect(s.Count()).To(Equal(1))
	s.Expect(s.Target.Delete(s.ctx, *created)).To(Succeed())
	s.settle()
	s.gone(created.ExternalID)
}

// secrets are in no text that a target gives of itself.
func (s *suite) secrets() {
	for _, secret := range s.Secrets {
		s.Expect(fmt.Sprintf("%v %+v", s.Target, s.Target)).NotTo(ContainSubstring(secret))
	}
}
