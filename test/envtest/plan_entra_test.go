/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/graph"
)

// wroteToGraph are the calls of Graph that wrote something: a token is asked for,
// and batches are sent, by POST too.
func wroteToGraph(there *graph.Server) []string {
	var wrote []string
	for _, call := range there.Calls() {
		if call.Method != "GET" && !slices.Contains([]string{"/token", "/$batch"}, call.Path) {
			wrote = append(wrote, call.Method+" "+call.Path)
		}
	}
	return wrote
}

// federationIn is what a plan tells of the log-in of the only target; nil for nothing.
func (p *place) federationIn(made plan.Plan) *plan.Federation {
	p.t.Helper()
	p.Expect(made.Targets).To(HaveLen(1))
	return made.Targets[0].Federation
}

func changesOf(step plan.FederationStep) map[string]string {
	found := map[string]string{}
	for _, change := range step.Changes {
		found[change.Property] = change.To
	}
	return found
}

// TestPlanOfFederation tells, at each point of a domain's life, what would happen
// to its log-in, and then that happens.
func TestPlanOfFederation(t *testing.T) {
	p := newPlace(t)
	idp := p.identityServer()
	p.change(idp, func() { idp.Spec.ExternalURL = "https://" + p.namespace + ".example" })
	there, target, secret := p.newEntra()
	target.Labels = map[string]string{"prune": "yes"}
	target.Spec.Adoption = v1alpha1.AdoptByUserName
	l := p.newPipeline()
	stranger := there.AddUser("sato@"+m365Domain, map[string]any{"onPremisesImmutableId": "b2xkIGlkIG9mIGFk"})
	app, yamada, sato := p.microsoft(), p.member("yamada"), p.member("sato")
	app.Labels = map[string]string{"prune": "yes"}
	p.create(secret)
	p.current(p.tenant())

	// New manifests do not have the keys sent to Microsoft, and nothing is known.
	l.declare(app, target, yamada)
	made, _ := l.planned()
	p.Expect(p.federationIn(made)).To(BeNil())
	p.Expect(made.Targets[0].Remarks).To(ConsistOf(ContainSubstring("--ask-changed-targets"), ContainSubstring("the log-in of "+m365Domain+" was not found out")))
	p.Expect(there.Calls()).To(BeEmpty())

	// A check that fails.
	before := p.versions()
	asks := []string{"--ask-changed-targets", "--exit-code"}
	made, code := l.planned(asks...)
	p.Expect(code).To(Equal(2))
	p.Expect(actionsOf(made)).To(Equal(map[string]provision.Action{"yamada": provision.Create}))
	blocked := p.federationIn(made)
	p.Expect(blocked.State).To(Equal("Blocked"))
	p.Expect(blocked.Message).To(And(ContainSubstring("would be cut off"), ContainSubstring("sato@"+m365Domain)))
	p.Expect(blocked.Steps).To(BeEmpty())

	// Immutable IDs to set, and then the domain to federate.
	l.declare(app, target, yamada, sato)
	made, code = l.planned(asks...)
	p.Expect(code).To(Equal(2))
	p.Expect(actionsOf(made)).To(Equal(map[string]provision.Action{"yamada": provision.Create, "sato": provision.Adopt}))
	told := p.federationIn(made)
	p.Expect(told.State).To(Equal("Federated"), told.Message)
	p.Expect(told.ImmutableIDs).To(Equal([]string{"sato@" + m365Domain}))
	p.Expect(told.Steps).To(HaveLen(1))
	p.Expect(told.Steps[0].Step).To(Equal("Create"))
	text, _ := l.plan(asks...)
	p.Expect(text).To(And(ContainSubstring("ProvisioningTarget "+p.namespace+"/entra (log-in of "+m365Domain+")\n  + Federated: "),
		ContainSubstring("\n      first, the immutable ID of sato@"+m365Domain+"\n      the domain is federated\n"), ContainSubstring("and 1 domains in services")))
	markdown, _ := l.plan(append(asks, "-o", "markdown")...)
	p.Expect(markdown).To(And(ContainSubstring("| ProvisioningTarget "+p.namespace+"/entra, log-in of "+m365Domain+" | 1 | 0 | 0 | 0 |"), ContainSubstring("        issuerUri: \""+app.Spec.Issuer+"\"\n")))
	p.Expect(text + markdown).NotTo(ContainSubstring("-----BEGIN"))
	p.Expect(there.Calls()).NotTo(BeEmpty())
	p.Expect(wroteToGraph(there)).To(BeEmpty())
	p.Expect(there.Federation(m365Domain)).To(BeNil())
	p.Expect(p.versions()).To(Equal(before))

	p.apply(app, target, yamada, sato)
	p.federation(target, v1alpha1.FederationFederated)
	p.synced(target, 2)
	p.refresh(app)
	p.refresh(sato)
	p.Expect(there.User(stranger)).To(HaveKeyWithValue("onPremisesImmutableId", directory.ImmutableID(sato.Status.ID)))
	p.Expect(there.Federation(m365Domain)).NotTo(BeNil())
	p.Expect(there.CutOff()).To(BeEmpty())
	for property, value := range changesOf(told.Steps[0]) {
		if property == "signingCertificate" {
			p.Expect(value).To(Equal(app.Status.Certificates[0].Fingerprint))
			continue
		}
		p.Expect(there.Federation(m365Domain)).To(HaveKeyWithValue(property, value))
	}
	l.declare(app, target, yamada, sato)
	made, code = l.planned("--exit-code")
	p.Expect(code).To(Equal(0), "%+v", made)
	l.declare(app, target, yamada, sato, p.linkApp("handbook"))
	made, _ = l.planned()
	p.Expect(p.federationIn(made)).To(BeNil(), "what is there stays: %+v", made)

	// Settings to change; the certificate is the one that is live, though the tenant
	// is tried out with another key.
	tenant := p.tenant()
	p.refresh(tenant)
	tenant.Spec.DisplayName = "Acme"
	target.Spec.EntraID.Federation.MFA = "RejectFromIdP"
	there.Forget()
	l.declare(app, target, yamada, sato, tenant)
	made, _ = l.planned()
	told = p.federationIn(made)
	p.Expect(told.State).To(Equal("Federated"))
	p.Expect(told.Steps).To(ConsistOf(HaveField("Step", "Update")))
	p.Expect(changesOf(told.Steps[0])).To(Equal(map[string]string{"displayName": "Acme", "federatedIdpMfaBehavior": "rejectMfaByFederatedIdp"}))
	offline, _ := l.planned("--offline-targets")
	p.Expect(p.federationIn(offline)).To(BeNil())
	p.Expect(offline.Targets[0].Remarks).To(ConsistOf(ContainSubstring("Microsoft was not asked")))
	tenant.Annotations = map[string]string{v1alpha1.RotateSigningKeyAnnotation: "spring"}
	l.declare(app, target, yamada, sato, tenant)
	made, _ = l.planned()
	p.Expect(made.Targets[0].Remarks).To(ConsistOf(ContainSubstring("Microsoft is told of the certificate")))

	// An app that could answer nobody any more changes nothing there, and says so.
	unfit := app.DeepCopy()
	unfit.Spec.NameID = nil
	l.declare(unfit, target, yamada, sato)
	made, code = l.planned("--exit-code")
	p.Expect(code).To(Equal(2))
	told = p.federationIn(made)
	p.Expect(told.Message + told.Risk).To(ContainSubstring("set spec.nameID"))
	p.Expect(told.Steps).To(BeEmpty())

	// What an app by URL will be is not known before it is applied.
	byURL := app.DeepCopy()
	byURL.Spec.ServiceProvider, byURL.Spec.Metadata = v1alpha1.ServiceProvider{}, &v1alpha1.ServiceProviderMetadata{URL: "https://microsoft.example/metadata"}
	l.declare(byURL, target, yamada, sato)
	made, _ = l.planned()
	p.Expect(p.federationIn(made)).To(BeNil())
	p.Expect(made.Targets[0].Remarks).To(ConsistOf(ContainSubstring("the metadata of SAMLApp microsoft-365 is fetched when it is applied")))

	// The log-in goes back to Microsoft.
	given := target.DeepCopy()
	given.Spec.EntraID.Federation = nil
	l.declare(app, given, yamada, sato)
	made, _ = l.planned()
	told = p.federationIn(made)
	p.Expect(told.State).To(Equal("Reverting"))
	p.Expect(told.Message).To(ContainSubstring("Nobody has a password at Microsoft"))
	p.Expect(told.Steps).To(Equal([]plan.FederationStep{{Step: "Delete"}}))

	// A target that goes leaves the federation there.
	l.declare(app, yamada, sato)
	made, _ = l.planned("--prune", "-l", "prune=yes")
	p.Expect(made.Targets).To(ConsistOf(HaveField("Remarks", ContainElement(ContainSubstring("still sends everybody in "+m365Domain)))))
	p.Expect(wroteToGraph(there)).To(BeEmpty())
	p.Expect(there.Federation(m365Domain)).NotTo(HaveKeyWithValue("displayName", "Acme"))

	p.apply(given)
	p.Eventually(func() map[string]any { return there.Federation(m365Domain) }, patience, glance).Should(BeNil())
	p.syncNow(target, "given back")
	p.federation(target, v1alpha1.FederationManaged)
	l.declare(app, given, yamada, sato, p.linkApp("handbook"))
	made, _ = l.planned()
	p.Expect(p.federationIn(made)).To(BeNil())
}

