/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/provision"
)

// What a log-in ends in.
const (
	loggedIn     = "logged in"
	forcedChange = "forced to change the password"
	refusedLogIn = "refused"
)

// chosenPassword is what members choose in these tests.
const chosenPassword = "Kisaragi-Eki-0229"

// logIn logs in with a new browser and says what came of it.
func (p *place) logIn(mail, password string) string {
	p.t.Helper()
	outcome, _ := p.logInWith(formclient.New(), mail, password)
	return outcome
}

func (p *place) logInWith(browser *formclient.Client, mail, password string) (string, *formclient.Page) {
	p.t.Helper()
	page, err := browser.Get(ctx, p.url+"/login")
	p.Expect(err).NotTo(HaveOccurred())
	page, err = browser.LogIn(ctx, page, mail, password)
	p.Expect(err).NotTo(HaveOccurred())
	if _, err := page.FormWith("password", "confirmation"); err == nil {
		return forcedChange, page
	}
	if page.Status == http.StatusOK && page.URL.Path == "/" {
		return loggedIn, page
	}
	return refusedLogIn, page
}

// choose logs in with a temporary password and sets the chosen one.
func (p *place) choose(browser *formclient.Client, member *v1alpha1.Member) {
	p.t.Helper()
	outcome, page := p.logInWith(browser, member.Spec.Mail, p.temporaryPassword(member))
	p.Expect(outcome).To(Equal(forcedChange))
	page, err := browser.SetPassword(ctx, page, chosenPassword)
	p.Expect(err).NotTo(HaveOccurred())
	p.Expect(page.URL.Path).To(Equal("/"), page.Text())
}

func TestLogInShowsInStatus(t *testing.T) {
	p := newPlace(t)
	member := p.member("yamada", temporary)
	p.create(member)
	p.current(member)
	browser := formclient.New()
	p.choose(browser, member)

	secret := &corev1.Secret{ObjectMeta: p.meta("yamada-temporary-password")}
	p.gone(secret)
	p.Eventually(func(g Gomega) {
		p.refresh(member)
		g.Expect(member.Status.State).To(Equal(v1alpha1.MemberActive))
		g.Expect(member.Status.LastLogin.IsZero()).To(BeFalse())
		g.Expect(member.Status.Password.State).To(Equal("Set"))
		g.Expect(member.Status.Password.SecretRef).To(BeNil())
	}, patience, glance).Should(Succeed())
	p.current(member)
	tenant := p.tenant()
	p.Eventually(func(g Gomega) {
		p.refresh(tenant)
		g.Expect(tenant.Status.PendingMembers).To(HaveValue(BeEquivalentTo(0)))
	}, patience, glance).Should(Succeed())

	t.Run("suspension ends the session and refuses the next log-in", func(*testing.T) {
		p.change(member, func() { member.Spec.Suspended = ptrTo(true) })
		p.current(member)
		p.Expect(member.Status.State).To(Equal(v1alpha1.MemberSuspended))
		page, err := browser.Get(ctx, p.url+"/")
		p.Expect(err).NotTo(HaveOccurred())
		p.Expect(page.URL.Path).To(Equal("/login"))
		p.Expect(p.logIn(member.Spec.Mail, chosenPassword)).To(Equal(refusedLogIn))
		p.change(member, func() { member.Spec.Suspended = nil })
		p.current(member)
		p.Expect(p.logIn(member.Spec.Mail, chosenPassword)).To(Equal(loggedIn))
	})

	t.Run("wrong passwords lock the account and status says so", func(*testing.T) {
		for range 7 {
			p.Expect(p.logIn(member.Spec.Mail, "wrong-Password-1")).To(Equal(refusedLogIn))
		}
		p.Eventually(func() v1alpha1.MemberState { p.refresh(member); return member.Status.State }, patience, glance).Should(Equal(v1alpha1.MemberLocked))
		p.Expect(p.logIn(member.Spec.Mail, chosenPassword)).To(Equal(refusedLogIn))
	})
}

