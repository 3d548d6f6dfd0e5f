/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/provision"
)

// annotate gives an object an annotation.
func (p *place) annotate(object client.Object, name, value string) {
	p.t.Helper()
	p.change(object, func() {
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[name] = value
		object.SetAnnotations(annotations)
	})
}

// syncNow has all accounts compared, and waits until that is done.
func (p *place) syncNow(target *v1alpha1.ProvisioningTarget, request string) {
	p.t.Helper()
	p.annotate(target, v1alpha1.SyncNowAnnotation, request)
	p.Eventually(func() string {
		p.refresh(target)
		return target.Status.LastSyncRequest
	}, patience, glance).Should(Equal(request))
}

// TestTargetBecomesCurrent: a target in order says so, with its times.
func TestTargetBecomesCurrent(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	target.Spec.Schedule = &v1alpha1.Schedule{Cron: "30 4 * * *", TimeZone: "Asia/Tokyo"}
	p.create(secret, target)
	p.Eventually(func(g Gomega) {
		p.refresh(target)
		g.Expect(target.Status.LastSync.IsZero()).To(BeFalse())
		g.Expect(p.invariants(target)).To(Succeed())
	}, patience, glance).Should(Succeed())
	g := NewWithT(t)
	next := target.Status.NextSync.UTC()
	g.Expect([]int{next.Hour(), next.Minute(), next.Second()}).To(Equal([]int{19, 30, 0}), "04:30 in Tokyo")
	g.Expect(next.Sub(target.Status.LastSync.Time)).To(BeNumerically("<=", 24*time.Hour))
	g.Expect(*target.Status.Accounts.Desired).To(BeZero())
	g.Expect(target.Status.Progress).To(BeNil())
	// One listing, and nothing more while nothing changes.
	g.Expect(service.count("List")).To(Equal(1))
	p.unchanged(target, time.Second)
	g.Expect(service.count("List")).To(Equal(1))
}

