/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/mdm"
)

// TestPlanSendsNoKeysElsewhere: manifests that move a target, or bring one that
// names a Secret which is there, do not have its keys sent where they say.
func TestPlanSendsNoKeysElsewhere(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newMDM(mdm.Options{})
	thief, elsewhere, _ := p.newMDM(mdm.Options{})
	l := p.newPipeline()
	p.create(secret)
	p.apply(target)
	p.current(p.refreshed(target))
	taro := p.member("taro", withMDM)
	service.Forget()

	moved, brought := target.DeepCopy(), target.DeepCopy()
	moved.Spec.MDM.REST.URL = elsewhere.Spec.MDM.REST.URL
	brought.Name, brought.Spec.MDM.REST.URL = "brought", elsewhere.Spec.MDM.REST.URL
	for _, declared := range []*v1alpha1.ProvisioningTarget{moved, brought} {
		l.declare(taro, declared)
		made, _ := l.planned()
		p.Expect(accountsOf(made, declared.Name)["taro"].Action).To(Equal(provision.Create))
		var remarks []string
		for _, told := range made.Targets {
			remarks = append(remarks, told.Remarks...)
		}
		p.Expect(remarks).To(ContainElement(ContainSubstring("--ask-changed-targets")))
		p.Expect(thief.Calls()).To(BeEmpty())
		l.planned("--ask-changed-targets")
		p.Expect(thief.Calls()).NotTo(BeEmpty())
		thief.Forget()
	}
}

// TestPlanMissesTheSecretsOfTargets that the manifests bring, and what they name.
func TestPlanMissesTheSecretsOfTargets(t *testing.T) {
	p := newPlace(t)
	_, target, secret := p.newMDM(mdm.Options{})
	l := p.newPipeline()
	intune := target.DeepCopy()
	intune.Name, intune.Spec.MDM = "intune", &v1alpha1.MDM{Intune: &v1alpha1.Intune{TargetRef: v1alpha1.ProvisioningTargetReference{Name: "entra"}}}
	l.declare(p.member("taro", withMDM), target, intune)
	made, _ := l.planned()
	p.Expect(accountsOf(made, target.Name)["taro"].Action).To(Equal(provision.Create))
	told := map[string]string{}
	for _, problem := range made.Problems {
		told[problem.Name] = problem.Message
	}
	p.Expect(told).To(And(HaveLen(2), HaveKeyWithValue(target.Name, ContainSubstring("create it or correct spec.mdm.rest.tokenSecretRef")),
		HaveKeyWithValue("intune", ContainSubstring("create it or correct spec.mdm.intune.targetRef"))))
	p.create(secret)
	made, _ = l.planned()
	p.Expect(made.Problems).To(HaveLen(1), "that of Intune")
}
