/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package embedded

import (
	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/idp/mail"
)

// smtpOptions is the IdP's form of the mail settings, nil where there are none.
func smtpOptions(config *controllers.MailConfig) *mail.SMTPOptions {
	if config == nil {
		return nil
	}
	security := map[v1alpha1.SMTPTLSMode]mail.Security{
		v1alpha1.SMTPStartTLS: mail.SecurityStartTLS,
		v1alpha1.SMTPTLS:      mail.SecurityTLS,
		v1alpha1.SMTPPlain:    mail.SecurityNone,
	}[v1alpha1.SMTPTLSMode(config.TLS)]
	return &mail.SMTPOptions{
		Host: config.Host, Port: config.Port, Security: security,
		Username: config.Username, Password: config.Password, From: config.From,
	}
}