// TestPlanOfDeparture: whoever leaves stands in the way of no federation, as their
// account is gone by then.
func TestPlanOfDeparture(t *testing.T) {
	p := newPlace(t)
	idp := p.identityServer()
	p.change(idp, func() { idp.Spec.ExternalURL = "https://" + p.namespace + ".example" })
	there, target, secret := p.newEntra()
	target.Spec.EntraID.Federation, target.Spec.DeletionPolicy = nil, v1alpha1.DeleteAccounts
	l := p.newPipeline()
	app, yamada, leaver := p.microsoft(), p.member("yamada"), p.member("leaver", func(m *v1alpha1.Member) { m.Labels = map[string]string{"leaves": "yes"} })
	p.create(secret)
	p.apply(app, yamada, leaver, target)
	p.synced(target, 2)
	p.current(app)

	federated := target.DeepCopy()
	federated.Spec.EntraID.Federation = &v1alpha1.EntraFederation{SAMLAppRef: v1alpha1.SAMLAppReference{Name: app.Name}}
	l.declare(app, yamada, federated)
	there.Forget()
	made, _ := l.planned("--prune", "-l", "leaves=yes")
	p.Expect(actionsOf(made)).To(Equal(map[string]provision.Action{"leaver": provision.Delete}))
	told := p.federationIn(made)
	p.Expect(told.State).To(Equal("Federated"), told.Message)
	p.Expect(told.Steps).To(ConsistOf(HaveField("Step", "Create")))
	p.Expect(wroteToGraph(there)).To(BeEmpty())

	// Where the account is kept as it is, its user would be cut off.
	federated.Spec.DeletionPolicy = v1alpha1.RetainAccounts
	l.declare(app, yamada, federated)
	made, _ = l.planned("--prune", "-l", "leaves=yes")
	told = p.federationIn(made)
	p.Expect(told.State).To(Equal("Blocked"), told.Message)
	p.Expect(told.Message).To(ContainSubstring("leaver@" + m365Domain))
	p.Expect(wroteToGraph(there)).To(BeEmpty())
	p.Expect(slices.ContainsFunc(there.Users(), func(user map[string]any) bool {
		return strings.HasPrefix(user["userPrincipalName"].(string), "leaver@")
	})).To(BeTrue())
}

// TestPlanChecksTheService: a domain that is not there is a problem, before anybody
// is renamed into it.
func TestPlanChecksTheService(t *testing.T) {
	p := newPlace(t)
	_, target, secret := p.newEntra()
	target.Spec.EntraID.Federation = nil
	l := p.newPipeline()
	taro := p.member("taro")
	p.create(secret)
	p.apply(taro, target)
	p.synced(target, 1)
	moved := target.DeepCopy()
	moved.Spec.EntraID.Domain = "no-such.example"
	l.declare(taro, moved)
	made, _ := l.planned()
	p.Expect(made.Problems).To(HaveExactElements(And(HaveField("Name", target.Name), HaveField("Reason", v1alpha1.RefusedReason), HaveField("Message", ContainSubstring("has no domain no-such.example")))))
	p.Expect(made.Targets[0].Remarks).To(ContainElement(HavePrefix("Nothing of this happens before it is mended: ")))
	p.Expect(accountsOf(made, target.Name)["taro"].Action).To(Equal(provision.Update))
}
