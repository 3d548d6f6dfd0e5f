/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/plan"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/mdm"
)

// withoutSecrets takes from a pipeline what services are asked with.
func withoutSecrets(role *rbacv1.ClusterRole) {
	for i := range role.Rules {
		role.Rules[i].Resources = slices.DeleteFunc(role.Rules[i].Resources, func(name string) bool { return name == "secrets" })
	}
}

// withoutWrites leaves a pipeline no dry run.
func withoutWrites(role *rbacv1.ClusterRole) {
	role.Rules = slices.DeleteFunc(role.Rules, func(rule rbacv1.PolicyRule) bool { return slices.Contains(rule.Verbs, "patch") })
}

// TestPlanWithoutSecrets says so, and goes by what status tells: the same as with
// them, where nobody changed anything over there.
func TestPlanWithoutSecrets(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newMDM(mdm.Options{})
	full, blind := p.newPipeline(), p.newPipelineNamed("blind", withoutSecrets, withoutWrites)
	taro, hanako := p.member("taro", withMDM), p.member("hanako", withMDM)
	p.create(secret)
	p.apply(taro, hanako, target)
	p.synced(target, 2)
	taro.Spec.Name.Family, taro.Spec.Suspended = "佐藤", ptrTo(true)
	target.Spec.DeletionPolicy = v1alpha1.DisableAccounts
	declared := []client.Object{taro, target, p.member("shiro", withMDM)}
	full.declare(declared...)
	blind.declare(declared...)
	service.Forget()

	asked, _ := full.planned("--prune", "-l", "mdm=yes")
	p.Expect(asked.Targets).To(HaveLen(1))
	p.Expect(asked.Targets[0].FromStatus).To(BeFalse())
	p.Expect(actionsOf(asked)).To(Equal(map[string]provision.Action{"taro": provision.Update, "hanako": provision.Disable, "shiro": provision.Create}))
	p.Expect(written(service)).To(BeEmpty())

	calls := len(service.Calls())
	for _, l := range []struct {
		*pipeline
		arguments []string
		remark    string
	}{{blind, nil, "you may not read what the target names"}, {full, []string{"--offline-targets"}, ""}} {
		made, code := l.planned(append([]string{"--prune", "-l", "mdm=yes", "--exit-code"}, l.arguments...)...)
		p.Expect(code).To(Equal(2))
		p.Expect(made.Targets).To(HaveLen(1))
		p.Expect(made.Targets[0].FromStatus).To(BeTrue())
		p.Expect(made.Targets[0].Accounts).To(Equal(asked.Targets[0].Accounts))
		if l.remark != "" {
			p.Expect(made.Targets[0].Remarks).To(ContainElement(ContainSubstring(l.remark)))
			p.Expect(made.Remarks).To(ContainElement(ContainSubstring("not even as a dry run")))
		}
	}
	p.Expect(service.Calls()).To(HaveLen(calls), "nobody asked the service")
}

func actionsOf(made plan.Plan) map[string]provision.Action {
	actions := map[string]provision.Action{}
	for _, target := range made.Targets {
		for _, account := range target.Accounts {
			actions[account.Member] = account.Action
		}
	}
	return actions
}

// TestPlanTellsWhatIsHeld by the deletion guard, before anything is deleted.
func TestPlanTellsWhatIsHeld(t *testing.T) {
	p := newPlace(t, func(tenant *v1alpha1.Tenant) {
		tenant.Spec.DeletionGuard = &v1alpha1.DeletionGuard{Percent: ptrTo(int32(0)), Count: ptrTo(int32(2))}
	})
	l := p.newPipeline()
	var all []client.Object
	for i := range 5 {
		all = append(all, p.member(fmt.Sprintf("m%d", i)))
	}
	p.apply(all...)
	for _, member := range all {
		p.current(member.(*v1alpha1.Member).DeepCopy())
	}
	tenant := p.tenant()
	p.refresh(tenant)
	l.declare(tenant)
	made, _ := l.planned("--prune", "-l", "!keep")
	held := 0
	for _, one := range made.Held {
		p.Expect(one.Message).To(ContainSubstring("approve-deletions"))
		if one.Kind == "Member" {
			held++
		}
	}
	p.Expect(held).To(Equal(3), "%+v", made)
	lost := slices.DeleteFunc(slices.Clone(made.Effects), func(effect plan.Effect) bool { return !slices.Contains(effect.Loses, "log-in") })
	p.Expect(lost).To(HaveLen(2))
}

// TestPlanOfAccountsThatAreThere tells which are adopted and which refused, and
// that a service which does not answer stops no plan.
func TestPlanOfAccountsThatAreThere(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newMDM(mdm.Options{})
	l := p.newPipeline()
	p.create(secret)
	p.apply(target)
	p.current(p.refreshed(target))
	taro, hanako := p.member("taro", withMDM), p.member("hanako", withMDM)
	service.AddUser(taro.Spec.Mail, nil)
	l.declare(taro, hanako, target)
	service.Forget()
	made, _ := l.planned()
	p.Expect(actionsOf(made)).To(Equal(map[string]provision.Action{"taro": provision.Refuse, "hanako": provision.Create}))
	refused := accountsOf(made, "mdm")["taro"]
	target.Spec.Adoption = v1alpha1.AdoptByUserName
	l.declare(taro, hanako, target)
	made, _ = l.planned()
	p.Expect(actionsOf(made)).To(Equal(map[string]provision.Action{"taro": provision.Adopt, "hanako": provision.Create}))
	p.Expect(written(service)).To(BeEmpty())

	service.SetToken("renewed", false)
	made, code := l.planned()
	p.Expect(code).To(Equal(0))
	p.Expect(made.Targets[0].Remarks).To(ContainElement(ContainSubstring("The service could not be asked")))
	p.Expect(slices.Sorted(maps.Keys(actionsOf(made)))).To(Equal([]string{"hanako", "taro"}))
	service.SetToken(mdm.DefaultToken, false)

	target.Spec.Adoption = ""
	p.apply(taro, hanako)
	account := p.accountOf("mdm", "taro")
	p.Expect(p.stalled(account, refused.Cause)).To(Equal(refused.Message))
}

// refreshed is an object as it is on the server, in a copy.
func (p *place) refreshed(target *v1alpha1.ProvisioningTarget) *v1alpha1.ProvisioningTarget {
	copied := target.DeepCopy()
	p.refresh(copied)
	return copied
}
