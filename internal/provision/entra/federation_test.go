/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
)

// wish is one that nothing stands against.
func wish(change func(*Wish)) Wish {
	w := Wish{
		Domain: "acme.example", DisplayName: "Acme", Issuer: "https://id.example/acme", SignIn: "https://id.example/sso", SignOut: "https://id.example/",
		Certificate: "current", NextCertificate: "next",
	}
	if change != nil {
		change(&w)
	}
	return w
}

func ready(change func(*Facts)) Facts {
	f := Facts{Domain: &Domain{Name: "acme.example", Verified: true}, Administrators: 1}
	if change != nil {
		change(&f)
	}
	return f
}

// existing is what wish makes.
func existing(change func(*Federation)) *Federation {
	f := NextStep(wish(nil), ready(nil)).Change
	f.ID = "1"
	if change != nil {
		change(&f)
	}
	return &f
}

func federated(change func(*Federation)) Facts {
	return Facts{Domain: &Domain{Name: "acme.example", Verified: true, Federated: true}, Existing: existing(change)}
}

func TestFederationIsRefused(t *testing.T) {
	var many []string
	for n := range 7 {
		many = append(many, fmt.Sprintf("stranger%d@acme.example", n))
	}
	for name, test := range map[string]struct {
		wish    func(*Wish)
		facts   Facts
		message string
	}{
		"no domain":         {nil, Facts{}, "has no domain acme.example"},
		"not verified":      {nil, ready(func(f *Facts) { f.Domain.Verified = false }), "is not verified"},
		"initial":           {nil, ready(func(f *Facts) { f.Domain.Initial = true }), "of Microsoft itself"},
		"of Microsoft":      {nil, ready(func(f *Facts) { f.Domain.Name = "acme2.onmicrosoft.com" }), "of Microsoft itself"},
		"default":           {nil, ready(func(f *Facts) { f.Domain.Default = true }), "default domain"},
		"subdomain":         {nil, ready(func(f *Facts) { f.Domain.Follows = true }), "federate that one"},
		"broken":            {nil, ready(func(f *Facts) { f.Domain.Federated = true }), "Update-MgDomain"},
		"app not fit":       {func(w *Wish) { w.Refusal = "The SAMLApp is not Ready." }, ready(nil), "The SAMLApp is not Ready."},
		"no certificate":    {func(w *Wish) { w.Certificate = "" }, ready(nil), "never federated without one"},
		"no administrator":  {nil, ready(func(f *Facts) { f.Administrators = 0 }), "Global Administrator outside"},
		"strangers":         {nil, ready(func(f *Facts) { f.Strangers = many }), "7 accounts in acme.example would be cut off, as no member accounts for them (stranger0@acme.example, stranger1@acme.example, stranger2@acme.example, stranger3@acme.example, stranger4@acme.example, …)"},
		"strangers first":   {nil, ready(func(f *Facts) { f.Strangers, f.Unready = many[:1], many }), "1 account in acme.example"},
		"another one there": {nil, federated(func(f *Federation) { f.Issuer = "https://adfs.example" }), "another identity provider already (issuer https://adfs.example)"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			plan := NextStep(wish(test.wish), test.facts)
			g.Expect(plan.State).To(Equal(Blocked))
			g.Expect(plan.Step).To(BeEmpty())
			g.Expect(plan.Message).To(ContainSubstring(test.message))
		})
	}
}

// TestRiskOfAFederation: whom it cuts off is told, and nothing is undone.
func TestRiskOfAFederation(t *testing.T) {
	looked := func(administrators int, strangers ...string) Facts {
		f := federated(nil)
		f.Looked, f.Administrators, f.Strangers = true, administrators, strangers
		return f
	}
	const nobodyBack, notFit = "nobody can get back in", "People may not be able to log in: The SAMLApp is not Ready."
	for name, test := range map[string]struct {
		wish  func(*Wish)
		facts Facts
		risk  []string
		step  Step
	}{
		"all is well":      {nil, looked(1), nil, ""},
		"not looked at":    {nil, federated(nil), nil, ""},
		"no administrator": {nil, looked(0), []string{nobodyBack}, ""},
		"a stranger":       {nil, looked(1, "sato@acme.example"), []string{"1 account in acme.example cannot log in, as no member accounts for them (sato@acme.example). Make members"}, ""},
		"both":             {nil, looked(0, "sato@acme.example"), []string{nobodyBack, "sato@acme.example"}, ""},
		"app is not fit":   {func(w *Wish) { w.Refusal, w.Certificate = "The SAMLApp is not Ready.", "other" }, federated(nil), []string{notFit}, ""},
		"no certificate":   {func(w *Wish) { w.Certificate = "" }, federated(nil), []string{"the tenant has no signing certificate"}, ""},
		"all at once":      {func(w *Wish) { w.Refusal = "The SAMLApp is not Ready." }, looked(0, "sato@acme.example"), []string{notFit, nobodyBack, "sato@acme.example"}, ""},
		"the key goes on":  {func(w *Wish) { w.NextCertificate = "after" }, looked(0, "sato@acme.example"), []string{nobodyBack, "sato@acme.example"}, UpdateStep},
		"whoever is unready": {nil, func() Facts {
			f := looked(1)
			f.Unready = []string{"taro@acme.example"}
			return f
		}(), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			plan := NextStep(wish(test.wish), test.facts)
			g.Expect(plan.State).To(Equal(Federated))
			g.Expect(plan.Step).To(Equal(test.step))
			if test.risk == nil {
				g.Expect(plan.Risk).To(BeEmpty())
			}
			for _, part := range test.risk {
				g.Expect(plan.Risk).To(ContainSubstring(part))
			}
		})
	}
	g := NewWithT(t)
	off := func(w *Wish) { w.Off, w.KnownID = true, "1" }
	g.Expect(NextStep(wish(off), looked(0, "sato@acme.example")).Risk).To(BeEmpty(), "it is being undone")
}

