/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/graph"
)

// site is a target and the tenant that it speaks to.
type site struct {
	*WithT
	*Target
	t      *testing.T
	tenant *graph.Server
}

func newSite(t *testing.T, tenant graph.Options, change func(*Options)) *site {
	t.Helper()
	server := graph.New(tenant)
	t.Cleanup(server.Close)
	target := serve(t, server, func(o *Options) {
		o.TenantID, o.ClientID = graph.DefaultTenantID, graph.DefaultClientID
		if change != nil {
			change(o)
		}
	})
	return &site{NewWithT(t), target, t, server}
}

func (s *site) desire(subject directory.Subject) provision.Desired {
	s.t.Helper()
	desired, err := s.Desire(subject)
	s.Expect(err).NotTo(HaveOccurred())
	return desired
}

func (s *site) create(subject directory.Subject) *provision.Account {
	s.t.Helper()
	made, err := s.Create(s.t.Context(), s.desire(subject))
	s.Expect(err).NotTo(HaveOccurred())
	return made
}

func (s *site) find(reference provision.Reference) *provision.Account {
	s.t.Helper()
	found, err := s.Find(s.t.Context(), reference)
	s.Expect(err).NotTo(HaveOccurred())
	return found
}

func (s *site) failure(err error) *provision.Error {
	s.t.Helper()
	var e *provision.Error
	s.Expect(errors.As(err, &e)).To(BeTrue(), "%v", err)
	return e
}

// person is a member who differs from the others by number.
func person(n int) directory.Subject {
	subject := taro()
	subject.ID = fmt.Sprintf("8c1f0e6a-5d3b-4f7e-9a2c-%012d", n)
	subject.Member.Name, subject.Member.Mail = fmt.Sprintf("person-%d", n), fmt.Sprintf("person.%d@mail.example", n)
	return subject
}

func TestLifeOfAnAccount(t *testing.T) {
	s := newSite(t, graph.Options{}, func(o *Options) {
		o.UsageLocation = "JP"
		o.Attributes = []provision.Attribute{
			{Name: "department", Attribute: "department"}, {Name: "division", Attribute: "division"}, {Name: "extensionAttribute1", Field: "phoneticFamilyName"},
			{Name: "businessPhones", Attribute: "extension"},
		}
	})
	subject := taro()
	subject.Member.Attributes["extension"], subject.Member.Attributes["division"] = "1234", "東日本"
	made := s.create(subject)
	there := s.tenant.User(made.ExternalID)
	s.Expect(there).To(And(
		HaveKeyWithValue("userPrincipalName", "taro.yamada@acme.example"), HaveKeyWithValue("onPremisesImmutableId", immutableID),
		HaveKeyWithValue("displayName", "山田 太郎"), HaveKeyWithValue("usageLocation", "JP"), HaveKeyWithValue("department", "営業部"),
		HaveKeyWithValue("accountEnabled", true), HaveKeyWithValue("employeeOrgData", HaveKeyWithValue("division", "東日本"))))
	s.Expect(there["passwordProfile"]).To(HaveKeyWithValue("forceChangePasswordNextSignIn", false))
	for _, reference := range []provision.Reference{{ExternalID: made.ExternalID}, {CorrelationID: immutableID}, {UserName: "Taro.Yamada@acme.example"}} {
		found := s.find(reference)
		s.Expect(found).To(Equal(made), "%v", reference)
		s.Expect(provision.Differences(*found, s.desire(subject))).To(BeEmpty())
	}

	// A new name and mail, another phone, no department and no extension.
	subject.Member.Mail, subject.Member.Person.Family, subject.Member.Phone = "taro.suzuki@mail.example", "鈴木", "+81 3 1111 2222"
	delete(subject.Member.Attributes, "department")
	delete(subject.Member.Attributes, "extension")
	s.tenant.Forget()
	changed, err := s.Update(t.Context(), *made, s.desire(subject))
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.find(provision.Reference{ExternalID: made.ExternalID})).To(Equal(changed))
	var sent map[string]any
	s.Expect(json.Unmarshal([]byte(s.tenant.Calls()[0].Body), &sent)).To(Succeed())
	s.Expect(sent).To(Equal(map[string]any{
		"userPrincipalName": "taro.suzuki@acme.example", "mailNickname": "taro.suzuki", "displayName": "鈴木 太郎", "surname": "鈴木",
		"mobilePhone": "+81 3 1111 2222", "department": nil, "businessPhones": []any{},
	}), "only what differs, cleared by null")

	// Suspended, and back.
	subject.Member.Suspended = true
	s.tenant.Forget()
	suspended, err := s.Update(t.Context(), *changed, s.desire(subject))
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.tenant.User(made.ExternalID)).To(HaveKeyWithValue("accountEnabled", false))
	s.Expect(s.tenant.Counts()).To(HaveKeyWithValue("POST /users/"+made.ExternalID+"/revokeSignInSessions", 1))
	subject.Member.Suspended = false
	resumed, err := s.Update(t.Context(), *suspended, s.desire(subject))
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.tenant.User(made.ExternalID)).To(HaveKeyWithValue("accountEnabled", true))

	// Disabled twice, deleted twice, restored.
	s.Expect(s.Disable(t.Context(), *resumed)).To(Succeed())
	s.Expect(s.Disable(t.Context(), *resumed)).To(Succeed())
	s.Expect(s.tenant.User(made.ExternalID)).To(HaveKeyWithValue("accountEnabled", false))
	s.Expect(s.Delete(t.Context(), *resumed)).To(Succeed())
	s.Expect(s.Delete(t.Context(), *resumed)).To(Succeed())
	s.Expect(s.tenant.Deleted()).To(HaveLen(1))
	for _, reference := range []provision.Reference{{ExternalID: made.ExternalID}, {CorrelationID: immutableID}} {
		gone := s.find(reference)
		s.Expect(gone.Deleted).To(BeTrue())
		s.Expect(gone.UserName).To(Equal("taro.suzuki@acme.example"))
		s.Expect(s.Delete(t.Context(), *gone)).To(Succeed())
	}
	_, err = s.Find(t.Context(), provision.Reference{UserName: "taro.suzuki@acme.example"})
	s.Expect(provision.IsNotFound(err)).To(BeTrue(), "the name of a deleted account is free")
	restored, err := s.Restore(t.Context(), *s.find(provision.Reference{CorrelationID: immutableID}))
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(restored.ExternalID).To(Equal(made.ExternalID))
	final, err := s.Update(t.Context(), *restored, s.desire(subject))
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.find(provision.Reference{ExternalID: made.ExternalID})).To(Equal(final))
	s.Expect(final.Active).To(BeTrue())
}

