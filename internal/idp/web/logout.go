/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/idp/saml"
	"tegata.dev/tegata/internal/idp/store"
)

// logOut ends the session here at once, then tells the apps that took part in
// it, and goes on with a flow where one waits for another member.
func (s *Site) logOut(v *visit) error {
	if err := v.authenticate(); err != nil {
		return err
	}
	l := &logout{}
	if v.account != nil {
		if err := v.audit(v.entry(admin.LoggedOut, v.account, "")); err != nil {
			return err
		}
		l.Tenant, l.Member = v.account.Tenant, v.account.Name
	}
	participants, err := s.Store.LogOut(v.context(), store.ReferTo(s.readCookie(v.r, sessionCookie)))
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	s.setCookie(v.w, sessionCookie, "", -1)
	then := v.r.PostForm.Get("flow")
	f, err := v.flow(then)
	if err != nil {
		return err
	}
	if f != nil {
		l.Then = then
	}
	if l.addApps(participants); v.account != nil && len(l.Apps) > 0 {
		started, err := v.startLogout(l)
		if err != nil {
			return err
		}
		// The page that follows is not a part of this form's redirects, which
		// the policy of the page with the form keeps within the site.
		return v.redirect(logoutNextURL(started.id))
	}
	if l.Then != "" {
		return v.redirect(loginURL(l.Then))
	}
	return v.redirect("/login?notice=logged-out")
}

type logoutBody struct {
	// Open tells that apps have yet to be told or to answer; Complete that all have ended their sessions.
	Open, Complete bool
	Apps           []logoutRow
	// Next goes on; Again is where to log in.
	Next, Again string
}

type logoutRow struct{ Name, State string }

// showLogout tells how far a log-out is.
func (s *Site) showLogout(v *visit) error {
	f, err := v.readLogout(v.r.PathValue("flow"))
	if err != nil {
		return err
	}
	tenant, err := v.logoutTenant(f)
	if err != nil {
		return err
	}
	body := logoutBody{Open: f.in(logoutWaiting, logoutAsked), Complete: f.complete(), Again: loginURL(f.Then)}
	if body.Open || f.Pending != nil {
		body.Next = logoutNextURL(f.id)
	}
	for _, a := range f.Apps {
		name := a.App
		if app, found := tenant.App(directory.KindSAMLApp, a.App); found {
			name = app.DisplayName
		}
		body.Apps = append(body.Apps, logoutRow{Name: name, State: string(a.State)})
	}
	return v.render(http.StatusOK, "logout", v.text("logout.title"), body)
}

// goOnLogout tells the next app. One that was told and is gone on without has
// not answered. HEAD is nobody's click.
func (s *Site) goOnLogout(v *visit) error {
	if v.r.Method != http.MethodGet {
		return nil
	}
	f, err := v.readLogout(v.r.PathValue("flow"))
	if err != nil {
		return err
	}
	tenant, err := v.logoutTenant(f)
	if err != nil {
		return err
	}
	if f.Request != nil {
		return v.resumeLogoutRequest(tenant, f)
	}
	for i := range f.Apps {
		if f.Apps[i].State == logoutAsked {
			if err := v.settle(tenant, f, i, logoutSilent, "the app has not answered"); err != nil {
				return err
			}
		}
	}
	return v.tellNext(tenant, f)
}

// logoutTenant is the tenant of a log-out, as it is now.
func (v *visit) logoutTenant(f *logoutFlow) (*store.Tenant, error) {
	tenant, err := v.readTenant(f.Tenant)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errPageNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read tenant: %w", err)
	}
	return tenant, nil
}

// settle notes what became of an app.
func (v *visit) settle(tenant *store.Tenant, f *logoutFlow, i int, state logoutState, detail string) error {
	f.Apps[i].State = state
	action := admin.SingleLogoutFailed
	if state == logoutSucceeded {
		action = admin.SingleLogoutSucceeded
	}
	return v.auditLogout(action, tenant, f.Member, f.Apps[i].App, detail)
}

func (v *visit) auditLogout(action string, tenant *store.Tenant, member, appName, detail string) error {
	var account *store.Account
	if member != "" {
		var err error
		account, err = v.site.Store.Account(v.context(), tenant.Slug, member)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("read account: %w", err)
		}
	}
	entry := v.entry(action, account, detail)
	entry.Tenant, entry.App = tenant.Slug, appName
	if app, found := tenant.App(directory.KindSAMLApp, appName); found {
		entry.App = app.DisplayName
	}
	return v.audit(entry)
}

// tellNext sends the browser to the next app that can be told, or ends the log-out.
func (v *visit) tellNext(tenant *store.Tenant, f *logoutFlow) error {
	provider, err := v.site.provider(tenant)
	if err != nil {
		return err
	}
	for i := range f.Apps {
		a := &f.Apps[i]
		if a.State != logoutWaiting {
			continue
		}
		sp, err := v.logoutPeer(tenant, a.App, a.EntityID)
		if err != nil {
			return err
		}
		if sp == nil {
			if err := v.settle(tenant, f, i, logoutUntold, "the app has no address for log-out messages"); err != nil {
				return err
			}
			continue
		}
		return v.tell(provider, sp, f, a)
	}
	return v.finish(tenant, provider, f)
}

