/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
)

// TestPlannedFederation: a plan writes nothing and ends where Federate does, by
// the same steps.
func TestPlannedFederation(t *testing.T) {
	for name, change := range map[string]func(s *site, w *Wish, account string){
		"federated":      func(*site, *Wish, string) {},
		"blocked":        func(s *site, _ *Wish, _ string) { s.tenant.AddUser("sato@acme.example", nil) },
		"no such domain": func(_ *site, w *Wish, _ string) { w.Domain = "other.example" },
		"preparing": func(s *site, _ *Wish, id string) {
			s.tenant.ChangeUser(id, map[string]any{"onPremisesImmutableId": nil})
		},
		"settling": func(_ *site, w *Wish, _ string) { w.Settling = true },
		"as it is": func(s *site, w *Wish, _ string) { s.federate(*w) },
		"at risk": func(s *site, w *Wish, _ string) {
			s.federate(*w)
			s.tenant.AddUser("sato@acme.example", nil)
		},
		"rolled over": func(s *site, w *Wish, _ string) {
			s.federate(*w)
			w.Certificate, w.NextCertificate = w.NextCertificate, ""
		},
		"announced": func(s *site, w *Wish, _ string) {
			next := w.NextCertificate
			w.NextCertificate = ""
			s.federate(*w)
			w.NextCertificate = next
		},
		"set anew": func(s *site, w *Wish, _ string) {
			s.federate(*w)
			w.MFA, w.DisplayName, w.SignIn = "rejectMfaByFederatedIdp", "Acme", "https://login.acme.example/saml/acme/sso"
		},
		"given back": func(s *site, w *Wish, _ string) {
			w.KnownID, w.Off = s.federate(*w).Existing.ID, true
		},
		"gone already": func(s *site, w *Wish, _ string) {
			w.KnownID, w.Off = s.federate(*w).Existing.ID, true
			s.federate(*w)
		},
		"somebody else's": func(s *site, _ *Wish, _ string) {
			s.tenant.SetFederation("acme.example", map[string]any{"issuerUri": "https://adfs.example", "passiveSignInUri": "https://adfs.example"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, w, account := federating(t)
			change(s, &w, account.ExternalID)
			s.tenant.Forget()
			planned, steps, err := s.PlanFederation(t.Context(), w, nil)
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(s.tenant.Calls()).To(HaveEach(HaveField("Method", http.MethodGet)))
			var made []Step
			var last *Federation
			for _, step := range steps {
				s.Expect(step.Before.Properties()).To(Or(BeNil(), Not(Equal(step.After.Properties()))), "each step changes something")
				made, last = append(made, step.Step), step.After
			}

			done, err := s.Federate(t.Context(), w)
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(planned.Plan).To(Equal(done.Plan))
			s.Expect(planned.Looked).To(Equal(done.Looked))
			s.Expect(made).To(Equal(done.Steps))
			if len(steps) > 0 {
				s.Expect(last.Properties()).To(Equal(done.Existing.Properties()))
			}
		})
	}
}

// TestPlannedFederationRemembers: the issuer is taken to be remembered before the
// domain is federated.
func TestPlannedFederationRemembers(t *testing.T) {
	s, w, _ := federating(t)
	w.KnownIssuer = ""
	planned, steps, err := s.PlanFederation(t.Context(), w, nil)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(planned.State).To(Equal(Federated))
	s.Expect(steps).To(HaveExactElements(HaveField("Step", CreateStep)))
	s.Expect(steps[0].After.Properties()).To(And(HaveKeyWithValue("issuerUri", w.Issuer), HaveKeyWithValue("signingCertificate", MatchRegexp(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`))))
	s.Expect(s.tenant.Federation("acme.example")).To(BeNil())
}

// TestPlannedUsers are taken as they will be.
func TestPlannedUsers(t *testing.T) {
	for name, test := range map[string]struct {
		later func(DomainUser) (DomainUser, bool)
		state State
	}{
		"as they are": {nil, Blocked},
		"gone":        {func(u DomainUser) (DomainUser, bool) { return u, u.UserName != "sato@acme.example" }, Federated},
		"disabled": {func(u DomainUser) (DomainUser, bool) {
			u.Active = u.UserName != "sato@acme.example"
			return u, true
		}, Federated},
		"in another domain": {func(u DomainUser) (DomainUser, bool) {
			if u.UserName == "sato@acme.example" {
				u.UserName = "sato@acme.onmicrosoft.com"
			}
			return u, true
		}, Federated},
		"without their IDs": {func(u DomainUser) (DomainUser, bool) {
			u.ImmutableID, u.Active = "", u.UserName != "sato@acme.example"
			return u, true
		}, Preparing},
	} {
		t.Run(name, func(t *testing.T) {
			s, w, _ := federating(t)
			s.tenant.AddUser("sato@acme.example", nil)
			planned, _, err := s.PlanFederation(t.Context(), w, test.later)
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(planned.State).To(Equal(test.state), planned.Message)
		})
	}
}

func TestUnreadableCertificates(t *testing.T) {
	g := NewWithT(t)
	g.Expect((*Federation)(nil).Properties()).To(BeNil())
	f := &Federation{SigningCertificate: "%", NextSigningCertificate: "bm9uZQ=="}
	g.Expect(f.Properties()).To(And(HaveKeyWithValue("signingCertificate", "(unreadable)"), HaveKeyWithValue("nextSigningCertificate", "(unreadable)")))
}
