/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/graph"
)

// federating is a tenant with a member's account and an administrator who can
// undo everything, and what its domain should become.
func federating(t *testing.T) (*site, Wish, *provision.Account) {
	s := newSite(t, graph.Options{}, nil)
	subject := taro()
	account := s.create(subject)
	admin := s.tenant.AddUser("admin@acme.onmicrosoft.com", nil)
	s.tenant.AssignRole(admin, graph.GlobalAdministrator)
	encode := func() string {
		pair, err := keypair.Generate(keypair.ECDSAP256, "acme", time.Now().Add(-time.Hour), 24*time.Hour, nil)
		s.Expect(err).NotTo(HaveOccurred())
		block, _ := pem.Decode(pair.Certificate)
		return base64.StdEncoding.EncodeToString(block.Bytes)
	}
	return s, Wish{
		Domain: "acme.example", DisplayName: "Tegata", Issuer: "https://id.acme.example/saml/acme/acme.example", KnownIssuer: "https://id.acme.example/saml/acme/acme.example",
		SignIn: "https://id.acme.example/saml/acme/sso", SignOut: "https://id.acme.example/", Certificate: encode(), NextCertificate: encode(),
		Members: map[string]string{account.ExternalID: directory.ImmutableID(subject.ID)},
	}, account
}

func (s *site) federate(w Wish) FederationOutcome {
	s.t.Helper()
	outcome, err := s.Federate(s.t.Context(), w)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.tenant.CutOff()).To(BeEmpty())
	return outcome
}

func TestFederateAndBack(t *testing.T) {
	s, w, _ := federating(t)
	unknown := w
	unknown.KnownIssuer = ""
	asked := s.federate(unknown)
	s.Expect(asked.Step).To(Equal(CreateStep), "whoever asks has to remember the issuer first")
	s.Expect(s.tenant.Federation("acme.example")).To(BeNil())
	made := s.federate(w)
	s.Expect(made.State).To(Equal(Federated))
	s.Expect(made.Steps).To(Equal([]Step{CreateStep}))
	s.Expect(s.tenant.Federation("acme.example")).To(And(
		HaveKeyWithValue("id", made.Existing.ID), HaveKeyWithValue("issuerUri", w.Issuer), HaveKeyWithValue("passiveSignInUri", w.SignIn), HaveKeyWithValue("signOutUri", w.SignOut),
		HaveKeyWithValue("signingCertificate", w.Certificate), HaveKeyWithValue("nextSigningCertificate", w.NextCertificate), HaveKeyWithValue("preferredAuthenticationProtocol", "saml"),
		Not(HaveKey("federatedIdpMfaBehavior"))))
	// Not a word is written while nothing changes.
	s.tenant.Forget()
	s.Expect(s.federate(w).Steps).To(BeEmpty())
	s.Expect(s.tenant.Calls()).To(HaveEach(HaveField("Method", http.MethodGet)))

	// The keys are rotated: the next one signs, and then another one is announced.
	first := w
	w.Certificate, w.NextCertificate = first.NextCertificate, ""
	s.Expect(s.federate(w).Steps).To(Equal([]Step{UpdateStep, ClearNextStep}))
	s.Expect(s.tenant.Federation("acme.example")).To(And(HaveKeyWithValue("signingCertificate", first.NextCertificate), HaveKeyWithValue("nextSigningCertificate", BeNil())))
	w.NextCertificate = first.Certificate
	s.Expect(s.federate(w).Steps).To(Equal([]Step{UpdateStep}))
	s.Expect(s.tenant.Federation("acme.example")).To(HaveKeyWithValue("nextSigningCertificate", first.Certificate))

	// Whose second factor counts is set, and cannot be unset.
	w.MFA = "rejectMfaByFederatedIdp"
	s.Expect(s.federate(w).Steps).To(Equal([]Step{UpdateStep}))
	w.MFA = ""
	unset := s.federate(w)
	s.Expect(unset.Steps).To(BeEmpty())
	s.Expect(unset.Message).To(ContainSubstring("does not let it be unset"))

	// Back to Microsoft.
	w.Off, w.KnownID, w.KnownIssuer = true, made.Existing.ID, w.Issuer
	back := s.federate(w)
	s.Expect(back.State).To(Equal(Reverting))
	s.Expect(back.Existing).To(BeNil())
	s.Expect(s.tenant.Federation("acme.example")).To(BeNil())
	s.Expect(s.federate(w).State).To(Equal(Managed))
}

