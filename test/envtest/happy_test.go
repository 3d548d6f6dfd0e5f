/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

func TestEverythingAppliedAtOnceBecomesCurrent(t *testing.T) {
	p := newNamespace(t)
	// The order is the worst: what refers comes before what is referred to.
	app, link := p.samlApp("wiki"), p.linkApp("handbook")
	app.Spec.Access = &v1alpha1.AppAccess{Groups: []v1alpha1.GroupReference{{Name: "sales"}}}
	group := p.group("sales", administrator("sato"))
	group.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"department": "sales"}}
	group.Spec.Permissions = []v1alpha1.PermissionGrant{{AppRef: v1alpha1.AppReference{Kind: "SAMLApp", Name: "wiki"}, Permission: "editor"}}
	sato := p.member("sato", func(m *v1alpha1.Member) { m.Spec.Role = "SuperAdmin" })
	yamada := p.member("yamada", temporary, func(m *v1alpha1.Member) { m.Labels = map[string]string{"department": "sales"} })
	suzuki := p.member("suzuki")
	tenant, server := p.tenant(), p.identityServer()
	p.create(app, link, group, sato, yamada, suzuki, tenant, server)
	p.current(server, tenant, app, link, group, sato, yamada, suzuki)

	p.Expect(server.Status).To(HaveField("Storage", "SQLite"))
	p.Expect(*server.Status.Tenants).To(BeEquivalentTo(1))
	p.Expect(tenant.Status.Issuer).To(Equal(p.url + "/saml/acme/metadata"))
	p.Expect(tenant.Status.Certificates).To(HaveLen(1))
	p.Expect(tenant.Status.Certificates[0].PEM).To(HavePrefix("-----BEGIN CERTIFICATE-----"))
	p.Expect(tenant.Status.Certificates[0].PEM).NotTo(ContainSubstring("PRIVATE"))
	p.Eventually(func(g Gomega) {
		p.refresh(tenant)
		g.Expect(tenant.Status.Members).To(HaveValue(BeEquivalentTo(3)))
		g.Expect(tenant.Status.PendingMembers).To(HaveValue(BeEquivalentTo(3)))
	}, patience, glance).Should(Succeed())

	p.Eventually(func(g Gomega) {
		p.refresh(app)
		g.Expect(app.Status.SingleSignOnURL).To(Equal(p.url + "/saml/acme/sso"))
		g.Expect(app.Status.SingleLogoutURL).To(Equal(p.url + "/saml/acme/slo"))
		g.Expect(app.Status.InitiateURL).To(Equal(p.url + "/saml/acme/apps/wiki"))
		g.Expect(app.Status.Certificates).To(Equal(tenant.Status.Certificates))
	}, patience, glance).Should(Succeed())

	p.Eventually(func(g Gomega) {
		p.refresh(yamada)
		g.Expect(yamada.Status.State).To(Equal(v1alpha1.MemberPasswordPending))
		g.Expect(yamada.Status.Groups).To(ConsistOf(v1alpha1.MemberGroup{Name: "sales", Role: "User"}))
		g.Expect(yamada.Status.Permissions).To(ConsistOf(v1alpha1.EffectivePermission{
			AppRef: v1alpha1.AppReference{Kind: "SAMLApp", Name: "wiki"}, Effective: "editor", Source: "Group", Group: "sales",
		}))
		p.refresh(suzuki)
		g.Expect(suzuki.Status.Permissions).To(ConsistOf(HaveField("Source", "Default")))
		p.refresh(sato)
		g.Expect(sato.Status.AdditionalPermissions).To(HaveLen(2))
		p.refresh(group)
		g.Expect(group.Status.Members).To(HaveValue(BeEquivalentTo(2)))
		g.Expect(group.Status.Administrators).To(HaveValue(BeEquivalentTo(1)))
	}, patience, glance).Should(Succeed())
	p.Expect(yamada.Status.ID).To(MatchRegexp(`^[0-9a-f-]{36}$`))
	p.Expect(p.temporaryPassword(yamada)).To(MatchRegexp(`^[a-z0-9]{5}(-[a-z0-9]+)+$`))
	p.Expect(suzuki.Status.Password.State).To(Equal("LinkSent"))

	for _, object := range []client.Object{server, tenant, app, link, group, sato, yamada, suzuki} {
		p.unchanged(object, 300*time.Millisecond)
	}
}

