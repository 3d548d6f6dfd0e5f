/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"tegata.dev/tegata/internal/dial"
	"tegata.dev/tegata/internal/provision"
)

const (
	// DefaultTimeout bounds one call, from connecting to the end of the answer.
	DefaultTimeout = 30 * time.Second
	// DefaultMaxBytes is the largest answer: many are read at once.
	DefaultMaxBytes = 1 << 20
	// DefaultMaxLargeBytes is that where a request allows a large one: pages of 999
	// users, or of groups with all their members.
	DefaultMaxLargeBytes = 16 << 20
	// largeAtOnce are read and parsed at a time, in the whole process: once parsed,
	// they take several times their size.
	largeAtOnce    = 4
	maxHeaderBytes = 64 << 10
	// idleConnections to one host are kept: as many as calls are under way at once.
	idleConnections = 64
	idleTimeout     = 90 * time.Second
)

// large has an element for each large answer that is read or parsed now.
var large = make(chan struct{}, largeAtOnce)

// Options are what a client may do.
type Options struct {
	// Allowed are networks that may be connected to although they are not
	// public, and by plain http too.
	Allowed []netip.Prefix
	// RootCAs verify TLS certificates. Default: the system's.
	RootCAs *x509.CertPool
	// Timeout bounds one call. Default: DefaultTimeout.
	Timeout time.Duration
	// MaxBytes is the largest answer. Default: DefaultMaxBytes.
	MaxBytes int64
	// MaxLargeBytes is that of requests that allow a large one. Default:
	// DefaultMaxLargeBytes.
	MaxLargeBytes int64
	// Resolver defaults to net.DefaultResolver.
	Resolver dial.Resolver
	// Now defaults to time.Now.
	Now func() time.Time
}

// Client makes calls. It is safe for concurrent use. It follows no redirects and
// uses no proxy: credentials go nowhere but where they were meant for.
type Client struct {
	options       Options
	plain, secure *http.Transport
}

// New makes a client.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxLargeBytes == 0 {
		o.MaxLargeBytes = DefaultMaxLargeBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Client{options: o, plain: transport(o, "http"), secure: transport(o, "https")}
}

// transport is for one scheme: which addresses may be connected to depends on it.
// It speaks HTTP/1.1, where a dead connection holds up one call only.
func transport(o Options, scheme string) *http.Transport {
	dialer := &dial.Dialer{Allowed: o.Allowed, Setting: "spec.provisioningTargets.allowedNetworks", Resolver: o.Resolver, Timeout: o.Timeout / 3}
	return &http.Transport{
		Proxy: nil, // a proxy would connect to what is not checked here
		DialContext: func(ctx context.Context, _, hostPort string) (net.Conn, error) {
			return dialer.Dial(ctx, scheme, hostPort)
		},
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    o.Timeout / 3,
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// Close drops the connections that are kept; calls under way go on.
func (c *Client) Close() {
	c.plain.CloseIdleConnections()
	c.secure.CloseIdleConnections()
}

// Request is one call.
type Request struct {
	Method string
	// URL is absolute, of scheme https or http.
	URL string
	// Header may be nil. Accept and User-Agent are set where it has none.
	Header http.Header
	// Body may be nil.
	Body []byte
	// Large allows a large answer to a call that succeeds.
	Large bool
	// Parse, where set, is given the body of a success instead of the Response. Few
	// large ones are parsed at once: it must not make calls.
	Parse func(body []byte) error
}

// Response is a service's answer.
type Response struct {
	// Status is never a redirection.
	Status int
	Header http.Header
	// Body is empty or valid JSON.
	Body []byte
	// RetryAfter is how long the service asks to wait; 0 where it does not say.
	RetryAfter time.Duration
}

// Do makes a call. The error is a *provision.Error of cause Unavailable, the
// context's, or that of Parse.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	within, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	request, err := newRequest(within, r)
	if err != nil {
		return nil, err
	}
	transport := c.secure
	if request.URL.Scheme == "http" {
		transport = c.plain
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, c.failed(ctx, within, request, err)
	}
	defer func() { _ = response.Body.Close() }() // read or given up
	limit, succeeded := c.options.MaxBytes, response.StatusCode/100 == 2
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err == nil && int64(len(body)) > limit && r.Large && succeeded {
		select {
		case large <- struct{}{}:
			defer func() { <-large }()
		case <-within.Done():
			return nil, cmp.Or(ctx.Err(), unavailable(0, nil, "Too many services give large answers at once; it is tried again."))
		}
		limit = c.options.MaxLargeBytes
		body, err = readOn(body, response.Body, limit)
	}
	switch {
	case err != nil:
		return nil, c.failed(ctx, within, request, err)
	case int64(len(body)) > limit:
		return nil, unavailable(response.StatusCode, nil, "The service answered with more than %d MB; it is tried again.", limit>>20)
	}
	answer, err := c.answer(response, body)
	if err != nil || r.Parse == nil || !succeeded {
		return answer, err
	}
	err = r.Parse(answer.Body)
	answer.Body = nil
	return answer, err
}

// readOn reads the rest of a body, until it is longer than the limit.
func readOn(body []byte, from io.Reader, limit int64) ([]byte, error) {
	whole := bytes.NewBuffer(body)
	_, err := io.Copy(whole, io.LimitReader(from, limit+1-int64(len(body))))
	return whole.Bytes(), err
}

func newRequest(ctx context.Context, r Request) (*http.Request, error) {
	parsed, err := url.Parse(r.URL)
	if err != nil || parsed.Hostname() == "" || parsed.User != nil || parsed.Scheme != "https" && parsed.Scheme != "http" {
		// The error of url.Parse repeats the address, and that may hold what a service made up.
		return nil, unavailable(0, nil, "The address that was to be called is no https or http URL; check the address of the service.")
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, unavailable(0, nil, "The service cannot be called so; check the address of the service.")
	}
	if r.Header != nil {
		request.Header = r.Header.Clone()
	}
	for name, value := range map[string]string{"Accept": "application/json", "User-Agent": "Tegata"} {
		if request.Header.Get(name) == "" {
			request.Header.Set(name, value)
		}
	}
	return request, nil
}

// failed makes an error of what the network said. It names the server, as a target
// may have several: one that gives tokens, and one that has the accounts.
func (c *Client) failed(ctx, within context.Context, request *http.Request, err error) error {
	server := request.URL.Scheme + "://" + request.URL.Host
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case within.Err() != nil, dial.Slow(err):
		return unavailable(0, err, "The service at %s did not answer within %s; it is tried again.", server, c.options.Timeout)
	default:
		hint := ""
		if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
			hint = " Targets by SCIM and by the MDM contract can name that issuer as caBundleRef."
		}
		return unavailable(0, err, "The service could not be called at %s: %s.%s", server, dial.Explain(err), hint)
	}
}

