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

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/entra"
	"tegata.dev/tegata/internal/status"
)

func federatedTarget(change func(*v1alpha1.ProvisioningTarget)) *v1alpha1.ProvisioningTarget {
	target := &v1alpha1.ProvisioningTarget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "entra"},
		Spec: v1alpha1.ProvisioningTargetSpec{EntraID: &v1alpha1.EntraID{
			Domain: "acme.example", Federation: &v1alpha1.EntraFederation{SAMLAppRef: v1alpha1.SAMLAppReference{Name: "microsoft-365"}},
		}},
	}
	if change != nil {
		change(target)
	}
	return target
}

func microsoftApp(change func(*v1alpha1.SAMLApp)) *v1alpha1.SAMLApp {
	app := &v1alpha1.SAMLApp{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "microsoft-365", Generation: 3},
		Spec: v1alpha1.SAMLAppSpec{
			Issuer: "https://id.acme.example/saml/acme/acme.example", NameID: &v1alpha1.NameID{Format: "persistent", Field: "immutableID"},
			Attributes: []v1alpha1.SAMLAttribute{{Name: "IDPEmail", From: &v1alpha1.AttributeSource{Field: "mail", Domain: "acme.example"}}},
		},
		Status: v1alpha1.SAMLAppStatus{
			ObservedGeneration: 3, Conditions: []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue}},
			ServiceProvider: &v1alpha1.ServiceProviderStatus{EntityID: microsoftEntityID}, SingleSignOnURL: "https://id.acme.example/saml/acme/sso",
			SingleLogoutURL: "https://id.acme.example/saml/acme/slo",
		},
	}
	if change != nil {
		change(app)
	}
	return app
}

func TestAppFitForMicrosoft(t *testing.T) {
	upn := func(source v1alpha1.TargetAttributeSource) func(*v1alpha1.ProvisioningTarget) {
		return func(target *v1alpha1.ProvisioningTarget) {
			target.Spec.Attributes = []v1alpha1.TargetAttribute{{Name: "userPrincipalName", From: &source}}
		}
	}
	from := func(source v1alpha1.AttributeSource) func(*v1alpha1.SAMLApp) {
		return func(app *v1alpha1.SAMLApp) { app.Spec.Attributes[0].From = &source }
	}
	for name, test := range map[string]struct {
		target  func(*v1alpha1.ProvisioningTarget)
		app     func(*v1alpha1.SAMLApp)
		message string
	}{
		"as documented":     {nil, nil, ""},
		"not Ready":         {nil, func(app *v1alpha1.SAMLApp) { app.Status.Conditions[0].Status = metav1.ConditionFalse }, "not Ready"},
		"changing":          {nil, func(app *v1alpha1.SAMLApp) { app.Generation = 4 }, "not Ready"},
		"another entity ID": {nil, func(app *v1alpha1.SAMLApp) { app.Status.ServiceProvider.EntityID = "https://x.example" }, "set spec.serviceProvider.entityID to urn:federation:MicrosoftOnline"},
		"tenant's issuer":   {nil, func(app *v1alpha1.SAMLApp) { app.Spec.Issuer = "" }, "set spec.issuer"},
		"pairwise name":     {nil, func(app *v1alpha1.SAMLApp) { app.Spec.NameID.Field = "" }, "set spec.nameID"},
		"no name":           {nil, func(app *v1alpha1.SAMLApp) { app.Spec.NameID = nil }, "set spec.nameID"},
		"response only":     {nil, func(app *v1alpha1.SAMLApp) { app.Spec.Signing = &v1alpha1.SAMLSigning{Mode: "Response"} }, "not signed"},
		"encrypted":         {nil, func(app *v1alpha1.SAMLApp) { app.Spec.Encryption = &v1alpha1.SAMLEncryption{} }, "encrypted"},
		"plain http":        {nil, func(app *v1alpha1.SAMLApp) { app.Status.SingleSignOnURL = "http://id.acme.example/saml/acme/sso" }, "https addresses only"},
		"no IDPEmail":       {nil, func(app *v1alpha1.SAMLApp) { app.Spec.Attributes = nil }, "{name: IDPEmail, from: {field: mail, domain: acme.example}}"},
		"mail as it is":     {nil, from(v1alpha1.AttributeSource{Field: "mail"}), "{name: IDPEmail, from: {field: mail, domain: acme.example}}"},
		"another domain":    {nil, from(v1alpha1.AttributeSource{Field: "mail", Domain: "x.example"}), "domain: acme.example"},
		"attribute":         {upn(v1alpha1.TargetAttributeSource{Attribute: "account"}), from(v1alpha1.AttributeSource{Attribute: "account", Domain: "acme.example"}), ""},
		"not the attribute": {upn(v1alpha1.TargetAttributeSource{Attribute: "account"}), nil, "{name: IDPEmail, from: {attribute: account, domain: acme.example}}"},
		"local part":        {upn(v1alpha1.TargetAttributeSource{Field: "mailLocalPart"}), nil, ""},
		"object name":       {upn(v1alpha1.TargetAttributeSource{Field: "name"}), nil, "from mailLocalPart or from a custom attribute"},
		"being deleted":     {nil, func(app *v1alpha1.SAMLApp) { app.DeletionTimestamp = &metav1.Time{Time: time.Now()} }, "being deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			message := unfit(federatedTarget(test.target), microsoftApp(test.app))
			if test.message == "" {
				g.Expect(message).To(BeEmpty())
				return
			}
			g.Expect(message).To(And(HavePrefix(`SAMLApp "microsoft-365" cannot answer Microsoft: `), ContainSubstring(test.message), HaveSuffix(".")))
		})
	}
}

