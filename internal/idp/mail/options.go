/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package mail sends the outbox's mails over SMTP, with retry, so that a dead
// mail server loses nothing.
package mail

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	netmail "net/mail"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Security is how the connection to the mail server is protected.
type Security string

// The ways; STARTTLS is the default and never falls back to clear text.
const (
	SecurityStartTLS Security = "STARTTLS"
	SecurityTLS      Security = "TLS"
	SecurityNone     Security = "None"
)

// connectTimeout bounds each dial and each exchange with the mail server.
const connectTimeout = 15 * time.Second

// SMTPOptions say where mail goes.
type SMTPOptions struct {
	Host string
	// Port is by default 587 for STARTTLS, 465 for TLS, 25 for None.
	Port     int
	Security Security
	// Username and Password log in where Username is set.
	Username, Password string
	// From is the sender, "id@example.com" or "手形 <id@example.com>".
	From string
	// RootCAs verify the server; nil takes the system's.
	RootCAs *x509.CertPool
}

// String hides the password.
func (o SMTPOptions) String() string { return fmt.Sprintf("[SMTP %s:%d]", o.Host, o.Port) }

// GoString hides the password from %#v.
func (o SMTPOptions) GoString() string { return o.String() }

// transport is checked options, ready to send.
type transport struct {
	client *gomail.Client
	from   *netmail.Address
}

// newTransport checks the options; its errors say which one to mend.
func newTransport(o SMTPOptions) (*transport, error) {
	if o.Host == "" {
		return nil, errors.New("the mail server's host is not set")
	}
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("the sender %q is not a mail address: %w", o.From, err)
	}
	options := []gomail.Option{
		gomail.WithTimeout(connectTimeout),
		gomail.WithTLSConfig(&tls.Config{ServerName: o.Host, RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}),
	}
	port := o.Port
	switch o.Security {
	case SecurityStartTLS, "":
		options, port = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory)), portOr(port, gomail.DefaultPortTLS)
	case SecurityTLS:
		options, port = append(options, gomail.WithSSL()), portOr(port, gomail.DefaultPortSSL)
	case SecurityNone:
		options, port = append(options, gomail.WithTLSPolicy(gomail.NoTLS)), portOr(port, gomail.DefaultPort)
	default:
		return nil, fmt.Errorf("unknown mail security %q; use STARTTLS, TLS or None", o.Security)
	}
	options = append(options, gomail.WithPort(port))
	if o.Username != "" {
		// Without TLS it never picks a mechanism that shows the password.
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(o.Username), gomail.WithPassword(o.Password))
	}
	client, err := gomail.NewClient(o.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("mail server %s: %w", o.Host, err)
	}
	return &transport{client: client, from: from}, nil
}

func portOr(port, byDefault int) int {
	if port == 0 {
		return byDefault
	}
	return port
}
