/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"
)

// Slow tells that an error is of a server that took too long; DNS that did is
// another matter.
func Slow(err error) bool {
	var (
		network net.Error
		lookup  *net.DNSError
	)
	if errors.As(err, &lookup) {
		return false
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// Explain says what the network's error means, as a sentence without a full stop
// that says what to do. It repeats nothing that a server answered, and no
// address that a name has: both may be none of the reader's business.
func Explain(err error) string {
	var (
		refusal      *Refusal
		lookup       *net.DNSError
		verification *tls.CertificateVerificationError
		record       tls.RecordHeaderError
		alert        tls.AlertError
	)
	switch {
	case errors.As(err, &refusal):
		return refusal.Message
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return "the address's host name is not known to DNS; check the address"
	case errors.As(err, &lookup):
		return "the address's host name could not be resolved; check the address, and the cluster's DNS"
	case errors.As(err, &verification):
		return "the server's TLS certificate is not trusted: " + untrusted(verification.Err)
	case errors.As(err, &record), errors.As(err, &alert):
		return "the server does not speak TLS as expected; check the address"
	case Slow(err):
		return "the server did not answer in time; it is tried again"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the server refused the connection; check the address"
	default:
		return "the server could not be reached, or broke off its answer; check the address"
	}
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
