/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package envtest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// What a log-in ends in.
const (
	loggedIn     = "logged in"
	forcedChange = "forced to change the password"
	refusedLogIn = "refused"
)

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)

// logIn posts mail and password as a browser would and says what came of it.
func (p *place) logIn(mail, password string) string {
	p.t.Helper()
	browser := &http.Client{Jar: must(cookiejar.New(nil))}
	page := p.read(browser.Get(p.url + "/login"))
	form := url.Values{"mail": {mail}, "password": {password}}
	for _, input := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(input[1], input[2])
	}
	page = p.read(browser.PostForm(p.url+"/login", form))
	switch {
	case strings.Contains(page, `autocomplete="new-password"`):
		return forcedChange
	case strings.Contains(page, `autocomplete="current-password"`):
		return refusedLogIn
	default:
		return loggedIn
	}
}

func (p *place) read(response *http.Response, err error) string {
	p.t.Helper()
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	return string(must(io.ReadAll(response.Body)))
}
