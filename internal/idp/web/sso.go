/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/idp/saml"
	"tegata.dev/tegata/internal/idp/store"
)

// maxIssuerShown is as much of an unknown issuer as a page repeats.
const maxIssuerShown = 256

type providerKey struct{}

// tenant finds the tenant that the path names, and its prepared SAML provider.
func (v *visit) tenant() (*store.Tenant, *saml.Provider, error) {
	slug := v.r.PathValue("tenant")
	if clean(slug, maxIssuerShown) != slug {
		return nil, nil, errPageNotFound
	}
	tenant, err := v.readTenant(slug)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, errPageNotFound
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read tenant: %w", err)
	}
	provider, err := v.site.provider(tenant)
	return tenant, provider, err
}

// provider is made once for each revision of the tenant.
func (s *Site) provider(tenant *store.Tenant) (*saml.Provider, error) {
	made, err := tenant.Memo(providerKey{}, func() (any, error) {
		return saml.NewProvider(saml.ProviderOptions{
			EntityID:        endpoints.Issuer(s.origin, tenant.Slug),
			SingleSignOnURL: endpoints.SingleSignOn(s.origin, tenant.Slug),
			SingleLogoutURL: endpoints.SingleLogout(s.origin, tenant.Slug),
			KeyPair:         tenant.SigningKey, Certificates: tenant.Certificates, Scopes: tenant.Domains, PairwiseKey: tenant.PairwiseKey, Now: s.Now, Random: s.Random,
		})
	})
	if err != nil {
		return nil, fmt.Errorf("prepare SAML for tenant %s: %w", tenant.Slug, err)
	}
	provider, ok := made.(*saml.Provider)
	if !ok {
		return nil, fmt.Errorf("the memo of tenant %s holds a %T", tenant.Slug, made)
	}
	return provider, nil
}

type serviceProviderKey struct{ app string }

// serviceProvider is made once for each revision of the tenant.
func (s *Site) serviceProvider(tenant *store.Tenant, app directory.App) (*saml.ServiceProvider, error) {
	made, err := tenant.Memo(serviceProviderKey{app.Name}, func() (any, error) { return saml.NewServiceProvider(app) })
	if err != nil {
		return nil, fmt.Errorf("prepare SAML for tenant %s: %w", tenant.Slug, err)
	}
	sp, ok := made.(*saml.ServiceProvider)
	if !ok {
		return nil, fmt.Errorf("the memo of tenant %s holds a %T", tenant.Slug, made)
	}
	return sp, nil
}

func (s *Site) metadata(v *visit) error {
	_, provider, err := v.tenant()
	if err != nil {
		return err
	}
	document, err := provider.Metadata()
	if err != nil {
		return fmt.Errorf("render metadata: %w", err)
	}
	sum := sha256.Sum256(document)
	header := v.w.Header()
	header.Set("Content-Type", "application/samlmetadata+xml")
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:])+`"`)
	http.ServeContent(v.w, v.r, "", time.Time{}, bytes.NewReader(document))
	return nil
}

func (s *Site) redirectBinding(v *visit) error {
	message, decodeError := saml.DecodeRedirect(v.r.URL.RawQuery)
	serve := func() error { return v.singleSignOn(message, decodeError) }
	if decodeError == nil {
		if done, err := v.answerByMemory(serve); done {
			return err
		}
	}
	// Whoever is logged in needs no query more for the tenant.
	if err := v.authenticate(); err != nil {
		return err
	}
	return serve()
}

func (s *Site) postBinding(v *visit) error {
	if err := v.parseForm(maxSAMLBytes); err != nil {
		return err
	}
	message, err := saml.DecodePost(v.r.PostForm)
	return v.singleSignOn(message, err)
}

// singleSignOn checks a request at receipt and begins or ends a log-in for it.
func (v *visit) singleSignOn(message *saml.Message, decodeError error) error {
	tenant, provider, err := v.tenant()
	if err != nil {
		return err
	}
	if decodeError != nil {
		return v.refuseRequest(provider, nil, decodeError)
	}
	app, found := tenant.AppByEntityID(message.Request.Issuer)
	if !found {
		v.count(outcomeInvalid)
		return &problem{status: http.StatusBadRequest, key: "unknownIssuer",
			arguments: []any{clean(message.Request.Issuer, maxIssuerShown), tenant.DisplayName}}
	}
	sp, err := v.site.serviceProvider(tenant, app)
	if err != nil {
		return err
	}
	pending, err := provider.Validate(message, sp)
	if err != nil {
		if auditError := v.auditSSO(admin.SSOFailed, tenant, app, refusalDetail(err)); auditError != nil {
			return auditError
		}
		return v.refuseRequest(provider, sp, err)
	}
	return v.begin(v.site.appFlow(tenant.Slug, app, pending))
}

