/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/idp/store"
)

type loginBody struct {
	Flow, Mail string
	// App and Tenant are where the log-in leads; empty for the portal.
	App, Tenant string
	Error       string
	Notice      string
	// Logout is the page of a log-out that is not finished.
	Logout string
}

// notices are what /login?notice= may ask to be said.
var notices = map[string]string{
	"password-set": "login.notice.passwordSet",
	"logged-out":   "login.notice.loggedOut",
}

// showLogin goes on with a flow as far as it can, else asks for mail and password.
func (s *Site) showLogin(v *visit) error {
	v.rememberLanguage()
	if err := v.authenticate(); err != nil {
		return err
	}
	query := v.r.URL.Query()
	id := query.Get("flow")
	f, err := v.flow(id)
	if err != nil {
		return err
	}
	body := loginBody{Flow: id}
	switch {
	case f != nil && f.Change != nil:
		return v.showChange(http.StatusOK, id, f, "")
	case f != nil && f.Pending != nil:
		if done, err := v.resume(id, f); done || err != nil {
			return err
		}
	case v.session != nil:
		return v.redirect("/")
	case id != "":
		body.Flow, body.Notice = "", v.text("login.notice.flowExpired")
	}
	if notice, ok := notices[query.Get("notice")]; ok {
		body.Notice = v.text(notice)
	}
	if v.account != nil {
		// ForceAuthn: most likely the same person.
		body.Mail = v.account.Mail
	}
	return v.renderLogin(http.StatusOK, f, body)
}

func (v *visit) renderLogin(status int, f *flow, body loginBody) error {
	if f != nil && f.Pending != nil {
		tenant, app, err := v.flowApp(f)
		if err != nil {
			return err
		}
		body.App, body.Tenant = app.DisplayName, tenant.DisplayName
	}
	var err error
	if body.Logout, err = v.openLogout(); err != nil {
		return err
	}
	// The page is for whoever logs in, not for whoever is.
	v.account = nil
	return v.render(status, "login", v.text("login.title"), body)
}

// logIn checks mail and password. Until the password is right, nothing in the
// answer or its time depends on whether the account exists (O2.1).
func (s *Site) logIn(v *visit) error {
	form := v.r.PostForm
	id := form.Get("flow")
	f, err := v.flow(id)
	if err != nil {
		return err
	}
	if f == nil || f.Change != nil {
		id, f = "", &flow{}
	}
	body := loginBody{Flow: id, Mail: clean(form.Get("mail"), maxAuditMail)}
	result, err := v.checkPassword(body.Mail, form.Get("password"))
	if err != nil {
		return err
	}
	s.Metrics.login(result.outcome)
	switch result.outcome {
	case outcomeSucceeded:
		return v.startSession(id, f, result.account)
	case outcomeTemporary:
		return v.startChange(id, f, result.account)
	}
	if result.wait > 0 {
		v.retryAfter(result.wait)
	}
	body.Error = result.message
	return v.renderLogin(result.status, f, body)
}

// loginResult is what became of mail and password.
type loginResult struct {
	outcome string
	account *store.Account
	// status, message and wait are for the page where there is no way on.
	status  int
	message string
	wait    time.Duration
}

func (v *visit) checkPassword(mail, password string) (loginResult, error) {
	s := v.site
	address := s.clientAddress(v.r)
	account, err := s.Store.AccountByMail(v.context(), mail)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return loginResult{}, fmt.Errorf("find account: %w", err)
	}
	hash := ""
	if account != nil {
		hash = account.PasswordHash
	}
	if err := s.Hasher.Busy(); err != nil {
		return loginResult{}, err
	}
	wait, err := s.Store.Attempt(v.context(), mail, address)
	if err != nil {
		return loginResult{}, fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		message := v.text("login.error.locked", minutes(wait))
		return loginResult{outcome: outcomeLocked, status: http.StatusTooManyRequests, message: message, wait: wait},
			v.auditLogin(admin.LoginRefused, account, mail, "too many attempts")
	}
	right, err := s.Hasher.Verify(v.context(), hash, password)
	if err != nil {
		return loginResult{}, fmt.Errorf("verify password: %w", err)
	}
	if !right || account == nil {
		return loginResult{outcome: outcomeFailed, status: http.StatusUnauthorized, message: v.text("login.error.wrong")},
			v.auditLogin(admin.LoginFailed, account, mail, "wrong mail address or password")
	}
	if err := s.Store.AttemptSucceeded(v.context(), mail, address); err != nil {
		return loginResult{}, fmt.Errorf("clear attempts: %w", err)
	}
	return v.admit(account, password)
}

