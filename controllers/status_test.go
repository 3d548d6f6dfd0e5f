/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/rotation"
	"tegata.dev/tegata/internal/status"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestMemberState(t *testing.T) {
	later, earlier := noon.Add(time.Minute), noon.Add(-time.Minute)
	for name, c := range map[string]struct {
		suspended *bool
		state     admin.MemberState
		want      v1alpha1.MemberState
	}{
		"password set":            {state: admin.MemberState{Password: admin.PasswordSet}, want: v1alpha1.MemberActive},
		"nothing set":             {state: admin.MemberState{Password: admin.PasswordNone}, want: v1alpha1.MemberPasswordPending},
		"link sent":               {state: admin.MemberState{Password: admin.PasswordLinkSent}, want: v1alpha1.MemberPasswordPending},
		"temporary":               {state: admin.MemberState{Password: admin.PasswordTemporary}, want: v1alpha1.MemberPasswordPending},
		"expired":                 {state: admin.MemberState{Password: admin.PasswordExpired}, want: v1alpha1.MemberPasswordExpired},
		"locked":                  {state: admin.MemberState{Password: admin.PasswordSet, LockedUntil: &later}, want: v1alpha1.MemberLocked},
		"lock that ended":         {state: admin.MemberState{Password: admin.PasswordSet, LockedUntil: &earlier}, want: v1alpha1.MemberActive},
		"suspended wins":          {suspended: ptr.To(true), state: admin.MemberState{LockedUntil: &later}, want: v1alpha1.MemberSuspended},
		"suspended: false is not": {suspended: ptr.To(false), state: admin.MemberState{Password: admin.PasswordSet}, want: v1alpha1.MemberActive},
	} {
		t.Run(name, func(t *testing.T) {
			member := &v1alpha1.Member{Spec: v1alpha1.MemberSpec{Suspended: c.suspended}}
			NewWithT(t).Expect(memberState(member, c.state, noon)).To(Equal(c.want))
		})
	}
}

func TestObserveMemberForgetsWhatIsOver(t *testing.T) {
	g := NewWithT(t)
	member := &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Name: "yamada"}}
	expiry := noon.Add(time.Hour)
	observeMember(member, admin.MemberState{ID: "id", Password: admin.PasswordTemporary, PasswordExpiresAt: &expiry, MailError: "550"}, true, noon)
	g.Expect(member.Status.Password).To(HaveValue(Equal(v1alpha1.PasswordStatus{
		State: "Temporary", ExpiresAt: metav1.NewTime(expiry), MailError: "550",
		SecretRef: &v1alpha1.SecretReference{Name: "yamada-temporary-password"},
	})))
	observeMember(member, admin.MemberState{ID: "id", Password: admin.PasswordSet, LastLogin: &noon}, false, noon)
	g.Expect(member.Status.Password).To(HaveValue(Equal(v1alpha1.PasswordStatus{State: "Set"})))
	g.Expect(member.Status.LastLogin.Time).To(Equal(noon))
}

func TestObserveDirectoryExplainsPermissions(t *testing.T) {
	g := NewWithT(t)
	tenant := directory.Tenant{Slug: "acme", Domains: []string{"acme.example"}}
	person := directory.Member{Tenant: "acme", Name: "yamada", Mail: "yamada@other.example", Role: directory.RoleStaff}
	app := directory.App{Tenant: "acme", Kind: directory.KindSAMLApp, Name: "wiki", DefaultPermission: "viewer",
		Permissions: []directory.Permission{{Name: "admin", Administrator: true}, {Name: "editor"}, {Name: "viewer"}}}
	group := directory.Group{Tenant: "acme", Name: "sales", Members: []directory.Participant{{Member: "yamada", Role: directory.GroupAdministrator}},
		Permissions: []directory.PermissionGrant{{App: app.Reference(), Permission: "editor"}}}
	member := &v1alpha1.Member{}
	observeDirectory(member, tenant, person, surroundings{groups: []directory.Group{group}, apps: []directory.App{app}})
	g.Expect(member.Status.MailKind).To(Equal("External"))
	g.Expect(member.Status.Groups).To(ConsistOf(v1alpha1.MemberGroup{Name: "sales", Role: "Administrator"}))
	g.Expect(member.Status.Permissions).To(ConsistOf(v1alpha1.EffectivePermission{
		AppRef: v1alpha1.AppReference{Kind: "SAMLApp", Name: "wiki"}, Effective: "editor", Source: "Group", Group: "sales",
	}))
	observeDirectory(member, tenant, person, surroundings{})
	g.Expect(member.Status.Groups).To(BeEmpty())
	g.Expect(member.Status.Permissions).To(BeEmpty())
}

func TestObserveTenant(t *testing.T) {
	g := NewWithT(t)
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.TenantSpec{Licenses: 3}}
	observeTenant(tenant, "https://id.example", admin.TenantState{Members: 5, PendingMembers: 2}, &signing{info: keypair.CertificateInfo{SHA256Fingerprint: "AA:BB"}})
	g.Expect(tenant.Status.Issuer).To(Equal("https://id.example/saml/acme/metadata"))
	g.Expect(tenant.Status.LicensesLeft).To(HaveValue(BeZero()), "more members than licences leave none, not fewer")
	tenant.Spec.Licenses = 0
	observeTenant(tenant, "https://id.example", admin.TenantState{}, &signing{})
	g.Expect(tenant.Status.LicensesLeft).To(BeNil())
}

