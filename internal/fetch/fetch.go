/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"tegata.dev/tegata/internal/dial"
)

const (
	// DefaultTimeout bounds a whole fetch, with all of its redirects.
	DefaultTimeout = 10 * time.Second
	maxRedirects   = 5
	maxHeaderBytes = 64 << 10
	// maxValidator is the longest ETag that is kept.
	maxValidator = 512
)

// Options are what a client may do.
type Options struct {
	// Allowed are networks that may be connected to although they are not
	// public, and by plain http too.
	Allowed []netip.Prefix
	// MaxBytes is the largest body; required.
	MaxBytes int64
	// Timeout bounds a whole fetch. Default: DefaultTimeout.
	Timeout time.Duration
	// Resolver defaults to net.DefaultResolver.
	Resolver dial.Resolver
	// RootCAs verify TLS certificates. Default: the system's.
	RootCAs *x509.CertPool
}

// Client fetches. It is safe for concurrent use, and keeps no connections: no
// proxy and no earlier answer decides where a request really goes.
type Client struct {
	options Options
	dialer  *dial.Dialer
}

// New makes a client.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	return &Client{options: o, dialer: &dial.Dialer{
		Allowed: o.Allowed, Setting: "spec.metadataSources.allowedNetworks", Resolver: o.Resolver, Timeout: o.Timeout / 2,
	}}
}

// Validators tell the server which version is there already (RFC 9110 section 8.8).
type Validators struct{ ETag, LastModified string }

// Result is what was fetched.
type Result struct {
	// Body is empty where NotModified.
	Body []byte
	// NotModified: the version that the validators name is current.
	NotModified bool
	// Validators of Body, to ask with the next time.
	Validators Validators
}

// Get fetches a document. Every failure is an *Error.
func (c *Client) Get(ctx context.Context, address string, known Validators) (*Result, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	at, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	for range maxRedirects + 1 {
		result, next, err := c.hop(ctx, at, known)
		if err != nil || next == nil {
			return result, err
		}
		if at.Scheme == "https" && next.Scheme != "https" {
			return nil, fail("the address redirects from https to plain http; give an address that stays with https")
		}
		at = next
	}
	return nil, fail("the address redirects more than %d times; give the one that it ends at", maxRedirects)
}

func parseURL(address string) (*url.URL, error) {
	parsed, err := url.Parse(address)
	switch {
	case err != nil || parsed.Opaque != "" || parsed.Hostname() == "":
		return nil, fail("the address is no absolute URL; give one that begins with https://")
	case parsed.Scheme != "https" && parsed.Scheme != "http":
		return nil, fail("the address is neither https nor http; give one that begins with https://")
	case parsed.User != nil:
		return nil, fail("the address has a user name in it; give one without")
	}
	return parsed, nil
}

// hop asks one server, and returns where it redirects to, if it does.
func (c *Client) hop(ctx context.Context, at *url.URL, known Validators) (*Result, *url.URL, error) {
	transport := c.transport(at.Scheme)
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, nil, fail("the address is no absolute URL; give one that begins with https://")
	}
	request.Header.Set("Accept", "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1")
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "Tegata")
	if known.ETag != "" {
		request.Header.Set("If-None-Match", known.ETag)
	}
	if known.LastModified != "" {
		request.Header.Set("If-Modified-Since", known.LastModified)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, nil, c.explain(ctx, err)
	}
	defer func() { _ = response.Body.Close() }() // read or given up
	return c.read(ctx, response, at, known)
}

func (c *Client) read(ctx context.Context, response *http.Response, at *url.URL, known Validators) (*Result, *url.URL, error) {
	switch response.StatusCode {
	case http.StatusOK:
		body, err := c.body(ctx, response)
		if err != nil {
			return nil, nil, err
		}
		return &Result{Body: body, Validators: Validators{validator(response, "ETag"), validator(response, "Last-Modified")}}, nil, nil
	case http.StatusNotModified:
		if known == (Validators{}) {
			return nil, nil, fail("the server answered 304 (not modified) although it was asked for the whole; tell its administrator")
		}
		return &Result{NotModified: true, Validators: known}, nil, nil
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		location, err := response.Location()
		if err != nil {
			return nil, nil, fail("the server redirects to nowhere; tell its administrator")
		}
		next, err := parseURL(at.ResolveReference(location).String())
		if err != nil {
			return nil, nil, fail("the address redirects to one that is not fetched from: %s", err)
		}
		return nil, next, nil
	default:
		return nil, nil, fail("the server answered with HTTP status %d; check the address", response.StatusCode)
	}
}

// body reads within the limit. Nothing is decompressed, so nothing can grow.
func (c *Client) body(ctx context.Context, response *http.Response) ([]byte, error) {
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, fail("the server answered compressed although it was not asked to; tell its administrator")
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, c.options.MaxBytes+1))
	switch {
	case int64(len(body)) > c.options.MaxBytes:
		return nil, fail("the document is larger than %d kB; give the address of a smaller one", c.options.MaxBytes>>10)
	case err != nil:
		return nil, c.explain(ctx, err)
	}
	return body, nil
}

// validator is a header that is sent back as it came, unless it is odd.
func validator(response *http.Response, name string) string {
	text := response.Header.Get(name)
	if len(text) > maxValidator || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return text
}

// transport is for one request to one scheme.
func (c *Client) transport(scheme string) *http.Transport {
	return &http.Transport{
		Proxy: nil, // a proxy would connect to what is not checked here
		DialContext: func(ctx context.Context, _, hostPort string) (net.Conn, error) {
			return c.dialer.Dial(ctx, scheme, hostPort)
		},
		TLSClientConfig:        &tls.Config{RootCAs: c.options.RootCAs, MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		ResponseHeaderTimeout:  c.options.Timeout / 2,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}
