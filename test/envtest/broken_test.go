/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/keypair"
)

func TestDuplicateMailOverNamespaces(t *testing.T) {
	p := newPlace(t)
	server := p.identityServer()
	p.change(server, func() { server.Spec.Tenants = &v1alpha1.AllowedTenants{From: v1alpha1.NamespacesAll} })
	other := newNamespace(t)
	tenant := other.tenant()
	tenant.Spec.IdentityServerRef.Namespace = p.namespace
	tenant.Spec.Slug = "other"
	other.create(tenant)
	other.current(tenant)

	holder := p.member("sato")
	p.create(holder)
	p.current(holder)
	second := other.member("sato", func(m *v1alpha1.Member) { m.Spec.Mail = "SATO@" + p.namespace + ".example" })
	bystander := other.member("suzuki")
	other.create(second, bystander)
	other.Expect(other.stalled(second, v1alpha1.ConflictReason)).To(ContainSubstring("already used"))
	other.Expect(second.Status.State).To(Equal(v1alpha1.MemberNotPublished))
	other.current(bystander)
	p.current(holder)

	t.Run("recovers when the holder changes its mail", func(*testing.T) {
		p.change(holder, func() { holder.Spec.Mail = "hanako@" + p.namespace + ".example" })
		other.current(second)
		p.current(holder)
	})
	t.Run("one that is live keeps its mail against an older one", func(*testing.T) {
		p.change(holder, func() { holder.Spec.Mail = second.Spec.Mail })
		p.stalled(holder, v1alpha1.ConflictReason)
		other.current(second)
	})
	t.Run("recovers when the holder is deleted", func(*testing.T) {
		other.remove(second)
		other.gone(second)
		p.current(holder)
	})
}

func TestSlugTaken(t *testing.T) {
	p := newPlace(t)
	second := p.tenant()
	second.Name, second.Spec.Slug = "second", "acme"
	p.create(second)
	p.Expect(p.stalled(second, v1alpha1.ConflictReason)).To(ContainSubstring(`Slug "acme" belongs to an older Tenant`))
	first := p.tenant()
	p.remove(first)
	p.gone(first)
	p.current(second)
}

func TestMissingReferencesRecoverByThemselves(t *testing.T) {
	p := newNamespace(t)
	member := p.member("sato")
	p.create(member)
	p.Expect(p.stalled(member, v1alpha1.ReferenceNotFoundReason)).To(ContainSubstring(`Tenant "acme" does not exist`))
	tenant := p.tenant()
	p.create(tenant)
	p.Expect(p.stalled(tenant, v1alpha1.ReferenceNotFoundReason)).To(ContainSubstring("IdentityServer"))
	p.waiting(member, v1alpha1.IdentityServerNotReadyReason)
	p.create(p.identityServer())
	p.current(tenant, member)

	group := p.group("sales", administrator("sato"), v1alpha1.GroupMember{MemberRef: v1alpha1.MemberReference{Name: "suzuki"}})
	group.Spec.Permissions = []v1alpha1.PermissionGrant{{AppRef: v1alpha1.AppReference{Kind: "SAMLApp", Name: "wiki"}, Permission: "editor"}}
	p.create(group)
	message := p.stalled(group, v1alpha1.ReferenceNotFoundReason)
	p.Expect(message).To(And(ContainSubstring(`member "suzuki" does not exist`), ContainSubstring(`SAMLApp "wiki" does not exist`)))
	p.create(p.member("suzuki"), p.samlApp("wiki"))
	p.current(group)

	p.remove(p.member("sato"))
	p.Expect(p.stalled(group, v1alpha1.ReferenceNotFoundReason)).To(ContainSubstring("no administrator"))
}

func TestWrongAttributesAndTimeZones(t *testing.T) {
	p := newPlace(t)
	member := p.member("sato", func(m *v1alpha1.Member) {
		m.Spec.Attributes = map[string]v1alpha1.AttributeValue{"shoeSize": "27"}
		m.Spec.TimeZone = "Mars/Olympus"
	})
	p.create(member)
	message := p.stalled(member, v1alpha1.InvalidSpecReason)
	p.Expect(message).To(And(ContainSubstring("attributes.shoeSize"), ContainSubstring(`time zone "Mars/Olympus" does not exist`)))
	p.change(member, func() { member.Spec.TimeZone = "" })
	tenant := p.tenant()
	p.change(tenant, func() {
		tenant.Spec.Attributes = append(tenant.Spec.Attributes, v1alpha1.AttributeDefinition{Name: "shoeSize", DisplayName: "靴"})
	})
	p.current(member)

	t.Run("a suspension gets through beside a fault", func(*testing.T) {
		p.change(member, func() {
			member.Spec.Attributes["hat"] = "60"
			member.Spec.Suspended = ptrTo(true)
		})
		p.stalled(member, v1alpha1.InvalidSpecReason)
		p.Expect(member.Status.State).To(Equal(v1alpha1.MemberSuspended))
	})
	t.Run("a unique attribute value belongs to one", func(*testing.T) {
		number := map[string]v1alpha1.AttributeValue{"employeeNumber": "00042"}
		first := p.member("first", func(m *v1alpha1.Member) { m.Spec.Attributes = number })
		p.create(first)
		p.current(first)
		second := p.member("second", func(m *v1alpha1.Member) { m.Spec.Attributes = number })
		p.create(second)
		p.Expect(p.stalled(second, v1alpha1.ConflictReason)).To(ContainSubstring("employeeNumber"))
		p.remove(first)
		p.current(second)
	})
	t.Run("an app cannot identify members by an attribute that allows duplicates", func(*testing.T) {
		app := p.samlApp("wiki")
		app.Spec.NameID = &v1alpha1.NameID{Format: "unspecified", Attribute: "costCenter"}
		p.create(app)
		p.Expect(p.stalled(app, v1alpha1.InvalidSpecReason)).To(ContainSubstring("allows duplicates"))
		p.change(app, func() { app.Spec.NameID.Attribute = "employeeNumber" })
		p.current(app)
	})
}

