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
