/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"tegata.dev/tegata/internal/provision"
)

const (
	writeUsers     = "User.ReadWrite.All"
	writeDirectory = "Directory.ReadWrite.All"
)

// Create implements provision.Target. An error may come together with the
// account: it was made then, and lacks its roles.
func (t *Target) Create(ctx context.Context, desired provision.Desired) (*provision.Account, error) {
	password, err := newPassword(t.options.Random)
	if err != nil {
		return nil, fmt.Errorf("draw a password: %w", err)
	}
	body := creation(desired)
	// Nobody knows the password, so nobody can be asked to change it: with
	// federation it is never asked for, without it an administrator resets it.
	body["passwordProfile"] = map[string]any{"password": password, "forceChangePasswordNextSignIn": false}
	answer, err := t.write(ctx, request{method: http.MethodPost, path: "/users", body: body, permission: writeUsers})
	if err != nil {
		return nil, hide(err, password)
	}
	id := user(object(answer)).text("id")
	if id == "" {
		return nil, nonsense("a new user without an ID")
	}
	made := as(provision.Account{ExternalID: id}, desired)
	if roles := splitRoles(desired.Properties[rolesProperty]); len(roles) > 0 {
		made.Properties[rolesProperty] = ""
		if err := t.promote(ctx, id, roles); err != nil {
			return made, notYet(err)
		}
		made.Properties[rolesProperty] = joinRoles(roles)
	}
	return made, nil
}

// Update implements provision.Target. Roles are taken before anything else
// changes, and given after: an app may not change an administrator's account.
func (t *Target) Update(ctx context.Context, current provision.Account, desired provision.Desired) (*provision.Account, error) {
	if current.Unmanageable != "" {
		return nil, &provision.Error{Cause: provision.ManagedElsewhere, Message: current.Unmanageable}
	}
	want, have := desired.Properties[rolesProperty], current.Properties[rolesProperty]
	demoted := false
	if len(missing(have, want)) > 0 {
		var err error
		if demoted, err = t.demote(ctx, current.ExternalID, splitRoles(want)); err != nil {
			return nil, err
		}
	}
	if body := differences(current, desired); len(body) > 0 {
		if err := t.change(ctx, current, body); err != nil {
			return nil, afterDemotion(demoted, err)
		}
	}
	if err := t.promote(ctx, current.ExternalID, missing(want, have)); err != nil {
		return nil, notYet(err)
	}
	return as(current, desired), nil
}

// change patches a user; one who is disabled is logged out, too.
func (t *Target) change(ctx context.Context, current provision.Account, body map[string]any) error {
	if active, said := body[enabledProperty].(bool); said && !active {
		return t.patchAndLogOut(ctx, current.ExternalID, body)
	}
	err := t.patch(ctx, current.ExternalID, body)
	if target, ok := body[upnProperty].(string); ok && t.blockedRename(ctx, err, current.UserName, target) {
		return t.renameInTwoSteps(ctx, current.ExternalID, target, body)
	}
	return err
}

func (t *Target) patch(ctx context.Context, id string, body map[string]any) error {
	_, err := t.write(ctx, request{method: http.MethodPatch, path: userPath(id), body: body, permission: writeUsers})
	return t.explain(ctx, id, err)
}

// patchAndLogOut makes both as one call; sessions end only if the change was made.
func (t *Target) patchAndLogOut(ctx context.Context, id string, body map[string]any) error {
	if err := t.spend(ctx, 2); err != nil {
		return err
	}
	results, err := t.batch(ctx, []request{
		{method: http.MethodPatch, path: userPath(id), body: body, priority: high, permission: writeUsers},
		t.logOut(id),
	}, map[int]int{1: 0})
	if err != nil {
		return err
	}
	if results[0].err != nil {
		return t.explain(ctx, id, results[0].err)
	}
	return results[1].err
}

func (t *Target) logOut(id string) request {
	return request{method: http.MethodPost, path: userPath(id) + "/revokeSignInSessions", priority: high, permission: "User.RevokeSessions.All or User.ReadWrite.All"}
}

// blockedRename tells whether a change of the user name's domain failed in a way
// that the detour through the tenant's first domain may mend.
func (t *Target) blockedRename(ctx context.Context, err error, from, to string) bool {
	_, before := provision.MailParts(from)
	_, after := provision.MailParts(to)
	e, ok := errors.AsType[*provision.Error](err)
	if !ok || e.Cause != provision.Invalid || e.Property != "" && e.Property != upnProperty || strings.EqualFold(before, after) {
		return false
	}
	// Only between federated domains, lest an account is left half renamed
	// where the new name is what is wrong.
	for _, name := range []string{before, after} {
		if domain, err := t.Domain(ctx, name); err != nil || !domain.Federated || !domain.Verified {
			return false
		}
	}
	return true
}

// renameInTwoSteps goes through the tenant's first domain, which is never
// federated: a move from one federated domain to another was refused in the
// past. Where the second step fails, the next try begins from there.
func (t *Target) renameInTwoSteps(ctx context.Context, id, target string, body map[string]any) error {
	initial, err := t.InitialDomain(ctx)
	if err != nil {
		return err
	}
	local, _ := provision.MailParts(target)
	if err := t.patch(ctx, id, map[string]any{upnProperty: local + "@" + initial}); err != nil {
		return err
	}
	return t.patch(ctx, id, body)
}