func TestAppOfOneDomain(t *testing.T) {
	g := NewWithT(t)
	target := federatedTarget(nil)
	other := *federatedTarget(func(other *v1alpha1.ProvisioningTarget) {
		other.Name, other.Spec.EntraID.Domain = "entra-2", "beta.example"
	})
	g.Expect(shared(target, []v1alpha1.ProvisioningTarget{*target})).To(BeEmpty())
	g.Expect(shared(target, []v1alpha1.ProvisioningTarget{*target, other})).To(ContainSubstring("answers for the domain beta.example"))
	other.Spec.EntraID.Domain = "acme.example"
	g.Expect(shared(target, []v1alpha1.ProvisioningTarget{*target, other})).To(ContainSubstring("federates the domain already"))
	other.Namespace = "beta"
	g.Expect(shared(target, []v1alpha1.ProvisioningTarget{*target, other})).To(BeEmpty())
}

func TestMembersThere(t *testing.T) {
	g := NewWithT(t)
	account := func(externalID string, member bool, removed bool) v1alpha1.Account {
		a := v1alpha1.Account{Status: v1alpha1.AccountStatus{ExternalID: externalID, CorrelationID: "id-" + externalID}}
		if member {
			a.Spec.MemberRef = &v1alpha1.MemberReference{Name: "hanako"}
		}
		if removed {
			a.Status.RemovedAt = metav1.Now()
		}
		return a
	}
	accounts := []v1alpha1.Account{account("a", true, false), account("b", false, false), account("c", true, true), account("", true, false)}
	g.Expect(membersThere(accounts, false)).To(Equal(map[string]string{"a": "id-a"}))
	g.Expect(membersThere(accounts, true)).To(Equal(map[string]string{"a": "id-a", "c": "id-c"}), "Microsoft may not show yet that c was removed")
}

