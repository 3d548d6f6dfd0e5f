/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/api/v1alpha1"
)

// TestMailOfAnotherMember: what the IdP refuses is told to no service, until it
// is taken; who is suspended is kept out nevertheless.
func TestMailOfAnotherMember(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	taro, hanako := p.member("taro"), p.member("hanako")
	p.create(secret, target, taro, hanako)
	p.current(target, taro, hanako)
	account := p.accountOf("chat", "taro")
	p.inState(account, v1alpha1.AccountActive)

	p.change(taro, func() { taro.Spec.Name.Given, taro.Spec.Mail = "次郎", hanako.Spec.Mail })
	p.Eventually(func(g Gomega) {
		p.refresh(account)
		g.Expect(account.Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring(`Member "taro". Its condition Published says: Conflict`))))
	}, patience, glance).Should(Succeed())
	p.Consistently(func(g Gomega) {
		found, there := service.byUserName(p.mailOf("taro"))
		g.Expect(there).To(BeTrue())
		g.Expect(found.DisplayName).NotTo(ContainSubstring("次郎"))
	}, time.Second, glance).Should(Succeed())

	p.change(taro, func() { taro.Spec.Suspended = ptrTo(true) })
	p.there(service, p.mailOf("taro"), inactive)
	p.change(taro, func() { taro.Spec.Suspended, taro.Spec.Mail = nil, p.mailOf("taro") })
	p.there(service, p.mailOf("taro"), active)
	p.inState(account, v1alpha1.AccountActive)
}