// TestFederateRefuses: nothing is written where people would be cut off.
func TestFederateRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(s *site, w *Wish, account string)
		state   State
		message string
	}{
		"a stranger": {func(s *site, _ *Wish, _ string) { s.tenant.AddUser("sato@acme.example", nil) }, Blocked, "sato@acme.example"},
		"a stranger with ID": {func(s *site, _ *Wish, _ string) {
			s.tenant.AddUser("sato@acme.example", map[string]any{"onPremisesImmutableId": "x"})
		}, Blocked, "sato@acme.example"},
		"member without ID": {func(s *site, _ *Wish, id string) {
			s.tenant.ChangeUser(id, map[string]any{"onPremisesImmutableId": nil})
		}, Preparing, "taro.yamada@acme.example"},
		"member with another": {func(s *site, _ *Wish, id string) {
			s.tenant.ChangeUser(id, map[string]any{"onPremisesImmutableId": "x"})
		}, Preparing, "taro.yamada@acme.example"},
		"only administrator inside": {func(s *site, _ *Wish, id string) {
			admin := s.tenant.UserNamed("admin@acme.onmicrosoft.com")["id"].(string)
			s.tenant.DeleteUser(admin)
			s.tenant.AssignRole(id, graph.GlobalAdministrator)
		}, Blocked, "Global Administrator"},
		"disabled administrator": {func(s *site, _ *Wish, _ string) {
			s.tenant.ChangeUser(s.tenant.UserNamed("admin@acme.onmicrosoft.com")["id"].(string), map[string]any{"accountEnabled": false})
		}, Blocked, "Global Administrator"},
		"unknown domain": {func(_ *site, w *Wish, _ string) { w.Domain = "other.example" }, Blocked, "no domain other.example"},
		"initial domain": {func(_ *site, w *Wish, _ string) { w.Domain = "acme.onmicrosoft.com" }, Blocked, "of Microsoft itself"},
		"unverified domain": {func(s *site, _ *Wish, _ string) {
			s.tenant.SetDomain(graph.Domain{Name: "acme.example", Unverified: true})
		}, Blocked, "verify it"},
		"default domain": {func(s *site, _ *Wish, _ string) {
			s.tenant.SetDomain(graph.Domain{Name: "acme.example", Default: true})
		}, Blocked, "default"},
		"subdomain": {func(s *site, _ *Wish, _ string) {
			s.tenant.SetDomain(graph.Domain{Name: "acme.example", Subdomain: true})
		}, Blocked, "follows"},
		"another IdP": {func(s *site, _ *Wish, _ string) {
			s.tenant.SetFederation("acme.example", map[string]any{"issuerUri": "https://adfs.example", "passiveSignInUri": "https://adfs.example"})
		}, Blocked, "https://adfs.example"},
	} {
		t.Run(name, func(t *testing.T) {
			s, w, account := federating(t)
			test.change(s, &w, account.ExternalID)
			s.tenant.Forget()
			outcome, err := s.Federate(t.Context(), w)
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(outcome.State).To(Equal(test.state), outcome.Message)
			s.Expect(outcome.Message).To(ContainSubstring(test.message))
			s.Expect(s.tenant.Calls()).To(HaveEach(HaveField("Method", http.MethodGet)))
		})
	}
}