func TestRestoreWhereTheNameIsTaken(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	made := s.create(taro())
	s.Expect(s.Delete(t.Context(), *made)).To(Succeed())
	s.tenant.AddUser("taro.yamada@acme.example", nil)
	restored, err := s.Restore(t.Context(), *s.find(provision.Reference{CorrelationID: immutableID}))
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(restored.UserName).To(Equal(strings.ReplaceAll(made.ExternalID, "-", "") + "@acme.example"))
	_, err = s.Update(t.Context(), *restored, s.desire(taro()))
	e := s.failure(err)
	s.Expect(e.Cause).To(Equal(provision.Conflict))
	s.Expect(e.Property).To(Equal(upnProperty))
}

func TestFindNothing(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	for _, reference := range []provision.Reference{{}, {ExternalID: "11111111-2222-3333-4444-555555555555"}, {CorrelationID: immutableID}, {UserName: "o'hara#1@acme.example"}} {
		_, err := s.Find(t.Context(), reference)
		s.Expect(provision.IsNotFound(err)).To(BeTrue(), "%v: %v", reference, err)
	}
	id := s.tenant.AddUser("o'hara#1@acme.example", nil)
	s.Expect(s.find(provision.Reference{UserName: "o'hara#1@acme.example"}).ExternalID).To(Equal(id))
}

func TestReplication(t *testing.T) {
	s := newSite(t, graph.Options{ReplicationDelay: time.Minute}, nil)
	made := s.create(taro())
	_, err := s.Find(t.Context(), provision.Reference{ExternalID: made.ExternalID})
	s.Expect(provision.IsNotFound(err)).To(BeTrue())
	_, err = s.Create(t.Context(), s.desire(taro()))
	s.Expect(s.failure(err).Cause).To(Equal(provision.Conflict), "made, though nobody sees it yet")
	s.tenant.Advance(2 * time.Minute)
	s.Expect(s.find(provision.Reference{CorrelationID: immutableID}).ExternalID).To(Equal(made.ExternalID))
}

