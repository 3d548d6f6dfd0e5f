/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package formclient

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	. "github.com/onsi/gomega"
)

const loginPage = `<!DOCTYPE html><title>Log in</title><p>Hello<script>no</script>
<a href="/help">Help</a>
<form method="post" action="/login">
<input type="hidden" name="csrf" value="a&amp;b"><input name="mail" type="email"><input name="password" type="password">
<input type="checkbox" name="remember"><input type="checkbox" name="terms" checked><input name="off" disabled value="1">
<select name="language"><option value="ja">日本語<option value="en" selected>English</select>
<button name="button">Log in</button></form>`

func TestLogInKeepsHiddenInputsCookiesAndRelays(t *testing.T) {
	g := NewWithT(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/"})
		fmt.Fprint(w, loginPage)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		g.Expect(r.ParseForm()).To(Succeed())
		g.Expect(r.PostForm).To(BeEquivalentTo(map[string][]string{
			"csrf": {"a&b"}, "mail": {"taro@example.com"}, "password": {"p"}, "terms": {"on"}, "language": {"en"},
		}))
		g.Expect(r.Header.Get("Origin")).To(Equal("http://" + r.Host))
		g.Expect(r.Cookie("session")).NotTo(BeNil())
		http.Redirect(w, r, "/post", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /post", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<form method=post action="acs"><input type=hidden name=SAMLResponse value=x></form>`)
	})
	mux.HandleFunc("POST /acs", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<dl><dt>got<dd>%s</dl>", r.PostFormValue("SAMLResponse"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	client := New()
	page, err := client.Visit(t.Context(), server.URL+"/login")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page.Title()).To(Equal("Log in"))
	g.Expect(page.Text()).To(ContainSubstring("Hello Help"))
	g.Expect(page.Links()).To(Equal([]Link{{URL: server.URL + "/help", Text: "Help"}}))
	page, err = client.LogIn(t.Context(), page, "taro@example.com", "p")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page.URL.Path).To(Equal("/acs"))
	g.Expect(page.Table()).To(HaveKeyWithValue("got", []string{"x"}))
}

func TestMissingFormsAndFieldsAreErrors(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, loginPage) }))
	t.Cleanup(server.Close)
	client := New()
	page, err := client.Get(t.Context(), server.URL)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = page.FormWith("confirmation")
	g.Expect(err).To(MatchError(ErrNoForm))
	form, err := page.FormWith("mail")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = client.Submit(t.Context(), form, map[string]string{"nonsense": "1"})
	g.Expect(err).To(MatchError(ContainSubstring(`no field "nonsense"`)))
}