// TestPeopleOfAFederatedDomain are looked at again and again. Nothing is undone for them.
func TestPeopleOfAFederatedDomain(t *testing.T) {
	s, w, account := federating(t)
	s.Expect(s.federate(w)).To(And(HaveField("Looked", true), HaveField("Risk", "")))
	s.tenant.ChangeUser(account.ExternalID, map[string]any{"accountEnabled": false})
	s.tenant.AddUser("room@acme.example", map[string]any{"accountEnabled": false, "onPremisesImmutableId": "room"})
	s.tenant.AddUser("sato@other.example", nil)
	s.Expect(s.federate(w).Risk).To(BeEmpty())

	stranger := s.tenant.AddUser("sato@acme.example", map[string]any{"onPremisesImmutableId": "sato"})
	admin := s.tenant.UserNamed("admin@acme.onmicrosoft.com")["id"].(string)
	s.tenant.ChangeUser(admin, map[string]any{"accountEnabled": false})
	s.tenant.Forget()
	found, err := s.Federate(t.Context(), w)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(found.State).To(Equal(Federated))
	s.Expect(found.Risk).To(And(ContainSubstring("sato@acme.example"), ContainSubstring("Global Administrator")))
	s.Expect(s.tenant.Calls()).To(HaveEach(HaveField("Method", http.MethodGet)))

	// Accounts that are being made may be taken for strangers, so nobody is listed.
	w.Settling = true
	s.tenant.Forget()
	s.Expect(s.federate(w)).To(And(HaveField("State", Federated), HaveField("Looked", false), HaveField("Risk", "")))
	s.Expect(s.tenant.Counts()).NotTo(HaveKey("GET /users"))
	w.Settling = false

	s.tenant.ChangeUser(stranger, map[string]any{"accountEnabled": false})
	s.tenant.ChangeUser(admin, map[string]any{"accountEnabled": true})
	s.Expect(s.federate(w)).To(And(HaveField("Looked", true), HaveField("Risk", "")))
}

// TestPeopleCannotBeRead: that keeps no certificate back.
func TestPeopleCannotBeRead(t *testing.T) {
	s, w, _ := federating(t)
	s.federate(w)
	s.tenant.SetApp(graph.App{
		ClientID: graph.DefaultClientID, Secrets: []graph.Secret{{Value: "secret"}},
		Permissions: slices.DeleteFunc(graph.AllPermissions(), func(p string) bool { return strings.HasPrefix(p, "RoleManagement.") }),
	})
	s.tenant.Revoke()
	w.Certificate, w.NextCertificate = w.NextCertificate, ""
	found, err := s.Federate(t.Context(), w)
	s.Expect(provision.CauseOf(err)).To(Equal(provision.Forbidden))
	s.Expect(err).To(MatchError(ContainSubstring("RoleManagement.Read.Directory")))
	s.Expect(found.State).To(Equal(Federated))
	s.Expect(found.Looked).To(BeFalse())
	s.Expect(s.tenant.Federation("acme.example")).To(HaveKeyWithValue("signingCertificate", w.Certificate))
}

// TestStrangersWhileAccountsSettle are not counted: they may be members' in a moment.
func TestStrangersWhileAccountsSettle(t *testing.T) {
	s, w, _ := federating(t)
	s.tenant.AddUser("sato@acme.example", nil)
	w.Settling = true
	s.tenant.Forget()
	s.Expect(s.federate(w).State).To(Equal(Preparing))
	s.Expect(s.tenant.Counts()).NotTo(HaveKey("GET /users"))
}

// TestStrangersWhoCannotLogIn do not stand in the way.
func TestStrangersWhoCannotLogIn(t *testing.T) {
	s, w, _ := federating(t)
	s.tenant.AddUser("room@acme.example", map[string]any{"accountEnabled": false, "onPremisesImmutableId": "x"})
	s.tenant.AddUser("sato@other.example", nil)
	s.Expect(s.federate(w).State).To(Equal(Federated))
}

// TestFederationMadeUnseen: an answer that is lost does not federate twice.
func TestFederationMadeUnseen(t *testing.T) {
	s, w, _ := federating(t)
	fault := graph.ServerError()
	fault.Method, fault.Path, fault.Times, fault.Carried = http.MethodPost, "/domains/acme.example/federationConfiguration", 1, true
	s.tenant.Inject(fault)
	_, err := s.Federate(t.Context(), w)
	s.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
	found := s.federate(w)
	s.Expect(found.State).To(Equal(Federated))
	s.Expect(found.Steps).To(BeEmpty())
}

func TestIssuerIsTaken(t *testing.T) {
	s, w, _ := federating(t)
	s.tenant.SetDomain(graph.Domain{Name: "beta.example"})
	s.tenant.SetFederation("beta.example", map[string]any{"issuerUri": w.Issuer})
	_, err := s.Federate(t.Context(), w)
	s.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict))
	s.Expect(err).To(MatchError(ContainSubstring("spec.issuer")))
}
