/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	double "tegata.dev/tegata/test/doubles/mdm"
)

// hanako is a member who has everything.
func hanako() directory.Subject {
	return subject("hanako.yamada@acme.example")
}

func subject(mail string) directory.Subject {
	local, _, _ := strings.Cut(mail, "@")
	return directory.Subject{
		ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(mail)).String(),
		Member: directory.Member{
			Tenant: "acme", Name: local, Mail: mail, Role: directory.RoleStaff, Language: "ja", TimeZone: "Asia/Tokyo",
			Person:     directory.PersonName{Family: "山田", Given: "花子", PhoneticFamily: "ヤマダ", PhoneticGiven: "ハナコ"},
			Attributes: map[string]string{"section": "営業部"},
		},
	}
}

func (s site) desire(t *testing.T, subject directory.Subject) provision.Desired {
	t.Helper()
	desired, err := s.Desire(subject)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return desired
}

func (s site) create(t *testing.T, subject directory.Subject) *provision.Account {
	t.Helper()
	account, err := s.Create(t.Context(), s.desire(t, subject))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return account
}

// refusal expects an error of a cause, and returns it.
func refusal(t *testing.T, err error, cause provision.Cause) *provision.Error {
	t.Helper()
	g := NewWithT(t)
	e, is := errors.AsType[*provision.Error](err)
	g.Expect(is).To(BeTrue(), "%v", err)
	g.Expect(e.Cause).To(Equal(cause), e.Message)
	return e
}

// O7.3.
func TestUserHasNamesReadingsMailAndRole(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{}, nil)
	s.create(t, hanako())
	g.Expect(s.service.Users()).To(HaveExactElements(And(
		HaveKeyWithValue("externalId", hanako().ID), HaveKeyWithValue("mail", "hanako.yamada@acme.example"),
		HaveKeyWithValue("familyName", "山田"), HaveKeyWithValue("givenName", "花子"), HaveKeyWithValue("displayName", "山田 花子"),
		HaveKeyWithValue("phoneticFamilyName", "ヤマダ"), HaveKeyWithValue("phoneticGivenName", "ハナコ"),
		HaveKeyWithValue("role", "general"), HaveKeyWithValue("active", true), HaveLen(10),
	)))
}

func TestRoles(t *testing.T) {
	for _, test := range []struct {
		words map[directory.Role]string
		role  directory.Role
		want  string
	}{
		{nil, directory.RoleSuperAdmin, "administrator"},
		{nil, directory.RoleGroupCreator, "general"},
		{nil, directory.RoleStaff, "general"},
		{map[directory.Role]string{directory.RoleGroupCreator: "operator"}, directory.RoleGroupCreator, "operator"},
		{map[directory.Role]string{directory.RoleGroupCreator: "operator"}, directory.RoleSuperAdmin, "administrator"},
	} {
		s := newSite(t, double.Options{Roles: []string{"administrator", "operator", "general"}}, func(o *Options) { o.Roles = test.words })
		member := hanako()
		member.Member.Role = test.role
		s.create(t, member)
		NewWithT(t).Expect(s.service.User(member.Member.Mail).Text("role")).To(Equal(test.want), "%v", test)
	}
}

func TestAttributesFillFurtherProperties(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{}, func(o *Options) {
		o.Attributes = []provision.Attribute{{Name: "department", Attribute: "section"}, {Name: "phone", Field: "phone"}, {Name: "displayName", Value: "Acme"}}
	})
	account := s.create(t, hanako())
	g.Expect(s.service.User(account.UserName)).To(And(HaveKeyWithValue("department", "営業部"), HaveKeyWithValue("displayName", "Acme"), Not(HaveKey("phone"))))

	member := hanako()
	member.Member.Attributes = nil
	_, err := s.Update(t.Context(), *account, s.desire(t, member))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.service.User(account.UserName)).NotTo(HaveKey("department"), "a value that is gone is cleared")

	unknown := newSite(t, double.Options{}, func(o *Options) { o.Attributes = []provision.Attribute{{Name: "shoeSize", Value: "27"}} })
	_, err = unknown.Create(t.Context(), unknown.desire(t, hanako()))
	g.Expect(refusal(t, err, provision.Invalid).Property).To(Equal("shoeSize"))
}