// TestTargetRefusesWhatCannotBe: each message says what to do.
func TestTargetRefusesWhatCannotBe(t *testing.T) {
	p := newPlace(t)
	_, target, secret := p.newService(t, "chat")
	p.create(target)
	p.Expect(p.stalled(target, v1alpha1.ReferenceNotFoundReason)).To(Equal(`Secret "chat" does not exist in this namespace; create it or correct spec.scim.authentication.bearerTokenSecretRef.`))
	health, _ := p.healthOf(target)
	p.Expect(health).To(Equal(degraded))
	secret.Data = map[string][]byte{"other": []byte("good")}
	p.create(secret)
	p.Expect(p.stalled(target, v1alpha1.InvalidReferenceReason)).To(ContainSubstring(`has no value under the key "token"; add it`))
	p.change(secret, func() { secret.Data["token"] = []byte("good") })
	p.current(target)

	for _, test := range []struct {
		reason, message string
		change          func(spec *v1alpha1.ProvisioningTargetSpec)
	}{
		{v1alpha1.InvalidSpecReason, "cron expression of five fields", func(spec *v1alpha1.ProvisioningTargetSpec) {
			spec.Schedule = &v1alpha1.Schedule{Cron: "* * * * * *"}
		}},
		{v1alpha1.InvalidSpecReason, "never comes", func(spec *v1alpha1.ProvisioningTargetSpec) {
			spec.Schedule = &v1alpha1.Schedule{Cron: "0 0 31 2 *"}
		}},
		{v1alpha1.InvalidSpecReason, `no time zone "Asia/Edo"`, func(spec *v1alpha1.ProvisioningTargetSpec) {
			spec.Schedule = &v1alpha1.Schedule{Cron: "0 3 * * *", TimeZone: "Asia/Edo"}
		}},
		{v1alpha1.InvalidSpecReason, "spec.members.selector", func(spec *v1alpha1.ProvisioningTargetSpec) {
			spec.Members = &v1alpha1.TargetMembers{Selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Is"}}}}
		}},
		{v1alpha1.ReferenceNotFoundReason, `Group "nobody" does not exist in this tenant`, func(spec *v1alpha1.ProvisioningTargetSpec) {
			spec.Members = &v1alpha1.TargetMembers{Groups: []v1alpha1.GroupReference{{Name: "nobody"}}}
		}},
		{v1alpha1.ReferenceNotFoundReason, `ConfigMap "ca" does not exist`, func(spec *v1alpha1.ProvisioningTargetSpec) {
			spec.SCIM.CABundleRef = &v1alpha1.ConfigMapKeyReference{Name: "ca", Key: "ca.crt"}
		}},
	} {
		good := target.Spec.DeepCopy()
		p.change(target, func() { test.change(&target.Spec) })
		p.Expect(p.stalled(target, test.reason)).To(ContainSubstring(test.message))
		p.change(target, func() { target.Spec = *good })
		p.current(target)
	}

	p.change(target, func() {
		target.Spec.SCIM.CABundleRef = &v1alpha1.ConfigMapKeyReference{Name: "ca", Key: "ca.crt"}
	})
	p.create(&corev1.ConfigMap{ObjectMeta: p.meta("ca"), Data: map[string]string{"ca.crt": "nonsense"}})
	p.Expect(p.stalled(target, v1alpha1.InvalidReferenceReason)).To(ContainSubstring("there is no certificate in it"))
}

// TestPlanFreeLacksEntraIDAndMDM (O1.5): the targets are kept, and say so.
func TestPlanFreeLacksEntraIDAndMDM(t *testing.T) {
	p := newPlace(t, func(tenant *v1alpha1.Tenant) { tenant.Spec.Plan = "Free" })
	mdm := &v1alpha1.ProvisioningTarget{ObjectMeta: p.meta("mdm"), Spec: v1alpha1.ProvisioningTargetSpec{
		TenantRef: v1alpha1.TenantReference{Name: "acme"},
		MDM:       &v1alpha1.MDM{Intune: &v1alpha1.Intune{TargetRef: v1alpha1.ProvisioningTargetReference{Name: "entra"}}},
	}}
	_, chat, secret := p.newService(t, "chat")
	p.create(mdm, secret, chat)
	p.Expect(p.stalled(mdm, v1alpha1.PlanReason)).To(ContainSubstring("Set the Tenant's spec.plan to Plus"))
	p.current(chat)
	tenant := p.tenant()
	p.change(tenant, func() { tenant.Spec.Plan = "Plus" })
	p.Expect(p.stalled(mdm, v1alpha1.ReferenceNotFoundReason)).To(ContainSubstring(`ProvisioningTarget "entra" does not exist`))
	p.change(mdm, func() { mdm.Spec.MDM.Intune.TargetRef.Name = "chat" })
	p.Expect(p.stalled(mdm, v1alpha1.InvalidReferenceReason)).To(ContainSubstring("is no entraID target of this tenant"))
}

// TestRefusedCredentials: the target pauses, says what to do, and goes on by
// itself when the Secret changes.
func TestRefusedCredentials(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	p.create(secret, target)
	p.current(target)
	service.do(func() { service.token = "renewed" })
	p.annotate(target, v1alpha1.SyncNowAnnotation, "1")
	message := p.stalled(target, v1alpha1.AuthenticationFailedReason)
	p.Expect(message).To(And(ContainSubstring("make a new one there and put it into the Secret"), ContainSubstring(`until the Secret "chat" changes`)))
	checks := service.count("Check")
	p.unchanged(target, time.Second)
	p.Expect(service.count("Check")).To(Equal(checks), "nothing is asked meanwhile")

	p.change(secret, func() { secret.Data["token"] = []byte("renewed") })
	p.current(target)
	p.Expect(target.Status.LastSyncRequest).To(Equal("1"))
}

// TestServiceThatFails: what passes is tried again, and what does not is told.
func TestServiceThatFails(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	fails := func(failure error) { service.do(func() { service.failure = failure }) }
	fails(&provision.Error{Cause: provision.Unavailable, Message: "The service did not answer within 30s; it is tried again."})
	p.create(secret, target)
	p.Expect(p.waiting(target, v1alpha1.UnavailableReason)).To(ContainSubstring("did not answer"))
	fails(nil)
	p.current(target)
	for i, test := range []struct {
		failure error
		check   func(reason string) string
		reason  string
	}{
		{&provision.Error{Cause: provision.Forbidden, Message: "The app lacks User.ReadWrite.All; grant it."}, func(r string) string { return p.stalled(target, r) }, v1alpha1.PermissionMissingReason},
		{&provision.Error{Cause: provision.Throttled, Message: "Too many calls.", RetryAfter: time.Second}, func(r string) string { return p.waiting(target, r) }, v1alpha1.ThrottledReason},
		{&provision.Error{Cause: provision.Invalid, Message: "The domain is not verified."}, func(r string) string { return p.stalled(target, r) }, v1alpha1.RefusedReason},
		{errors.New("something else"), func(r string) string { return p.waiting(target, r) }, v1alpha1.UnavailableReason},
	} {
		fails(test.failure)
		p.annotate(target, v1alpha1.SyncNowAnnotation, string(rune('a'+i)))
		p.Expect(test.check(test.reason)).NotTo(BeEmpty())
		fails(nil)
		p.current(target)
	}
}

// TestSuspendedTarget asks nothing of its service until it is resumed.
func TestSuspendedTarget(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	target.Annotations = map[string]string{v1alpha1.SuspendedAnnotation: "true"}
	p.create(secret, target)
	p.current(target)
	p.Expect(target.Status.Conditions).To(ContainElement(And(HaveField("Type", "Ready"), HaveField("Reason", v1alpha1.SuspendedReason),
		HaveField("Message", ContainSubstring("remove the annotation identity.tegata.dev/suspended")))))
	health, _ := p.healthOf(target)
	p.Expect(health).To(Equal(suspended))
	p.Expect(service.count("Check")).To(BeZero())
	p.change(target, func() { delete(target.Annotations, v1alpha1.SuspendedAnnotation) })
	p.Eventually(func() int { return service.count("List") }, patience, glance).Should(Equal(1))
	p.current(target)
}

// TestCredentialsThatEnd are warned of ahead.
func TestCredentialsThatEnd(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	end := time.Now().Add(20 * 24 * time.Hour).Truncate(time.Second)
	service.findings = provision.Findings{CredentialExpires: end, Remarks: []string{"The service has no groups."}}
	p.create(secret, target)
	p.current(target)
	p.Eventually(func(g Gomega) {
		p.refresh(target)
		ready := target.Status.Conditions
		g.Expect(ready).To(ContainElement(And(HaveField("Type", "Ready"), HaveField("Reason", v1alpha1.CredentialExpiringReason),
			HaveField("Message", And(ContainSubstring(end.UTC().Format(time.RFC3339)), ContainSubstring("The service has no groups."))))))
		g.Expect(target.Status.CredentialExpires.Time.Equal(end)).To(BeTrue())
	}, patience, glance).Should(Succeed())
}

// unmanaged are the Accounts that nobody accounts for.
func (p *place) unmanaged() []v1alpha1.Account {
	list := &v1alpha1.AccountList{}
	p.Expect(p.k8s.List(ctx, list, client.InNamespace(p.namespace), client.MatchingFields{"status.state": "Unmanaged"})).To(Succeed())
	return list.Items
}

// TestAccountsThatNobodyAccountsFor appear, and go when they are gone; a listing
// that broke off concludes nothing (D7).
func TestAccountsThatNobodyAccountsFor(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	first := service.add(provision.Account{UserName: "alice@service.example", DisplayName: "Alice", Active: true})
	second := service.add(provision.Account{UserName: "bob@service.example", Active: true})
	p.create(secret, target)
	p.current(target)
	p.Eventually(func(g Gomega) {
		p.refresh(target)
		g.Expect(*target.Status.Accounts.Unmanaged).To(BeEquivalentTo(2))
		g.Expect(p.unmanaged()).To(HaveLen(2))
	}, patience, glance).Should(Succeed())
	for _, account := range p.unmanaged() {
		p.current(&account)
		if account.Spec.ExternalID == first.ExternalID {
			p.Expect(account.Status.UserName).To(Equal("alice@service.example"))
			p.Expect(account.Status.DisplayName).To(Equal("Alice"))
		}
	}

	service.do(func() {
		delete(service.accounts, second.ExternalID)
		service.listFailure = &provision.Error{Cause: provision.Unavailable, Message: "The answer was cut off."}
	})
	p.annotate(target, v1alpha1.SyncNowAnnotation, "broken")
	p.Expect(p.waiting(target, v1alpha1.UnavailableReason)).To(And(ContainSubstring("nothing was concluded"), ContainSubstring("cut off")))
	p.Expect(p.unmanaged()).To(HaveLen(2))

	service.do(func() { service.listFailure = nil })
	p.current(target)
	p.Eventually(p.unmanaged, patience, glance).Should(HaveLen(1))
	p.Expect(service.count("Create") + service.count("Update") + service.count("Delete") + service.count("Disable")).To(BeZero())

	p.remove(target)
	p.gone(target)
	p.Eventually(p.unmanaged, patience, glance).Should(BeEmpty())
	p.Expect(service.accounts).To(HaveLen(1), "deleting the target touches nothing there")
}

// TestGroupsOfAService are made, changed and removed with those here; others stay.
func TestGroupsOfAService(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	service.groups["theirs"] = provision.Group{ExternalID: "theirs", DisplayName: "Theirs"}
	target.Spec.Groups = &v1alpha1.TargetGroups{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"chat": "yes"}}}
	sales, it := p.group("sales", administrator("taro")), p.group("it", administrator("taro"))
	sales.Labels = map[string]string{"chat": "yes"}
	p.create(p.member("taro"), sales, it, secret, target)
	names := func() []string {
		service.mu.Lock()
		defer service.mu.Unlock()
		var all []string
		for _, group := range service.groups {
			all = append(all, group.DisplayName+"|"+group.CorrelationID)
		}
		return all
	}
	slug := "acme"
	p.Eventually(names, patience, glance).Should(ConsistOf("Theirs|", "営業部|"+slug+"/sales"))
	p.change(sales, func() { sales.Spec.DisplayName = "営業一部" })
	p.Eventually(names, patience, glance).Should(ConsistOf("Theirs|", "営業一部|"+slug+"/sales"))
	p.change(it, func() { it.Labels = map[string]string{"chat": "yes"} })
	p.Eventually(names, patience, glance).Should(ConsistOf("Theirs|", "営業一部|"+slug+"/sales", "営業部|"+slug+"/it"))
	p.Eventually(func() *int32 { p.refresh(target); return target.Status.Groups }, patience, glance).Should(HaveValue(BeEquivalentTo(2)))
	p.remove(it)
	p.Eventually(names, patience, glance).Should(ConsistOf("Theirs|", "営業一部|"+slug+"/sales"))
}

