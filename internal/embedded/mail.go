/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package embedded

import (
	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/idp/mail"
)

// smtpOptions is the IdP's form of the mail settings, nil where there are none.
func smtpOptions(config *controllers.MailConfig) *mail.SMTPOptions {
	if config == nil {
		return nil
	}
	security := mail.SecurityStartTLS
	switch config.TLS {
	case "TLS":
		security = mail.SecurityTLS
	case "None":
		security = mail.SecurityNone
	}
	return &mail.SMTPOptions{
		Host: config.Host, Port: config.Port, Security: security,
		Username: config.Username, Password: config.Password, From: config.From,
	}
}