// TestTemporaryPasswordSecretOfSomebodyElse is left alone. The member is live
// nevertheless, and other services learn of it.
func TestTemporaryPasswordSecretOfSomebodyElse(t *testing.T) {
	p := newPlace(t)
	service, target, token := p.newService(t, "chat")
	foreign := &corev1.Secret{ObjectMeta: p.meta("yamada-temporary-password"), Data: map[string][]byte{"theirs": []byte("x")}}
	member := p.member("yamada", temporary)
	p.create(token, target, foreign)
	p.current(target)
	p.create(member)
	p.Expect(p.stalled(member, v1alpha1.ConflictReason)).To(ContainSubstring("delete or rename it"))
	p.Expect(meta.IsStatusConditionTrue(member.Status.Conditions, v1alpha1.PublishedCondition)).To(BeTrue())
	p.Expect(meta.IsStatusConditionFalse(member.Status.Conditions, v1alpha1.ResolvedRefsCondition)).To(BeTrue())
	p.Expect(member.Status.State).To(Equal(v1alpha1.MemberPasswordPending))
	p.there(service, p.mailOf("yamada"), active)
	p.inState(p.accountOf("chat", "yamada"), v1alpha1.AccountActive)
	p.change(member, func() { member.Spec.Phone = "03-2222-2222" })
	p.there(service, p.mailOf("yamada"), func(g Gomega, found provision.Account) {
		g.Expect(found.Properties).To(HaveKeyWithValue("phone", "03-2222-2222"))
	})
	p.refresh(foreign)
	p.Expect(foreign.Data).To(HaveKey("theirs"))

	p.remove(foreign)
	p.current(member)
	p.Expect(p.logIn(member.Spec.Mail, p.temporaryPassword(member))).To(Equal(forcedChange))
}

func TestTemporaryPasswordExpires(t *testing.T) {
	p := newPlace(t)
	member := p.member("yamada", temporary)
	p.create(member)
	p.current(member)
	password := p.temporaryPassword(member)
	secret := &corev1.Secret{ObjectMeta: p.meta("yamada-temporary-password")}

	t.Cleanup(func() { offset.Store(0) })
	offset.Store(int64(168*time.Hour + time.Minute))
	// The operator has set itself an alarm for the real time; a change wakes it sooner.
	p.change(member, func() { member.Labels = map[string]string{"woken": "yes"} })
	p.gone(secret)
	p.Eventually(func() v1alpha1.MemberState { p.refresh(member); return member.Status.State }, patience, glance).Should(Equal(v1alpha1.MemberPasswordExpired))
	p.Expect(p.logIn(member.Spec.Mail, password)).To(Equal(refusedLogIn))

	p.change(member, func() { member.Annotations = map[string]string{v1alpha1.ResetPasswordAnnotation: "again"} })
	p.Expect(p.temporaryPassword(member)).NotTo(Equal(password))
	p.Expect(p.logIn(member.Spec.Mail, p.temporaryPassword(member))).To(Equal(forcedChange))
}

func TestDeletedMemberIsRestoredByTheSameName(t *testing.T) {
	p := newPlace(t)
	member := p.member("yamada", temporary)
	p.create(member)
	p.current(member)
	p.choose(formclient.New(), member)
	id := member.Status.ID

	p.remove(member)
	p.gone(member, &corev1.Secret{ObjectMeta: p.meta("yamada-temporary-password")})
	p.Expect(p.logIn(member.Spec.Mail, chosenPassword)).To(Equal(refusedLogIn))

	again := p.member("yamada", temporary)
	p.create(again)
	p.current(again)
	p.Expect(again.Status.ID).To(Equal(id))
	p.Expect(p.logIn(again.Spec.Mail, chosenPassword)).To(Equal(loggedIn))
}

func TestMemberDeletedBeforeTheFirstLogInGetsANewTemporaryPassword(t *testing.T) {
	p := newPlace(t)
	member := p.member("yamada", temporary)
	p.create(member)
	p.current(member)
	first := p.temporaryPassword(member)
	p.remove(member)
	p.gone(member)
	again := p.member("yamada", temporary)
	p.create(again)
	p.current(again)
	p.Expect(p.temporaryPassword(again)).NotTo(Equal(first))
	p.Expect(p.logIn(again.Spec.Mail, first)).To(Equal(refusedLogIn))
	p.Expect(p.logIn(again.Spec.Mail, p.temporaryPassword(again))).To(Equal(forcedChange))
}