func TestSelectorsThatCannotHold(t *testing.T) {
	p := newPlace(t)
	nonsense := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "department", Operator: "In"}}}
	p.create(p.member("sato"))
	group := p.group("sales", administrator("sato"))
	group.Spec.Selector = nonsense
	p.create(group)
	p.Expect(p.stalled(group, v1alpha1.InvalidSpecReason)).To(ContainSubstring("operator In needs values"))
	p.change(group, func() { group.Spec.Selector = nil })
	p.current(group)

	server := p.identityServer()
	p.change(server, func() {
		server.Spec.Tenants = &v1alpha1.AllowedTenants{From: v1alpha1.NamespacesSelector, Selector: nonsense}
	})
	p.Expect(p.stalled(server, v1alpha1.InvalidSpecReason)).To(ContainSubstring("tenants.selector"))
	p.change(server, func() { server.Spec.Tenants = nil })
	p.current(server)
}

func TestPlanAndLicences(t *testing.T) {
	p := newPlace(t, func(tenant *v1alpha1.Tenant) {
		tenant.Spec.Plan = "Free"
		tenant.Spec.Licenses = 1
	})
	app := p.samlApp("wiki")
	first, second := p.member("first"), p.member("second")
	p.create(app, first)
	p.current(first)
	p.create(second)
	p.stalled(app, v1alpha1.PlanReason)
	p.Expect(p.stalled(second, v1alpha1.LicenseLimitReachedReason)).To(ContainSubstring("1"))
	tenant := p.tenant()
	p.change(tenant, func() { tenant.Spec.Plan = "Plus" })
	p.current(app)
	p.remove(first)
	p.current(second)
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	p := newNamespace(t)
	blocker := &http.Server{Addr: p.url[len("http://"):], ReadHeaderTimeout: time.Second}
	go func() { _ = blocker.ListenAndServe() }()
	p.Eventually(func() error { _, err := http.Get(p.url); return err }, patience, glance).Should(Succeed())
	server := p.identityServer()
	p.create(server)
	p.Expect(p.waiting(server, v1alpha1.StartFailedReason)).To(ContainSubstring("address already in use"))
	p.Expect(blocker.Close()).To(Succeed())
	p.current(server)
}

func TestServerSecrets(t *testing.T) {
	p := newNamespace(t)
	server := p.identityServer()
	server.Spec.Storage = &v1alpha1.Storage{Postgres: &v1alpha1.PostgresStorage{
		ConnectionSecretRef: v1alpha1.SecretKeyReference{Name: "db", Key: "dsn"}}}
	p.create(server)
	p.Expect(p.stalled(server, v1alpha1.ReferenceNotFoundReason)).To(ContainSubstring(`Secret "db" does not exist`))
	secret := &corev1.Secret{ObjectMeta: p.meta("db"), StringData: map[string]string{"other": "x"}}
	p.create(secret)
	p.Expect(p.stalled(server, v1alpha1.InvalidReferenceReason)).To(ContainSubstring(`no key "dsn"`))
	p.change(secret, func() {
		secret.StringData = map[string]string{"dsn": "postgres://tegata:s3cr3t-word@127.0.0.1:1/tegata?connect_timeout=1"}
	})
	message := p.waiting(server, v1alpha1.StartFailedReason)
	p.Expect(message).NotTo(ContainSubstring("s3cr3t-word"))
	p.change(server, func() { server.Spec.Storage = nil })
	p.current(server)
}

// signingSecret is a Secret with a fresh key pair.
func (p *place) signingSecret(name string) *corev1.Secret {
	pair := must(keypair.GenerateKeyPair("test", time.Now().Add(-time.Hour), 24*365*time.Hour, nil))
	return &corev1.Secret{
		ObjectMeta: p.meta(name), Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.PrivateKey},
	}
}

// httpGet is the status code of a GET, or 0 where nobody answers.
func httpGet(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}
