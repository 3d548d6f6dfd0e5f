/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/test/doubles/mdm"
)

// newMDM makes an MDM, and its target for members with the label mdm=yes.
func (p *place) newMDM(options mdm.Options) (*mdm.Server, *v1alpha1.ProvisioningTarget, *corev1.Secret) {
	p.t.Helper()
	service := mdm.New(options)
	server := httptest.NewServer(service)
	p.t.Cleanup(server.Close)
	idp := p.identityServer()
	p.change(idp, func() {
		idp.Spec.ProvisioningTargets = &v1alpha1.ProvisioningTargetNetworks{AllowedNetworks: []v1alpha1.CIDR{"127.0.0.0/8"}}
	})
	secret := &corev1.Secret{ObjectMeta: p.meta("mdm"), Data: map[string][]byte{"token": []byte(mdm.DefaultToken + "\n")}}
	return service, &v1alpha1.ProvisioningTarget{
		ObjectMeta: p.meta("mdm"),
		Spec: v1alpha1.ProvisioningTargetSpec{
			TenantRef:       v1alpha1.TenantReference{Name: "acme"},
			MDM:             &v1alpha1.MDM{REST: &v1alpha1.MDMREST{URL: v1alpha1.TargetURL(server.URL + mdm.Path), TokenSecretRef: v1alpha1.SecretKeyReference{Name: "mdm", Key: "token"}}},
			Members:         &v1alpha1.TargetMembers{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"mdm": "yes"}}},
			DeletionPolicy:  v1alpha1.DeleteAccounts,
			WritesPerSecond: 1000,
		},
	}, secret
}

// withMDM selects a member for the MDM.
func withMDM(m *v1alpha1.Member) { m.Labels = map[string]string{"mdm": "yes"} }

// failing waits until an Account and its Member say the same failure, and returns its message.
func (p *place) failing(member *v1alpha1.Member, cause string) string {
	p.t.Helper()
	account := p.accountOf("mdm", member.Name)
	message := p.stalled(account, cause)
	p.Expect(account.Status.State).To(Equal(v1alpha1.AccountFailed))
	p.Expect(account.Status.Error).NotTo(BeNil())
	p.Expect(account.Status.Error.RequestID).NotTo(BeEmpty())
	p.Eventually(func() []v1alpha1.ProvisioningFailure { p.refresh(member); return member.Status.ProvisioningFailures }, patience, glance).
		Should(HaveExactElements(v1alpha1.ProvisioningFailure{Target: "mdm", Cause: cause, Message: account.Status.Error.Message}))
	p.Eventually(func() []admin.AuditEntry { return p.audit(admin.AccountFailed) }, patience, glance).Should(ContainElement(And(
		HaveField("Member", member.Name), HaveField("App", "mdm"), HaveField("Detail", HavePrefix(cause+": ")))))
	return message
}

