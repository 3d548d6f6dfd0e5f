/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package admintest is the conformance suite of admin.Service. Every
// implementation and transport passes it.
package admintest

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega" //nolint:staticcheck // a test suite, as readable as the tests

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

// Version is what the services under test say theirs is.
const Version = "v1.2.3"

// Run runs the suite; open gives each test a service of its own: empty, with
// the real clock, of Version.
func Run(t *testing.T, open func(t *testing.T) admin.Service) {
	for name, test := range map[string]func(*suite){
		"apply is idempotent":             (*suite).applyIsIdempotent,
		"problems are typed":              (*suite).problemsAreTyped,
		"results keep their order":        (*suite).resultsKeepTheirOrder,
		"tenants with one slug are apart": (*suite).tenantsAreApart,
		"deletions are held":              (*suite).deletionsAreHeld,
		"digests page":                    (*suite).digestsPage,
		"notices are acknowledged":        (*suite).noticesAreAcknowledged,
		"notices wait":                    (*suite).noticesWait,
		"temporary password":              (*suite).temporaryPassword,
		"audit is searched by page":       (*suite).auditIsSearchedByPage,
		"the operator's entries are kept": (*suite).recordsAreKept,
		"errors are told by kind":         (*suite).errorsAreToldByKind,
		"large batches arrive":            (*suite).largeBatchesArrive,
		"a cancelled call ends":           (*suite).cancelledCallEnds,
		"the batcher works on the result": (*suite).batcherWorks,
	} {
		t.Run(name, func(t *testing.T) {
			test(&suite{WithT: NewWithT(t), t: t, service: open(t), ctx: t.Context()})
		})
	}
}

type suite struct {
	*WithT
	t       *testing.T
	service admin.Service
	ctx     context.Context
}

const slug = "acme"

func tenant() admin.Change {
	return admin.Change{
		Key: admin.Key{Kind: admin.KindTenant, Tenant: slug}, Owner: "team/" + slug,
		Tenant: &admin.Tenant{
			Tenant:     directory.Tenant{Slug: slug, DisplayName: "手形", TimeZone: "Asia/Tokyo", Language: "ja", Plan: directory.PlanPlus},
			SigningKey: admin.KeyPair{Certificate: []byte("certificate"), PrivateKey: []byte("key")},
		},
	}
}

func member(name string) admin.Change {
	return admin.Change{
		Key: admin.Key{Kind: admin.KindMember, Tenant: slug, Name: name}, Owner: "team/" + name, TenantOwner: "team/" + slug,
		Member: &admin.Member{Member: directory.Member{
			Tenant: slug, Name: name, Mail: name + "@" + slug + ".example", Person: directory.PersonName{Family: "山田", Given: "花子"},
			Role: directory.RoleStaff, TimeZone: "Asia/Tokyo", Language: "ja", PasswordSetup: directory.PasswordSetupTemporary,
		}},
	}
}

func deletion(change admin.Change) admin.Change {
	return admin.Change{Key: change.Key, Owner: change.Owner, TenantOwner: change.TenantOwner}
}

func (s *suite) apply(changes ...admin.Change) []admin.Result {
	s.t.Helper()
	results, err := s.service.Apply(s.ctx, changes)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(results).To(HaveLen(len(changes)))
	return results
}

func (s *suite) applyIsIdempotent() {
	s.Expect(s.service.About(s.ctx)).To(Equal(admin.About{Version: Version}))
	changes := []admin.Change{tenant(), member("hanako")}
	first := s.apply(changes...)
	again := s.apply(changes...)
	for i := range changes {
		s.Expect(first[i].Problem).To(BeNil())
		s.Expect(first[i].Changed).To(BeTrue())
		s.Expect(again[i].Changed).To(BeFalse())
	}
	s.Expect(again[1].Member).To(Equal(first[1].Member))
	s.Expect(again[0].Tenant).To(Equal(&admin.TenantState{Members: 1, PendingMembers: 1}))
	gone := s.apply(deletion(changes[1]))[0]
	s.Expect(gone.Changed).To(BeTrue())
	s.Expect(gone.DeletedAt).To(BeTemporally("~", time.Now(), time.Minute))
	s.Expect(s.apply(deletion(changes[1]))).To(Equal([]admin.Result{{DeletedAt: gone.DeletedAt}}))
	s.Expect(s.apply()).To(BeEmpty())
}

func (s *suite) problemsAreTyped() {
	limited := tenant()
	limited.Tenant.Licenses = 1
	double := member("double")
	double.Member.Mail = "hanako@acme.example"
	results := s.apply(member("hanako"), limited, member("hanako"), double, member("taro"), admin.Change{Key: admin.Key{Kind: "Planet", Tenant: "acme", Name: "x"}})
	s.Expect(results[0].Problem.Code).To(Equal(admin.ProblemNotFound))
	s.Expect(results[2].Problem).To(BeNil())
	s.Expect(results[3].Problem.Code).To(Equal(admin.ProblemConflict))
	s.Expect(results[3].Problem.Field).To(Equal("mail"))
	s.Expect(results[4].Problem.Code).To(Equal(admin.ProblemLimit))
	s.Expect(results[5].Problem.Code).To(Equal(admin.ProblemInvalid))
}

