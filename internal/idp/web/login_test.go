/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/password"
)

// counted is the value of a counter by its outcome.
func (w *world) counted(name, outcome string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	w.Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name && len(metric.GetLabel()) == 1 && metric.GetLabel()[0].GetValue() == outcome {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestLogInAndOut(t *testing.T) {
	w := newWorld(t)
	w.addMember("hanako")
	w.apply(linkApp("intranet", "https://intranet.example.com/", nil), linkApp("hidden", "https://hidden.example.com/", func(a *directory.App) { a.Visible = false }))
	b := w.browser()

	w.Expect(b.get("/").path()).To(Equal("/login"), "the portal needs a log-in")
	home := b.logIn(" Hanako@ACME.example ", goodPassword)
	w.Expect(home.path()).To(Equal("/"))
	w.Expect(home.status).To(Equal(http.StatusOK))
	w.Expect(home.text()).To(And(ContainSubstring("Hanako Yamada"), ContainSubstring("Acme 株式会社"), ContainSubstring("intranet")))
	w.Expect(home.text()).NotTo(ContainSubstring("hidden"))
	w.Expect(b.get("/login").path()).To(Equal("/"), "who is logged in needs no log-in page")
	w.Expect(w.audits()).To(ContainElement(admin.LoginSucceeded))

	account := b.get("/account")
	w.Expect(account.text()).To(And(ContainSubstring(hanako), ContainSubstring("Staff"), ContainSubstring("JST")))

	out := account.submit("/logout")
	w.Expect(out.path()).To(Equal("/login"))
	w.Expect(out.text()).To(ContainSubstring("You are logged out."))
	w.Expect(b.get("/account").path()).To(Equal("/login"))
	w.Expect(w.audits()).To(ContainElement(admin.LoggedOut))
	w.Expect(w.counted("tegata_idp_logins_total", "succeeded")).To(Equal(1.0))
}

// TestWrongInputTellsNothing compares the answers for a wrong password, no
// such account, no password and a suspended member (O2.1).
func TestWrongInputTellsNothing(t *testing.T) {
	w := newWorld(t)
	w.addMember("hanako")
	w.addMember("stopped")
	w.apply(member("stopped", func(m *admin.Member) { m.Suspended = true }), member("fresh", nil))
	var texts []string
	for _, mail := range []string{hanako, "nobody@acme.example", "fresh@acme.example", "stopped@acme.example", "\x00\xff", ""} {
		answer := w.browser().logIn(mail, "wrong-Password-1")
		w.Expect(answer.status).To(Equal(http.StatusUnauthorized))
		texts = append(texts, answer.text())
	}
	w.Expect(texts).To(HaveEach(Equal(texts[0])))
	w.Expect(texts[0]).To(ContainSubstring("The mail address or password is wrong."))

	told := w.browser().logIn("stopped@acme.example", goodPassword)
	w.Expect(told.status).To(Equal(http.StatusForbidden))
	w.Expect(told.text()).To(ContainSubstring("suspended"))
	w.Expect(w.audits()[0]).To(Equal(admin.LoginRefused))
}

// TestHashIsRenewed logs in with a hash of weaker parameters than the site's.
func TestHashIsRenewed(t *testing.T) {
	w := newWorld(t)
	w.addMember("hanako")
	ctx := context.Background()
	weak, err := password.NewHasher(password.Options{Memory: 32, Time: 1}).Hash(ctx, goodPassword)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(w.store.SetPassword(ctx, tenantSlug, "hanako", weak, "", admin.AuditEntry{Action: admin.PasswordChanged})).To(Succeed())
	hash := func() string {
		account, err := w.store.Account(ctx, tenantSlug, "hanako")
		w.Expect(err).NotTo(HaveOccurred())
		return account.PasswordHash
	}
	w.browser().logIn(hanako, "wrong-Password-1")
	w.Expect(hash()).To(Equal(weak), "a wrong password renews nothing")
	w.Expect(w.browser().logIn(hanako, goodPassword).path()).To(Equal("/"))
	renewed := hash()
	w.Expect(renewed).To(HavePrefix("$argon2id$v=19$m=64,t=1,p=1$"))
	w.Expect(w.browser().logIn(hanako, goodPassword).path()).To(Equal("/"))
	w.Expect(hash()).To(Equal(renewed), "once")
}

func TestLockout(t *testing.T) {
	for _, mail := range []string{hanako, "nobody@acme.example"} {
		t.Run(mail, func(t *testing.T) {
			w := newWorld(t)
			w.addMember("hanako")
			for range 5 {
				w.Expect(w.browser().logIn(mail, "wrong-Password-1").status).To(Equal(http.StatusUnauthorized))
			}
			locked := w.browser().logIn(mail, goodPassword)
			w.Expect(locked.status).To(Equal(http.StatusTooManyRequests))
			w.Expect(locked.header.Get("Retry-After")).To(Equal("30"))
			w.Expect(locked.text()).To(ContainSubstring("Too many attempts. Try again in 1 min."))
			w.Expect(w.audits()[0]).To(Equal(admin.LoginRefused))
			w.clock.advance(time.Minute)
			if mail == hanako {
				w.Expect(w.browser().logIn(mail, goodPassword).path()).To(Equal("/"))
			}
		})
	}
}

// TestParallelGuesses sends many guesses at once; no more than the free ones
// are compared with the password.
func TestParallelGuesses(t *testing.T) {
	w := newWorld(t)
	w.addMember("hanako")
	const guesses = 20
	forms := make([]*page, guesses)
	for i := range forms {
		forms[i] = w.browser().get("/login")
	}
	statuses := make(chan int, guesses)
	for _, form := range forms {
		go func() { statuses <- form.submit("/login", "mail", hanako, "password", "wrong-Password-1").status }()
	}
	counts := map[int]int{}
	for range guesses {
		counts[<-statuses]++
	}
	w.Expect(counts).To(Equal(map[int]int{http.StatusUnauthorized: 5, http.StatusTooManyRequests: guesses - 5}))
}

func TestSessionEndsAtOnce(t *testing.T) {
	for name, end := range map[string]func(*world){
		"suspended": func(w *world) { w.apply(member("hanako", func(m *admin.Member) { m.Suspended = true })) },
		"deleted": func(w *world) {
			w.apply(admin.Change{Key: admin.Key{Kind: admin.KindMember, Tenant: tenantSlug, Name: "hanako"}})
		},
		"ended": func(w *world) {
			w.Expect(w.store.EndSessions(context.Background(), admin.Key{Kind: admin.KindMember, Tenant: tenantSlug, Name: "hanako"})).To(Succeed())
		},
		"expired": func(w *world) { w.clock.advance(12 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.addMember("hanako")
			b := w.browser()
			w.Expect(b.logIn(hanako, goodPassword).path()).To(Equal("/"))
			end(w)
			w.Expect(b.get("/").path()).To(Equal("/login"))
		})
	}
}

func TestSessionRotatesAtLogIn(t *testing.T) {
	w := newWorld(t)
	w.addMember("hanako")
	w.addMember("taro")
	b := w.browser()
	form := b.get("/login")
	b.logIn(hanako, goodPassword)
	before := b.cookie("tegata-session")
	// A log-in form that was open before goes on to work, as another member.
	w.Expect(form.submit("/login", "mail", "taro@acme.example", "password", goodPassword).path()).To(Equal("/"))
	w.Expect(b.cookie("tegata-session")).NotTo(Equal(before))
	_, _, err := w.store.Session(context.Background(), before)
	w.Expect(err).To(MatchError(admin.ErrNotFound))
}

func (b *browser) cookie(name string) string {
	u, err := url.Parse(b.world.server.URL)
	b.world.Expect(err).NotTo(HaveOccurred())
	for _, cookie := range b.client.Jar.Cookies(u) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

func TestForgedForms(t *testing.T) {
	w := newWorld(t)
	w.addMember("hanako")
	b := w.browser()
	form := b.get("/login").form("/login")
	form.Set("mail", hanako)
	form.Set("password", goodPassword)
	for name, forge := range map[string]func(url.Values){
		"missing": func(v url.Values) { v.Del("csrf") },
		"wrong":   func(v url.Values) { v.Set("csrf", strings.Repeat("A", 43)) },
		"another browser's": func(v url.Values) {
			v.Set("csrf", w.browser().get("/login").form("/login").Get("csrf"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			forged := url.Values{}
			for key, values := range form {
				forged[key] = values
			}
			forge(forged)
			answer := b.post("/login", forged)
			w.Expect(answer.status).To(Equal(http.StatusForbidden))
			w.Expect(answer.text()).To(ContainSubstring("Go back, reload the page and try again."))
			w.Expect(b.cookie("tegata-session")).To(BeEmpty())
		})
	}
	request, err := http.NewRequest(http.MethodPost, w.server.URL+"/login", strings.NewReader(form.Encode()))
	w.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	w.Expect(b.do(request).status).To(Equal(http.StatusForbidden))
	form.Set("padding", strings.Repeat("x", 100_000))
	w.Expect(b.post("/login", form).status).To(Equal(http.StatusRequestEntityTooLarge))
}

func TestHeadersAndCookies(t *testing.T) {
	w := newWorldOver(t, (*httptest.Server).StartTLS)
	w.addMember("hanako")
	w.apply(samlApp(nil))
	b := w.browser()
	b.logIn(hanako, goodPassword)
	for _, target := range []string{"/", "/account", "/password/unknown", "/nowhere", "/saml/acme/sso?SAMLRequest=x", "/saml/none/metadata"} {
		answer := b.get(target)
		w.Expect(answer.header.Get("Content-Security-Policy")).To(And(
			ContainSubstring("default-src 'none'"), ContainSubstring("frame-ancestors 'none'"), ContainSubstring("base-uri 'none'"),
			ContainSubstring("form-action 'self'"), Not(ContainSubstring("script-src"))), target)
		w.Expect(answer.header).To(HaveKeyWithValue("Cache-Control", []string{"no-store"}), target)
		w.Expect(answer.header).To(HaveKeyWithValue("X-Content-Type-Options", []string{"nosniff"}), target)
		w.Expect(answer.header).To(HaveKeyWithValue("Referrer-Policy", []string{"same-origin"}), target)
		w.Expect(answer.header.Get("Strict-Transport-Security")).NotTo(BeEmpty(), target)
		w.Expect(answer.header.Get("X-Request-ID")).To(HaveLen(36), target)
		w.Expect(answer.language()).To(Equal("en"), target)
	}

	plain := w.browser()
	var seen []*http.Cookie
	plain.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		seen = append(seen, r.Response.Cookies()...)
		return nil
	}
	form := plain.get("/login")
	seen = append(seen, (&http.Response{Header: form.header}).Cookies()...)
	form.submit("/login", "mail", hanako, "password", goodPassword)
	names := map[string]bool{}
	for _, cookie := range seen {
		names[cookie.Name] = true
		w.Expect(cookie.Secure && cookie.HttpOnly && cookie.SameSite == http.SameSiteLaxMode && cookie.Path == "/" && cookie.Domain == "").To(BeTrue(), cookie.Name)
	}
	w.Expect(names).To(And(HaveKey("__Host-tegata-session"), HaveKey("__Host-tegata-csrf")))
}

func TestLanguages(t *testing.T) {
	w := newWorld(t)
	w.addMember("hanako")
	b := w.browser()
	w.Expect(b.get("/login").language()).To(Equal("en"))
	switched := b.get("/login?lang=ja")
	w.Expect(switched.language()).To(Equal("ja"))
	w.Expect(switched.text()).To(ContainSubstring("メールアドレス"))
	w.Expect(b.get("/login").language()).To(Equal("ja"), "the choice is remembered")
	w.Expect(b.get("/nowhere").text()).To(ContainSubstring("ページが見つかりません"))
	w.Expect(b.logIn(hanako, "wrong-Password-1").text()).To(ContainSubstring("メールアドレスまたはパスワードが正しくありません。"))
	w.Expect(b.logIn(hanako, goodPassword).language()).To(Equal("en"), "a member's own language wins")
}

func TestIconsAndStaticFiles(t *testing.T) {
	w := newWorld(t)
	w.addMember("hanako")
	w.apply(linkApp("intranet", "https://intranet.example.com/", func(a *directory.App) { a.Icon = icon() }))
	b := w.browser()
	home := b.logIn(hanako, goodPassword)
	var source, style string
	for node := range home.root.Descendants() {
		switch {
		case node.Data == "img" && strings.HasPrefix(attribute(node, "src"), "/images/"):
			source = attribute(node, "src")
		case node.Data == "link" && attribute(node, "rel") == "stylesheet":
			style = attribute(node, "href")
		}
	}
	image := b.get(source)
	w.Expect(image.status).To(Equal(http.StatusOK))
	w.Expect(image.body).To(Equal(string(icon().Data)))
	w.Expect(image.header.Get("Content-Type")).To(Equal("image/png"))
	w.Expect(image.header.Get("Content-Security-Policy")).To(ContainSubstring("sandbox"))
	w.Expect(image.header.Get("Cache-Control")).To(HavePrefix("private"))
	w.Expect(w.browser().get(source).status).To(Equal(http.StatusNotFound), "icons are for members")
	w.Expect(b.get("/images/other/app/LinkApp/intranet").status).To(Equal(http.StatusNotFound))
	w.Expect(b.get("/images/acme/app/Member/hanako").status).To(Equal(http.StatusNotFound))

	css := b.get(style)
	w.Expect(css.header.Get("Content-Type")).To(HavePrefix("text/css"))
	w.Expect(css.header.Get("Cache-Control")).To(ContainSubstring("immutable"))
	w.Expect(b.get("/static/nothing.css").status).To(Equal(http.StatusNotFound))
	w.Expect(b.get("/healthz").status).To(Equal(http.StatusOK))
	w.Expect(b.get("/readyz").status).To(Equal(http.StatusOK))
}