// logoutPeer prepares an app that can be told of log-outs; nil where it cannot,
// was removed or became another.
func (v *visit) logoutPeer(tenant *store.Tenant, name, entityID string) (*saml.ServiceProvider, error) {
	app, found := tenant.App(directory.KindSAMLApp, name)
	if !found || app.SAML == nil || app.SAML.EntityID != entityID {
		return nil, nil
	}
	sp, err := v.site.serviceProvider(tenant, app)
	if err != nil || !sp.HasLogout() {
		return nil, err
	}
	return sp, nil
}

func (v *visit) tell(provider *saml.Provider, sp *saml.ServiceProvider, f *logoutFlow, a *logoutApp) error {
	requestID, err := v.issueTicket(f.id)
	if err != nil {
		return err
	}
	out, err := provider.RequestLogout(sp, requestID, a.NameID, a.SessionIndex)
	if err != nil {
		return fmt.Errorf("render LogoutRequest: %w", err)
	}
	a.State, a.RequestID = logoutAsked, requestID
	saved, err := v.saveLogout(f)
	if err != nil {
		return err
	}
	if !saved {
		return v.redirect(logoutURL(f.id))
	}
	return v.send(out, sp.App().DisplayName, logoutURL(f.id), requestPolicy(out.URL))
}

// finish answers the app that asked for the log-out, or shows what became of it.
func (v *visit) finish(tenant *store.Tenant, provider *saml.Provider, f *logoutFlow) error {
	saved, err := v.saveLogout(f)
	if err != nil {
		return err
	}
	outcome := outcomeSucceeded
	if !f.complete() {
		outcome = outcomePartial
	}
	if f.Pending == nil || !saved {
		if saved {
			v.site.Metrics.logout(outcome)
		}
		return v.redirect(logoutURL(f.id))
	}
	sp, err := v.logoutPeer(tenant, f.By, f.Pending.EntityID)
	if err != nil {
		return err
	}
	if sp == nil {
		// Nobody is left to be answered.
		f.Pending = nil
		return v.finish(tenant, provider, f)
	}
	subStatus := ""
	if outcome == outcomePartial {
		subStatus = saml.StatusPartialLogout
	}
	out, err := provider.AnswerLogout(f.Pending, sp, saml.StatusSuccess, subStatus, "")
	if err != nil {
		return v.refuseLogout(err)
	}
	v.site.Metrics.logout(outcome)
	if err := v.dropFlow(f.id); err != nil {
		return err
	}
	return v.send(out, sp.App().DisplayName, "", answerPolicy(out.URL))
}

type hopBody struct {
	// App is where the message goes, by a visit to URL or by posting Parameter there.
	App, URL                     string
	Post                         bool
	Parameter, Value, RelayState string
	Nonce                        string
	// Overview is the page of the log-out; empty where this is its end.
	Overview string
}

// send answers with a page that goes on to the app by itself: a redirect could
// be part of a form's, which browsers stop where the form's page does not know
// the app.
func (v *visit) send(out *saml.Outgoing, app, overview, policy string) error {
	nonce, err := v.site.randomToken()
	if err != nil {
		return err
	}
	body := hopBody{
		App: app, URL: out.URL, Post: out.Binding == directory.BindingHTTPPOST, Parameter: out.Parameter, Value: out.Value,
		RelayState: out.RelayState, Nonce: nonce, Overview: overview,
	}
	header := v.w.Header()
	header.Set("Content-Security-Policy", policy+"; script-src 'nonce-"+nonce+"'")
	// The app may check the origin of a post; it learns no more than that.
	header.Set("Referrer-Policy", "strict-origin")
	if !body.Post {
		header.Set("Refresh", "0; url="+out.URL)
	}
	v.account, v.bare = nil, true
	return v.render(http.StatusOK, "logouthop", v.text("logout.hop.title"), body)
}

// requestPolicy is for a page that posts to an app which answers back to us.
func requestPolicy(target string) string {
	origin := ""
	if u, err := url.Parse(target); err == nil {
		origin = u.Scheme + "://" + u.Host
	}
	return hopPolicy("'self' " + origin)
}

// answerPolicy is for a page that posts the end: browsers apply form-action to
// redirects after the post as well, and those are the app's own.
func answerPolicy(target string) string {
	if u, err := url.Parse(target); err == nil && u.Scheme == "http" {
		return hopPolicy("https: http:")
	}
	return hopPolicy("https:")
}

func hopPolicy(targets string) string {
	return "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action " + targets + "; frame-ancestors 'none'; base-uri 'none'"
}
