/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/test/doubles/graph"
)

const m365Domain = "m365.example"

// newEntra makes an Entra ID tenant with an administrator who can undo
// everything, and its target, whose domain is to be federated.
func (p *place) newEntra() (*graph.Server, *v1alpha1.ProvisioningTarget, *corev1.Secret) {
	p.t.Helper()
	there := graph.New(graph.Options{
		Domains: []graph.Domain{{Name: "acme.onmicrosoft.com", Initial: true, Default: true}, {Name: m365Domain}}, Limits: graph.Unlimited, Now: now,
	})
	server := httptest.NewServer(there)
	p.t.Cleanup(server.Close)
	p.t.Cleanup(there.Close)
	there.AssignRole(there.AddUser("admin@acme.onmicrosoft.com", nil), graph.GlobalAdministrator)
	idp := p.identityServer()
	p.change(idp, func() {
		idp.Spec.ProvisioningTargets = &v1alpha1.ProvisioningTargetNetworks{AllowedNetworks: []v1alpha1.CIDR{"127.0.0.0/8"}}
	})
	secret := &corev1.Secret{ObjectMeta: p.meta("entra"), Data: map[string][]byte{"clientSecret": []byte("secret")}}
	return there, &v1alpha1.ProvisioningTarget{
		ObjectMeta: p.meta("entra"),
		Spec: v1alpha1.ProvisioningTargetSpec{
			TenantRef: v1alpha1.TenantReference{Name: "acme"}, WritesPerSecond: 1000,
			EntraID: &v1alpha1.EntraID{
				TenantID: graph.DefaultTenantID, ClientID: graph.DefaultClientID, Domain: m365Domain,
				ClientSecretRef: &v1alpha1.SecretKeyReference{Name: "entra", Key: "clientSecret"},
				Endpoints:       &v1alpha1.EntraEndpoints{Login: v1alpha1.Origin(server.URL), Graph: v1alpha1.Origin(server.URL)},
				Federation:      &v1alpha1.EntraFederation{SAMLAppRef: v1alpha1.SAMLAppReference{Name: "microsoft-365"}},
			},
		},
	}, secret
}

// microsoft is the app that docs/services/microsoft-365.md shows.
func (p *place) microsoft() *v1alpha1.SAMLApp {
	return &v1alpha1.SAMLApp{
		ObjectMeta: p.meta("microsoft-365"),
		Spec: v1alpha1.SAMLAppSpec{
			TenantRef: v1alpha1.TenantReference{Name: "acme"}, DisplayName: "Microsoft 365",
			ServiceProvider: v1alpha1.ServiceProvider{
				EntityID:                  "urn:federation:MicrosoftOnline",
				AssertionConsumerServices: []v1alpha1.AssertionConsumerService{{URL: "https://login.microsoftonline.com/login.srf", Default: ptrTo(true)}},
			},
			Issuer:     "https://" + p.namespace + ".example/saml/acme/" + m365Domain,
			NameID:     &v1alpha1.NameID{Format: "persistent", Field: "immutableID"},
			Attributes: []v1alpha1.SAMLAttribute{{Name: "IDPEmail", From: &v1alpha1.AttributeSource{Field: "mail", Domain: m365Domain}}},
		},
	}
}

// federation waits until the domain is in a state, and returns the message.
func (p *place) federation(target *v1alpha1.ProvisioningTarget, state v1alpha1.FederationState) string {
	p.t.Helper()
	p.Eventually(func(g Gomega) {
		p.refresh(target)
		g.Expect(target.Status.Federation).NotTo(BeNil())
		g.Expect(target.Status.Federation.State).To(Equal(state), target.Status.Federation.Message)
	}, patience, glance).Should(Succeed())
	return target.Status.Federation.Message
}

// signedIn is what Microsoft reads of a response.
type signedIn struct {
	Issuer    string
	Assertion struct {
		Issuer  string
		Subject struct {
			NameID struct {
				Format string `xml:",attr"`
				Value  string `xml:",chardata"`
			}
		}
		AttributeStatement struct {
			Attribute []struct {
				Name           string `xml:",attr"`
				AttributeValue string
			}
		}
	}
}