// tenantsAreApart claims one slug by two Tenants of one namespace.
func (s *suite) tenantsAreApart() {
	second, theirs := tenant(), member("taro")
	second.Owner, theirs.TenantOwner = "team/second", "team/second"
	results := s.apply(tenant(), second, member("hanako"), theirs)
	s.Expect(results[1].Problem.Code).To(Equal(admin.ProblemConflict))
	s.Expect(results[2].Problem).To(BeNil())
	s.Expect(results[3].Problem.Code).To(Equal(admin.ProblemNotFound))
	s.Expect(s.apply(tenant())[0].Tenant.Members).To(Equal(1))

	results = s.apply(deletion(tenant()), second, theirs, member("hanako"))
	s.Expect(results[1].Problem).To(BeNil())
	s.Expect(results[2].Member).NotTo(BeNil())
	s.Expect(results[3].Problem.Code).To(Equal(admin.ProblemNotFound))
	notices, err := s.service.Notices(s.ctx, 10, 0)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(notices).To(ContainElement(HaveField("Key", second.Key)))
}

func (s *suite) resultsKeepTheirOrder() {
	s.apply(tenant())
	changes := make([]admin.Change, 50)
	for i := range changes {
		changes[i] = member(fmt.Sprintf("m%02d", i))
		if i%2 == 1 {
			changes[i].Member.Mail = "m00@acme.example"
		}
	}
	for i, result := range s.apply(changes...) {
		s.Expect(result.Problem != nil).To(Equal(i%2 == 1), "%d", i)
	}
}

func (s *suite) digestsPage() {
	changes := []admin.Change{tenant(), member("b"), member("a-b"), member("ab")}
	s.apply(changes...)
	var keys []string
	var after admin.Key
	for {
		page, err := s.service.Digests(s.ctx, after, 3)
		s.Expect(err).NotTo(HaveOccurred())
		if len(page) == 0 {
			break
		}
		for _, entry := range page {
			keys = append(keys, entry.Key.String())
			after = entry.Key
		}
	}
	s.Expect(keys).To(Equal([]string{"Member acme/a-b", "Member acme/ab", "Member acme/b", "Tenant acme"}))
	page, err := s.service.Digests(s.ctx, admin.Key{Kind: admin.KindMember, Tenant: "acme", Name: "ab"}, 1)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(page).To(Equal([]admin.KeyDigest{{Key: changes[1].Key, Digest: admin.DigestOf(changes[1]), Owner: "team/b", TenantOwner: "team/acme"}}))
}

func (s *suite) noticesAreAcknowledged() {
	s.apply(member("hanako"), tenant())
	first, err := s.service.Notices(s.ctx, 10, 0)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(first).To(HaveLen(1))
	s.Expect(first[0].Key).To(Equal(member("hanako").Key))
	again, err := s.service.Notices(s.ctx, 10, 0)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(again).To(Equal(first), "until acknowledged")

	// Renewed between reading and acknowledging: the operator must hear of it again.
	s.apply(deletion(tenant()))
	s.apply(member("hanako"), tenant())
	s.Expect(s.service.Acknowledge(s.ctx, first)).To(Succeed())
	renewed, err := s.service.Notices(s.ctx, 10, 0)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(renewed).To(HaveLen(1))
	s.Expect(renewed[0].Version).NotTo(Equal(first[0].Version))
	s.Expect(s.service.Acknowledge(s.ctx, renewed)).To(Succeed())
	s.Expect(s.service.Notices(s.ctx, 10, 0)).To(BeEmpty())
	s.Expect(s.service.Acknowledge(s.ctx, renewed)).To(Succeed())
}

func (s *suite) noticesWait() {
	started := time.Now()
	s.Expect(s.service.Notices(s.ctx, 10, 50*time.Millisecond)).To(BeEmpty())
	s.Expect(time.Since(started)).To(BeNumerically(">=", 50*time.Millisecond))
	type answer struct {
		notices []admin.Notice
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		notices, err := s.service.Notices(s.ctx, 10, 30*time.Second)
		answers <- answer{notices, err}
	}()
	s.apply(member("hanako"), tenant())
	var got answer
	s.Eventually(answers, 10*time.Second).Should(Receive(&got))
	s.Expect(got.err).NotTo(HaveOccurred())
	s.Expect(got.notices).To(HaveLen(1))
}