// answer passes on what a service itself can have said.
func (c *Client) answer(response *http.Response, body []byte) (*Response, error) {
	status := response.StatusCode
	body = bytes.TrimSpace(body)
	problem := ""
	switch {
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return nil, unavailable(status, nil, "The service redirects (HTTP status %d)%s, which is not followed as credentials would go along; give the address that it redirects to.", status, destination(response))
	case len(body) == 0:
	case !isJSON(response.Header.Get("Content-Type")) && !plainObject(response.Header.Get("Content-Type"), body):
		problem = "something that is not JSON, such as a web page"
	case !json.Valid(body):
		problem = "JSON that has a fault or is cut off"
	}
	if problem != "" {
		if !aboutTheCall(status) {
			return nil, unavailable(status, nil, "The service answered with %s (HTTP status %d); check its address, and what stands before it. It is tried again.", problem, status)
		}
		body = nil
	}
	return &Response{Status: status, Header: response.Header, Body: body, RetryAfter: RetryAfter(response.Header.Get("Retry-After"), c.options.Now())}, nil
}

// aboutTheCall tells that a status speaks of the caller or of the service, whoever
// says so; others speak of an account, and are believed only to the service.
func aboutTheCall(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

// isJSON takes application/json, application/scim+json and their like; a service
// that names no type is given the benefit of the doubt.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// plainObject tells that a text is a JSON object or list: Go's servers say
// text/plain where nobody told them better. No web page is one.
func plainObject(contentType string, body []byte) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "text/plain" && (body[0] == '{' || body[0] == '[') && json.Valid(body)
}

// destination is where a redirection leads, for a message: without what may be
// secret in it. Empty where that is not told, or endless.
func destination(response *http.Response) string {
	location, err := response.Location()
	if err != nil || location.Host == "" {
		return ""
	}
	const most = 200
	for _, shown := range []url.URL{{Scheme: location.Scheme, Host: location.Host, Path: location.Path}, {Scheme: location.Scheme, Host: location.Host}} {
		if text := shown.String(); len(text) <= most {
			return " to " + text
		}
	}
	return ""
}

// unavailable makes an error; status is 0 where there was no answer.
func unavailable(status int, cause error, format string, arguments ...any) error {
	e := &provision.Error{Cause: provision.Unavailable, Message: fmt.Sprintf(format, arguments...), Err: cause}
	if status != 0 {
		e.Code = fmt.Sprint(status)
	}
	return e
}
