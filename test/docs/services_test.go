/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package docs

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
)

const (
	emailAddress = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	unspecified  = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	persistent   = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"

	memberMail = "taro.yamada@acme.example"
	employee   = "00042"
)

// service is what a page of docs/services promises, as the service asks for it.
type service struct {
	// issuer and acs are what its requests carry; acs is empty where they name none.
	issuer, acs string
	// asks is the NameID format that its requests want; empty is none.
	asks string
	// extra is what else comes in its query.
	extra string
	// post: it sends requests by HTTP-POST.
	post bool
	// startsHere: a log-in may start here as well.
	startsHere bool
	// arrives is where the response must be posted to.
	arrives string
	// ours is its own issuer; empty is the tenant's.
	ours string
	// format and nameID are of the subject; nameID is empty for one made here.
	format, nameID                 string
	nameQualifier, spNameQualifier string
	// attributes are all that it gets, by name.
	attributes map[string][]string
	// nameFormat is of its attributes.
	nameFormat string
}

// immutableID stands for the member's ID as Entra ID keeps it.
const immutableID = "(immutable ID)"

const unspecifiedName = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"

var services = map[string]service{
	"microsoft-365": {
		issuer: "urn:federation:MicrosoftOnline", asks: persistent, ours: "https://id.acme.example/saml/acme/acme.example",
		arrives: "https://login.microsoftonline.com/login.srf", format: persistent, nameID: immutableID,
		attributes: map[string][]string{"IDPEmail": {memberMail}}, nameFormat: unspecifiedName,
	},
	"google-workspace": {
		issuer: "https://accounts.google.com/samlrp/metadata?rpid=03x1a2b3", asks: emailAddress,
		acs: "https://accounts.google.com/samlrp/acs?rpid=03x1a2b3", arrives: "https://accounts.google.com/samlrp/acs?rpid=03x1a2b3",
		format: emailAddress, nameID: memberMail,
	},
	"salesforce": {
		issuer: "https://acme.my.salesforce.com", acs: "https://acme.my.salesforce.com", asks: unspecified, startsHere: true, post: true,
		arrives: "https://acme.my.salesforce.com", format: unspecified, nameID: employee,
	},
	"aws-iam-identity-center": {
		issuer: "https://ap-northeast-1.signin.aws.amazon.com/platform/saml/d-9567012345", asks: emailAddress, startsHere: true,
		acs:     "https://ap-northeast-1.signin.aws.amazon.com/platform/saml/acs/0a1b2c3d-4e5f-6789-abcd-ef0123456789",
		arrives: "https://ap-northeast-1.signin.aws.amazon.com/platform/saml/acs/0a1b2c3d-4e5f-6789-abcd-ef0123456789",
		format:  emailAddress, nameID: memberMail,
	},
	"slack": {
		issuer: "https://slack.com", acs: "https://acme.slack.com/sso/saml", asks: persistent, post: true, startsHere: true,
		arrives: "https://acme.slack.com/sso/saml", format: persistent, nameQualifier: "acme.slack.com", spNameQualifier: "https://slack.com",
		attributes: map[string][]string{"User.Email": {memberMail}, "first_name": {"太郎"}, "last_name": {"山田"}}, nameFormat: unspecifiedName,
	},
	"dropbox": {
		issuer: "Dropbox", acs: "https://www.dropbox.com/saml_login", asks: emailAddress, startsHere: true,
		arrives: "https://www.dropbox.com/saml_login", format: emailAddress, nameID: memberMail,
	},
	"box": {
		issuer: "box.net", acs: "https://sso.services.box.net/sp/ACS.saml2", asks: unspecified, startsHere: true,
		arrives: "https://sso.services.box.net/sp/ACS.saml2", format: emailAddress, nameID: memberMail,
		attributes: map[string][]string{"givenName": {"太郎"}, "sn": {"山田"}}, nameFormat: unspecifiedName,
	},
	"zoom": {
		issuer: "acme.zoom.us", acs: "https://acme.zoom.us/saml/SSO", startsHere: true,
		arrives: "https://acme.zoom.us/saml/SSO", format: emailAddress, nameID: memberMail,
		attributes: map[string][]string{
			"urn:oid:0.9.2342.19200300.100.1.3": {memberMail}, "urn:oid:2.5.4.42": {"太郎"}, "urn:oid:2.5.4.4": {"山田"},
		},
		nameFormat: "urn:oasis:names:tc:SAML:2.0:attrname-format:uri",
	},
	"kintone": {
		issuer: "https://acme.cybozu.com", acs: "https://acme.cybozu.com/saml/acs", asks: unspecified,
		arrives: "https://acme.cybozu.com/saml/acs", format: emailAddress, nameID: memberMail,
	},
	"line-works": {
		issuer: "worksmobile.com", acs: "https://auth.worksmobile.com/acs/acme.example.2", asks: unspecified, extra: "&worksId=taro",
		arrives: "https://auth.worksmobile.com/acs/acme.example.2", format: unspecified, nameID: employee,
	},
}