func TestFederationWaitsForMembers(t *testing.T) {
	g := NewWithT(t)
	plan := NextStep(wish(nil), ready(func(f *Facts) { f.Unready = []string{"hanako@acme.example"} }))
	g.Expect(plan.State).To(Equal(Preparing))
	g.Expect(plan.Step).To(BeEmpty())
	g.Expect(plan.Message).To(ContainSubstring("hanako@acme.example"))
}

func TestFederationWaitsForAccounts(t *testing.T) {
	g := NewWithT(t)
	settling := func(w *Wish) { w.Settling = true }
	plan := NextStep(wish(settling), ready(nil))
	g.Expect(plan.State).To(Equal(Preparing))
	g.Expect(plan.Step).To(BeEmpty())
	g.Expect(NextStep(wish(settling), ready(func(f *Facts) { f.Administrators = 0 })).State).To(Equal(Blocked), "what a person has to do is told at once")
	g.Expect(NextStep(wish(settling), federated(nil)).State).To(Equal(Federated))
}

func TestFederationSteps(t *testing.T) {
	for name, test := range map[string]struct {
		wish   func(*Wish)
		facts  Facts
		state  State
		step   Step
		change Federation
	}{
		"made": {nil, ready(nil), Preparing, CreateStep, Federation{
			DisplayName: "Acme", Issuer: "https://id.example/acme", PassiveSignIn: "https://id.example/sso", SignOut: "https://id.example/",
			SigningCertificate: "current", NextSigningCertificate: "next", Protocol: "saml",
		}},
		"kept":              {nil, federated(nil), Federated, "", Federation{}},
		"next key known":    {func(w *Wish) { w.NextCertificate = "after" }, federated(nil), Federated, UpdateStep, Federation{NextSigningCertificate: "after"}},
		"key switched":      {func(w *Wish) { w.Certificate, w.NextCertificate = "next", "" }, federated(nil), Federated, UpdateStep, Federation{SigningCertificate: "next"}},
		"next key gone":     {func(w *Wish) { w.NextCertificate = "" }, federated(nil), Federated, ClearNextStep, Federation{}},
		"emergency":         {func(w *Wish) { w.Certificate, w.NextCertificate = "new", "newer" }, federated(nil), Federated, UpdateStep, Federation{SigningCertificate: "new", NextSigningCertificate: "newer"}},
		"other addresses":   {func(w *Wish) { w.SignIn = "https://new.example/sso" }, federated(nil), Federated, UpdateStep, Federation{PassiveSignIn: "https://new.example/sso"}},
		"other issuer":      {func(w *Wish) { w.Issuer, w.KnownID = "https://id.example/other", "1" }, federated(nil), Federated, UpdateStep, Federation{Issuer: "https://id.example/other"}},
		"second factor":     {func(w *Wish) { w.MFA = "enforceMfaByFederatedIdp" }, federated(nil), Federated, UpdateStep, Federation{MFA: "enforceMfaByFederatedIdp"}},
		"never unset":       {nil, federated(func(f *Federation) { f.MFA = "rejectMfaByFederatedIdp" }), Federated, "", Federation{}},
		"changed by hand":   {nil, federated(func(f *Federation) { f.Protocol = "wsFed" }), Federated, UpdateStep, Federation{Protocol: "saml"}},
		"app is not fit":    {func(w *Wish) { w.Refusal, w.Certificate = "The SAMLApp is not Ready.", "other" }, federated(nil), Federated, "", Federation{}},
		"never without one": {func(w *Wish) { w.Certificate = "" }, federated(nil), Federated, "", Federation{}},
		"undone":            {func(w *Wish) { w.Off, w.KnownID = true, "1" }, federated(nil), Reverting, DeleteStep, Federation{}},
		"undone by issuer":  {func(w *Wish) { w.Off, w.KnownIssuer = true, "https://id.example/acme" }, federated(nil), Reverting, DeleteStep, Federation{}},
		"being undone":      {func(w *Wish) { w.Off, w.KnownID = true, "1" }, ready(func(f *Facts) { f.Domain.Federated = true }), Reverting, "", Federation{}},
		"was undone":        {func(w *Wish) { w.Off, w.KnownID = true, "1" }, ready(nil), Managed, "", Federation{}},
		"not ours":          {func(w *Wish) { w.Off, w.KnownID = true, "2" }, federated(nil), Managed, "", Federation{}},
		"never was":         {func(w *Wish) { w.Off = true }, federated(nil), Managed, "", Federation{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			plan := NextStep(wish(test.wish), test.facts)
			g.Expect(plan.State).To(Equal(test.state), plan.Message)
			g.Expect(plan.Step).To(Equal(test.step), plan.Message)
			g.Expect(plan.Change).To(Equal(test.change))
		})
	}
	g := NewWithT(t)
	g.Expect(NextStep(wish(nil), federated(func(f *Federation) { f.MFA = "rejectMfaByFederatedIdp" })).Message).To(ContainSubstring("does not let it be unset"))
	enforcing := NextStep(wish(nil), federated(func(f *Federation) { f.MFA = enforced }))
	g.Expect(enforcing.Message).To(ContainSubstring("RejectFromIdP"))
	undone := NextStep(wish(func(w *Wish) { w.Off, w.KnownID = true, "1" }), federated(nil))
	g.Expect(undone.Message).To(And(ContainSubstring("password"), ContainSubstring("two hours")))
}