// Nothing but what differs is sent, so that nobody is told of changes that are none.
func TestUpdateSendsWhatDiffers(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{}, nil)
	account := s.create(t, hanako())
	member := hanako()
	member.Member.Person.Family, member.Member.Person.PhoneticFamily = "佐藤", ""
	s.service.Forget()
	_, err := s.Update(t.Context(), *account, s.desire(t, member))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.service.Calls()).To(HaveExactElements(HaveField("Body", MatchJSON(`{"familyName":"佐藤","phoneticFamilyName":null,"displayName":"佐藤 花子"}`))))

	s.service.Forget()
	current, err := s.Find(t.Context(), provision.Reference{ExternalID: account.ExternalID})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = s.Update(t.Context(), *current, s.desire(t, member))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.service.Calls()).To(HaveExactElements(HaveField("Method", http.MethodGet)))
}

// Somebody changed the user after it was read: our data wins nonetheless.
func TestOurDataWinsOverAStaleView(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{}, nil)
	account := s.create(t, hanako())
	s.service.ChangeUser(account.ExternalID, map[string]any{"givenName": "Somebody", "role": "administrator"})
	member := hanako()
	member.Member.Person.Family = "佐藤"
	after, err := s.Update(t.Context(), *account, s.desire(t, member))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provision.Differences(*after, s.desire(t, member))).To(BeEmpty())
	g.Expect(s.service.User(account.UserName)).To(And(HaveKeyWithValue("givenName", "花子"), HaveKeyWithValue("role", "general")))
}

// O7.4: the four failures are told apart, and each says what to do.
func TestFourFailures(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{Licenses: 1}, nil)
	hana := s.create(t, hanako())
	taro := s.desire(t, subject("taro@acme.example"))

	_, err := s.Create(t.Context(), taro)
	e := refusal(t, err, provision.LicenseLimit)
	g.Expect(e.Code).To(Equal("user_license_exhausted"))
	g.Expect(e.Message).To(And(ContainSubstring("no user licence left"), ContainSubstring("buy one"), HaveSuffix("(The service says: All 1 licences are used.)")))
	g.Expect(e.RequestID).NotTo(BeEmpty())
	s.service.SetLicenses(0)

	theirs := s.service.AddUser("TARO@acme.example", nil)
	_, err = s.Create(t.Context(), taro)
	e = refusal(t, err, provision.Conflict)
	g.Expect([]string{e.Code, e.Property}).To(Equal([]string{"mail_already_used", "mail"}))
	g.Expect(e.Message).To(And(ContainSubstring("has this mail address already"), ContainSubstring("spec.adoption")))
	s.service.DeleteUser(theirs)

	member := subject("taro@acme.example")
	member.Member.Person.PhoneticGiven = "ハナ①コ"
	_, err = s.Create(t.Context(), s.desire(t, member))
	e = refusal(t, err, provision.Invalid)
	g.Expect([]string{e.Code, e.Property}).To(Equal([]string{"character_not_allowed", "phoneticGivenName"}))
	g.Expect(e.Message).To(And(ContainSubstring("“①” (U+2460) in phoneticGivenName"), ContainSubstring("write it otherwise in the Member"), HaveSuffix("(The service says: 使用できない文字が含まれています。)")))

	phone := s.service.AddDevice(double.Device{Name: "花子のPixel", Platform: "Android 16", Managed: true, OwnerID: hana.ExternalID})
	e = refusal(t, s.Delete(t.Context(), *hana), provision.DeviceEnrolled)
	g.Expect(e.Code).To(Equal("device_enrolled"))
	g.Expect(e.Message).To(And(ContainSubstring("Android Enterprise"), ContainSubstring("花子のPixel"), ContainSubstring("release the device")))
	s.service.RemoveDevice(phone)
	g.Expect(s.Delete(t.Context(), *hana)).To(Succeed())
	g.Expect(s.service.Users()).To(BeEmpty())
}