func TestConflicts(t *testing.T) {
	s := newSite(t, graph.Options{}, func(o *Options) { o.Attributes = []provision.Attribute{{Name: "mail", Field: "mail"}} })
	s.tenant.AddUser("taro.yamada@acme.example", nil)
	_, err := s.Create(t.Context(), s.desire(taro()))
	e := s.failure(err)
	s.Expect(e.Cause).To(Equal(provision.Conflict))
	s.Expect(e.Property).To(Equal(upnProperty))
	s.Expect(e.RequestID).NotTo(BeEmpty())
	s.Expect(e.Message).NotTo(ContainSubstring("password"))

	s.tenant.AddUser("somebody@acme.example", map[string]any{"mail": "person.1@mail.example"})
	_, err = s.Create(t.Context(), s.desire(person(1)))
	s.Expect(s.failure(err).Cause).To(Equal(provision.Conflict))
	s.Expect(s.failure(err).Property).To(Equal("proxyAddresses"))

	s.tenant.AddUser("another@acme.example", map[string]any{"onPremisesImmutableId": directory.ImmutableID(person(2).ID)})
	_, err = s.Create(t.Context(), s.desire(person(2)))
	s.Expect(s.failure(err).Property).To(Equal(immutableIDProperty))
}

func TestAccountsOfOthers(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	synced := s.tenant.AddUser("taro.yamada@acme.example", map[string]any{"onPremisesImmutableId": "Ag3kf8aQ1kKQ0oN3wQYbXg=="})
	s.tenant.SyncFromActiveDirectory(synced)
	found := s.find(provision.Reference{ExternalID: synced})
	s.Expect(found.Unmanageable).To(ContainSubstring("Active Directory"))
	s.Expect(found.CorrelationID).To(BeEmpty(), "not one of ours")
	_, err := s.Update(t.Context(), *found, s.desire(taro()))
	s.Expect(s.failure(err).Cause).To(Equal(provision.ManagedElsewhere))
	found.Unmanageable = ""
	_, err = s.Update(t.Context(), *found, s.desire(taro()))
	s.Expect(s.failure(err).Cause).To(Equal(provision.ManagedElsewhere), "by what Graph says")

	guest := s.tenant.AddUser("eve_other.example#EXT#@acme.onmicrosoft.com", map[string]any{"userType": "Guest"})
	s.Expect(s.find(provision.Reference{ExternalID: guest}).Unmanageable).To(ContainSubstring("guest"))
}

func TestProtectedAccounts(t *testing.T) {
	for name, test := range map[string]struct {
		permissions []string
		roles       bool
		cause       provision.Cause
	}{
		"holds a role":              {graph.AllPermissions(), true, provision.Protected},
		"holds a role, cannot look": {[]string{"User.ReadWrite.All"}, true, provision.Protected},
		"permission is missing":     {[]string{"User.Read.All"}, false, provision.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, graph.Options{Apps: []graph.App{{ClientID: graph.DefaultClientID, Secrets: []graph.Secret{{Value: "secret"}}, Permissions: test.permissions}}}, nil)
			id := s.tenant.AddUser("taro.yamada@acme.example", nil)
			if test.roles {
				s.tenant.AssignRole(id, graph.UserAdministrator)
			}
			found := s.find(provision.Reference{ExternalID: id})
			_, err := s.Update(t.Context(), *found, s.desire(taro()))
			s.Expect(s.failure(err).Cause).To(Equal(test.cause), err.Error())
			err = s.Disable(t.Context(), *found)
			s.Expect(s.failure(err).Cause).To(Equal(test.cause), err.Error())
			err = s.Delete(t.Context(), *found)
			s.Expect(s.failure(err).Cause).To(Equal(test.cause), err.Error())
			s.Expect(s.tenant.User(id)).To(HaveKeyWithValue("accountEnabled", true))
		})
	}
}

func TestDirectoryRoles(t *testing.T) {
	s := newSite(t, graph.Options{}, func(o *Options) {
		o.Roles = []RoleMapping{{directory.RoleSuperAdmin, graph.UserAdministrator}, {directory.RoleSuperAdmin, graph.HelpdeskAdministrator}, {directory.RoleGroupCreator, graph.HelpdeskAdministrator}}
	})
	subject := taro()
	subject.Member.Role = directory.RoleSuperAdmin
	made := s.create(subject)
	held := func(roles ...string) {
		t.Helper()
		s.Expect(s.tenant.Roles(made.ExternalID)).To(ConsistOf(roles))
	}
	held(graph.UserAdministrator, graph.HelpdeskAdministrator)
	found := s.find(provision.Reference{CorrelationID: immutableID})
	s.Expect(provision.Differences(*found, s.desire(subject))).To(BeEmpty())
	s.Expect(s.List(t.Context(), func(a provision.Account) error {
		s.Expect(provision.Differences(a, s.desire(subject))).To(BeEmpty())
		return nil
	})).To(Succeed())

	// One role less; one that is not mapped stays, and what else changes is changed after.
	subject.Member.Role, subject.Member.Phone = directory.RoleGroupCreator, ""
	changed, err := s.Update(t.Context(), *found, s.desire(subject))
	s.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable), "demoted, but still an administrator: %v", err)
	held(graph.HelpdeskAdministrator)
	s.Expect(changed).To(BeNil())
	subject.Member.Role = directory.RoleStaff
	changed, err = s.Update(t.Context(), *s.find(provision.Reference{ExternalID: made.ExternalID}), s.desire(subject))
	s.Expect(err).NotTo(HaveOccurred())
	held()
	s.tenant.AssignRole(made.ExternalID, graph.GlobalReader)
	subject.Member.Role = directory.RoleSuperAdmin
	changed, err = s.Update(t.Context(), *changed, s.desire(subject))
	s.Expect(err).NotTo(HaveOccurred())
	held(graph.GlobalReader, graph.UserAdministrator, graph.HelpdeskAdministrator)

	err = s.Delete(t.Context(), *changed)
	s.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable), "demoted, but of a role that is not ours")
	held(graph.GlobalReader)
	err = s.Delete(t.Context(), *changed)
	s.Expect(provision.CauseOf(err)).To(Equal(provision.Protected))
}

