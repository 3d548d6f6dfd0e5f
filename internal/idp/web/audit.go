/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"fmt"
	"strings"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
)

// What is kept of what a browser sends.
const (
	maxAuditMail      = 254 // RFC 5321 4.5.3.1.3, less the angle brackets
	maxAuditUserAgent = 512
)

// entry begins an audit entry for what this visit does (O12.1). account may be nil.
func (v *visit) entry(action string, account *store.Account, detail string) admin.AuditEntry {
	entry := admin.AuditEntry{
		Time: v.site.Now(), Action: action, Detail: detail, RequestID: requestID(v.r),
		Address: v.site.clientAddress(v.r), UserAgent: clean(v.r.UserAgent(), maxAuditUserAgent),
	}
	if account != nil {
		entry.Tenant, entry.Member, entry.Mail = account.Tenant, account.Name, account.Mail
		entry.MemberName = account.Person.Display(account.Language)
	}
	return entry
}

func (v *visit) audit(entry admin.AuditEntry) error {
	if v.tentative {
		return errTentative
	}
	if err := v.site.Store.Audit(v.context(), entry); err != nil {
		return fmt.Errorf("write audit entry: %w", err)
	}
	return nil
}

// clean makes foreign text fit for the database, which refuses broken UTF-8
// and NUL, and for a line of a list.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