// TestServices: what the pages declare is taken by a real API server, published
// to a real IdP, and logs a member in as the service wants it.
func TestServices(t *testing.T) {
	s := newSite(t, "acme")
	all := examples(t)
	s.apply(all, "docs/services/README.md")
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "acme"}}
	s.ready(tenant, func() []metav1.Condition { return tenant.Status.Conditions })
	member := &v1alpha1.Member{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "yamada-taro"}}
	s.ready(member, func() []metav1.Condition { return member.Status.Conditions })
	secret := &corev1.Secret{}
	s.Expect(s.k8s.Get(t.Context(), client.ObjectKey{Namespace: s.namespace, Name: member.Status.Password.SecretRef.Name}, secret)).To(Succeed())
	browser := s.logIn(memberMail, string(secret.Data[corev1.BasicAuthPasswordKey]))

	pages, err := filepath.Glob(root + "/docs/services/*.md")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(pages).To(HaveLen(len(services)+1), "a page that no test logs in by")
	for name, want := range services {
		t.Run(name, func(t *testing.T) {
			s := &site{WithT: NewWithT(t), t: t, k8s: s.k8s, namespace: s.namespace, url: s.url}
			s.apply(all, "docs/services/"+name+".md")
			app := s.published(all, name)
			if want.ours == "" {
				want.ours = tenant.Status.Issuer
			}
			if want.nameID == immutableID {
				want.nameID = directory.ImmutableID(member.Status.ID)
			}
			s.Expect(app.Status.Issuer).To(Equal(want.ours))
			s.Expect(app.Status.Certificates).NotTo(BeEmpty())

			first := s.read(s.request(browser, app, want), app)
			s.expect(first, want)
			s.Expect(first.inResponseTo).To(Equal(requestID))
			if want.startsHere {
				second := s.read(s.start(browser, app), app)
				s.expect(second, want)
				s.Expect(second.inResponseTo).To(BeEmpty())
				s.Expect(second.nameID).To(Equal(first.nameID))
			} else {
				s.Expect(app.Spec.Portal.LoginURL).NotTo(BeEmpty(), "the tile would start a log-in here")
			}
		})
	}
}

// published waits for the app of a page.
func (s *site) published(all []example, page string) *v1alpha1.SAMLApp {
	s.t.Helper()
	app := &v1alpha1.SAMLApp{}
	for _, e := range all {
		if strings.HasPrefix(e.place, "docs/services/"+page+".md:") && e.object.GetKind() == "SAMLApp" {
			app.Name, app.Namespace = e.object.GetName(), e.object.GetNamespace()
		}
	}
	s.ready(app, func() []metav1.Condition { return app.Status.Conditions })
	return app
}

// expect compares a response with what the service asks for. Every one of them
// takes both signatures, and those who check one only differ in which.
func (s *site) expect(got answer, want service) {
	s.t.Helper()
	s.Expect(got.address).To(Equal(want.arrives))
	s.Expect(got.destination).To(Equal(want.arrives))
	s.Expect(got.recipient).To(Equal(want.arrives))
	s.Expect(got.responseSigned).To(Succeed())
	s.Expect(got.assertionSigned).To(Succeed())
	s.Expect(got.issuers).To(Equal([]string{want.ours, want.ours}))
	s.Expect(got.audience).To(Equal(want.issuer))
	s.Expect(got.format).To(Equal(want.format))
	if want.nameID == "" {
		s.Expect(got.nameID).To(MatchRegexp("^[a-z2-7]{52}$"))
	} else {
		s.Expect(got.nameID).To(Equal(want.nameID))
	}
	s.Expect(got.nameQualifier).To(Equal(want.nameQualifier))
	s.Expect(got.spNameQualifier).To(Equal(want.spNameQualifier))
	s.Expect(got.context).To(Equal("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"))
	if want.attributes == nil {
		want.attributes = map[string][]string{}
	}
	s.Expect(got.attributes).To(Equal(want.attributes))
	for _, format := range got.nameFormats {
		s.Expect(format).To(Equal(want.nameFormat))
	}
}