func TestDeletionTakesRolesFirst(t *testing.T) {
	s := newSite(t, graph.Options{}, func(o *Options) { o.Roles = []RoleMapping{{directory.RoleSuperAdmin, graph.UserAdministrator}} })
	for n, remove := range []func(provision.Account) error{
		func(a provision.Account) error { return s.Delete(t.Context(), a) },
		func(a provision.Account) error { return s.Disable(t.Context(), a) },
	} {
		subject := person(n)
		subject.Member.Role = directory.RoleSuperAdmin
		made := s.create(subject)
		s.Expect(remove(*made)).To(Succeed())
		s.Expect(s.tenant.Roles(made.ExternalID)).To(BeEmpty())
	}
	s.Expect(s.tenant.Deleted()).To(HaveLen(1))
	s.Expect(s.tenant.Users()[0]).To(HaveKeyWithValue("accountEnabled", false))
}

func TestRoleOfANewAccountThatIsNotSeenYet(t *testing.T) {
	s := newSite(t, graph.Options{ReplicationDelay: time.Minute}, func(o *Options) { o.Roles = []RoleMapping{{directory.RoleSuperAdmin, graph.UserAdministrator}} })
	subject := taro()
	subject.Member.Role = directory.RoleSuperAdmin
	made, err := s.Create(t.Context(), s.desire(subject))
	s.Expect(provision.IsNotFound(err)).To(BeTrue(), "%v", err)
	s.Expect(made.ExternalID).NotTo(BeEmpty(), "the ID is told, so that nobody makes it twice")
	s.tenant.Advance(2 * time.Minute)
	_, err = s.Update(t.Context(), *s.find(provision.Reference{ExternalID: made.ExternalID}), s.desire(subject))
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.tenant.Roles(made.ExternalID)).To(ConsistOf(graph.UserAdministrator))
}

func TestRenameBetweenFederatedDomains(t *testing.T) {
	s := newSite(t, graph.Options{Domains: []graph.Domain{
		{Name: "acme.onmicrosoft.com", Initial: true, Default: true}, {Name: "acme.example"}, {Name: "old.example"},
	}}, nil)
	for _, name := range []string{"acme.example", "old.example"} {
		s.tenant.SetFederation(name, map[string]any{"issuerUri": "https://" + name})
	}
	id := s.tenant.AddUser("taro@old.example", map[string]any{"onPremisesImmutableId": immutableID})
	found := s.find(provision.Reference{CorrelationID: immutableID})
	s.tenant.Forget()
	_, err := s.Update(t.Context(), *found, s.desire(taro()))
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.tenant.User(id)).To(And(HaveKeyWithValue("userPrincipalName", "taro.yamada@acme.example"), HaveKeyWithValue("surname", "山田")))
	s.Expect(s.tenant.Counts()).To(HaveKeyWithValue("PATCH /users/"+id, 3))
}

func TestRenameIntoAnUnverifiedDomainTakesNoDetour(t *testing.T) {
	s := newSite(t, graph.Options{Domains: []graph.Domain{
		{Name: "acme.onmicrosoft.com", Initial: true, Default: true}, {Name: "acme.example", Unverified: true}, {Name: "old.example"},
	}}, nil)
	id := s.tenant.AddUser("taro@old.example", map[string]any{"onPremisesImmutableId": immutableID})
	_, err := s.Update(t.Context(), *s.find(provision.Reference{ExternalID: id}), s.desire(taro()))
	s.Expect(s.failure(err).Message).To(ContainSubstring("no verified domain"))
	s.Expect(s.tenant.User(id)).To(HaveKeyWithValue("userPrincipalName", "taro@old.example"))
}
