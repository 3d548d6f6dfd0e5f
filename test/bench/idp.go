/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/crewjam/saml"
	"github.com/go-logr/logr"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/internal/idp"
	"tegata.dev/tegata/internal/idp/password"
	"tegata.dev/tegata/internal/keypair"
)

const (
	tenant        = "acme"
	mail          = "taro@acme.example"
	firstPassword = "temporary-password-of-the-benchmark"
	ownPassword   = "Kisaragi-Eki-0229"
	entityID      = "https://wiki.acme.example/saml"
	acs           = "https://wiki.acme.example/saml/acs"
	responses     = 400
	logIns        = 40
)

// site is an IdP with one member who has chosen a password.
type site struct {
	url     string
	handler http.Handler
	key     admin.KeyPair
	browser *formclient.Client
}

func measureIdP(ctx context.Context, signatures, hashes bool) error {
	s, stop, err := newSite(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if signatures {
		if err := s.measureResponses(ctx); err != nil {
			return err
		}
	}
	if hashes {
		return s.measureLogIns(ctx)
	}
	return nil
}

func newSite(ctx context.Context) (*site, func(), error) {
	directoryPath, err := os.MkdirTemp("", "tegata-bench-")
	if err != nil {
		return nil, nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	s := &site{url: "http://" + listener.Addr().String(), browser: formclient.New()}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, nil, err
	}
	server, err := idp.New(ctx, idp.Options{
		ExternalURL: s.url, Listener: listener, SQLitePath: filepath.Join(directoryPath, "tegata.db"), Key: key, Log: logr.Discard(),
	})
	if err != nil {
		return nil, nil, err
	}
	s.handler = server.Handler()
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- server.Run(running) }()
	stop := func() {
		cancel()
		if err := <-done; err != nil {
			fmt.Fprintln(os.Stderr, "bench: stop the IdP:", err)
		}
		_ = os.RemoveAll(directoryPath)
	}
	if err := s.populate(ctx, server.Admin()); err != nil {
		stop()
		return nil, nil, err
	}
	return s, stop, nil
}

func (s *site) populate(ctx context.Context, service admin.Service) error {
	pair, err := keypair.GenerateKeyPair("bench", time.Now().Add(-time.Hour), 24*time.Hour, nil)
	if err != nil {
		return err
	}
	s.key = pair
	member := admin.Key{Kind: admin.KindMember, Tenant: tenant, Name: "taro"}
	results, err := service.Apply(ctx, []admin.Change{
		{Key: admin.Key{Kind: admin.KindTenant, Tenant: tenant}, Owner: "acme/acme", Tenant: &admin.Tenant{
			Tenant: directory.Tenant{Slug: tenant, DisplayName: "株式会社アクメ", TimeZone: "Asia/Tokyo", Language: "ja", Plan: directory.PlanPlus}, SigningKey: pair}},
		{Key: member, Owner: "acme/taro", TenantOwner: "acme/acme", Member: &admin.Member{Member: directory.Member{
			Tenant: tenant, Name: "taro", Person: directory.PersonName{Family: "山田", Given: "太郎"}, Mail: mail, Role: directory.RoleStaff,
			TimeZone: "Asia/Tokyo", Language: "ja", PasswordSetup: directory.PasswordSetupTemporary}}},
		{Key: admin.Key{Kind: admin.KindSAMLApp, Tenant: tenant, Name: "wiki"}, Owner: "acme/wiki", TenantOwner: "acme/acme", App: &directory.App{
			Tenant: tenant, Kind: directory.KindSAMLApp, Name: "wiki", DisplayName: "社内Wiki", Visible: true,
			SAML: &directory.SAMLSettings{Flow: directory.FlowSPInitiated, EntityID: entityID,
				AssertionConsumerServices: []directory.AssertionConsumerService{{URL: acs}},
				Signing:                   directory.SignResponseAndAssertion, NameIDFormat: directory.NameIDEmailAddress,
				Attributes: []directory.AttributeMapping{{Name: "displayName", NameFormat: "unspecified", Field: directory.FieldDisplayName}}}}},
	})
	if err != nil {
		return err
	}
	for _, result := range results {
		if result.Problem != nil {
			return fmt.Errorf("refused: %s", result.Problem.Message)
		}
	}
	if _, err := service.SetTemporaryPassword(ctx, admin.TemporaryPassword{Member: member, Password: firstPassword, ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		return err
	}
	return s.choosePassword(ctx)
}

func (s *site) choosePassword(ctx context.Context) error {
	page, err := s.browser.Get(ctx, s.url+"/login")
	if err != nil {
		return err
	}
	if page, err = s.browser.LogIn(ctx, page, mail, firstPassword); err != nil {
		return err
	}
	_, err = s.browser.SetPassword(ctx, page, ownPassword)
	return err
}

// measureResponses compares the CPU time of whole requests, from the SAML
// request in the URL to the page with the signed response, with that of the two
// signatures in it.
func (s *site) measureResponses(ctx context.Context) error {
	requests := make([]*http.Request, responses)
	for i := range requests {
		request, err := s.authnRequest(ctx, i)
		if err != nil {
			return err
		}
		requests[i] = request
	}
	_, key, err := keypair.ParseKeyPair(s.key)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("bench"))
	sign := func() error {
		_, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		return err
	}
	// In turns, so that a change of the machine's speed meets both alike.
	var whole, bare, wall time.Duration
	for _, request := range requests {
		began, clock := cpuTime(), time.Now()
		recorder := httptest.NewRecorder()
		s.handler.ServeHTTP(recorder, request)
		whole, wall = whole+cpuTime()-began, wall+time.Since(clock)
		if recorder.Code != http.StatusOK || !strings.Contains(recorder.Body.String(), "SAMLResponse") {
			return fmt.Errorf("no response: %d %s", recorder.Code, recorder.Body)
		}
		began = cpuTime()
		for range 2 {
			if err := sign(); err != nil {
				return err
			}
		}
		bare += cpuTime() - began
	}
	fmt.Printf("(a) %.0f signed SAML responses per second on one core, each with two RSA-2048 signatures\n", float64(responses)/wall.Seconds())
	row("a", "CPU per SAML response, HTTP and session included", perItem(whole, responses), perItem(bare, responses), float64(whole)/float64(bare), 1.5)
	return nil
}