// TestAccountsAreNotWished: a federated domain is not looked at anew because
// accounts are made in it.
func TestAccountsAreNotWished(t *testing.T) {
	g := NewWithT(t)
	wish := entra.Wish{Domain: "acme.example"}
	settling := wish
	settling.Settling = true
	g.Expect(wishDigest(settling)).NotTo(Equal(wishDigest(wish)), "it goes on as soon as they are made")
	known, knownSettling := wish, settling
	known.KnownID, knownSettling.KnownID = "1", "1"
	g.Expect(wishDigest(knownSettling)).To(Equal(wishDigest(known)))
	g.Expect(wishDigest(known)).To(Equal(wishDigest(wish)))
}

func TestSignOutPage(t *testing.T) {
	g := NewWithT(t)
	wish := entra.Wish{}
	answeredBy(&wish, microsoftApp(nil), "Acme")
	g.Expect(wish.SignOut).To(Equal("https://id.acme.example/"))
	answeredBy(&wish, microsoftApp(func(app *v1alpha1.SAMLApp) {
		app.Spec.ServiceProvider.SingleLogoutServices = []v1alpha1.SingleLogoutService{{}}
	}), "Acme")
	g.Expect(wish.SignOut).To(Equal("https://id.acme.example/saml/acme/slo"))
}

func TestFederationInStatus(t *testing.T) {
	wish := entra.Wish{Domain: "acme.example", Issuer: "https://id.acme.example/acme"}
	known := wish
	known.KnownID, known.KnownIssuer = "1", wish.Issuer
	off := known
	off.Off = true
	never := wish
	never.Off = true
	outcome := func(state entra.State, existing *entra.Federation) federationResult {
		return federationResult{outcome: entra.FederationOutcome{Plan: entra.Plan{State: state, Message: "Told."}, Existing: existing}}
	}
	failed := func(cause provision.Cause) federationResult {
		return federationResult{failure: &provision.Error{Cause: cause, Message: "Failed."}}
	}
	there := &entra.Federation{ID: "1", Issuer: wish.Issuer, SigningCertificate: "nonsense"}
	federated := &v1alpha1.FederationStatus{State: v1alpha1.FederationFederated, ID: "1", Issuer: wish.Issuer}
	for name, test := range map[string]struct {
		wish   entra.Wish
		last   federationResult
		before *v1alpha1.FederationStatus
		want   *v1alpha1.FederationStatus
	}{
		"the issuer is known before":   {wish, outcome(entra.Preparing, nil), nil, &v1alpha1.FederationStatus{State: "Preparing", Message: "Told.", Issuer: wish.Issuer}},
		"federated":                    {wish, outcome(entra.Federated, there), nil, &v1alpha1.FederationStatus{State: "Federated", Message: "Told.", ID: "1", Issuer: wish.Issuer}},
		"blocked":                      {wish, outcome(entra.Blocked, nil), nil, &v1alpha1.FederationStatus{State: "Blocked", Message: "Told."}},
		"blocked, and known":           {known, outcome(entra.Blocked, nil), nil, &v1alpha1.FederationStatus{State: "Blocked", Message: "Told.", ID: "1", Issuer: wish.Issuer}},
		"going back":                   {off, outcome(entra.Reverting, nil), federated, &v1alpha1.FederationStatus{State: "Reverting", Message: "Told.", ID: "1", Issuer: wish.Issuer}},
		"went back":                    {off, outcome(entra.Managed, nil), federated, &v1alpha1.FederationStatus{State: "Managed", Message: "Told."}},
		"never was":                    {never, outcome(entra.Managed, nil), nil, nil},
		"refused at first":             {wish, failed(provision.Forbidden), nil, &v1alpha1.FederationStatus{State: "Blocked", Message: "Failed."}},
		"refused later":                {known, failed(provision.Forbidden), federated, &v1alpha1.FederationStatus{State: "Federated", Message: "Failed.", Risk: "Failed.", ID: "1", Issuer: wish.Issuer}},
		"credentials ended":            {known, failed(provision.Unauthorized), federated, &v1alpha1.FederationStatus{State: "Federated", Message: "Failed.", ID: "1", Issuer: wish.Issuer}},
		"away while it is being made":  {wish, failed(provision.Unavailable), &v1alpha1.FederationStatus{State: "Preparing"}, &v1alpha1.FederationStatus{State: "Preparing", Message: "Failed."}},
		"away while it is going back":  {off, failed(provision.Unavailable), &v1alpha1.FederationStatus{State: "Reverting"}, &v1alpha1.FederationStatus{State: "Reverting", Message: "Failed.", ID: "1", Issuer: wish.Issuer}},
		"refused while it is being so": {off, failed(provision.Forbidden), &v1alpha1.FederationStatus{State: "Reverting"}, &v1alpha1.FederationStatus{State: "Blocked", Message: "Failed.", ID: "1", Issuer: wish.Issuer}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(federationStatus(test.wish, test.last, test.before)).To(Equal(test.want))
		})
	}
	g := NewWithT(t)
	g.Expect(federationStatus(wish, outcome(entra.Blocked, nil), &v1alpha1.FederationStatus{State: v1alpha1.FederationFederated, Risk: "Before."}).Risk).To(BeEmpty())
	long := outcome(entra.Blocked, nil)
	long.outcome.Message = strings.Repeat("あ", 2000)
	g.Expect(len([]rune(federationStatus(wish, long, nil).Message))).To(BeNumerically("<=", 2048))
	g.Expect(federationStatus(wish, long, nil).Message).To(HavePrefix("ああ"))
}