func (s *suite) temporaryPassword() {
	s.Expect(s.apply(tenant(), member("hanako"))[1].Member.NeedsTemporaryPassword).To(BeTrue())
	expiresAt := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	password := admin.TemporaryPassword{Member: member("hanako").Key, Password: "ABCD-EFGH-JKLM-NPQR", ExpiresAt: expiresAt}
	state, err := s.service.SetTemporaryPassword(s.ctx, password)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(state.Password).To(Equal(admin.PasswordTemporary))
	s.Expect(state.PasswordExpiresAt.Equal(expiresAt)).To(BeTrue())
	again, err := s.service.SetTemporaryPassword(s.ctx, password)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(again).To(Equal(state))
	s.Expect(s.apply(member("hanako"))[0].Member.NeedsTemporaryPassword).To(BeFalse())

	reset := member("hanako")
	reset.Member.PasswordReset = "2"
	s.Expect(s.apply(reset)[0].Member.NeedsTemporaryPassword).To(BeTrue())
	password.Reset = "2"
	state, err = s.service.SetTemporaryPassword(s.ctx, password)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(state.PasswordReset).To(Equal("2"))
	s.Expect(s.apply(reset)[0].Member.NeedsTemporaryPassword).To(BeFalse())
}

func (s *suite) auditIsSearchedByPage() {
	changes := []admin.Change{tenant()}
	for i := range 9 {
		changes = append(changes, member(fmt.Sprintf("m%d", i)))
	}
	s.apply(changes...)
	query := admin.AuditQuery{Tenant: "acme", Action: admin.MemberCreated, Limit: 4}
	var names []string
	for {
		page, err := s.service.SearchAudit(s.ctx, query)
		s.Expect(err).NotTo(HaveOccurred())
		if len(page) == 0 {
			break
		}
		for _, entry := range page {
			names = append(names, entry.Member)
			query.Before = entry.ID
		}
	}
	s.Expect(names).To(Equal([]string{"m8", "m7", "m6", "m5", "m4", "m3", "m2", "m1", "m0"}))
	entries, err := s.service.SearchAudit(s.ctx, admin.AuditQuery{Mail: "m3@acme.example"})
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(entries).To(HaveLen(1))
	s.Expect(entries[0].Detail).To(ContainSubstring("team/m3"))
	s.Expect(s.service.SearchAudit(s.ctx, admin.AuditQuery{Until: time.Now().Add(-time.Hour)})).To(BeEmpty())
	s.Expect(s.service.SearchAudit(s.ctx, admin.AuditQuery{From: time.Now().Add(-time.Hour)})).To(HaveLen(10))
}

func (s *suite) errorsAreToldByKind() {
	nobody := member("nobody").Key
	s.Expect(s.service.EndSessions(s.ctx, nobody)).To(MatchError(admin.ErrNotFound))
	s.Expect(s.service.EndSessions(s.ctx, tenant().Key)).To(MatchError(admin.ErrInvalid))
	valid := admin.TemporaryPassword{Member: nobody, Password: "ABCD-EFGH-JKLM-NPQR", ExpiresAt: time.Now().Add(time.Hour)}
	_, err := s.service.SetTemporaryPassword(s.ctx, valid)
	s.Expect(err).To(MatchError(admin.ErrNotFound))
	short := valid
	short.Password = "fifteen-letters"
	_, err = s.service.SetTemporaryPassword(s.ctx, short)
	s.Expect(err).To(MatchError(admin.ErrInvalid))
	s.Expect(err.Error()).NotTo(ContainSubstring(short.Password))
	_, err = s.service.Apply(s.ctx, make([]admin.Change, admin.MaxBatch+1))
	s.Expect(err).To(MatchError(admin.ErrInvalid))
}

// largeBatchesArrive sends more image bytes than one HTTP body may have.
func (s *suite) largeBatchesArrive() {
	changes := []admin.Change{tenant()}
	for i := range 25 {
		change := member(fmt.Sprintf("m%02d", i))
		change.Member.Image = &directory.Image{ContentType: "image/png", Data: make([]byte, directory.MaxImageBytes)}
		changes = append(changes, change)
	}
	for _, result := range s.apply(changes...) {
		s.Expect(result.Problem).To(BeNil())
	}
	s.Expect(s.apply(tenant())[0].Tenant.Members).To(Equal(25))
}

func (s *suite) cancelledCallEnds() {
	ctx, cancel := context.WithCancel(s.ctx)
	failed := make(chan error, 1)
	go func() {
		_, err := s.service.Notices(ctx, 1, 30*time.Second)
		failed <- err
	}()
	cancel()
	s.Eventually(failed, 10*time.Second).Should(Receive(MatchError(context.Canceled)))
}

func (s *suite) batcherWorks() {
	s.apply(tenant())
	batcher := admin.NewBatcher(s.service)
	failures := make(chan error, 40)
	for i := range 40 {
		go func() {
			_, err := batcher.Apply(s.ctx, member(fmt.Sprintf("m%02d", i)))
			failures <- err
		}()
	}
	for range 40 {
		s.Eventually(failures, 20*time.Second).Should(Receive(BeNil()))
	}
	s.Expect(s.apply(tenant())[0].Tenant.Members).To(Equal(40))
}