// admit decides what a right password leads to.
func (v *visit) admit(account *store.Account, password string) (loginResult, error) {
	result := loginResult{account: account, status: http.StatusForbidden}
	temporary := account.PasswordKind == store.PasswordTemporary
	switch {
	case account.Suspended:
		result.outcome, result.message = outcomeSuspended, v.text("login.error.suspended")
		return result, v.auditLogin(admin.LoginRefused, account, "", "the member is suspended")
	case temporary && !account.PasswordExpiresAt.IsZero() && !v.site.Now().Before(account.PasswordExpiresAt):
		result.outcome, result.message = outcomeExpired, v.text("login.error.expired")
		return result, v.auditLogin(admin.LoginRefused, account, "", "the temporary password has expired")
	case temporary:
		result.outcome = outcomeTemporary
	default:
		result.outcome = outcomeSucceeded
		v.renewHash(account, password)
	}
	return result, nil
}

// renewHash makes the hash anew where it was made with other parameters than
// today's: only now is the password at hand. A failure stops no log-in; the
// next one tries again.
func (v *visit) renewHash(account *store.Account, password string) {
	hasher := v.site.Hasher
	if !hasher.Outdated(account.PasswordHash) {
		return
	}
	hash, err := hasher.Hash(v.context(), password)
	if err == nil {
		err = v.site.Store.RenewHash(v.context(), account, hash)
	}
	if err != nil {
		v.site.Log.Error(err, "Failed to renew a password hash", "requestID", requestID(v.r))
	}
}

func (v *visit) auditLogin(action string, account *store.Account, mail, detail string) error {
	entry := v.entry(action, account, detail)
	if account == nil {
		entry.Mail = mail
	}
	return v.audit(entry)
}

// minutes rounds up, so that nobody comes back too early.
func minutes(wait time.Duration) int { return int(math.Ceil(wait.Minutes())) }

// startSession logs the account in under a new token and goes on with the flow.
func (v *visit) startSession(flowID string, f *flow, account *store.Account) error {
	s := v.site
	if err := v.auditLogin(admin.LoginSucceeded, account, "", ""); err != nil {
		return err
	}
	now := s.Now()
	token, err := s.Store.CreateSession(v.context(), store.Session{
		Tenant: account.Tenant, Member: account.Name, AuthenticatedAt: now, ExpiresAt: now.Add(s.SessionLifetime),
		Address: s.clientAddress(v.r), UserAgent: clean(v.r.UserAgent(), maxAuditUserAgent),
	})
	if errors.Is(err, store.ErrNotFound) {
		// Suspended or deleted since the password was checked.
		return v.redirect(loginURL(flowID))
	}
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	if old := s.readCookie(v.r, sessionCookie); old != "" {
		if err := s.Store.ReplaceSession(v.context(), old, token); err != nil {
			return fmt.Errorf("end session: %w", err)
		}
	}
	s.setCookie(v.w, sessionCookie, token, 0)
	if f.Pending == nil {
		return v.redirect("/")
	}
	return v.redirect(loginURL(flowID))
}

// endSession ends the session this browser came with, if any.
func (v *visit) endSession() error {
	token := v.site.readCookie(v.r, sessionCookie)
	if token == "" {
		return nil
	}
	if err := v.site.Store.EndSession(v.context(), token); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}
