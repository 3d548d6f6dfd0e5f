/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
)

// TestDevicesOfIntune are read by the app registration of the Entra ID target,
// and shown at its Accounts; the Intune target has none of its own (O14).
func TestDevicesOfIntune(t *testing.T) {
	p := newPlace(t)
	there, entra, secret := p.newEntra()
	entra.Spec.EntraID.Federation = nil
	intune := &v1alpha1.ProvisioningTarget{ObjectMeta: p.meta("intune"), Spec: v1alpha1.ProvisioningTargetSpec{
		TenantRef: v1alpha1.TenantReference{Name: "acme"},
		MDM:       &v1alpha1.MDM{Intune: &v1alpha1.Intune{TargetRef: v1alpha1.ProvisioningTargetReference{Name: "entra"}}},
	}}
	p.create(secret, entra, intune, p.member("taro"))
	p.synced(entra, 1)
	account := p.accountOf("entra", "taro")
	p.refresh(account)
	there.AddDevice(map[string]any{"deviceName": "taro-pc", "operatingSystem": "Windows", "serialNumber": "S1", "complianceState": "compliant", "userId": account.Status.ExternalID})
	there.AddDevice(map[string]any{"deviceName": "shared", "operatingSystem": "iOS", "complianceState": "noncompliant"})
	p.current(intune)
	p.syncNow(intune, "1")
	p.Expect(intune.Status.Devices).To(Equal(&v1alpha1.DeviceCounts{Managed: ptrTo(int32(2)), Compliant: ptrTo(int32(1))}))
	p.Expect(*intune.Status.Accounts.Desired).To(BeZero())
	p.refresh(account)
	p.Expect(account.Status.Devices).To(HaveLen(1))
	p.Expect(account.Status.Devices[0]).To(And(HaveField("Name", "taro-pc"), HaveField("SerialNumber", "S1"), HaveField("Compliant", HaveValue(BeTrue()))))
	accounts := &v1alpha1.AccountList{}
	p.Expect(p.k8s.List(ctx, accounts, client.InNamespace(p.namespace), client.MatchingFields{"spec.targetRef.name": "intune"})).To(Succeed())
	p.Expect(accounts.Items).To(BeEmpty())

	// Another secret of the other target reaches this one, too.
	p.change(secret, func() { secret.Data["clientSecret"] = []byte("wrong") })
	p.Expect(p.stalled(intune, v1alpha1.AuthenticationFailedReason)).NotTo(BeEmpty())
	p.change(secret, func() { secret.Data["clientSecret"] = []byte("secret") })
	p.current(intune, entra)
}
