/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"

	"tegata.dev/tegata/internal/idp/mail"
)

// smtpFlags say where mail goes.
type smtpFlags struct {
	options                        mail.SMTPOptions
	security, passwordFile, caFile string
}

func (f *smtpFlags) define(flags *flag.FlagSet) {
	flags.StringVar(&f.options.Host, "smtp-host", "", "`host` of the mail server; without one mails wait")
	flags.IntVar(&f.options.Port, "smtp-port", 0, "its `port`; by default 587 for STARTTLS, 465 for TLS, 25 for None")
	flags.StringVar(&f.security, "smtp-security", string(mail.SecurityStartTLS), "STARTTLS, TLS or None")
	flags.StringVar(&f.options.From, "smtp-from", "", "`address` that mails come from")
	flags.StringVar(&f.options.Username, "smtp-username", "", "`name` to log in there with; empty does not log in")
	flags.StringVar(&f.passwordFile, "smtp-password-file", "", "`file` with its password")
	flags.StringVar(&f.caFile, "smtp-ca-file", "", "`file` with PEM certificates to trust there instead of the system's")
}

func (c *configuration) readSMTP(r *raw) error {
	f := &r.smtp
	if f.options.Host == "" {
		return nil
	}
	f.options.Security = mail.Security(f.security)
	switch f.options.Security {
	case mail.SecurityStartTLS, mail.SecurityTLS, mail.SecurityNone:
	default:
		return fmt.Errorf("--smtp-security: %q is neither STARTTLS, TLS nor None", f.security)
	}
	if f.options.From == "" {
		return errors.New("--smtp-host needs --smtp-from")
	}
	if (f.options.Username == "") != (f.passwordFile == "") {
		return errors.New("give --smtp-username and --smtp-password-file together")
	}
	if f.passwordFile != "" {
		content, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return fmt.Errorf("--smtp-password-file: %w", err)
		}
		f.options.Password = string(bytes.TrimRight(content, "\r\n"))
	}
	if f.caFile != "" {
		content, err := os.ReadFile(f.caFile)
		if err != nil {
			return fmt.Errorf("--smtp-ca-file: %w", err)
		}
		f.options.RootCAs = x509.NewCertPool()
		if !f.options.RootCAs.AppendCertsFromPEM(content) {
			return fmt.Errorf("--smtp-ca-file: %s holds no PEM certificate", f.caFile)
		}
	}
	c.options.SMTP = &f.options
	return nil
}
