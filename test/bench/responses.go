/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"time"

	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/keypair"
)

const (
	responses = 1000
	// turn is how many responses are made, and then as many floors: the machine's
	// changes of speed meet both alike, and the garbage of each is collected in its own turn.
	turn = 20
)

// measureResponses compares whole answers with the signatures in them.
func measureResponses(ctx context.Context) error {
	for _, estate := range []struct {
		tenants, apps int
		algorithm     keypair.Algorithm
	}{{1, 5, keypair.RSA2048}, {1000, 5, keypair.RSA2048}, {1, 1000, keypair.RSA2048}, {1, 5, keypair.ECDSAP256}} {
		if err := measureEstate(ctx, estate.tenants, estate.apps, estate.algorithm); err != nil {
			return err
		}
	}
	return nil
}

func measureEstate(ctx context.Context, tenants, apps int, algorithm keypair.Algorithm) error {
	s, stop, err := newSite(ctx, tenants, apps, algorithm)
	if err != nil {
		return err
	}
	defer stop()
	what := fmt.Sprintf("tenants %d, apps of each %d, %s", tenants, apps, algorithm)
	if err := s.warmUp(ctx); err != nil {
		return err
	}
	aim := 1.2
	if algorithm == keypair.ECDSAP256 {
		aim = 0 // a signature that takes next to nothing is no measure of the rest
	}
	documents, err := s.documents()
	if err != nil {
		return err
	}
	for _, signatures := range []int{1, 2} {
		if err := s.measure(ctx, fmt.Sprintf("SAML alone, signatures %d, %s", signatures, what), signatures, aim, documents.answer); err != nil {
			return err
		}
		if err := s.measure(ctx, fmt.Sprintf("whole answer, signatures %d, %s", signatures, what), signatures, aim, s.answer); err != nil {
			return err
		}
	}
	return s.countAllocations(ctx, what)
}

// warmUp asks for each app of each tenant that will be asked for once: what is
// prepared for a tenant and an app is made when they are first seen.
func (s *site) warmUp(ctx context.Context) error {
	for i := range max(s.tenants, s.apps) {
		for signatures := 1; signatures <= 2; signatures++ {
			request, err := s.authnRequest(ctx, i, signatures)
			if err != nil {
				return err
			}
			recorder := httptest.NewRecorder()
			s.handler.ServeHTTP(recorder, request)
			if recorder.Code != http.StatusOK || !strings.Contains(recorder.Body.String(), "SAMLResponse") {
				return fmt.Errorf("no response: %d %s", recorder.Code, recorder.Body)
			}
		}
	}
	return nil
}

// measure compares the CPU time of answers with that of the bare signatures in them.
func (s *site) measure(ctx context.Context, what string, signatures int, aim float64, answer func([]*http.Request) error) error {
	_, key, err := keypair.ParseKeyPair(s.key)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("bench"))
	var whole, bare time.Duration
	for start := 0; start < responses; start += turn {
		requests, err := s.authnRequests(ctx, start, turn, signatures)
		if err != nil {
			return err
		}
		began := cpuTime()
		if err := answer(requests); err != nil {
			return err
		}
		signing := cpuTime()
		for range turn * signatures {
			if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
				return err
			}
		}
		whole, bare = whole+signing-began, bare+cpuTime()-signing
	}
	row("a", what, perItem(whole, responses), perItem(bare, responses), float64(whole)/float64(bare), aim)
	return nil
}

// countAllocations tells what an answer takes of memory that is collected
// afterwards; it must not depend on how much there is beside what is asked for.
func (s *site) countAllocations(ctx context.Context, what string) error {
	requests, err := s.authnRequests(ctx, 0, responses, 2)
	if err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := s.answer(requests); err != nil {
		return err
	}
	runtime.ReadMemStats(&after)
	fmt.Printf("(a) allocations of a response, %s: %d, together %d bytes; aim: the same for any number\n", what,
		(after.Mallocs-before.Mallocs)/responses, (after.TotalAlloc-before.TotalAlloc)/responses)
	return nil
}

// answer makes whole answers. One begins with the parsed HTTP request, with the
// SAML request in its URL and the session in its cookie, and ends with the last
// byte of the page that posts the response; its audit entry is on disk by then.
// What a client does, and the connection with its HTTP and TLS, is not in it.
func (s *site) answer(requests []*http.Request) error {
	for _, request := range requests {
		page := sink{header: http.Header{}}
		if s.handler.ServeHTTP(&page, request); page.status != http.StatusOK || page.bytes < 4<<10 {
			return errors.New("no response")
		}
	}
	return nil
}

// sink is a client that takes no time.
type sink struct {
	header        http.Header
	status, bytes int
}

func (s *sink) Header() http.Header    { return s.header }
func (s *sink) WriteHeader(status int) { s.status = status }

// Write implements http.ResponseWriter.
func (s *sink) Write(p []byte) (int, error) {
	s.bytes += len(p)
	return len(p), nil
}

func (s *site) authnRequests(ctx context.Context, start, count, signatures int) ([]*http.Request, error) {
	requests := make([]*http.Request, count)
	for i := range requests {
		var err error
		if requests[i], err = s.authnRequest(ctx, start+i, signatures); err != nil {
			return nil, err
		}
	}
	return requests, nil
}

// authnRequest is the i-th request for a response with so many signatures. They
// are spread over the tenants, and over the apps that have it so.
func (s *site) authnRequest(ctx context.Context, i, signatures int) (*http.Request, error) {
	tenant, app := i*7%s.tenants, i/s.tenants%(s.apps/len(signing))*len(signing)+2-signatures
	target, err := url.Parse(endpoints.SingleSignOn(s.url, tenantName(tenant)))
	if err != nil {
		return nil, err
	}
	message := fmt.Sprintf(`<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`+
		` ID="_bench%d-%d" Version="2.0" IssueInstant="%s" Destination="%s" AssertionConsumerServiceURL="%s">`+
		`<saml:Issuer>%s</saml:Issuer></samlp:AuthnRequest>`,
		signatures, i, time.Now().UTC().Format(time.RFC3339), target, acs(app), entityID(app))
	var deflated bytes.Buffer
	s.deflater.Reset(&deflated)
	if _, err := io.WriteString(s.deflater, message); err != nil {
		return nil, err
	}
	if err := s.deflater.Close(); err != nil {
		return nil, err
	}
	target.RawQuery = url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString(deflated.Bytes())}, "RelayState": {"bench"}}.Encode()
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, target.RequestURI(), nil)
	request.Host = target.Host
	request.Header.Set("Accept-Language", "ja,en-US;q=0.9,en;q=0.8")
	request.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
	request.AddCookie(&http.Cookie{Name: "tegata-session", Value: s.sessions[tenant]})
	return request, nil
}