func TestRiskInStatus(t *testing.T) {
	wish := entra.Wish{Domain: "acme.example", Issuer: "https://id.acme.example/acme", KnownID: "1", KnownIssuer: "https://id.acme.example/acme"}
	result := func(looked bool, risk string, failure *provision.Error) federationResult {
		return federationResult{failure: failure, outcome: entra.FederationOutcome{
			Plan: entra.Plan{State: entra.Federated, Risk: risk}, Looked: looked, Existing: &entra.Federation{ID: "1", Issuer: wish.Issuer},
		}}
	}
	for name, test := range map[string]struct {
		last federationResult
		want string
	}{
		"as before":               {result(false, "", nil), "Before."},
		"gone":                    {result(true, "", nil), ""},
		"another one":             {result(true, "Now.", nil), "Now."},
		"known without looking":   {result(false, "Now.", nil), "Now."},
		"Microsoft is away":       {result(false, "", &provision.Error{Cause: provision.Unavailable, Message: "Away."}), "Before."},
		"nobody may look":         {result(false, "", &provision.Error{Cause: provision.Forbidden, Message: "Grant it."}), "Grant it."},
		"a change is refused":     {result(false, "", &provision.Error{Cause: provision.Conflict, Message: "Taken."}), "Taken."},
		"credentials are refused": {result(false, "", &provision.Error{Cause: provision.Unauthorized, Message: "Renew it."}), "Before."},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			target := federatedTarget(func(target *v1alpha1.ProvisioningTarget) {
				target.Status.Federation = federationStatus(wish, test.last, &v1alpha1.FederationStatus{State: v1alpha1.FederationFederated, Risk: "Before."})
			})
			g.Expect(target.Status.Federation.State).To(Equal(v1alpha1.FederationFederated))
			g.Expect(target.Status.Federation.Risk).To(Equal(test.want))
			outcome, stands := federationOutcome(target)
			g.Expect(stands).To(Equal(test.want != ""))
			if stands {
				g.Expect(outcome.Verdict).To(Equal(status.UserMustAct))
				g.Expect(outcome.Reason).To(Equal(v1alpha1.FederationAtRiskReason))
				g.Expect(outcome.Message).To(And(ContainSubstring("the log-in of acme.example"), HaveSuffix(test.want)))
			}
		})
	}
}

