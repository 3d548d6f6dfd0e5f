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
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

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
	// siteURL is what browsers see: plain http needs a loopback address. Nobody listens there; see dial.
	siteURL = "http://127.0.0.1:18080"
	appURL  = "http://127.0.0.1:18081"
	// chosenPassword is what members choose in these tests.
	chosenPassword = "Kisaragi-Eki-0229"
)

// place is a namespace with an identity server in pods, a tenant, members and a SAML app.
type place struct {
	*cluster
	namespace string
	server    *v1alpha1.IdentityServer
	tenant    *v1alpha1.Tenant
	app       *v1alpha1.SAMLApp
	members   []*v1alpha1.Member

	address  string // host:port of the site's Service
	provider *saml.ServiceProvider
}

// newPlace applies everything at once; it waits for nothing.
func (c *cluster) newPlace(namespace string, replicas int32, storage *v1alpha1.Storage, members int) *place {
	c.t.Helper()
	p := &place{cluster: c, namespace: namespace}
	tenant := v1alpha1.TenantReference{Name: "acme"}
	p.server = &v1alpha1.IdentityServer{ObjectMeta: p.meta("id"), Spec: v1alpha1.IdentityServerSpec{
		ExternalURL: siteURL, Deployment: &v1alpha1.DeployedServer{Replicas: replicas}, Storage: storage,
	}}
	p.tenant = &v1alpha1.Tenant{ObjectMeta: p.meta("acme"), Spec: v1alpha1.TenantSpec{
		IdentityServerRef: v1alpha1.IdentityServerReference{Name: "id"}, Slug: "acme", DisplayName: "株式会社アクメ",
	}}
	p.app = &v1alpha1.SAMLApp{ObjectMeta: p.meta("wiki"), Spec: v1alpha1.SAMLAppSpec{
		TenantRef: tenant, DisplayName: "社内Wiki",
		ServiceProvider: v1alpha1.ServiceProvider{
			EntityID:                  appURL + "/saml/metadata",
			AssertionConsumerServices: []v1alpha1.AssertionConsumerService{{URL: appURL + "/saml/acs"}},
		},
	}}
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}},
		&corev1.Secret{ObjectMeta: p.meta("database"), StringData: map[string]string{"url": os.Getenv("TEGATA_E2E_POSTGRES")}},
		p.server, p.tenant, p.app,
	}
	for i := range members {
		member := &v1alpha1.Member{ObjectMeta: p.meta(fmt.Sprintf("member-%d", i)), Spec: v1alpha1.MemberSpec{
			TenantRef: tenant, Role: "Staff", Name: v1alpha1.PersonName{Family: "山田", Given: fmt.Sprintf("%d郎", i)},
			Mail: fmt.Sprintf("member-%d@acme.example", i), PasswordSetup: v1alpha1.PasswordSetup("TemporaryPassword"),
		}}
		p.members = append(p.members, member)
		objects = append(objects, member)
	}
	p.t.Cleanup(p.remove)
	for _, object := range objects {
		p.Expect(p.k8s.Create(p.t.Context(), object)).To(Succeed())
	}
	return p
}

// remove deletes the namespace and awaits its end: finalizers must not hold it.
func (p *place) remove() {
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.namespace}}
	p.Expect(client.IgnoreNotFound(p.k8s.Delete(context.Background(), space))).To(Succeed())
	p.Eventually(func() bool {
		return apierrors.IsNotFound(p.k8s.Get(context.Background(), client.ObjectKeyFromObject(space), space))
	}, patience, glance).Should(BeTrue(), "the namespace is still there")
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
	service := &corev1.Service{}
	p.Expect(p.k8s.Get(p.t.Context(), client.ObjectKey{Namespace: p.namespace, Name: p.server.Status.Service}, service)).To(Succeed())
	p.address = service.Spec.ClusterIP + ":80"
}

// browser is a new one that finds the site's Service where siteURL says.
func (p *place) browser(transport http.RoundTripper) *formclient.Client {
	browser := formclient.New()
	browser.HTTP.Transport = transport
	return browser
}

// temporaryPassword reads the Secret that the member's status names.
func (p *place) temporaryPassword(member *v1alpha1.Member) string {
	p.t.Helper()
	secret := &corev1.Secret{}
	p.Eventually(func(g Gomega) {
		p.isReady(g, member)
		g.Expect(member.Status.Password).NotTo(BeNil())
		g.Expect(member.Status.Password.SecretRef).NotTo(BeNil())
		g.Expect(p.k8s.Get(p.t.Context(), client.ObjectKey{Namespace: p.namespace, Name: member.Status.Password.SecretRef.Name}, secret)).To(Succeed())
	}, patience, glance).Should(Succeed())
	return string(secret.Data[corev1.BasicAuthPasswordKey])
}

// choosePassword logs in with the temporary password, which must be changed first.
func (p *place) choosePassword(browser *formclient.Client, member *v1alpha1.Member) {
	p.t.Helper()
	password := p.temporaryPassword(member)
	page, err := browser.Get(p.t.Context(), siteURL+"/")
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
func (p *place) readMetadata(transport http.RoundTripper) {
	p.t.Helper()
	response, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Get(siteURL + "/saml/acme/metadata")
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