// signIn asks as Microsoft does, by a browser that is logged in.
func (p *place) signIn(browser *formclient.Client, app *v1alpha1.SAMLApp) signedIn {
	p.t.Helper()
	text := fmt.Sprintf(`<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_7171b0b2-19f2-4ba2-8f94-24b5e56b7f1e" Version="2.0" IssueInstant=%q>`+
		`<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">urn:federation:MicrosoftOnline</saml:Issuer>`+
		`<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/></samlp:AuthnRequest>`, now().UTC().Format(time.RFC3339))
	var deflated bytes.Buffer
	writer := must(flate.NewWriter(&deflated, flate.DefaultCompression))
	_ = must(writer.Write([]byte(text)))
	p.Expect(writer.Close()).To(Succeed())
	page, err := browser.Get(ctx, app.Status.SingleSignOnURL+"?SAMLRequest="+url.QueryEscape(base64.StdEncoding.EncodeToString(deflated.Bytes())))
	p.Expect(err).NotTo(HaveOccurred())
	form, err := page.FormWith("SAMLResponse")
	p.Expect(err).NotTo(HaveOccurred(), page.Text())
	p.Expect(form.Action.String()).To(Equal("https://login.microsoftonline.com/login.srf"))
	var response signedIn
	p.Expect(xml.Unmarshal(must(base64.StdEncoding.DecodeString(form.Fields.Get("SAMLResponse"))), &response)).To(Succeed())
	return response
}

// TestMemberIsKnownToMicrosoft: what the log-in says is what Graph was told.
func TestMemberIsKnownToMicrosoft(t *testing.T) {
	p := newPlace(t)
	there, target, secret := p.newEntra()
	app, member := p.microsoft(), p.member("yamada", temporary)
	p.create(secret, app, target, member)
	p.current(member, app)
	// Microsoft takes no plain http; accounts do not wait for the domain.
	p.Expect(p.stalled(target, v1alpha1.FederationBlockedReason)).To(ContainSubstring("https addresses only"))
	p.current(p.accountOf("entra", "yamada"))
	user := there.UserNamed("yamada@" + m365Domain)
	p.Expect(user).NotTo(BeNil())

	browser := formclient.New()
	p.choose(browser, member)
	response := p.signIn(browser, app)
	p.Expect(response.Issuer).To(Equal(app.Spec.Issuer))
	p.Expect(response.Assertion.Issuer).To(Equal(app.Spec.Issuer))
	p.Expect(response.Assertion.Subject.NameID.Format).To(Equal("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"))
	p.Expect(response.Assertion.Subject.NameID.Value).To(Equal(user["onPremisesImmutableId"]))
	p.Expect(response.Assertion.AttributeStatement.Attribute).To(ConsistOf(And(HaveField("Name", "IDPEmail"), HaveField("AttributeValue", user["userPrincipalName"]))))
}

// encoded is the certificate for a use, as Microsoft has it.
func (p *place) encoded(app *v1alpha1.SAMLApp, use v1alpha1.CertificateUse) string {
	p.t.Helper()
	for _, certificate := range app.Status.Certificates {
		if block, _ := pem.Decode([]byte(certificate.PEM)); certificate.Use == use {
			return base64.StdEncoding.EncodeToString(block.Bytes)
		}
	}
	return ""
}

