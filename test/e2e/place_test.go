//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"testing"

	"github.com/crewjam/saml"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/formclient"
)

const (
	appURL = "http://127.0.0.1:18090"
	// chosenPassword is what members choose in these tests.
	chosenPassword = "Kisaragi-Eki-0229"
)

// place is a namespace with a tenant of its name, members and a SAML app.
type place struct {
	*cluster
	namespace string
	server    *v1alpha1.IdentityServer
	tenant    *v1alpha1.Tenant
	app       *v1alpha1.SAMLApp
	members   []*v1alpha1.Member
	// declared is everything above as it was applied, the namespace first.
	declared []client.Object

	address  string // host:port of the site's Service
	provider *saml.ServiceProvider
}

// newPlace applies everything at once and waits for nothing. A server without a namespace becomes part of it.
func (c *cluster) newPlace(namespace string, server *v1alpha1.IdentityServer, members int, more ...client.Object) *place {
	c.t.Helper()
	p := &place{cluster: c, namespace: namespace, server: server}
	labels := map[string]string{"identity.tegata.dev/tenants": "allowed"}
	maps.Copy(labels, restricted)
	objects := append([]client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}}}, more...)
	if server.Namespace == "" {
		server.ObjectMeta = p.meta("id")
		objects = append(objects, server)
	}
	p.tenant = &v1alpha1.Tenant{ObjectMeta: p.meta("tenant"), Spec: v1alpha1.TenantSpec{
		IdentityServerRef: v1alpha1.IdentityServerReference{Name: server.Name, Namespace: server.Namespace}, Slug: namespace, DisplayName: "株式会社アクメ",
	}}
	p.app = &v1alpha1.SAMLApp{ObjectMeta: p.meta("files"), Spec: v1alpha1.SAMLAppSpec{
		TenantRef: v1alpha1.TenantReference{Name: p.tenant.Name}, DisplayName: "社内ファイル",
		ServiceProvider: v1alpha1.ServiceProvider{
			EntityID:                  appURL + "/saml/metadata",
			AssertionConsumerServices: []v1alpha1.AssertionConsumerService{{URL: appURL + "/saml/acs"}},
		},
	}}
	objects = append(objects, p.tenant, p.app)
	for i := range members {
		member := p.newMember(i)
		member.Spec.PasswordSetup = "TemporaryPassword"
		p.members = append(p.members, member)
		objects = append(objects, member)
	}
	p.t.Cleanup(p.remove)
	for _, object := range objects {
		p.declared = append(p.declared, object.DeepCopyObject().(client.Object))
	}
	p.create(p.declared...)
	return p
}

// create applies copies: what comes back must not be applied again.
func (p *place) create(objects ...client.Object) {
	p.t.Helper()
	for _, object := range objects {
		p.Expect(p.k8s.Create(p.t.Context(), object.DeepCopyObject().(client.Object))).To(Succeed())
	}
}

func (p *place) newMember(i int) *v1alpha1.Member {
	return &v1alpha1.Member{ObjectMeta: p.meta(fmt.Sprintf("member-%d", i)), Spec: v1alpha1.MemberSpec{
		TenantRef: v1alpha1.TenantReference{Name: p.tenant.Name}, Role: "Staff",
		Name: v1alpha1.PersonName{Family: "山田", Given: fmt.Sprintf("%d郎", i)},
		Mail: fmt.Sprintf("member-%d@%s.example", i, p.namespace),
	}}
}

// remove deletes the namespace and awaits its end: finalizers must not hold it.
func (p *place) remove() {
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.namespace}}
	p.Expect(client.IgnoreNotFound(p.k8s.Delete(context.Background(), space))).To(Succeed())
	p.Eventually(func() bool {
		return apierrors.IsNotFound(p.k8s.Get(context.Background(), client.ObjectKeyFromObject(space), space))
	}, manyPatience, glance).Should(BeTrue(), "the namespace is still there")
}

// in is the same place, failing the subtest t.
func (p *place) in(t *testing.T) *place {
	other := *p
	other.cluster = p.cluster.in(t)
	return &other
}

func (p *place) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: p.namespace, Name: name}
}

// awaitServing awaits that everything is Ready, and reads what clients of the site need.
func (p *place) awaitServing() {
	p.t.Helper()
	p.awaitReady(p.server, p.tenant, p.app)
	for _, member := range p.members {
		p.awaitReady(member)
	}
	p.address = p.siteOf(p.server)
}

func (p *place) site() string { return p.server.Spec.ExternalURL }

// temporaryPassword reads the Secret that the member's status names.
func (c *cluster) temporaryPassword(member *v1alpha1.Member) string {
	c.t.Helper()
	secret := &corev1.Secret{}
	c.Eventually(func(g Gomega) {
		c.isReady(g, member)
		g.Expect(member.Status.Password).NotTo(BeNil())
		g.Expect(member.Status.Password.SecretRef).NotTo(BeNil())
		g.Expect(c.k8s.Get(c.t.Context(), client.ObjectKey{Namespace: member.Namespace, Name: member.Status.Password.SecretRef.Name}, secret)).To(Succeed())
	}, patience, glance).Should(Succeed())
	return string(secret.Data[corev1.BasicAuthPasswordKey])
}

// choosePassword logs in with the temporary password, which must be changed first.
func (p *place) choosePassword(browser *formclient.Client, member *v1alpha1.Member) {
	p.t.Helper()
	password := p.temporaryPassword(member)
	page, err := browser.Get(p.t.Context(), p.site()+"/")
	p.Expect(err).NotTo(HaveOccurred())
	page, err = browser.LogIn(p.t.Context(), page, member.Spec.Mail, password)
	p.Expect(err).NotTo(HaveOccurred())
	page, err = browser.SetPassword(p.t.Context(), page, chosenPassword)
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(onPortal(page)).To(BeTrue(), page.Text())
	p.Expect(page.Text()).To(ContainSubstring(p.app.Spec.DisplayName))
}

// onPortal tells whether the page is the portal of somebody logged in.
func onPortal(page *formclient.Page) bool {
	_, err := page.FormWith("mail", "password")
	return err != nil && page.Status == http.StatusOK && page.URL.Path == "/"
}

// readMetadata makes the app's service provider trust what the tenant's metadata says.
func (p *place) readMetadata(client *http.Client) {
	p.t.Helper()
	response, err := client.Get(p.site() + "/saml/" + p.tenant.Spec.Slug + "/metadata")
	p.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	p.Expect(err).NotTo(HaveOccurred())
	metadata := &saml.EntityDescriptor{}
	p.Expect(xml.Unmarshal(content, metadata)).To(Succeed())
	acs, err := url.Parse(appURL + "/saml/acs")
	p.Expect(err).NotTo(HaveOccurred())
	p.provider = &saml.ServiceProvider{
		EntityID: appURL + "/saml/metadata", AcsURL: *acs, IDPMetadata: metadata, AllowIDPInitiated: true,
		AuthnNameIDFormat: saml.EmailAddressNameIDFormat,
	}
}

// expectSession shows the portal and logs in to the app by a session that must be there still.
func (p *place) expectSession(l *load, browser *formclient.Client, member *v1alpha1.Member) {
	p.t.Helper()
	page, err := browser.Get(p.t.Context(), p.site()+"/")
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(onPortal(page)).To(BeTrue(), "the session is lost: %s", page.Text())
	before := l.current.Load().signOns.Load()
	l.signOn(p.t.Context(), browser, member, true)
	p.Expect(l.current.Load().signOns.Load()).To(Equal(before+1), l.current.Load().String())
}
