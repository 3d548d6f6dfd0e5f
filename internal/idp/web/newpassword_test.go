/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
)

const temporaryPassword = "kx7w-q2mf-93ht-zzpa-4v8c"

func TestPasswordLink(t *testing.T) {
	w := newWorld(t)
	w.apply(member("hanako", nil))
	link := "/password/" + w.linkToken()
	b := w.browser()
	b.get(link)
	form := b.get(link)
	w.Expect(form.status).To(Equal(http.StatusOK), "looking does not consume")
	w.Expect(form.text()).To(And(ContainSubstring(hanako), ContainSubstring("Acme 株式会社"), ContainSubstring("At least 8 characters")))

	for input, refusal := range map[string]string{
		"Short1":             "at least 8 characters",
		"onlyletterswithout": "one digit or symbol",
		"password1":          "easy to guess",
		hanako:               "mail address",
	} {
		refused := form.submit(link, "password", input, "confirmation", input)
		w.Expect(refused.status).To(Equal(http.StatusUnprocessableEntity), input)
		w.Expect(refused.text()).To(ContainSubstring(refusal))
		if input != hanako {
			w.Expect(refused.body).NotTo(ContainSubstring(input), "a password is never echoed")
		}
	}
	w.Expect(form.submit(link, "password", goodPassword, "confirmation", betterPassword).text()).To(ContainSubstring("not the same"))
	w.Expect(form.submit(link, "password", strings.Repeat("aB3あ", 30), "confirmation", strings.Repeat("aB3あ", 30)).text()).To(ContainSubstring("128 bytes"))
	w.Expect(b.post(link, url.Values{"password": {goodPassword}, "confirmation": {goodPassword}}).status).To(Equal(http.StatusForbidden), "no CSRF token")

	done := form.submit(link, "password", goodPassword, "confirmation", goodPassword)
	w.Expect(done.path()).To(Equal("/login"))
	w.Expect(done.text()).To(ContainSubstring("Your password is set."))
	w.Expect(form.submit(link, "password", betterPassword, "confirmation", betterPassword).status).To(Equal(http.StatusGone))
	gone := b.get(link)
	w.Expect(gone.status).To(Equal(http.StatusGone))
	w.Expect(gone.text()).To(ContainSubstring("Ask your administrator to send it again."))
	w.Expect(b.get("/password/unknown").status).To(Equal(http.StatusGone))
	w.Expect(b.logIn(hanako, goodPassword).path()).To(Equal("/"))
	w.Expect(w.audits()).To(ContainElement(admin.PasswordLinkUsed))
}

func TestPasswordLinkExpires(t *testing.T) {
	w := newWorld(t)
	w.apply(member("hanako", nil))
	link := "/password/" + w.linkToken()
	w.clock.advance(168*time.Hour - time.Second)
	w.Expect(w.browser().get(link).status).To(Equal(http.StatusOK))
	w.clock.advance(time.Second)
	w.Expect(w.browser().get(link).status).To(Equal(http.StatusGone))
}

func (w *world) giveTemporaryPassword() {
	w.t.Helper()
	w.apply(member("hanako", func(m *admin.Member) { m.PasswordSetup = directory.PasswordSetupTemporary }), samlApp(nil))
	_, err := w.store.SetTemporaryPassword(context.Background(), admin.TemporaryPassword{
		Member: admin.Key{Kind: admin.KindMember, Tenant: tenantSlug, Name: "hanako"}, Password: temporaryPassword, ExpiresAt: w.clock.Now().Add(168 * time.Hour),
	})
	w.Expect(err).NotTo(HaveOccurred())
}

func TestTemporaryPasswordMustBeChanged(t *testing.T) {
	w := newWorld(t)
	w.giveTemporaryPassword()
	b := w.browser()
	change := b.logIn(hanako, temporaryPassword)
	w.Expect(change.text()).To(And(ContainSubstring("Choose a new password"), ContainSubstring(hanako)))
	w.Expect(b.cookie("tegata-session")).To(BeEmpty(), "there is no session yet")
	w.Expect(b.get("/").path()).To(Equal("/login"))
	w.Expect(w.browser().get(change.url.RequestURI()).text()).NotTo(ContainSubstring(hanako), "another browser cannot go on with it")

	same := change.submit("/login/password", "password", temporaryPassword, "confirmation", temporaryPassword)
	w.Expect(same.text()).To(ContainSubstring("must differ"))
	home := change.submit("/login/password", "password", goodPassword, "confirmation", goodPassword)
	w.Expect(home.path()).To(Equal("/"))
	w.Expect(change.submit("/login/password", "password", betterPassword, "confirmation", betterPassword).path()).NotTo(Equal("/account"))
	w.Expect(w.browser().logIn(hanako, temporaryPassword).status).To(Equal(http.StatusUnauthorized))
	w.Expect(w.browser().logIn(hanako, goodPassword).path()).To(Equal("/"))
}

func TestTemporaryPasswordExpires(t *testing.T) {
	w := newWorld(t)
	w.giveTemporaryPassword()
	w.clock.advance(168 * time.Hour)
	answer := w.browser().logIn(hanako, temporaryPassword)
	w.Expect(answer.status).To(Equal(http.StatusForbidden))
	w.Expect(answer.text()).To(ContainSubstring("temporary password has expired"))
	w.Expect(w.browser().logIn(hanako, "wrong-Password-1").text()).NotTo(ContainSubstring("expired"))
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	w.addMember("hanako")
	b, elsewhere := w.browser(), w.browser()
	b.logIn(hanako, goodPassword)
	elsewhere.logIn(hanako, goodPassword)
	const action = "/account/password"
	form := b.get("/account")
	w.Expect(form.submit(action, "current", "wrong-Password-1", "password", betterPassword, "confirmation", betterPassword).text()).
		To(ContainSubstring("The current password is wrong."))
	w.Expect(form.submit(action, "current", goodPassword, "password", goodPassword, "confirmation", goodPassword).text()).
		To(ContainSubstring("must differ"))
	done := form.submit(action, "current", goodPassword, "password", betterPassword, "confirmation", betterPassword)
	w.Expect(done.path()).To(Equal("/account"))
	w.Expect(done.text()).To(ContainSubstring("Your password is changed."))
	w.Expect(elsewhere.get("/account").path()).To(Equal("/login"), "other sessions end")
	w.Expect(w.browser().logIn(hanako, betterPassword).path()).To(Equal("/"))
	w.Expect(w.audits()).To(ContainElement(admin.PasswordChanged))
	for range 6 {
		form.submit(action, "current", "wrong-Password-1")
	}
	w.Expect(form.submit(action, "current", betterPassword).status).To(Equal(http.StatusTooManyRequests), "guesses count like log-ins")
}