// TestMembersGetUsersInAnMDM (O7.3): with names, readings, mail address and role;
// devices come back, and what somebody changes there is put right by the sync.
func TestMembersGetUsersInAnMDM(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newMDM(mdm.Options{PageSize: 2})
	visitor := service.AddUser("visitor@elsewhere.example", map[string]any{"role": "administrator"})
	taro := p.member("taro", withMDM, func(m *v1alpha1.Member) { m.Spec.Role = "SuperAdmin" })
	hanako := p.member("hanako", withMDM, func(m *v1alpha1.Member) {
		m.Spec.Name = v1alpha1.PersonName{Family: "佐藤", Given: "花子", PhoneticFamily: "サトウ", PhoneticGiven: "ハナコ"}
	})
	p.create(taro, hanako, p.member("jiro", withMDM), p.member("saburo"), secret, target)
	p.synced(target, 3)
	p.Expect(service.Users()).To(HaveLen(4), "saburo is not selected")
	p.Expect(service.User(taro.Spec.Mail).Text("role")).To(Equal("administrator"))
	p.refresh(hanako)
	made := service.User(hanako.Spec.Mail)
	p.Expect(made).To(And(
		HaveKeyWithValue("externalId", hanako.Status.ID), HaveKeyWithValue("familyName", "佐藤"), HaveKeyWithValue("givenName", "花子"),
		HaveKeyWithValue("phoneticFamilyName", "サトウ"), HaveKeyWithValue("phoneticGivenName", "ハナコ"), HaveKeyWithValue("role", "general"), HaveKeyWithValue("active", true)))
	account := p.accountOf("mdm", "hanako")
	p.current(account)
	p.Expect(account.Status.ExternalID).To(Equal(made.Text("id")))

	// Pushed at once: a rename, and a suspension.
	p.change(hanako, func() {
		hanako.Spec.Mail, hanako.Spec.Suspended = "suzuki@"+p.namespace+".example", ptrTo(true)
	})
	p.Eventually(func() mdm.User { return service.User(hanako.Spec.Mail) }, patience, glance).Should(And(HaveKeyWithValue("id", made.Text("id")), HaveKeyWithValue("active", false)))
	p.synced(target, 3)

	// By the sync: everything that somebody did there.
	service.ChangeUser(made.Text("id"), map[string]any{"givenName": "はなこ", "role": "administrator"})
	service.DeleteUser(service.User(taro.Spec.Mail).Text("id"))
	service.AddDevice(mdm.Device{ID: "d1", Name: "花子のiPhone", Platform: "iOS 26.1", SerialNumber: "F4GK", Managed: true, Compliant: ptrTo(true), OwnerID: made.Text("id")})
	service.AddDevice(mdm.Device{ID: "d2", Name: "受付のiPad", Platform: "iPadOS 26", Managed: true, Compliant: ptrTo(false)})
	p.syncNow(target, "1")
	p.synced(target, 3)
	p.Eventually(func() mdm.User { return service.User(hanako.Spec.Mail) }, patience, glance).Should(And(HaveKeyWithValue("givenName", "花子"), HaveKeyWithValue("role", "general")))
	p.Eventually(func() mdm.User { return service.User(taro.Spec.Mail) }, patience, glance).Should(HaveKeyWithValue("role", "administrator"))
	p.Eventually(func(g Gomega) {
		p.refresh(account)
		g.Expect(account.Status.Drift).To(ConsistOf(v1alpha1.PropertyName("givenName"), v1alpha1.PropertyName("role")))
		g.Expect(account.Status.Devices).To(HaveExactElements(v1alpha1.Device{ID: "d1", Name: "花子のiPhone", Platform: "iOS 26.1", SerialNumber: "F4GK", Compliant: ptrTo(true)}))
		p.refresh(target)
		g.Expect(target.Status.Devices).To(Equal(&v1alpha1.DeviceCounts{Managed: ptrTo(int32(2)), Compliant: ptrTo(int32(1))}))
		g.Expect(target.Status.Accounts.Unmanaged).To(HaveValue(BeEquivalentTo(1)))
	}, patience, glance).Should(Succeed())
	p.Eventually(func() []admin.AuditEntry { return p.audit(admin.AccountUpdated) }, patience, glance).Should(ContainElement(HaveField("Detail", ContainSubstring("givenName, role"))))
	p.Expect(service.User("visitor@elsewhere.example")).To(And(HaveKeyWithValue("id", visitor), HaveKeyWithValue("role", "administrator"), Not(HaveKey("externalId"))), "not one of ours")
	p.current(target, account)
}

// TestMDMFailuresAreToldApart (O7.4): by the Account, its Member and the audit log.
// Each passes once its cause is gone.
func TestMDMFailuresAreToldApart(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newMDM(mdm.Options{Licenses: 1})
	taro := p.member("taro", withMDM)
	p.create(secret, target, taro)
	p.synced(target, 1)

	jiro := p.member("jiro", withMDM)
	p.create(jiro)
	p.Expect(p.failing(jiro, "LicenseLimit")).To(ContainSubstring("no user licence left"))
	p.stalled(target, v1alpha1.AccountsFailedReason)
	service.SetLicenses(0)
	p.syncNow(target, "licences bought")
	p.synced(target, 2)

	theirs := service.AddUser("saburo@"+p.namespace+".example", nil)
	saburo := p.member("saburo", withMDM)
	p.create(saburo)
	account := p.accountOf("mdm", "saburo")
	p.Expect(p.stalled(account, "Conflict")).To(ContainSubstring("spec.adoption"))
	p.Eventually(func() []v1alpha1.ProvisioningFailure { p.refresh(saburo); return saburo.Status.ProvisioningFailures }, patience, glance).Should(HaveExactElements(HaveField("Cause", "Conflict")))
	p.Eventually(func() []admin.AuditEntry { return p.audit(admin.AccountFailed) }, patience, glance).Should(ContainElement(And(HaveField("Member", "saburo"), HaveField("Detail", HavePrefix("Conflict: ")))))
	service.DeleteUser(theirs)
	p.syncNow(target, "the other user deleted")
	p.synced(target, 3)

	shiro := p.member("shiro", withMDM, func(m *v1alpha1.Member) { m.Spec.Name.Family = "髙橋" })
	p.create(shiro)
	p.Expect(p.failing(shiro, "Invalid")).To(ContainSubstring("does not take the character “髙” (U+9AD9) in displayName"))
	p.change(shiro, func() { shiro.Spec.Name.Family = "高橋" })
	p.synced(target, 4)

	phone := service.AddDevice(mdm.Device{Name: "太郎のPixel", Platform: "Android 16", Managed: true, OwnerID: service.User(taro.Spec.Mail).Text("id")})
	p.change(taro, func() { taro.Labels = nil })
	p.Expect(p.failing(taro, "DeviceEnrolled")).To(And(ContainSubstring("太郎のPixel"), ContainSubstring("release the device")))
	p.Expect(service.User(taro.Spec.Mail)).NotTo(BeNil())
	service.RemoveDevice(phone)
	p.syncNow(target, "device released")
	p.Eventually(func() mdm.User { return service.User(taro.Spec.Mail) }, patience, glance).Should(BeNil())
	p.synced(target, 3)
	for _, member := range []*v1alpha1.Member{taro, jiro, saburo, shiro} {
		p.Eventually(func() []v1alpha1.ProvisioningFailure { p.refresh(member); return member.Status.ProvisioningFailures }, patience, glance).Should(BeEmpty())
	}
	p.current(target)
}