func TestOtherRefusals(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{}, nil)
	account := s.create(t, hanako())
	other := subject("taro@acme.example")
	s.service.AddUser("jiro@acme.example", map[string]any{"externalId": other.ID})
	_, err := s.Create(t.Context(), s.desire(t, other))
	g.Expect(refusal(t, err, provision.Conflict).Property).To(Equal("externalId"))

	foreign := s.service.AddUser("saburo@acme.example", map[string]any{"externalId": "HR-00042"})
	found, err := s.Find(t.Context(), provision.Reference{ExternalID: foreign})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.CorrelationID).To(BeEmpty(), "not one of ours")
	_, err = s.Update(t.Context(), *found, s.desire(t, subject("saburo@acme.example")))
	e := refusal(t, err, provision.Invalid)
	g.Expect(e.Property).To(Equal("externalId"))
	g.Expect(e.Message).To(ContainSubstring("another system's ID"))

	s.service.SetToken(double.DefaultToken, true)
	g.Expect(refusal(t, s.Disable(t.Context(), *account), provision.Forbidden).Code).To(Equal("forbidden"))
	_, err = s.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	s.service.SetToken("new", false)
	_, err = s.Check(t.Context())
	g.Expect(refusal(t, err, provision.Unauthorized).Message).To(ContainSubstring("spec.mdm.rest.tokenSecretRef"))
}

func TestThrottlingTellsHowLong(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 11, 21, 9, 0, 20, 0, time.UTC)
	s := newSite(t, double.Options{CallsPerMinute: 2, Now: func() time.Time { return now }}, nil)
	account := s.create(t, hanako())
	g.Expect(s.Disable(t.Context(), *account)).To(Succeed())
	e := refusal(t, s.Delete(t.Context(), *account), provision.Throttled)
	g.Expect(e.RetryAfter).To(Equal(40 * time.Second))
	s.service.Advance(40 * time.Second)
	g.Expect(s.Delete(t.Context(), *account)).To(Succeed())
}

func TestCheckTellsOfTokenAndLicenses(t *testing.T) {
	g := NewWithT(t)
	ends := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	s := newSite(t, double.Options{Licenses: 1, TokenExpires: ends}, nil)
	found, err := s.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal(provision.Findings{CredentialExpires: ends}))
	s.create(t, hanako())
	found, err = s.Check(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.Remarks).To(HaveExactElements(ContainSubstring("All 1 user licences")))

	silent := newSite(t, double.Options{Silent: true}, nil)
	g.Expect(silent.Check(t.Context())).To(Equal(provision.Findings{}), "a service need not tell")
}

func TestDevices(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{PageSize: 2}, nil)
	account := s.create(t, hanako())
	yes, no := true, false
	s.service.AddDevice(double.Device{ID: "1", Name: "iPhone", Platform: "iOS 26.1", SerialNumber: "F4GK", Managed: true, Compliant: &yes, OwnerID: account.ExternalID})
	s.service.AddDevice(double.Device{ID: "2", Name: "共有iPad", Platform: "iPadOS 26", Managed: true, Compliant: &no})
	s.service.AddDevice(double.Device{ID: "3", Name: "retired", Platform: "Windows 11"})
	for i := range 4 {
		s.service.AddDevice(double.Device{ID: fmt.Sprint(4 + i), Name: "Pixel", Platform: "Android 16", Managed: true})
	}
	var ids []string
	g.Expect(s.Devices(t.Context(), func(d provision.Device) error {
		ids = append(ids, d.ID)
		switch d.ID {
		case "1":
			g.Expect(d).To(Equal(provision.Device{ID: "1", Name: "iPhone", Platform: "iOS 26.1", SerialNumber: "F4GK", Compliant: &yes, Owner: provision.Reference{ExternalID: account.ExternalID}}))
		case "2":
			g.Expect(d.Compliant).To(HaveValue(BeFalse()))
			g.Expect(d.Owner).To(BeZero())
		case "4":
			g.Expect(d.Compliant).To(BeNil())
		}
		return nil
	})).To(Succeed())
	g.Expect(ids).To(Equal([]string{"1", "2", "4", "5", "6", "7"}))
}

