/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"errors"
	"fmt"
	"net/http"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/store"
)

// passwordBody is a page that asks for a new password.
type passwordBody struct {
	// Action is where the form goes; Flow goes with it.
	Action, Flow string
	// Lead says why a password is asked for.
	Lead string
	// Mail and Tenant say whose password it is.
	Mail, Tenant string
	Error        string
}

// refusals are the catalogue keys of what can be wrong with a new password.
var refusals = map[error]string{
	directory.ErrPasswordTooShort: "password.error.tooShort",
	directory.ErrPasswordTooLong:  "password.error.tooLong",
	directory.ErrPasswordTooPlain: "password.error.tooPlain",
	directory.ErrPasswordIsMail:   "password.error.isMail",
	directory.ErrPasswordCommon:   "password.error.common",
}

// newPassword reads the form's new password and hashes it, or says in the
// page's language what is wrong with it.
func (v *visit) newPassword(account *store.Account) (hash, refusal string, err error) {
	chosen := v.r.PostForm.Get("password")
	if chosen != v.r.PostForm.Get("confirmation") {
		return "", v.text("password.error.differs"), nil
	}
	if err := directory.CheckPassword(chosen, account.Member); err != nil {
		key, known := refusals[err]
		if !known {
			return "", "", fmt.Errorf("check password: %w", err)
		}
		return "", v.text(key), nil
	}
	if account.PasswordKind != store.PasswordNone {
		current, err := v.site.Hasher.Verify(v.context(), account.PasswordHash, chosen)
		if err != nil {
			return "", "", fmt.Errorf("compare with current password: %w", err)
		}
		if current {
			return "", v.text("password.error.same"), nil
		}
	}
	hash, err = v.site.Hasher.Hash(v.context(), chosen)
	return hash, "", err
}

// startChange keeps that the temporary password was right, and asks for a new
// one before there is any session (O3.3b).
func (v *visit) startChange(id string, f *flow, account *store.Account) error {
	if err := v.dropFlow(id); err != nil {
		return err
	}
	f.Change = &change{
		Tenant: account.Tenant, Member: account.Name, Credential: hashOf("credential", account.PasswordHash),
		Browser: browserMark(v.site.readCookie(v.r, csrfCookie)),
	}
	id, err := v.saveFlow(f)
	if err != nil {
		return err
	}
	return v.redirect(loginURL(id))
}

// changing is the account whose temporary password a flow is to replace;
// nil where it was replaced, suspended or deleted since.
func (v *visit) changing(c *change) (*store.Account, error) {
	account, err := v.site.Store.Account(v.context(), c.Tenant, c.Member)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read account: %w", err)
	case account.Suspended || account.PasswordKind != store.PasswordTemporary,
		!same(c.Credential, hashOf("credential", account.PasswordHash)):
		return nil, nil
	}
	return account, nil
}

func (v *visit) showChange(status int, id string, f *flow, refusal string) error {
	account, err := v.changing(f.Change)
	if err != nil {
		return err
	}
	if account == nil {
		return v.redirect("/login")
	}
	v.speak(account.Language)
	// Whoever is logged in here is not the one who changes the password.
	v.account = nil
	body := passwordBody{Action: "/login/password", Flow: id, Error: refusal}
	return v.renderPassword(status, "temporary", account, body)
}

func (v *visit) renderPassword(status int, purpose string, account *store.Account, body passwordBody) error {
	tenant, err := v.readTenant(account.Tenant)
	if err != nil {
		return fmt.Errorf("read tenant: %w", err)
	}
	body.Lead, body.Mail, body.Tenant = v.text(purpose+".lead"), account.Mail, tenant.DisplayName
	return v.render(status, "newpassword", v.text(purpose+".title"), body)
}

// changeTemporaryPassword sets the new password and only then logs in.
func (s *Site) changeTemporaryPassword(v *visit) error {
	id := v.r.PostForm.Get("flow")
	f, err := v.flow(id)
	if err != nil {
		return err
	}
	if f == nil || f.Change == nil {
		return v.redirect("/login?flow=expired")
	}
	account, err := v.changing(f.Change)
	if err != nil {
		return err
	}
	if account == nil {
		return v.redirect("/login?flow=expired")
	}
	v.speak(account.Language)
	hash, refusal, err := v.newPassword(account)
	if err != nil {
		return err
	}
	if refusal != "" {
		return v.showChange(http.StatusUnprocessableEntity, id, f, refusal)
	}
	entry := v.entry(admin.PasswordChanged, account, "the temporary password was replaced")
	if err := s.Store.SetPassword(v.context(), account.Tenant, account.Name, hash, "", entry); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return v.afterChange(id, f, account)
}

// afterChange logs in and goes on with what was asked before the change.
func (v *visit) afterChange(id string, f *flow, account *store.Account) error {
	if err := v.dropFlow(id); err != nil {
		return err
	}
	f.Change = nil
	id = ""
	if f.Pending != nil {
		var err error
		if id, err = v.saveFlow(f); err != nil {
			return err
		}
	}
	v.site.Metrics.login(outcomeSucceeded)
	return v.startSession(id, f, account)
}

// showPasswordLink asks for a new password. It consumes nothing, as mail
// scanners follow links.
func (s *Site) showPasswordLink(v *visit) error {
	account, err := v.linkAccount()
	if err != nil {
		return err
	}
	return v.showLinkForm(http.StatusOK, account, "")
}

func (v *visit) showLinkForm(status int, account *store.Account, refusal string) error {
	body := passwordBody{Action: "/password/" + v.r.PathValue("token"), Error: refusal}
	return v.renderPassword(status, "link", account, body)
}

func (v *visit) linkAccount() (*store.Account, error) {
	account, err := v.site.Store.PasswordLink(v.context(), clean(v.r.PathValue("token"), maxAuditUserAgent))
	if errors.Is(err, store.ErrNotFound) {
		return nil, errLinkGone
	}
	if err != nil {
		return nil, fmt.Errorf("read password link: %w", err)
	}
	v.speak(account.Language)
	return account, nil
}

// usePasswordLink sets the password, once.
func (s *Site) usePasswordLink(v *visit) error {
	account, err := v.linkAccount()
	if err != nil {
		return err
	}
	hash, refusal, err := v.newPassword(account)
	if err != nil {
		return err
	}
	if refusal != "" {
		return v.showLinkForm(http.StatusUnprocessableEntity, account, refusal)
	}
	entry := v.entry(admin.PasswordLinkUsed, account, "")
	_, err = s.Store.UsePasswordLink(v.context(), v.r.PathValue("token"), hash, entry)
	if errors.Is(err, store.ErrNotFound) {
		return errLinkGone
	}
	if err != nil {
		return fmt.Errorf("use password link: %w", err)
	}
	// Somebody else may be logged in here; the next page is for the link's owner.
	if err := v.endSession(); err != nil {
		return err
	}
	s.setCookie(v.w, sessionCookie, "", -1)
	return v.redirect("/login?notice=password-set")
}