// TestMDMLicenceOfALeaver goes to somebody who waits for one, before the next sync.
func TestMDMLicenceOfALeaver(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newMDM(mdm.Options{Licenses: 1})
	taro := p.member("taro", withMDM)
	p.create(secret, target, taro)
	p.synced(target, 1)
	jiro := p.member("jiro", withMDM)
	p.create(jiro)
	p.failing(jiro, "LicenseLimit")
	p.Expect(p.k8s.Delete(ctx, taro)).To(Succeed())
	p.Eventually(func() mdm.User { return service.User(jiro.Spec.Mail) }, patience, glance).ShouldNot(BeNil())
	p.synced(target, 1)
}

// TestMDMsTokenIsRefused: nothing more is asked until the Secret changes.
func TestMDMsTokenIsRefused(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newMDM(mdm.Options{})
	secret.Data["token"] = []byte("old")
	p.create(secret, target, p.member("taro", withMDM))
	p.Expect(p.stalled(target, v1alpha1.AuthenticationFailedReason)).To(And(ContainSubstring("spec.mdm.rest.tokenSecretRef"), Not(ContainSubstring("old "))))
	p.Expect(service.Users()).To(BeEmpty())
	p.change(secret, func() { secret.Data["token"] = []byte(mdm.DefaultToken) })
	p.synced(target, 1)
	p.Expect(service.Users()).To(HaveLen(1))
}

// TestMDMThatBreaksOff: what an MDM does not say well concludes nothing, and what
// was missed meanwhile is made good.
func TestMDMThatBreaksOff(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newMDM(mdm.Options{PageSize: 2})
	p.create(secret, target, p.member("taro", withMDM), p.member("hanako", withMDM), p.member("jiro", withMDM))
	p.synced(target, 3)
	before := service.Users()
	cut := mdm.Fault{Method: http.MethodGet, Path: "/users", After: 1, Half: true}
	for name, fault := range map[string]mdm.Fault{"proxy": mdm.HTML(), "cut off": cut} {
		mend := service.Inject(fault)
		p.annotate(target, v1alpha1.SyncNowAnnotation, name)
		p.Expect(p.waiting(target, v1alpha1.UnavailableReason)).NotTo(BeEmpty(), name)
		p.Expect(service.Users()).To(Equal(before), name)
		mend()
		p.synced(target, 3)
	}

	// A creation whose answer is lost makes one user.
	mend := service.Inject(mdm.Fault{Method: http.MethodPost, Carried: true, Times: 1, Status: http.StatusBadGateway, Code: "unavailable"})
	p.create(p.member("shiro", withMDM))
	p.synced(target, 4)
	mend()
	p.Expect(service.Users()).To(HaveLen(4))

	// Too many calls: all wait as long as it says.
	mend = service.Inject(mdm.Throttled("5"))
	p.create(p.member("goro", withMDM))
	p.Expect(p.waiting(target, v1alpha1.ThrottledReason)).NotTo(BeEmpty())
	p.Expect(target.Status.ThrottledUntil.IsZero()).To(BeFalse())
	mend()
	p.synced(target, 5)
	p.Expect(service.Users()).To(HaveLen(5))
}
