/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
	"tegata.dev/tegata/internal/idp/store"
)

func (s *Site) logoutRedirectBinding(v *visit) error {
	if v.r.Method != http.MethodGet {
		return nil // HEAD logs nobody out
	}
	message, err := saml.DecodeLogoutRedirect(v.r.URL.RawQuery)
	return v.singleLogout(message, err)
}

func (s *Site) logoutPostBinding(v *visit) error {
	if err := v.parseForm(maxSAMLBytes); err != nil {
		return err
	}
	message, err := saml.DecodeLogoutPost(v.r.PostForm)
	return v.singleLogout(message, err)
}

// peer is an app that speaks to us.
type peer struct {
	tenant   *store.Tenant
	provider *saml.Provider
	app      directory.App
	sp       *saml.ServiceProvider
}

func (v *visit) peer(tenant *store.Tenant, app directory.App) (*peer, error) {
	provider, err := v.site.provider(tenant)
	if err != nil {
		return nil, err
	}
	sp, err := v.site.serviceProvider(tenant, app)
	return &peer{tenant: tenant, provider: provider, app: app, sp: sp}, err
}

// singleLogout takes a log-out message of an app (SAML profiles section 4.4).
func (v *visit) singleLogout(message *saml.LogoutMessage, decodeError error) error {
	tenant, _, err := v.tenant()
	if err != nil {
		return err
	}
	if decodeError != nil {
		return v.refuseLogout(decodeError)
	}
	app, found := tenant.AppByEntityID(message.Issuer())
	if !found {
		v.site.Metrics.logout(outcomeInvalid)
		return &problem{status: http.StatusBadRequest, key: "unknownIssuer",
			arguments: []any{clean(message.Issuer(), maxIssuerShown), tenant.DisplayName}}
	}
	from, err := v.peer(tenant, app)
	if err != nil {
		return err
	}
	if message.Response != nil {
		return v.logoutAnswered(from, message)
	}
	pending, err := from.provider.ValidateLogout(message, from.sp)
	if err != nil {
		return v.answerRefused(from, pending, err)
	}
	if v.r.Method == http.MethodPost && len(message.Request.SessionIndexes) == 0 {
		// Which session is meant, only the cookie tells, and a cross-site POST
		// carries none; the same-site GET that follows does.
		f, err := v.startLogout(&logout{Tenant: tenant.Slug, By: app.Name, Pending: pending, Request: message.Request})
		if err != nil {
			return err
		}
		return v.redirect(logoutNextURL(f.id))
	}
	return v.logOutFor(from, pending, message.Request)
}

// resumeLogoutRequest takes up a request that came by a cross-site POST.
func (v *visit) resumeLogoutRequest(tenant *store.Tenant, f *logoutFlow) error {
	app, found := tenant.App(directory.KindSAMLApp, f.By)
	if !found || app.SAML == nil || app.SAML.EntityID != f.Pending.EntityID {
		return errPageNotFound
	}
	from, err := v.peer(tenant, app)
	if err != nil {
		return err
	}
	if err := v.dropFlow(f.id); err != nil {
		return err
	}
	return v.logOutFor(from, f.Pending, f.Request)
}

// logOutFor ends the sessions that an app may speak of: those it takes part in
// itself, where it names the member as it was told. Then the other apps are told.
func (v *visit) logOutFor(from *peer, pending *saml.PendingLogout, request *saml.LogoutRequest) error {
	token := v.site.readCookie(v.r, sessionCookie)
	found, err := v.site.Store.Participations(v.context(), from.tenant.Slug, from.app.SAML.EntityID, token, request.SessionIndexes)
	if err != nil {
		return fmt.Errorf("find sessions: %w", err)
	}
	own := store.ReferTo(token)
	var sessions []store.SessionReference
	l := &logout{Tenant: from.tenant.Slug, By: from.app.Name, Pending: pending}
	for _, p := range found {
		// A request without an index means the browser's own session, not every one of the member's.
		if request.Names(nameIDOf(p.Participant), p.SessionIndex) && (len(request.SessionIndexes) > 0 || p.Session == own) {
			sessions, l.Member = append(sessions, p.Session), p.Member
		}
	}
	if len(sessions) == 0 {
		return v.answerRefused(from, pending, &saml.RequestError{
			Status: saml.StatusRequester, SubStatus: saml.StatusUnknownPrincipal, Message: "The app takes part in no such session.",
		})
	}
	if err := v.auditLogout(admin.LoggedOut, from.tenant, l.Member, from.app.Name, "the app asked for it"); err != nil {
		return err
	}
	participants, err := v.site.Store.LogOut(v.context(), sessions...)
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	if slices.Contains(sessions, own) {
		v.site.setCookie(v.w, sessionCookie, "", -1)
	}
	if l.addApps(participants); len(l.Apps) == 0 {
		v.site.Metrics.logout(outcomeSucceeded)
		return v.answerLogout(from, pending, saml.StatusSuccess, "", "")
	}
	f, err := v.startLogout(l)
	if err != nil {
		return err
	}
	return v.tellNext(from.tenant, f)
}

