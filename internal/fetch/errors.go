/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// Error tells why a document was not fetched, as a sentence without a full stop
// that says what to do. It repeats nothing that a server answered, and no
// address that a name has: both may be none of the reader's business.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func fail(format string, arguments ...any) error {
	return &Error{Message: fmt.Sprintf(format, arguments...)}
}

func tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// explain makes an *Error of what the network said.
func (c *Client) explain(ctx context.Context, err error) error {
	var (
		ours         *Error
		lookup       *net.DNSError
		network      net.Error
		verification *tls.CertificateVerificationError
		record       tls.RecordHeaderError
		alert        tls.AlertError
	)
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(err, context.Canceled):
		return fail("the fetch was stopped; it is tried again")
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded):
		return c.slow()
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return fail("the address's host name is not known to DNS; check the address")
	case errors.As(err, &lookup):
		return fail("the address's host name could not be resolved; check the address, and the cluster's DNS")
	case errors.As(err, &verification):
		return fail("the server's TLS certificate is not trusted: %s", untrusted(verification.Err))
	case errors.As(err, &record), errors.As(err, &alert):
		return fail("the server does not speak TLS as expected; check the address")
	case errors.As(err, &network) && network.Timeout():
		return c.slow()
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail("the server refused the connection; check the address")
	default:
		return fail("the server could not be reached, or broke off its answer; check the address")
	}
}

func (c *Client) slow() error {
	return fail("the server did not answer within %s; it is tried again", c.options.Timeout)
}

func untrusted(err error) string {
	var (
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &host):
		return "it is for another host name; check the address"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired; tell the server's administrator"
	default:
		return "its issuer is not known; use a server with a certificate of a public authority, or add the issuer to the operator's trusted certificates"
	}
}