// refusalDetail is what the audit log keeps of a refusal: with the address that
// the request named, which its administrator compares with the app's.
func refusalDetail(err error) string {
	refused, ok := errors.AsType[*saml.RequestError](err)
	if !ok || refused.Asked == "" {
		return err.Error()
	}
	return err.Error() + " It is " + clean(refused.Asked, maxIssuerShown)
}

// begin answers at once where the browser is logged in, else keeps the request
// and sends the browser to log in. A cross-site POST carries no cookie, so the
// same-site GET that follows it decides.
func (v *visit) begin(f *flow) error {
	if v.session != nil && v.session.Tenant == f.Tenant {
		if done, err := v.resume("", f); done || err != nil {
			return err
		}
	}
	id, err := v.saveFlow(f)
	if err != nil {
		return err
	}
	return v.redirect(loginURL(id))
}

// openApp starts a log-in to an app from here, without a request.
func (s *Site) openApp(v *visit) error {
	if err := v.authenticate(); err != nil {
		return err
	}
	tenant, provider, err := v.tenant()
	if err != nil {
		return err
	}
	app, found := tenant.App(directory.KindSAMLApp, v.r.PathValue("app"))
	if !found || app.SAML == nil {
		return errPageNotFound
	}
	if !startsHere(app) {
		// An answer that nobody asked for would be refused there; the app asks for one itself.
		return v.redirect(app.URL)
	}
	relayState := v.r.URL.Query().Get("RelayState")
	if len(relayState) > maxRelayState || clean(relayState, maxRelayState) != relayState {
		return &problem{status: http.StatusBadRequest, key: "badRequest"}
	}
	sp, err := s.serviceProvider(tenant, app)
	if err != nil {
		return err
	}
	return v.begin(s.appFlow(tenant.Slug, app, provider.IdPInitiated(sp, relayState)))
}

// maxRelayState is the largest one passed on in a log-in that starts here.
const maxRelayState = 1024

// flowApp is the app a flow leads to, as it is now.
func (v *visit) flowApp(f *flow) (*store.Tenant, directory.App, error) {
	tenant, err := v.readTenant(f.Tenant)
	if errors.Is(err, store.ErrNotFound) {
		return nil, directory.App{}, errPageNotFound
	}
	if err != nil {
		return nil, directory.App{}, fmt.Errorf("read tenant: %w", err)
	}
	app, found := tenant.App(directory.KindSAMLApp, f.App)
	if !found || app.SAML == nil {
		return nil, directory.App{}, &problem{status: http.StatusNotFound, key: "appGone", arguments: []any{tenant.DisplayName}}
	}
	return tenant, app, nil
}

// resume answers the app that a flow leads to, where that needs no log-in form.
// HEAD is no visit to an app: it would use the flow up and log in nobody.
func (v *visit) resume(id string, f *flow) (done bool, err error) {
	if v.r.Method != http.MethodGet {
		return false, nil
	}
	tenant, app, err := v.flowApp(f)
	if err != nil {
		return false, err
	}
	provider, err := v.site.provider(tenant)
	if err != nil {
		return false, err
	}
	usable := v.session != nil && v.session.Tenant == f.Tenant
	stale := usable && f.Pending.ForceAuthn && v.session.AuthenticatedAt.Before(f.StartedAt)
	switch {
	case f.Pending.IsPassive && (!usable || stale):
		if err := v.dropFlow(id); err != nil {
			return false, err
		}
		sp, err := v.site.serviceProvider(tenant, app)
		if err != nil {
			return false, err
		}
		return true, v.refusePending(provider, sp, f.Pending, saml.StatusResponder, saml.StatusNoPassive, "The member is not logged in.")
	case v.session != nil && !usable:
		return true, &problem{status: http.StatusForbidden, key: "otherTenant", logOut: true, flow: id,
			arguments: []any{app.DisplayName, tenant.DisplayName, v.account.Mail}}
	case !usable || stale:
		return false, nil
	}
	if err := v.dropFlow(id); err != nil {
		return false, err
	}
	return true, v.answer(tenant, provider, app, f.Pending)
}