// logoutAnswered takes an app's answer to our request.
func (v *visit) logoutAnswered(from *peer, message *saml.LogoutMessage) error {
	const tries = 3
	for range tries {
		f, i, err := v.redeemTicket(message.Response.InResponseTo)
		if err != nil {
			return err
		}
		if f == nil || f.Tenant != from.tenant.Slug || f.Apps[i].App != from.app.Name {
			v.site.Metrics.logout(outcomeInvalid)
			return &problem{status: http.StatusBadRequest, key: "badLogout", detail: "The response is to no request that waits for one."}
		}
		saved, err := v.noteAnswer(from, message, f, i)
		if err != nil {
			return err
		}
		if !saved {
			continue // somebody was faster; the answer counts all the same
		}
		if err := v.dropFlow(f.Apps[i].RequestID[len(ticketPrefix):]); err != nil {
			return err
		}
		if f.in(logoutAsked) {
			// A late answer: another app is being told already.
			return v.redirect(logoutURL(f.id))
		}
		return v.tellNext(from.tenant, f)
	}
	return &problem{status: http.StatusServiceUnavailable, key: "busy", retryAfter: databaseRetry}
}

func (v *visit) noteAnswer(from *peer, message *saml.LogoutMessage, f *logoutFlow, i int) (saved bool, err error) {
	state, detail := logoutSucceeded, ""
	if err := from.provider.ValidateLogoutResponse(message, from.sp, f.Apps[i].RequestID); err != nil {
		state, detail = logoutFailed, err.Error()
	} else if !message.Response.Succeeded {
		state, detail = logoutFailed, "the app says that it did not log the member out everywhere; its status is "+cmp.Or(strings.Join(message.Response.Status, ", "), "none that SAML defines")
	}
	f.Apps[i].State = state
	if saved, err = v.saveLogout(f); !saved || err != nil {
		return saved, err
	}
	return true, v.settle(from.tenant, f, i, state, detail)
}

// answerRefused tells an app what is wrong with its request, where it is proven
// to be the app's, else the person.
func (v *visit) answerRefused(from *peer, pending *saml.PendingLogout, cause error) error {
	if err := v.auditLogout(admin.SingleLogoutFailed, from.tenant, "", from.app.Name, cause.Error()); err != nil {
		return err
	}
	var refused *saml.RequestError
	if pending == nil || !errors.As(cause, &refused) {
		return v.refuseLogout(cause)
	}
	v.site.Metrics.logout(outcomeRefused)
	return v.answerLogout(from, pending, refused.Status, refused.SubStatus, refused.Message)
}

// answerLogout answers at once: nothing but the app's own message came before,
// so a redirect is its own.
func (v *visit) answerLogout(from *peer, pending *saml.PendingLogout, status, subStatus, message string) error {
	out, err := from.provider.AnswerLogout(pending, from.sp, status, subStatus, message)
	if err != nil {
		return v.refuseLogout(err)
	}
	if out.Binding == directory.BindingHTTPRedirect {
		return v.redirect(out.URL)
	}
	return v.send(out, from.app.DisplayName, "", answerPolicy(out.URL))
}

// refuseLogout tells the person. Whatever else failed stays an error.
func (v *visit) refuseLogout(cause error) error {
	var refused *saml.RequestError
	if !errors.As(cause, &refused) {
		return cause
	}
	v.site.Metrics.logout(outcomeInvalid)
	return &problem{status: http.StatusBadRequest, key: "badLogout", detail: refused.Message}
}
