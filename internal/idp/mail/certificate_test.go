/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mail_test

import (
	"context"
	"mime"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/mail"
	"tegata.dev/tegata/internal/idp/store/storetest"
	"tegata.dev/tegata/internal/keypair"
)

func TestSuperAdminsReadWhenTheCertificateEnds(t *testing.T) {
	for language, want := range map[string]struct{ subject, role, expiry string }{
		"ja": {"【手形商事  Bcc: evil@example.com】SAML 署名証明書の期限が近づいています", "特権管理者", "2026年4月21日 18:00 (JST)"},
		"en": {"[手形商事  Bcc: evil@example.com] The SAML signing certificate ends soon", "SuperAdmin", "21 April 2026, 18:00 (JST)"},
	} {
		t.Run(language, func(t *testing.T) {
			g := NewWithT(t)
			s := &server{}
			s.start(t, nil, false)
			clock := storetest.NewClock()
			options := storetest.SQLiteOptions(t)
			options.Now = clock.Now
			queue := storetest.Open(t, options)
			pair, err := keypair.Generate(keypair.ECDSAP256, "acme", clock.Now(), 20*24*time.Hour, nil)
			g.Expect(err).NotTo(HaveOccurred())
			info, err := keypair.InspectKeyPair(pair)
			g.Expect(err).NotTo(HaveOccurred())
			company, hanako := tenant(), member(language)
			company.Tenant.SigningKey, company.Tenant.CertificateEnds = pair, info.NotAfter
			hanako.Member.Role, hanako.Member.PasswordSetup = directory.RoleSuperAdmin, directory.PasswordSetupNone
			_, err = queue.Apply(t.Context(), []admin.Change{company, hanako})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(queue.Cleanup(t.Context())).To(Succeed())

			sender, err := mail.NewSender(mail.Options{Queue: queue, ExternalURL: "https://id.example.com", SMTP: s.options(mail.SecurityNone), Now: clock.Now})
			g.Expect(err).NotTo(HaveOccurred())
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				sender.Run(ctx)
			}()
			g.Eventually(s.mails, 10*time.Second).Should(HaveLen(1))
			cancel()
			g.Eventually(ended, 10*time.Second).Should(BeClosed())

			header, bodies := parts(g, s.mails()[0])
			g.Expect(new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))).To(Equal(want.subject))
			for _, body := range []string{bodies["text/plain"], bodies["text/html"]} {
				g.Expect(body).To(ContainSubstring(want.expiry))
				g.Expect(body).To(ContainSubstring(want.role))
				g.Expect(body).To(ContainSubstring(info.SHA256Fingerprint))
				g.Expect(body).To(ContainSubstring("https://id.example.com/saml/acme/metadata"))
			}
		})
	}
}