// answer posts a success Response to the app, where the member may use it.
func (v *visit) answer(tenant *store.Tenant, provider *saml.Provider, app directory.App, pending *saml.Pending) error {
	member := v.account.Member
	groups := directory.GroupsOf(member, tenant.Groups)
	if !directory.CanUse(member, groups, app) {
		if err := v.auditSSO(admin.SSOFailed, tenant, app, "the member may not use this app"); err != nil {
			return err
		}
		if pending.IsPassive {
			return v.refusePassive(tenant, provider, app, pending, "The member may not use this app.")
		}
		v.count(outcomeForbidden)
		return &problem{status: http.StatusForbidden, key: "appForbidden", arguments: []any{app.DisplayName, tenant.DisplayName}}
	}
	sp, err := v.site.serviceProvider(tenant, app)
	if err != nil {
		return err
	}
	subject, index := directory.Subject{Member: member, ID: v.account.ID, Groups: groups}, sessionIndex(v.session, app.SAML.EntityID)
	response, err := provider.Respond(pending, sp, subject, saml.Authentication{
		At: v.session.AuthenticatedAt, SessionIndex: index, SessionNotOnOrAfter: v.session.ExpiresAt,
	})
	if err != nil {
		return v.notAnswered(tenant, provider, sp, pending, err)
	}
	err = v.site.Store.Participate(v.context(), v.token, v.session, store.Participant{
		App: app.Name, EntityID: app.SAML.EntityID, SessionIndex: index, NameID: response.NameID.Value, NameIDFormat: response.NameID.Format,
		NameQualifier: response.NameID.NameQualifier, SPNameQualifier: response.NameID.SPNameQualifier,
	}, v.entrySSO(admin.SSOSucceeded, tenant, app, ""))
	if errors.Is(err, store.ErrNotFound) {
		// Logged out while this was on its way, or something has changed.
		id, err := v.saveFlow(v.site.appFlow(tenant.Slug, app, pending))
		if err != nil {
			return err
		}
		return v.redirect(loginURL(id))
	}
	// It has been noted, or nobody knows: once more would make two answers of one.
	v.tentative = false
	if err != nil {
		return fmt.Errorf("note the app in the session: %w", err)
	}
	v.count(outcomeSucceeded)
	return v.post(pending, response.Document)
}

// sessionIndex names a session to one app. Apps that compare theirs must not
// find out whose sessions are one, where pairwise names keep that from them
// (SAML core section 2.7.2).
func sessionIndex(session *store.Session, entityID string) string {
	sum := sha256.Sum256([]byte(session.ID + "\x00" + entityID))
	return "_" + hex.EncodeToString(sum[:16])
}

// refusePassive tells the app what a page would tell the member, had the
// request not forbidden every page (SAML core section 3.4.1, IsPassive).
func (v *visit) refusePassive(tenant *store.Tenant, provider *saml.Provider, app directory.App, pending *saml.Pending, message string) error {
	sp, err := v.site.serviceProvider(tenant, app)
	if err != nil {
		return err
	}
	return v.refusePending(provider, sp, pending, saml.StatusResponder, saml.StatusRequestDenied, message)
}

// notAnswered tells the member why an app gets no answer.
func (v *visit) notAnswered(tenant *store.Tenant, provider *saml.Provider, sp *saml.ServiceProvider, pending *saml.Pending, cause error) error {
	app := sp.App()
	if err := v.auditSSO(admin.SSOFailed, tenant, app, cause.Error()); err != nil {
		return err
	}
	if errors.Is(cause, directory.ErrNoNameID) || errors.Is(cause, saml.ErrNameIDCharacters) {
		if pending.IsPassive {
			return v.refusePassive(tenant, provider, app, pending, "The member cannot be named to this app.")
		}
		v.count(outcomeInvalid)
		return &problem{status: http.StatusForbidden, key: "noNameID", detail: cause.Error(),
			arguments: []any{app.DisplayName, tenant.DisplayName}}
	}
	return v.refuseRequest(provider, sp, cause)
}

// refuseRequest answers a bad request: to the app where a registered address
// is known, else to the person. Whatever else failed stays an error. sp is nil
// while the app is unknown, and with it any address.
func (v *visit) refuseRequest(provider *saml.Provider, sp *saml.ServiceProvider, cause error) error {
	var refused *saml.RequestError
	if !errors.As(cause, &refused) {
		return cause
	}
	if refused.Pending != nil {
		return v.refusePending(provider, sp, refused.Pending, refused.Status, refused.SubStatus, refused.Message)
	}
	v.count(outcomeInvalid)
	detail := refused.Message
	if sp != nil && refused.Asked != "" {
		detail += " The audit log has it."
	}
	return &problem{status: http.StatusBadRequest, key: "badRequest", detail: detail}
}

func (v *visit) refusePending(provider *saml.Provider, sp *saml.ServiceProvider, pending *saml.Pending, status, subStatus, message string) error {
	if v.tentative {
		return errTentative
	}
	response, err := provider.Refuse(pending, sp, status, subStatus, message)
	if err != nil {
		return fmt.Errorf("render SAML status: %w", err)
	}
	v.count(outcomeRefused)
	return v.post(pending, response)
}

// count counts an answer, unless it is to be made anew.
func (v *visit) count(outcome string) {
	if !v.tentative {
		v.site.Metrics.response(outcome)
	}
}

func (v *visit) auditSSO(action string, tenant *store.Tenant, app directory.App, detail string) error {
	return v.audit(v.entrySSO(action, tenant, app, detail))
}

func (v *visit) entrySSO(action string, tenant *store.Tenant, app directory.App, detail string) admin.AuditEntry {
	account := v.account
	if account != nil && account.Tenant != tenant.Slug {
		account = nil // nobody's of this tenant, which must not learn of other ones' members
	}
	entry := v.entry(action, account, detail)
	entry.Tenant, entry.App = tenant.Slug, app.DisplayName
	return entry
}