func TestApplyingTheSameSpecTwiceWritesNothing(t *testing.T) {
	p := newPlace(t)
	member := p.member("sato")
	p.create(member)
	p.current(member)
	apply := func() {
		content := must(runtime.DefaultUnstructuredConverter.ToUnstructured(p.member("sato")))
		delete(content, "status")
		declared := &unstructured.Unstructured{Object: content}
		declared.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Member"))
		p.Expect(p.k8s.Apply(ctx, client.ApplyConfigurationFromUnstructured(declared), client.FieldOwner("git"), client.ForceOwnership)).To(Succeed())
	}
	apply()
	p.refresh(member)
	version := member.ResourceVersion
	apply()
	p.Consistently(func() string { p.refresh(member); return member.ResourceVersion }, 500*time.Millisecond, glance).Should(Equal(version))
}

func TestUserSuppliedSigningKeyIsFollowed(t *testing.T) {
	p := newNamespace(t)
	tenant := p.tenant()
	tenant.Spec.SigningKey = &v1alpha1.SigningKey{SecretRef: &v1alpha1.SecretReference{Name: "our-key"}}
	p.create(p.identityServer(), tenant)
	p.Expect(p.stalled(tenant, v1alpha1.ReferenceNotFoundReason)).To(ContainSubstring(`Secret "our-key" does not exist`))

	secret := p.signingSecret("our-key")
	broken := secret.DeepCopy()
	broken.Data[corev1.TLSCertKey] = []byte("not a certificate")
	p.create(broken)
	p.Expect(p.stalled(tenant, v1alpha1.InvalidReferenceReason)).To(ContainSubstring(`Secret "our-key" cannot be used to sign`))

	p.change(broken, func() { broken.Data = secret.Data })
	p.current(tenant)
	first := tenant.Status.Certificates[0].Fingerprint

	next := p.signingSecret("unused")
	p.change(broken, func() { broken.Data = next.Data })
	p.Eventually(func() string { p.refresh(tenant); return tenant.Status.Certificates[0].Fingerprint }, patience, glance).ShouldNot(Equal(first))

	// A broken update keeps the last good key in use and says so.
	p.change(broken, func() { broken.Data[corev1.TLSPrivateKeyKey] = secret.Data[corev1.TLSPrivateKeyKey] })
	p.stalled(tenant, v1alpha1.InvalidReferenceReason)
	p.Expect(httpGet(tenant.Status.MetadataURL)).To(Equal(200))
}

func TestPasswordResetIssuesANewTemporaryPassword(t *testing.T) {
	p := newPlace(t)
	member := p.member("yamada", temporary)
	p.create(member)
	p.current(member)
	first := p.temporaryPassword(member)

	p.change(member, func() { member.Annotations = map[string]string{v1alpha1.ResetPasswordAnnotation: "lost it"} })
	p.Eventually(func(g Gomega) {
		p.refresh(member)
		g.Expect(member.Status.Password.LastReset).To(Equal("lost it"))
	}, patience, glance).Should(Succeed())
	p.current(member)
	p.Expect(p.temporaryPassword(member)).NotTo(Equal(first))
	p.unchanged(member, 500*time.Millisecond)

	// Deleting the Secret after reading it issues nothing new.
	secret := &corev1.Secret{ObjectMeta: p.meta("yamada-temporary-password")}
	p.remove(secret)
	p.Eventually(func() any { p.refresh(member); return member.Status.Password.SecretRef }, patience, glance).Should(BeNil())
	p.Expect(member.Status.Password.State).To(Equal("Temporary"))
}

func TestTenantsOfOtherNamespacesNeedAdmission(t *testing.T) {
	p := newPlace(t)
	other := newNamespace(t)
	tenant := other.tenant()
	tenant.Spec.IdentityServerRef.Namespace = p.namespace
	tenant.Spec.Slug = "other"
	other.create(tenant)
	other.Expect(other.stalled(tenant, v1alpha1.NotAdmittedReason)).To(ContainSubstring("does not admit tenants of this namespace"))

	server := p.identityServer()
	p.change(server, func() {
		server.Spec.Tenants = &v1alpha1.AllowedTenants{From: v1alpha1.NamespacesSelector,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"tenants": "allowed"}}}
	})
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other.namespace}}
	other.change(namespace, func() { namespace.Labels["tenants"] = "allowed" })
	other.current(tenant)
	metadata := tenant.Status.MetadataURL
	other.Expect(httpGet(metadata)).To(Equal(200))

	other.change(namespace, func() { delete(namespace.Labels, "tenants") })
	other.stalled(tenant, v1alpha1.NotAdmittedReason)
	other.Expect(httpGet(metadata)).To(Equal(404))
	other.remove(tenant)
	other.gone(tenant)
}