// TestRiskIsTold by an event when it comes and when it goes.
func TestRiskIsTold(t *testing.T) {
	g := NewWithT(t)
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	target := federatedTarget(nil)
	observe := func(risk string) string {
		return observeFederation(target, moment{now: at, federation: &wantedFederation{digest: "d", wish: entra.Wish{Domain: "acme.example"}}, state: runState{federation: federationResult{
			digest: "d", at: at, outcome: entra.FederationOutcome{Plan: entra.Plan{State: entra.Federated, Message: "Told.", Risk: risk}, Looked: true, Existing: &entra.Federation{ID: "1"}},
		}}})
	}
	g.Expect(observe("")).To(Equal("Domain acme.example: Federated. Told."))
	g.Expect(observe("")).To(BeEmpty())
	g.Expect(observe("Sato is cut off.")).To(Equal("Domain acme.example: Federated. Told. Sato is cut off."))
	g.Expect(observe("Sato is cut off.")).To(BeEmpty())
	g.Expect(observe("")).To(Equal("Domain acme.example: Federated. Told."))
}

func TestFederationIsLookedAtAgain(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		result federationResult
		after  time.Duration
	}{
		"remembered":    {federationResult{outcome: entra.FederationOutcome{Plan: entra.Plan{State: entra.Preparing, Step: entra.CreateStep}}}, federationNow},
		"preparing":     {federationResult{outcome: entra.FederationOutcome{Plan: entra.Plan{State: entra.Preparing}}}, federationSoon},
		"away":          {federationResult{failure: &provision.Error{Cause: provision.Unavailable}}, federationSoon},
		"blocked":       {federationResult{outcome: entra.FederationOutcome{Plan: entra.Plan{State: entra.Blocked}}}, federationLater},
		"forbidden":     {federationResult{failure: &provision.Error{Cause: provision.Forbidden}}, federationLater},
		"not looked at": {federationResult{outcome: entra.FederationOutcome{Plan: entra.Plan{State: entra.Federated}}}, federationSoon},
		"at risk":       {federationResult{outcome: entra.FederationOutcome{Plan: entra.Plan{State: entra.Federated, Risk: "Told."}, Looked: true}}, federationLater},
		"with a sync":   {federationResult{outcome: entra.FederationOutcome{Plan: entra.Plan{State: entra.Federated}, Looked: true}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			test.result.at, test.result.digest, test.result.members = at, "d", jsonDigest(map[string]string(nil))
			m := moment{now: at.Add(test.after), federation: &wantedFederation{digest: "d"}, state: runState{federation: test.result}}
			g.Expect(m.federationDue()).To(Equal(test.after > 0))
			m.now = m.now.Add(-time.Second)
			g.Expect(m.federationDue()).To(BeFalse())
			m.federation.wish.Members = map[string]string{"a": "1"}
			stands := test.after > 0 && test.result.failure == nil && test.result.outcome.State != entra.Federated || test.result.outcome.Risk != ""
			g.Expect(m.federationDue()).To(Equal(stands), "another account is there")
			m.federation.wish.Settling = true
			g.Expect(m.federationDue()).To(BeFalse(), "it goes on when all are there")
			m.federation.digest = "another"
			g.Expect(m.federationDue()).To(BeTrue())
		})
	}
	g := NewWithT(t)
	g.Expect(moment{}.federationDue()).To(BeFalse())
	g.Expect(moment{federation: &wantedFederation{}}.federationDue()).To(BeFalse())
}

func TestFederationStaysBehind(t *testing.T) {
	g := NewWithT(t)
	target := federatedTarget(nil)
	g.Expect(federationLeft(target)).To(BeEmpty())
	target.Status.Federation = &v1alpha1.FederationStatus{State: v1alpha1.FederationFederated, ID: "1"}
	g.Expect(federationLeft(target)).To(ContainSubstring("acme.example"))
	target.Spec.EntraID.Federation = nil
	g.Expect(federationLeft(target)).To(ContainSubstring("-InternalDomainFederationId 1"), "it was not given back yet")
}
