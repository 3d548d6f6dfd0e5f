/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/idp/password"
	"tegata.dev/tegata/internal/keypair"
)

const (
	firstPassword = "temporary-password-of-the-benchmark"
	ownPassword   = "Kisaragi-Eki-0229"
	logIns        = 60
)

// measureLogIns compares a log-in post with the bare hash in it: in wall time, as
// a person waits for its commits too, and in CPU time, which a busy machine
// and its disk change less.
func measureLogIns(ctx context.Context) error {
	s, stop, err := newSite(ctx, 1, 5, keypair.RSA2048)
	if err != nil {
		return err
	}
	defer stop()
	if err := s.choosePassword(ctx); err != nil {
		return err
	}
	hasher := password.NewHasher(password.Options{})
	phc, err := hasher.Hash(ctx, ownPassword)
	if err != nil {
		return err
	}
	var whole, bare, beyond, beyondCPU []time.Duration
	for range logIns {
		request, err := s.logIn(ctx)
		if err != nil {
			return err
		}
		// Not measured: both find the processor as a hash leaves it.
		if _, err := hasher.Verify(ctx, phc, ownPassword); err != nil {
			return err
		}
		recorder := httptest.NewRecorder()
		began, cpu := time.Now(), cpuTime()
		s.handler.ServeHTTP(recorder, request)
		logIn, logInCPU := time.Since(began), cpuTime()-cpu
		if recorder.Code != http.StatusSeeOther {
			return fmt.Errorf("log-in refused: %d %s", recorder.Code, recorder.Body)
		}
		began, cpu = time.Now(), cpuTime()
		if ok, err := hasher.Verify(ctx, phc, ownPassword); !ok || err != nil {
			return fmt.Errorf("the bare hash does not verify: %w", err)
		}
		hash, hashCPU := time.Since(began), cpuTime()-cpu
		whole, bare = append(whole, logIn), append(bare, hash)
		beyond, beyondCPU = append(beyond, logIn-hash), append(beyondCPU, logInCPU-hashCPU)
	}
	const aim = 3 * time.Millisecond
	total, floor := median(whole), median(bare)
	row("c", "password log-in, wall, median", total.Round(10*time.Microsecond).String(), floor.Round(10*time.Microsecond).String(),
		float64(total)/float64(floor), float64(floor+aim)/float64(floor))
	fmt.Printf("(c) beyond the hash, median: wall %s, CPU %s   aim ≤ %s\n",
		median(beyond).Round(10*time.Microsecond), median(beyondCPU).Round(10*time.Microsecond), aim)
	return nil
}

func (s *site) choosePassword(ctx context.Context) error {
	_, err := s.service.SetTemporaryPassword(ctx, admin.TemporaryPassword{Member: memberKey(0), Password: firstPassword, ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		return err
	}
	browser := formclient.New()
	page, err := browser.Get(ctx, s.url+"/login")
	if err != nil {
		return err
	}
	if page, err = browser.LogIn(ctx, page, mailOf(0), firstPassword); err != nil {
		return err
	}
	_, err = browser.SetPassword(ctx, page, ownPassword)
	return err
}

// logIn is the post of a log-in page that was just fetched.
func (s *site) logIn(ctx context.Context) (*http.Request, error) {
	browser := formclient.New()
	page, err := browser.Get(ctx, s.url+"/login")
	if err != nil {
		return nil, err
	}
	form, err := page.FormWith("mail", "password")
	if err != nil {
		return nil, err
	}
	form.Fields.Set("mail", mailOf(0))
	form.Fields.Set("password", ownPassword)
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, form.Action.RequestURI(), strings.NewReader(form.Fields.Encode()))
	request.Host = form.Action.Host
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", s.url)
	takeCookies(request, browser, form.Action)
	return request, nil
}

// takeCookies gives a request that goes straight to the handler what the browser holds.
func takeCookies(request *http.Request, browser *formclient.Client, address *url.URL) {
	for _, cookie := range browser.HTTP.Jar.Cookies(address) {
		request.AddCookie(cookie)
	}
}