func TestCertificateExpiryIsToldAhead(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		left   time.Duration
		key    signing
		reason string
		says   string
		again  time.Duration
	}{
		"far":           {left: 100 * day, reason: v1alpha1.PublishedReason, says: "Live in the IdP.", again: 70 * day},
		"at 30 d":       {left: expiryWarning, reason: v1alpha1.CertificateExpiringReason, says: "expires at", again: expiryWarning},
		"expired":       {left: -time.Hour, reason: v1alpha1.CertificateExpiredReason, says: "expired at"},
		"next day":      {left: expiryWarning + day, reason: v1alpha1.PublishedReason, says: "Live in the IdP.", again: day},
		"ours":          {left: day, reason: v1alpha1.CertificateExpiringReason, says: "set the annotation identity.tegata.dev/rotate-signing-key", again: day},
		"the user's":    {left: day, key: signing{wish: rotation.Wish{Follow: []byte("x")}}, reason: v1alpha1.CertificateExpiringReason, says: "put a new key pair", again: day},
		"scheduled":     {left: day, key: signing{wish: rotation.Wish{Interval: day}}, reason: v1alpha1.PublishedReason, says: "Live in the IdP."},
		"next in time":  {left: 2 * day, key: signing{keys: rotation.Keys{NextFrom: noon.Add(day)}}, reason: v1alpha1.PublishedReason, says: "Live in the IdP."},
		"next too late": {left: day, key: signing{keys: rotation.Keys{NextFrom: noon.Add(2 * day)}}, reason: v1alpha1.CertificateExpiringReason, says: "expires at", again: day},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			report := status.NewReport(v1alpha1.PublishedCondition)
			report.Add(published())
			c.key.info.NotAfter = noon.Add(c.left)
			g.Expect(warnExpiry(report, &c.key, noon)).To(Equal(c.again))
			tenant := &v1alpha1.Tenant{}
			report.Write(tenant)
			g.Expect(tenant.Status.Conditions[0].Status).To(Equal(metav1.ConditionTrue))
			g.Expect(tenant.Status.Conditions[0].Reason).To(Equal(c.reason))
			g.Expect(tenant.Status.Conditions[0].Message).To(ContainSubstring(c.says))
			g.Expect(c.key.unreplacedEnd().IsZero()).To(Equal(name == "scheduled" || name == "next in time"))
		})
	}
}

func TestRefusalsMapToReasons(t *testing.T) {
	for code, want := range map[admin.ProblemCode]string{
		admin.ProblemNotFound: v1alpha1.TenantNotReadyReason,
		admin.ProblemConflict: v1alpha1.ConflictReason,
		admin.ProblemLimit:    v1alpha1.LicenseLimitReachedReason,
		admin.ProblemInvalid:  v1alpha1.RefusedReason,
	} {
		outcome := refused(admin.Problem{Code: code, Message: "Because."})
		NewWithT(t).Expect(outcome.Reason).To(Equal(want))
		NewWithT(t).Expect(outcome.Err).NotTo(HaveOccurred(), "the IdP tells when the cause goes, so nothing is retried")
	}
}

func TestOlderClaim(t *testing.T) {
	object := func(uid, name string, created time.Time, deleting bool) client.Object {
		tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{
			UID: types.UID(uid), Namespace: "n", Name: name, CreationTimestamp: metav1.NewTime(created)}}
		if deleting {
			tenant.DeletionTimestamp = &metav1.Time{Time: noon}
		}
		return tenant
	}
	mine := object("1", "b", noon, false)
	for name, c := range map[string]struct {
		other client.Object
		want  bool
	}{
		"itself":              {mine, false},
		"created before":      {object("2", "c", noon.Add(-time.Second), false), true},
		"created after":       {object("2", "a", noon.Add(time.Second), false), false},
		"same second, before": {object("2", "a", noon, false), true},
		"same second, after":  {object("2", "c", noon, false), false},
		"being deleted":       {object("2", "a", noon.Add(-time.Hour), true), false},
	} {
		NewWithT(t).Expect(older(c.other, mine)).To(Equal(c.want), name)
	}
}

func TestDerivedNames(t *testing.T) {
	g := NewWithT(t)
	g.Expect(derivedName("yamada", "-temporary-password")).To(Equal("yamada-temporary-password"))
	long := strings.Repeat("a", 253)
	first, second := derivedName(long, "-temporary-password"), derivedName(long[:252]+"b", "-temporary-password")
	g.Expect(first).To(HaveLen(maxNameLength))
	g.Expect(first).NotTo(Equal(second))
}

func TestSecretsNeverPrint(t *testing.T) {
	config := ServerConfig{PostgresDSN: "postgres://u:secret@h/d", Key: []byte("secret"), Mail: &MailConfig{Password: "secret"}}
	for _, text := range []string{config.String(), config.GoString()} {
		NewWithT(t).Expect(text).NotTo(ContainSubstring("secret"))
	}
}

func TestTemporaryPasswordsAreRandomAndReadable(t *testing.T) {
	g := NewWithT(t)
	seen := map[string]bool{}
	for range 100 {
		password := temporaryPassword()
		g.Expect(password).To(MatchRegexp(`^([a-z2-7]{5}-){5}[a-z2-7]$`))
		seen[password] = true
	}
	g.Expect(seen).To(HaveLen(100))
}
