/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package store_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/store"
	"tegata.dev/tegata/internal/keypair"
)

const day = 24 * time.Hour

// endingTenant signs with a certificate that ends after left.
func endingTenant(f *fixture, left time.Duration) admin.Change {
	pair, err := keypair.Generate(keypair.ECDSAP256, "acme", f.clock.Now().Add(-day), left+day, nil)
	f.Expect(err).NotTo(HaveOccurred())
	change := tenantChange("acme")
	change.Tenant.SigningKey, change.Tenant.CertificateEnds = pair, f.clock.Now().Add(left)
	return change
}

func superAdmin(name string) admin.Change {
	change := memberChange("acme", name)
	change.Member.Role, change.Member.PasswordSetup = directory.RoleSuperAdmin, directory.PasswordSetupNone
	return change
}

// warned cleans up, and returns whom the due mails about certificates go to.
func (f *fixture) warned() []string {
	f.t.Helper()
	f.Expect(f.Cleanup(f.ctx)).To(Succeed())
	mails, err := f.ClaimMails(f.ctx, 100, time.Minute)
	f.Expect(err).NotTo(HaveOccurred())
	names := []string{}
	for _, mail := range mails {
		f.Expect(mail.Purpose).To(Equal(store.MailCertificateEnds))
		names = append(names, mail.Member)
		f.Expect(f.MailSent(f.ctx, mail.ID)).To(Succeed())
	}
	slices.Sort(names)
	return names
}

func TestCertificatesArePublishedWithTheTenant(t *testing.T) {
	onBoth(t, func(f *fixture) {
		published := func() [][]byte {
			tenant, err := f.Tenant(f.ctx, "acme")
			f.Expect(err).NotTo(HaveOccurred())
			return tenant.Certificates
		}
		change := tenantChange("acme")
		f.accepted(change)
		f.Expect(published()).To(BeEmpty())
		change.Tenant.Certificates = [][]byte{[]byte("next"), []byte("previous")}
		f.Expect(f.accepted(change).Changed).To(BeTrue())
		f.Expect(published()).To(Equal([][]byte{[]byte("next"), []byte("previous")}))
		f.Expect(f.accepted(change).Changed).To(BeFalse())
		f.accepted(deletion(change))
		f.accepted(tenantChange("acme"))
		f.Expect(published()).To(BeEmpty())
	})
}

func TestSuperAdminsAreToldOfACertificatesEnd(t *testing.T) {
	onBoth(t, func(f *fixture) {
		stopped := superAdmin("gone")
		stopped.Member.Suspended = true
		staff := memberChange("acme", "staff")
		staff.Member.PasswordSetup = directory.PasswordSetupNone
		change := endingTenant(f, 40*day)
		f.apply(change, superAdmin("hanako"), superAdmin("taro"), stopped, staff)
		f.Expect(f.warned()).To(BeEmpty(), "far")
		f.clock.Add(10 * day)
		f.Expect(f.warned()).To(Equal([]string{"hanako", "taro"}), "30 days ahead")
		f.clock.Add(day)
		f.Expect(f.warned()).To(BeEmpty(), "once")
		f.clock.Add(22 * day)
		f.Expect(f.warned()).To(Equal([]string{"hanako", "taro"}), "7 days ahead")
		f.clock.Add(6 * day)
		f.Expect(f.warned()).To(BeEmpty(), "once")

		f.accepted(endingTenant(f, 20*day))
		f.Expect(f.warned()).To(Equal([]string{"hanako", "taro"}), "another certificate, late")
		change = endingTenant(f, 5*day)
		f.accepted(change)
		f.Expect(f.warned()).To(Equal([]string{"hanako", "taro"}), "one of few days")
		f.Expect(f.warned()).To(BeEmpty(), "but one mail")
		f.accepted(endingTenant(f, -time.Hour))
		f.Expect(f.warned()).To(BeEmpty(), "too late")

		replaced := endingTenant(f, 3*day)
		replaced.Tenant.CertificateEnds = time.Time{}
		f.accepted(replaced)
		f.Expect(f.warned()).To(BeEmpty(), "a rotation replaces it")
		f.accepted(endingTenant(f, 3*day))
		f.accepted(deletion(change))
		f.Expect(f.warned()).To(BeEmpty(), "deleted")
	})
}

func TestMailOfACertificatesEnd(t *testing.T) {
	onBoth(t, func(f *fixture) {
		change, hanako := endingTenant(f, 20*day), superAdmin("hanako")
		f.apply(change, hanako)
		f.Expect(f.Cleanup(f.ctx)).To(Succeed())
		mails, err := f.ClaimMails(f.ctx, 100, time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(mails).To(HaveLen(1))
		var payload store.CertificateEndsPayload
		f.Expect(json.Unmarshal(mails[0].Payload, &payload)).To(Succeed())
		info, err := keypair.InspectCertificate(change.Tenant.SigningKey.Certificate)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(payload).To(Equal(store.CertificateEndsPayload{EndsAt: change.Tenant.CertificateEnds.UTC(), Fingerprint: info.SHA256Fingerprint}))

		// Its failure is no failure of the member's password mail.
		f.Expect(f.MailFailed(f.ctx, mails[0].ID, "550 no such mailbox", f.clock.Now().Add(time.Hour))).To(Succeed())
		f.Expect(f.accepted(hanako).Member.MailError).To(BeEmpty())
		waiting, failing, err := f.CountMails(f.ctx)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect([]int{waiting, failing}).To(Equal([]int{0, 1}))

		// A new link kills the mail with the former link only.
		f.clock.Add(2 * time.Hour)
		for _, reset := range []string{"1", "2"} {
			hanako.Member.PasswordSetup, hanako.Member.PasswordReset = directory.PasswordSetupMailLink, reset
			f.accepted(hanako)
		}
		mails, err = f.ClaimMails(f.ctx, 100, time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		purposes := []string{}
		for _, mail := range mails {
			purposes = append(purposes, mail.Purpose)
		}
		f.Expect(purposes).To(ConsistOf(store.MailCertificateEnds, store.MailPasswordLink))

		f.clock.Add(13 * day)
		mails, err = f.ClaimMails(f.ctx, 100, time.Minute)
		f.Expect(err).NotTo(HaveOccurred())
		f.Expect(mails).To(BeEmpty(), "the mail of 30 days ahead is of no use when that of 7 days comes")
	})
}

func TestReplicasTellOfACertificateOnce(t *testing.T) {
	both := replicas(t)
	f := both[0]
	f.link()
	f.apply(endingTenant(f, 20*day), superAdmin("taro"))
	together(both, 4, func(f *fixture, _ int) {
		if err := f.Cleanup(f.ctx); err != nil {
			t.Error(err)
		}
	})
	mails, err := f.ClaimMails(f.ctx, 100, time.Hour)
	f.Expect(err).NotTo(HaveOccurred())
	told := 0
	for _, mail := range mails {
		if mail.Purpose == store.MailCertificateEnds {
			told++
		}
	}
	f.Expect(told).To(Equal(1))
}
