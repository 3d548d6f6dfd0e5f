/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package mdm

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/internal/provision/client"
)

// publicID is the form of members' public IDs.
var publicID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

const maxID = 255

// validID tells whether an ID can be one of the service's, and stand in a path.
func validID(id string) bool {
	return id != "" && id != "." && id != ".." && utf8.RuneCountInString(id) <= maxID && !strings.Contains(id, "/")
}

// Find implements provision.Target.
func (t *Target) Find(ctx context.Context, reference provision.Reference) (*provision.Account, error) {
	switch {
	case reference.ExternalID != "":
		return t.get(ctx, reference.ExternalID)
	case reference.CorrelationID != "":
		return t.search(ctx, externalIDProperty, reference.CorrelationID, func(value string) bool { return value == reference.CorrelationID })
	case reference.UserName != "":
		return t.search(ctx, mailProperty, reference.UserName, func(value string) bool { return strings.EqualFold(value, reference.UserName) })
	default:
		return nil, notFound()
	}
}

func (t *Target) get(ctx context.Context, id string) (*provision.Account, error) {
	if !validID(id) {
		return nil, notFound()
	}
	response, err := t.call(ctx, http.MethodGet, userPath(id), nil)
	if err != nil {
		return nil, err
	}
	return t.answered(response, http.StatusOK, id)
}

// answered is the user that an answer holds; id is empty where it is new.
func (t *Target) answered(response *client.Response, status int, id string) (*provision.Account, error) {
	if err := t.expect(response, status); err != nil {
		return nil, err
	}
	u, err := t.parseUser(response.Body)
	if err != nil {
		return nil, err
	}
	if id != "" && u.text(idProperty) != id {
		return nil, nonsense("it answered with another user than was asked for")
	}
	account := t.account(u)
	return &account, nil
}

// search looks for the one user whose property is a value.
func (t *Target) search(ctx context.Context, property, value string, matches func(string) bool) (*provision.Account, error) {
	p, err := t.page(ctx, users, url.Values{property: {value}}, false)
	if err != nil {
		return nil, err
	}
	switch {
	case len(p.items) == 0 && p.total == 0 && p.next == "":
		return nil, notFound()
	case len(p.items) == 0:
		return nil, nonsense("a list of users has none, and yet some")
	}
	u, err := t.parseUser(p.items[0])
	switch {
	case err != nil:
		return nil, err
	case !matches(u.text(property)):
		return nil, nonsense("it does not look users up by %s", property)
	case p.total > 1:
		return nil, &provision.Error{Cause: provision.Conflict, Property: property, Message: "The MDM has several users with the same " + property + " " + printable(value, maxName) + "; delete or change all but one of them there."}
	}
	account := t.account(u)
	return &account, nil
}

// List implements provision.Target.
func (t *Target) List(ctx context.Context, visit func(provision.Account) error) error {
	return t.each(ctx, users, nil, func(item json.RawMessage) (string, error) {
		u, err := t.parseUser(item)
		if err != nil {
			return "", err
		}
		return u.text(idProperty), visit(t.account(u))
	})
}

// Create implements provision.Target.
func (t *Target) Create(ctx context.Context, desired provision.Desired) (*provision.Account, error) {
	body := map[string]any{externalIDProperty: desired.CorrelationID, mailProperty: desired.UserName, activeProperty: desired.Active}
	for name, value := range desired.Properties {
		if value != "" {
			body[name] = value
		}
	}
	response, err := t.call(ctx, http.MethodPost, users.path, body)
	if err != nil {
		return nil, err
	}
	made, err := t.answered(response, http.StatusCreated, "")
	if err != nil {
		return nil, err
	}
	return t.insist(ctx, *made, desired)
}

// Update implements provision.Target.
func (t *Target) Update(ctx context.Context, current provision.Account, desired provision.Desired) (*provision.Account, error) {
	after := &current
	if change := changes(current, desired); len(change) > 0 {
		var err error
		if after, err = t.patch(ctx, current.ExternalID, change); err != nil {
			return nil, err
		}
	}
	return t.insist(ctx, *after, desired)
}

// insist sends once more what an answer shows to be otherwise: somebody may have
// changed it meanwhile, and our data wins. A service that alters what it is given
// would be changed every night for nothing, so that is an error.
func (t *Target) insist(ctx context.Context, kept provision.Account, desired provision.Desired) (*provision.Account, error) {
	change := changes(kept, desired)
	if len(change) == 0 {
		return &kept, nil
	}
	after, err := t.patch(ctx, kept.ExternalID, change)
	if err != nil {
		return nil, err
	}
	if still := slices.Sorted(maps.Keys(changes(*after, desired))); len(still) > 0 {
		return nil, invalid(still[0], "The MDM keeps another value of %s than it was given, and says nothing of it: write it as the MDM keeps it, and tell its vendor that the contract does not allow this.", still[0])
	}
	return after, nil
}

// changes are what makes an account the desired one, as a merge patch (RFC 7396).
func changes(current provision.Account, desired provision.Desired) map[string]any {
	patch := map[string]any{}
	if current.CorrelationID != desired.CorrelationID {
		patch[externalIDProperty] = desired.CorrelationID
	}
	if current.UserName != desired.UserName {
		patch[mailProperty] = desired.UserName
	}
	if current.Active != desired.Active {
		patch[activeProperty] = desired.Active
	}
	for name, value := range desired.Properties {
		switch {
		case current.Properties[name] == value:
		case value == "":
			patch[name] = nil
		default:
			patch[name] = value
		}
	}
	return patch
}

func (t *Target) patch(ctx context.Context, id string, change map[string]any) (*provision.Account, error) {
	if !validID(id) {
		return nil, notFound()
	}
	response, err := t.call(ctx, http.MethodPatch, userPath(id), change)
	if err != nil {
		return nil, err
	}
	return t.answered(response, http.StatusOK, id)
}

// Disable implements provision.Target.
func (t *Target) Disable(ctx context.Context, current provision.Account) error {
	after, err := t.patch(ctx, current.ExternalID, map[string]any{activeProperty: false})
	if err == nil && after.Active {
		return nonsense("a user is active still after having been made inactive")
	}
	return err
}

// Delete implements provision.Target.
func (t *Target) Delete(ctx context.Context, current provision.Account) error {
	if !validID(current.ExternalID) {
		return nil
	}
	response, err := t.call(ctx, http.MethodDelete, userPath(current.ExternalID), nil)
	if err != nil {
		return err
	}
	if err := t.expect(response, http.StatusNoContent); !provision.IsNotFound(err) {
		return err
	}
	return nil
}

// Restore implements provision.Target. What was deleted is gone: an account that
// is there still is told as it is, and Update makes it active.
func (t *Target) Restore(ctx context.Context, current provision.Account) (*provision.Account, error) {
	return t.get(ctx, current.ExternalID)
}