// TestFederationLife goes from a domain of Microsoft's to one of ours and back.
func TestFederationLife(t *testing.T) {
	p := newPlace(t, overlapping)
	idp := p.identityServer()
	p.change(idp, func() { idp.Spec.ExternalURL = "https://" + p.namespace + ".example" })
	there, target, secret := p.newEntra()
	stranger := there.AddUser("sato@"+m365Domain, nil)
	app, member := p.microsoft(), p.member("yamada", temporary)
	target.Spec.EntraID.Federation.MFA = "RejectFromIdP"
	p.create(secret, app, target, member)
	p.current(member, app)

	p.Expect(p.stalled(target, v1alpha1.FederationBlockedReason)).To(ContainSubstring("sato@" + m365Domain))
	p.Expect(p.federation(target, v1alpha1.FederationBlocked)).To(ContainSubstring("cut off"))
	p.Expect(there.Federation(m365Domain)).To(BeNil())
	p.current(p.accountOf("entra", "yamada"))
	there.DeleteUser(stranger)
	p.syncNow(target, "without sato")

	p.federation(target, v1alpha1.FederationFederated)
	p.current(target)
	p.Expect(there.CutOff()).To(BeEmpty())
	p.refresh(app)
	p.Expect(there.Federation(m365Domain)).To(And(
		HaveKeyWithValue("issuerUri", app.Spec.Issuer), HaveKeyWithValue("passiveSignInUri", app.Status.SingleSignOnURL),
		HaveKeyWithValue("signOutUri", "https://"+p.namespace+".example/"), HaveKeyWithValue("preferredAuthenticationProtocol", "saml"),
		HaveKeyWithValue("signingCertificate", p.encoded(app, v1alpha1.CertificateCurrent)), HaveKeyWithValue("federatedIdpMfaBehavior", "rejectMfaByFederatedIdp")))
	p.Expect(target.Status.Federation.Issuer).To(Equal(app.Spec.Issuer))
	p.Expect(target.Status.Federation.ID).To(Equal(there.Federation(m365Domain)["id"]))
	p.Expect(target.Status.Federation.Certificates).To(ConsistOf(HaveField("Fingerprint", app.Status.Certificates[0].Fingerprint)))
	p.Eventually(func() []string { return p.notes(target, v1alpha1.FederationChangedReason) }, patience, glance).Should(ContainElement(ContainSubstring("Federated")))
	p.unchanged(target, time.Second)

	// Whoever comes in later and is cut off is told, as is a way back that is gone.
	// Nothing is undone for that.
	stranger = there.AddUser("suzuki@"+m365Domain, map[string]any{"onPremisesImmutableId": "suzuki"})
	admin := there.UserNamed("admin@acme.onmicrosoft.com")["id"].(string)
	there.ChangeUser(admin, map[string]any{"accountEnabled": false})
	p.syncNow(target, "with suzuki")
	p.Expect(p.stalled(target, v1alpha1.FederationAtRiskReason)).To(And(ContainSubstring("suzuki@"+m365Domain), ContainSubstring("Global Administrator")))
	p.Expect(target.Status.Federation.State).To(Equal(v1alpha1.FederationFederated))
	p.Expect(there.Federation(m365Domain)).NotTo(BeNil())
	p.Eventually(func() []string { return p.notes(target, v1alpha1.FederationChangedReason) }, patience, glance).Should(ContainElement(ContainSubstring("suzuki")))
	there.ChangeUser(stranger, map[string]any{"accountEnabled": false})
	there.ChangeUser(admin, map[string]any{"accountEnabled": true})
	p.syncNow(target, "without suzuki")
	p.current(target)
	p.Expect(target.Status.Federation.Risk).To(BeEmpty())

	// The next key is announced, signs, and the former one is let go.
	tenant := p.tenant()
	p.annotate(tenant, v1alpha1.RotateSigningKeyAnnotation, "spring")
	p.Eventually(func(g Gomega) {
		p.refresh(app)
		next := p.encoded(app, v1alpha1.CertificateNext)
		g.Expect(next).NotTo(BeEmpty())
		g.Expect(there.Federation(m365Domain)).To(And(HaveKeyWithValue("nextSigningCertificate", next), HaveKeyWithValue("signingCertificate", p.encoded(app, v1alpha1.CertificateCurrent))))
	}, patience, glance).Should(Succeed())
	next := p.encoded(app, v1alpha1.CertificateNext)
	p.moveClock(2*time.Hour + time.Minute)
	p.Eventually(func() map[string]any { return there.Federation(m365Domain) }, patience, glance).Should(And(
		HaveKeyWithValue("signingCertificate", next), HaveKeyWithValue("nextSigningCertificate", BeNil())))

	// Who sets nothing leaves Microsoft's setting as it is, as it cannot be unset.
	p.change(target, func() { target.Spec.EntraID.Federation.MFA = "" })
	p.Eventually(func() string { return p.federation(target, v1alpha1.FederationFederated) }, patience, glance).Should(ContainSubstring("does not let it be unset"))

	// And back: the message warns.
	p.change(target, func() { target.Spec.EntraID.Federation = nil })
	p.Eventually(func() map[string]any { return there.Federation(m365Domain) }, patience, glance).Should(BeNil())
	p.Eventually(func(g Gomega) {
		p.refresh(target)
		g.Expect(target.Status.Federation).NotTo(BeNil())
		g.Expect(target.Status.Federation.Message).To(And(ContainSubstring("password"), ContainSubstring("two hours")))
	}, patience, glance).Should(Succeed())
	p.current(target)
}