// The answer of a creation that was carried out is lost: it is found again.
func TestLostCreationIsFoundAgain(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{}, nil)
	defer s.service.Inject(double.Fault{Method: http.MethodPost, Carried: true, Status: http.StatusBadGateway, Code: "unavailable"})()
	desired := s.desire(t, hanako())
	_, err := s.Create(t.Context(), desired)
	g.Expect(refusal(t, err, provision.Unavailable).Code).To(Equal("unavailable"))
	found, err := s.Find(t.Context(), provision.Reference{CorrelationID: desired.CorrelationID})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provision.Differences(*found, desired)).To(BeEmpty())
}

func TestBudgetIsOfWrites(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{}, func(o *Options) { o.Budget = provision.NewBudget(1) })
	account := s.create(t, hanako())
	for range 5 {
		_, err := s.Find(t.Context(), provision.Reference{ExternalID: account.ExternalID})
		g.Expect(err).NotTo(HaveOccurred())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	g.Expect(refusal(t, s.Disable(ctx, *account), provision.Unavailable).Message).To(ContainSubstring("budget"))
	g.Expect(s.service.User(account.UserName).Active()).To(BeTrue())
}

// OfMember keeps another Tegata's accounts from being taken for ours.
func TestOnlyIDsOfOurMembersCount(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{}, func(o *Options) { o.OfMember = func(id string) bool { return id == hanako().ID } })
	s.service.AddUser("taro@acme.example", map[string]any{"externalId": uuid.NewString()})
	s.service.AddUser("hanako@acme.example", map[string]any{"externalId": hanako().ID})
	var ours []string
	g.Expect(s.List(t.Context(), func(a provision.Account) error {
		ours = append(ours, a.CorrelationID)
		return nil
	})).To(Succeed())
	g.Expect(ours).To(Equal([]string{"", hanako().ID}))
}

func TestDesireNamesWhatTheContractDoesNotTake(t *testing.T) {
	g := NewWithT(t)
	s := newSite(t, double.Options{}, func(o *Options) {
		o.Attributes = []provision.Attribute{{Name: "department", Attribute: "section"}, {Name: "givenName", Attribute: "given"}}
	})
	member := hanako()
	_, err := s.Desire(member)
	g.Expect(refusal(t, err, provision.Invalid).Property).To(Equal("givenName"), "it cannot be cleared")
	member.Member.Attributes = map[string]string{"given": "花子", "section": strings.Repeat("営", 1025)}
	_, err = s.Desire(member)
	g.Expect(refusal(t, err, provision.Invalid).Property).To(Equal("department"))
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"spec.mdm.rest.url": func(o *Options) { o.URL = "https://mdm.example.com/?tenant=1" },
		"a token is needed": func(o *Options) { o.Token = "" },
		"line break":        func(o *Options) { o.Token = "a\n" },
		"HTTP client":       func(o *Options) { o.HTTP = nil },
		"no property":       func(o *Options) { o.Attributes = []provision.Attribute{{Name: "a.b", Value: "c"}} },
		"remove it":         func(o *Options) { o.Attributes = []provision.Attribute{{Name: "mail", Value: "c"}} },
		"twice": func(o *Options) {
			o.Attributes = []provision.Attribute{{Name: "a", Value: "c"}, {Name: "a", Value: "d"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{URL: "https://mdm.example.com/api", Token: "secret", HTTP: target(t, httptest.NewServer(http.NotFoundHandler()), nil).http}
			change(&o)
			_, err := New(o)
			g := NewWithT(t)
			g.Expect(err).To(MatchError(ContainSubstring(name)))
			g.Expect(err.Error()).NotTo(ContainSubstring("secret"))
		})
	}
	NewWithT(t).Expect(fmt.Sprintf("%v %+v %#v", Secret("x"), Options{Token: "hush"}, Options{Token: "hush"})).NotTo(ContainSubstring("hush"))
}
