/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
)

type accountBody struct {
	Family, Given, PhoneticFamily, PhoneticGiven string
	Mail, Tenant, RoleKey                        string
	// LastLogin is in the member's own time zone.
	LastLogin, TimeZone string
	Error, Notice       string
}

func (s *Site) showAccount(v *visit) error {
	if ok, err := v.requireSession(); !ok {
		return err
	}
	notice := ""
	if v.r.URL.Query().Get("notice") == "password-changed" {
		notice = v.text("account.notice.passwordChanged")
	}
	return v.renderAccount(http.StatusOK, "", notice)
}

func (v *visit) renderAccount(status int, refusal, notice string) error {
	tenant, err := v.readTenant(v.account.Tenant)
	if err != nil {
		return fmt.Errorf("read tenant: %w", err)
	}
	a := v.account
	body := accountBody{
		Family: a.Person.Family, Given: a.Person.Given,
		PhoneticFamily: a.Person.PhoneticFamily, PhoneticGiven: a.Person.PhoneticGiven,
		Mail: a.Mail, Tenant: tenant.DisplayName, RoleKey: "role." + string(a.Role),
		LastLogin: localTime(a.LastLogin, a.TimeZone), TimeZone: a.TimeZone, Error: refusal, Notice: notice,
	}
	return v.render(status, "account", v.text("account.title"), body)
}

// localTime writes a time to the minute; UTC where the zone is not known here.
func localTime(t time.Time, zone string) string {
	if t.IsZero() {
		return ""
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		location = time.UTC
	}
	return t.In(location).Format("2006-01-02 15:04 MST")
}

// changePassword needs the current one, and counts wrong ones like log-ins: a
// browser left open must not be a way to guess it.
func (s *Site) changePassword(v *visit) error {
	if ok, err := v.requireSession(); !ok {
		return err
	}
	refused, err := v.refuseCurrentPassword()
	if refused || err != nil {
		return err
	}
	hash, refusal, err := v.newPassword(v.account)
	if err != nil {
		return err
	}
	if refusal != "" {
		return v.renderAccount(http.StatusUnprocessableEntity, refusal, "")
	}
	entry := v.entry(admin.PasswordChanged, v.account, "")
	err = s.Store.SetPassword(v.context(), v.account.Tenant, v.account.Name, hash, v.token, entry)
	if errors.Is(err, store.ErrNotFound) {
		return v.redirect("/login")
	}
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return v.redirect("/account?notice=password-changed")
}

// refuseCurrentPassword answers the request where the current password given is wrong.
func (v *visit) refuseCurrentPassword() (refused bool, err error) {
	s := v.site
	address := s.clientAddress(v.r)
	if err := s.Hasher.Busy(); err != nil {
		return false, err
	}
	wait, err := s.Store.Attempt(v.context(), v.account.Mail, address)
	if err != nil {
		return false, fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		if err := v.auditLogin(admin.LoginRefused, v.account, "", "too many attempts at changing the password"); err != nil {
			return false, err
		}
		v.retryAfter(wait)
		return true, v.renderAccount(http.StatusTooManyRequests, v.text("login.error.locked", minutes(wait)), "")
	}
	right, err := s.Hasher.Verify(v.context(), v.account.PasswordHash, v.r.PostForm.Get("current"))
	if err != nil {
		return false, fmt.Errorf("verify current password: %w", err)
	}
	if !right {
		if err := v.auditLogin(admin.LoginFailed, v.account, "", "wrong current password at changing the password"); err != nil {
			return false, err
		}
		return true, v.renderAccount(http.StatusUnprocessableEntity, v.text("account.error.current"), "")
	}
	if err := s.Store.AttemptSucceeded(v.context(), v.account.Mail, address); err != nil {
		return false, fmt.Errorf("clear attempts: %w", err)
	}
	return false, nil
}