func (s *site) authnRequest(ctx context.Context, i int) (*http.Request, error) {
	authn := saml.AuthnRequest{
		ID: fmt.Sprintf("_bench%d", i), Version: "2.0", IssueInstant: time.Now(),
		Destination: endpoints.SingleSignOn(s.url, tenant), AssertionConsumerServiceURL: acs,
		Issuer: &saml.Issuer{Format: "urn:oasis:names:tc:SAML:2.0:nameid-format:entity", Value: entityID},
	}
	address, err := authn.Redirect("bench", &saml.ServiceProvider{})
	if err != nil {
		return nil, err
	}
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, address.RequestURI(), nil)
	request.Host = strings.TrimPrefix(s.url, "http://")
	takeCookies(request, s.browser, address)
	return request, nil
}

// measureLogIns compares a log-in post with the bare hash in it.
func (s *site) measureLogIns(ctx context.Context) error {
	hasher := password.NewHasher(password.Options{})
	phc, err := hasher.Hash(ctx, ownPassword)
	if err != nil {
		return err
	}
	var whole, bare []time.Duration
	for range logIns {
		browser := formclient.New()
		page, err := browser.Get(ctx, s.url+"/login")
		if err != nil {
			return err
		}
		form, err := page.FormWith("mail", "password")
		if err != nil {
			return err
		}
		form.Fields.Set("mail", mail)
		form.Fields.Set("password", ownPassword)
		request := httptest.NewRequestWithContext(ctx, http.MethodPost, form.Action.RequestURI(), strings.NewReader(form.Fields.Encode()))
		request.Host = form.Action.Host
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", s.url)
		takeCookies(request, browser, form.Action)
		recorder := httptest.NewRecorder()
		began := time.Now()
		s.handler.ServeHTTP(recorder, request)
		whole = append(whole, time.Since(began))
		if recorder.Code != http.StatusSeeOther {
			return fmt.Errorf("log-in refused: %d %s", recorder.Code, recorder.Body)
		}
		began = time.Now()
		if ok, err := hasher.Verify(ctx, phc, ownPassword); !ok || err != nil {
			return fmt.Errorf("the bare hash does not verify: %w", err)
		}
		bare = append(bare, time.Since(began))
	}
	total, floor := median(whole), median(bare)
	row("c", "password log-in, wall, median", total.Round(10*time.Microsecond).String(), floor.Round(10*time.Microsecond).String(),
		float64(total)/float64(floor), float64(floor+5*time.Millisecond)/float64(floor))
	fmt.Printf("(c) beyond the hash: %s   aim ≤ 5ms\n", (total - floor).Round(10*time.Microsecond))
	return nil
}

// takeCookies gives a request that goes straight to the handler what the browser holds.
func takeCookies(request *http.Request, browser *formclient.Client, address *url.URL) {
	for _, cookie := range browser.HTTP.Jar.Cookies(address) {
		request.AddCookie(cookie)
	}
}

// cpuTime is what this process has used, in user and system mode.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func perItem(total time.Duration, n int) string {
	return (total / time.Duration(n)).Round(time.Microsecond).String()
}

func median(values []time.Duration) time.Duration {
	slices.Sort(values)
	return values[len(values)/2]
}
