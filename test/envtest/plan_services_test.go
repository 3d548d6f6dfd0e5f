/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
)

// plannedIn is a service whose accounts are planned.
type plannedIn struct {
	target *v1alpha1.ProvisioningTarget
	secret *corev1.Secret
	domain string
	// add makes an account by hand, and wrote are the calls that wrote since the last
	// time.
	add   func(userName string)
	wrote func() []string
}

func entraToPlan(p *place) plannedIn {
	there, target, secret := p.newEntra()
	target.Spec.EntraID.Federation = nil
	return plannedIn{target, secret, m365Domain, func(userName string) { there.AddUser(userName, nil) }, func() []string {
		defer there.Forget()
		return wroteToGraph(there)
	}}
}

func scimToPlan(p *place) plannedIn {
	service, target, secret := p.newSCIM()
	target.Spec.Groups = nil
	add := func(userName string) {
		service.byHand(http.MethodPost, "/Users", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": userName})
	}
	return plannedIn{target, secret, p.namespace + ".example", add, func() []string {
		return slices.DeleteFunc(service.calls(), func(call string) bool { return onlyRead([]string{call}) })
	}}
}

// TestPlanOfAccountsIn Entra ID and a service that others wrote tells of each
// account what happens to it then, in all forms, and writes nothing.
func TestPlanOfAccountsIn(t *testing.T) {
	for name, open := range map[string]func(*place) plannedIn{"Entra ID": entraToPlan, "SCIM": scimToPlan} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			in := open(p)
			in.target.Spec.DeletionPolicy = v1alpha1.DeleteAccounts
			l := p.newPipeline()
			prunable := func(m *v1alpha1.Member) { m.Labels = map[string]string{"prune": "yes"} }
			taro, hanako, jiro, saburo := p.member("taro"), p.member("hanako"), p.member("jiro"), p.member("saburo", prunable)
			in.add("goro@" + in.domain)
			p.create(in.secret)
			p.apply(taro, hanako, jiro, saburo, in.target)
			p.synced(in.target, 4)

			hanako.Spec.Name.Family, jiro.Spec.Suspended = "佐藤", ptrTo(true)
			taro.Spec.Mail = "t.yamada@" + p.namespace + ".example"
			declared := []client.Object{taro, hanako, jiro, p.member("shiro"), p.member("goro"), in.target}
			l.declare(declared...)
			before := p.versions()
			in.wrote()
			arguments := []string{"--prune", "-l", "prune=yes", "--exit-code"}
			made, code := l.planned(arguments...)
			p.Expect(code).To(Equal(2))
			p.Expect(actionsOf(made)).To(Equal(map[string]provision.Action{
				"taro": provision.Update, "hanako": provision.Update, "jiro": provision.Update, "saburo": provision.Delete, "shiro": provision.Create, "goro": provision.Refuse,
			}))
			accounts := accountsOf(made, in.target.Name)
			p.Expect(accounts["taro"].Changes).To(ContainElement(plan.Change{Property: "(user name)", From: "taro@" + in.domain, To: "t.yamada@" + in.domain}))
			p.Expect(accounts["hanako"].Changes).To(ContainElement(And(HaveField("From", ContainSubstring("山田")), HaveField("To", ContainSubstring("佐藤")))))
			p.Expect(accounts["jiro"].Changes).To(ContainElement(plan.Change{Property: "(active)", From: "true", To: "false"}))
			text, code := l.plan(arguments...)
			p.Expect(code).To(Equal(2))
			p.Expect(text).To(And(ContainSubstring("(6 accounts change, 0 stay)"), ContainSubstring("\n  - Delete saburo (saburo@"+in.domain+")\n"), ContainSubstring("! Refuse goro")))
			markdown, code := l.plan(append(arguments, "-o", "markdown")...)
			p.Expect(code).To(Equal(2))
			p.Expect(markdown).To(And(ContainSubstring("| ProvisioningTarget "+p.namespace+"/"+in.target.Name+" | 1 | 3 | 1 | 1 |"), ContainSubstring("\n+ Create shiro ")))
			for _, values := range in.secret.Data {
				p.Expect(text + markdown + string(must(json.Marshal(made)))).NotTo(ContainSubstring(`"` + string(values) + `"`))
			}
			p.Expect(in.wrote()).To(BeEmpty())
			p.Expect(p.versions()).To(Equal(before))

			p.apply(declared...)
			p.remove(saburo)
			p.gone(saburo)
			p.Expect(p.stalled(p.accountOf(in.target.Name, "goro"), accounts["goro"].Cause)).To(Equal(accounts["goro"].Message))
			p.Eventually(func() int32 {
				p.refresh(in.target)
				return *in.target.Status.Accounts.Synced
			}, patience, glance).Should(Equal(int32(4)))
			p.Expect(in.wrote()).NotTo(BeEmpty())
			l.declare(append(declared, p.linkApp("handbook"))...)
			made, _ = l.planned()
			p.Expect(actionsOf(made)).To(BeEmpty(), "all of it happened")
			p.Expect(made.Targets).To(ConsistOf(HaveField("Unchanged", BeNumerically(">=", 5))))
		})
	}
}

// TestPlanOfWhatIsRefused ends with 1, with --exit-code and without, and is printed nevertheless.
func TestPlanOfWhatIsRefused(t *testing.T) {
	p := newPlace(t)
	l := p.newPipeline()
	l.declare(p.member("taro"), p.member("hanako", func(m *v1alpha1.Member) { m.Spec.Role = "Emperor" }))
	for _, arguments := range [][]string{nil, {"--exit-code"}} {
		made, code := l.planned(arguments...)
		p.Expect(code).To(Equal(1))
		p.Expect(made.Rejected()).To(Equal(1))
		p.Expect(effectsOf(made)).To(HaveKey("taro"))
	}
	text, code := l.plan("-o", "nonsense")
	p.Expect(code).To(Equal(1))
	p.Expect(text).To(BeEmpty())
	p.Expect(os.WriteFile(filepath.Join(l.folder, "broken.yaml"), []byte("{"), 0o600)).To(Succeed())
	_, code = l.plan("--exit-code")
	p.Expect(code).To(Equal(1))
}