// Disable implements provision.Target.
func (t *Target) Disable(ctx context.Context, current provision.Account) error {
	demoted, err := t.demoteAll(ctx, current.ExternalID)
	if err != nil {
		return err
	}
	err = t.patchAndLogOut(ctx, current.ExternalID, map[string]any{enabledProperty: false})
	return afterDemotion(demoted, err)
}

// Delete implements provision.Target. Sessions end before: of what is deleted
// nothing can be revoked. That they cannot be ended keeps nothing from deletion.
func (t *Target) Delete(ctx context.Context, current provision.Account) error {
	if current.Deleted {
		return nil
	}
	demoted, err := t.demoteAll(ctx, current.ExternalID)
	if err != nil {
		return err
	}
	if err := t.spend(ctx, 2); err != nil {
		return err
	}
	remove := request{method: http.MethodDelete, path: userPath(current.ExternalID), priority: high, permission: "User.ReadWrite.All or User.DeleteRestore.All"}
	_, _ = t.writes.do(ctx, t.logOut(current.ExternalID))
	_, err = t.writes.do(ctx, remove)
	if provision.IsNotFound(err) {
		return nil
	}
	return afterDemotion(demoted, t.explain(ctx, current.ExternalID, err))
}

// demoteAll takes every mapped role.
func (t *Target) demoteAll(ctx context.Context, id string) (bool, error) {
	if len(t.options.Roles) == 0 {
		return false, nil
	}
	return t.demote(ctx, id, nil)
}

// Restore implements provision.Target. Where somebody else has the user name by
// now, the account comes back with its ID before @; Update then tells the conflict.
func (t *Target) Restore(ctx context.Context, current provision.Account) (*provision.Account, error) {
	path := "/directory/deletedItems/" + url.PathEscape(current.ExternalID) + "/restore"
	r := request{method: http.MethodPost, path: path, permission: "User.ReadWrite.All or User.DeleteRestore.All"}
	answer, err := t.write(ctx, r)
	if e, ok := errors.AsType[*provision.Error](err); ok && e.Cause == provision.Conflict {
		_, domain := provision.MailParts(current.UserName)
		r.body = map[string]any{"autoReconcileProxyConflict": true, "newUserPrincipalName": strings.ReplaceAll(current.ExternalID, "-", "") + "@" + domain}
		answer, err = t.write(ctx, r)
	}
	if err != nil {
		return nil, t.explain(ctx, current.ExternalID, err)
	}
	restored := current
	restored.Deleted, restored.Properties = false, provision.Properties{}
	for name, value := range current.Properties {
		restored.Properties[name] = value
	}
	// The answer has some properties only; those tell what they are now.
	fields := user(object(answer))
	if name := fields.text(upnProperty); name != "" {
		restored.UserName = name
	}
	if _, said := fields[enabledProperty]; said {
		restored.Active = fields.flag(enabledProperty)
	}
	return &restored, nil
}

func userPath(id string) string { return "/users/" + url.PathEscape(id) }

// explain tells a protected account from a missing permission: Graph refuses
// both in the same words.
func (t *Target) explain(ctx context.Context, id string, err error) error {
	e, ok := errors.AsType[*provision.Error](err)
	if !ok || e.Cause != provision.Forbidden || e.Code != "Authorization_RequestDenied" {
		return err
	}
	granted, known := grantedRoles(t.tokens.current())
	may := granted[writeUsers] || granted[writeDirectory]
	if known && !may {
		return e
	}
	held, lookup := t.assignments(ctx, "principalId eq "+quoted(id))
	if !may && (lookup != nil || len(held) == 0) {
		return e
	}
	if lookup != nil {
		// Where nothing may even be read, the token tells of what is granted no more.
		if _, err := t.call(ctx, request{method: http.MethodGet, path: userPath(id) + "?$select=id", permission: readUsers}); err != nil && !provision.IsNotFound(err) {
			return e
		}
	}
	return &provision.Error{
		Cause: provision.Protected, Code: e.Code, RequestID: e.RequestID,
		Message: "The account holds an administrator's role in Entra ID, which this app may not touch. Change the account there by hand, take the role from it, or assign the app a higher directory role (docs/entra-id.md).",
	}
}

// afterDemotion: what was just taken is not seen everywhere at once.
func afterDemotion(demoted bool, err error) error {
	if demoted && (provision.CauseOf(err) == provision.Protected || provision.CauseOf(err) == provision.Forbidden) && err != nil {
		return &provision.Error{Cause: provision.Unavailable, Message: "The directory role was taken from the account, which Entra ID does not show yet; it is tried again.", Err: err}
	}
	return err
}

// notYet: a new account is not seen everywhere at once.
func notYet(err error) error {
	if provision.CauseOf(err) == provision.Invalid || provision.IsNotFound(err) {
		return &provision.Error{Cause: provision.NotFound, Message: "The directory role could not be given yet, as Entra ID does not show the new account everywhere; it is tried again. If that goes on, check the template IDs in spec.entraID.roles.", Err: err}
	}
	return err
}

// hide makes sure that an error does not repeat a secret.
func hide(err error, secret string) error {
	e, ok := errors.AsType[*provision.Error](err)
	if !ok || !strings.Contains(e.Message, secret) {
		return err
	}
	hidden := *e
	hidden.Message = strings.ReplaceAll(e.Message, secret, Secret(secret).String())
	return &hidden
}