// TestFederationOfAccountsThatWereThere: users from before become members'
// accounts, and get the IDs that they log in by, before the domain is federated.
func TestFederationOfAccountsThatWereThere(t *testing.T) {
	p := newPlace(t)
	idp := p.identityServer()
	p.change(idp, func() { idp.Spec.ExternalURL = "https://" + p.namespace + ".example" })
	there, target, secret := p.newEntra()
	before := there.AddUser("yamada@"+m365Domain, map[string]any{"onPremisesImmutableId": "b2xkIGlkIG9mIGFk"})
	room := there.AddUser("room@"+m365Domain, map[string]any{"accountEnabled": false, "onPremisesImmutableId": "room"})
	member := p.member("yamada", temporary)
	target.Spec.Adoption = v1alpha1.AdoptByUserName
	p.create(secret, p.microsoft(), member, target)
	p.federation(target, v1alpha1.FederationFederated)
	p.refresh(member)
	p.Expect(there.User(before)).To(HaveKeyWithValue("onPremisesImmutableId", directory.ImmutableID(member.Status.ID)))
	p.Expect(there.User(room)).To(HaveKeyWithValue("onPremisesImmutableId", "room"), "it is nobody's")
	p.Expect(there.CutOff()).To(BeEmpty())
}

// TestFederationWithoutItsApp: the domain waits for its app, or stays as it is, and
// accounts go on, those of leavers above all.
func TestFederationWithoutItsApp(t *testing.T) {
	p := newPlace(t)
	idp := p.identityServer()
	p.change(idp, func() { idp.Spec.ExternalURL = "https://" + p.namespace + ".example" })
	there, target, secret := p.newEntra()
	app, member := p.microsoft(), p.member("yamada", temporary)
	p.create(secret, target, member)
	p.Expect(p.stalled(target, v1alpha1.FederationBlockedReason)).To(ContainSubstring(`SAMLApp "` + app.Name + `" does not exist in this tenant; create it`))
	p.current(p.accountOf("entra", "yamada"))
	p.create(app)
	p.federation(target, v1alpha1.FederationFederated)
	p.current(target)

	p.remove(app)
	p.gone(app)
	p.Eventually(func() string { return p.stalled(target, v1alpha1.FederationAtRiskReason) }, patience, glance).
		Should(ContainSubstring(`SAMLApp "` + app.Name + `" does not exist`))
	p.Expect(there.Federation(m365Domain)).NotTo(BeNil())
	p.remove(member)
	p.gone(member)
	p.Eventually(func() map[string]any { return there.UserNamed("yamada@" + m365Domain) }, patience, glance).
		Should(HaveKeyWithValue("accountEnabled", false), "the leaver is kept out")
}

// TestFederationOutlivesItsTarget: deleting the object cuts nobody off, and says so.
func TestFederationOutlivesItsTarget(t *testing.T) {
	p := newPlace(t)
	idp := p.identityServer()
	p.change(idp, func() { idp.Spec.ExternalURL = "https://" + p.namespace + ".example" })
	there, target, secret := p.newEntra()
	p.create(secret, p.microsoft(), target)
	p.federation(target, v1alpha1.FederationFederated)
	p.remove(target)
	p.gone(target)
	p.Expect(there.Federation(m365Domain)).NotTo(BeNil())
	p.Eventually(func() []string { return p.notes(target, v1alpha1.ReleasedReason) }, patience, glance).Should(ContainElement(ContainSubstring("still sends everybody in " + m365Domain)))
}

// notes are of the events of an object.
func (p *place) notes(object client.Object, reason string) []string {
	p.t.Helper()
	list := &eventsv1.EventList{}
	p.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace))).To(Succeed())
	var notes []string
	for _, event := range list.Items {
		if event.Regarding.Name == object.GetName() && event.Reason == reason {
			notes = append(notes, event.Note)
		}
	}
	return notes
}