// TestScheduledSync compares everything when the time comes, once.
func TestScheduledSync(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	target.Spec.Schedule = &v1alpha1.Schedule{Cron: "0 * * * *"}
	// A few seconds before the full hour.
	t.Cleanup(func() { offset.Store(0) })
	offset.Store(0)
	hour := now().Truncate(time.Hour).Add(time.Hour)
	offset.Store(int64(time.Until(hour) - 6*time.Second))
	p.create(secret, target)
	p.current(target)
	p.Expect(service.count("List")).To(Equal(1))
	p.Expect(target.Status.NextSync.Time).To(BeTemporally("~", hour, time.Second))
	p.Eventually(func() int { return service.count("List") }, patience, glance).Should(Equal(2))
	p.Eventually(func() time.Time { p.refresh(target); return target.Status.NextSync.Time }, patience, glance).Should(BeTemporally("~", hour.Add(time.Hour), time.Second))
	p.unchanged(target, time.Second)
	p.Expect(service.count("List")).To(Equal(2))
}

// TestManyAccountsThatNobodyAccountsFor: all are counted, a thousand are shown.
func TestManyAccountsThatNobodyAccountsFor(t *testing.T) {
	p := newPlace(t)
	service, target, secret := p.newService(t, "chat")
	for i := range 1010 {
		service.add(provision.Account{UserName: fmt.Sprintf("u%d@service.example", i), DisplayName: strings.Repeat("名", 600), Active: true})
	}
	p.create(secret, target)
	p.Eventually(func(g Gomega) {
		p.refresh(target)
		g.Expect(target.Status.Accounts).NotTo(BeNil())
		g.Expect(target.Status.Accounts.Unmanaged).To(HaveValue(BeEquivalentTo(1010)))
		g.Expect(p.invariants(target)).To(Succeed())
	}, 2*patience, glance).Should(Succeed())
	p.Expect(p.unmanaged()).To(HaveLen(1000))
}
