/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"tegata.dev/tegata/internal/provision"
)

const users = "/Users"

// The attributes by which users are looked up.
const (
	userNameAttribute   = "userName"
	externalIDAttribute = "externalId"
)

// markPath is where members' public IDs stand.
var markPath = path{attribute: externalIDAttribute}

// errUnfiltered is of a list that was asked for by a filter, and has everybody.
var errUnfiltered = errors.New("the service does not filter")

// publicID is the form of members' public IDs.
var publicID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// account is a user as the operator sees it, with the properties at some paths.
func (t *Target) account(r resource, paths []path) provision.Account {
	a := provision.Account{
		ExternalID: r.id(), UserName: r.text("userName"), DisplayName: r.text("displayName"), Active: r.active(),
		Properties: provision.Properties{},
	}
	if external := t.altered.original(r.id(), externalIDAttribute, r.text(externalIDAttribute)); t.isMark(external) {
		a.CorrelationID = external
	}
	for _, p := range paths {
		a.Properties[p.String()] = t.altered.original(r.id(), p.String(), r.value(p))
	}
	return a
}

// isMark tells that an externalId is some member's.
func (t *Target) isMark(external string) bool {
	return publicID.MatchString(external) && (t.options.OfMember == nil || t.options.OfMember(external))
}

// read gets one user as it is, with its version.
func (t *Target) read(ctx context.Context, id string) (resource, error) {
	return t.get(ctx, users, id)
}

func (t *Target) get(ctx context.Context, endpoint, id string) (resource, error) {
	if !validID(id) {
		return nil, notFound()
	}
	answer, err := t.call(ctx, request{method: http.MethodGet, path: endpoint, id: id})
	if err != nil {
		return nil, err
	}
	r, err := parseResource(answer.body)
	if err != nil {
		return nil, err
	}
	if r.id() != id {
		return nil, nonsense("The service answered with another resource than was asked for; it is tried again.")
	}
	answer.keepVersion(r)
	return r, nil
}

// keepVersion notes the ETag of an answer's header in the resource, where a
// service tells it there alone.
func (a answer) keepVersion(r resource) {
	tag := a.header.Get("ETag")
	if tag == "" || r.version() != "" {
		return
	}
	meta, ok := object(r.get("meta"))
	if !ok {
		meta = resource{}
		r[r.key("meta")] = map[string]any(meta)
	}
	meta[meta.key("version")] = tag
}

// Find implements provision.Target.
func (t *Target) Find(ctx context.Context, reference provision.Reference) (*provision.Account, error) {
	f, err := t.features(ctx)
	if err != nil {
		return nil, err
	}
	var found resource
	switch {
	case reference.ExternalID != "":
		found, err = t.read(ctx, reference.ExternalID)
	case reference.CorrelationID != "":
		found, err = t.search(ctx, externalIDAttribute, reference.CorrelationID)
	case reference.UserName != "":
		found, err = t.search(ctx, userNameAttribute, reference.UserName)
	default:
		return nil, notFound()
	}
	if err != nil {
		return nil, err
	}
	account := t.account(found, t.desiredPaths(f))
	return &account, nil
}

// search looks for the one user whose attribute is a value. A service need not
// filter, and some that do not answer with everybody: what came is compared.
func (t *Target) search(ctx context.Context, attribute, value string) (resource, error) {
	f, err := t.features(ctx)
	if err != nil {
		return nil, err
	}
	wanted := keyOf(attribute, value)
	if _, refused := t.unfiltered.Load(attribute); f.filter && !refused {
		found, err := t.searchFiltered(ctx, wanted, url.Values{"filter": {equals(attribute, value)}})
		if !errors.Is(err, errUnfiltered) && provision.CauseOf(err) != provision.Invalid {
			return only(found, attribute, value, err)
		}
		t.unfiltered.Store(attribute, true)
	}
	found, shared, err := t.searchShared(ctx, wanted)
	if err == nil && !shared {
		found, err = t.searchAlone(ctx, wanted)
	}
	return only(found, attribute, value, err)
}

// searchFiltered leaves the choice to the service, as long as it makes one.
func (t *Target) searchFiltered(ctx context.Context, wanted key, filter url.Values) (found []resource, err error) {
	others := 0
	err = t.each(ctx, users, filter, false, func(r resource) error {
		switch {
		case wanted.names(r):
			found = append(found, r)
		case others == pageSize:
			return errUnfiltered // to read on is to read all, each time
		default:
			others++
		}
		return nil
	})
	return found, err
}

// searchAlone reads the whole list for one look-up.
func (t *Target) searchAlone(ctx context.Context, wanted key) (found []resource, err error) {
	err = t.each(ctx, users, nil, true, func(r resource) error {
		if wanted.names(r) {
			found = append(found, r)
		}
		return nil
	})
	return found, err
}

func only(found []resource, attribute, value string, err error) (resource, error) {
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, notFound()
	case len(found) > 1:
		return nil, &provision.Error{Cause: provision.Conflict, Property: attribute, Message: "The service has several accounts with the same " + attribute + " " + printable(value) + "; delete or change all but one of them there."}
	default:
		return found[0], nil
	}
}

// List implements provision.Target.
func (t *Target) List(ctx context.Context, visit func(provision.Account) error) error {
	f, err := t.features(ctx)
	if err != nil {
		return err
	}
	paths := t.desiredPaths(f)
	return t.each(ctx, users, nil, true, func(r resource) error { return visit(t.account(r, paths)) })
}

// Create implements provision.Target.
func (t *Target) Create(ctx context.Context, desired provision.Desired) (*provision.Account, error) {
	f, err := t.features(ctx)
	if err != nil {
		return nil, err
	}
	e := edit{resource: resource{"schemas": []any{coreUser}}, features: f}
	if err := e.account(desired); err != nil {
		return nil, err
	}
	answer, err := t.call(ctx, request{method: http.MethodPost, path: users, body: e.resource})
	if err != nil {
		if mayHaveMade(err) {
			t.doubt(desired)
		}
		return nil, err
	}
	made, err := t.made(ctx, answer, desired)
	if err != nil {
		t.doubt(desired)
		return nil, err
	}
	t.note(desired, made.id())
	if answered, err := parseResource(answer.body); err == nil && answered.id() == made.id() {
		t.learn(e, answered, f, func(path) bool { return true })
	}
	account := t.account(made, t.desiredPaths(f))
	return &account, nil
}

// made is the user that a POST made: from its answer, or where that lacks it, from the service.
func (t *Target) made(ctx context.Context, a answer, desired provision.Desired) (resource, error) {
	r, err := parseResource(a.body)
	if err == nil && validID(r.id()) && r.text("userName") != "" {
		return r, nil
	}
	id := r.id()
	if id == "" {
		id = a.locatedID()
	}
	if id != "" {
		return t.read(ctx, id)
	}
	t.doubt(desired)
	r, err = t.search(ctx, externalIDAttribute, desired.CorrelationID)
	if provision.IsNotFound(err) {
		r, err = t.search(ctx, userNameAttribute, desired.UserName)
	}
	if provision.IsNotFound(err) {
		return nil, nonsense("The service says that it made the account, but neither told its ID nor shows it; it is looked for again.")
	}
	return r, err
}

// locatedID is the ID at the end of the Location header; empty where there is none.
func (a answer) locatedID() string {
	location, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		return ""
	}
	before, id, found := strings.Cut(location.EscapedPath(), users+"/")
	for found && strings.Contains(id, users+"/") {
		before, id, found = strings.Cut(id, users+"/")
	}
	id, err = url.PathUnescape(id)
	if err != nil || !found || before == id {
		return ""
	}
	return id
}

// Update implements provision.Target. The account is read first: a stale view
// neither undoes what others changed there, nor names values that are gone.
func (t *Target) Update(ctx context.Context, current provision.Account, desired provision.Desired) (*provision.Account, error) {
	f, err := t.features(ctx)
	if err != nil {
		return nil, err
	}
	after, err := t.change(ctx, users, current.ExternalID, func(e *edit) error {
		mark := e.resource.text(externalIDAttribute)
		e.markless = t.altered.original(current.ExternalID, externalIDAttribute, mark) != mark
		return e.account(desired)
	})
	t.note(desired, current.ExternalID)
	if err != nil {
		return nil, err
	}
	account := t.account(after, t.desiredPaths(f))
	return &account, nil
}

// Disable implements provision.Target.
func (t *Target) Disable(ctx context.Context, current provision.Account) error {
	_, err := t.change(ctx, users, current.ExternalID, func(e *edit) error {
		e.active(false)
		return nil
	})
	return err
}

// Delete implements provision.Target.
func (t *Target) Delete(ctx context.Context, current provision.Account) error {
	err := t.remove(ctx, users, current.ExternalID)
	if err == nil {
		t.altered.forget(current.ExternalID)
	}
	return err
}

func (t *Target) remove(ctx context.Context, endpoint, id string) error {
	if !validID(id) {
		return nil
	}
	_, err := t.call(ctx, request{method: http.MethodDelete, path: endpoint, id: id})
	if provision.IsNotFound(err) {
		return nil
	}
	return err
}

// Restore implements provision.Target. SCIM knows no way back from a deletion: an
// account that is there still is told as it is, and Update makes it active.
func (t *Target) Restore(ctx context.Context, current provision.Account) (*provision.Account, error) {
	return t.Find(ctx, provision.Reference{ExternalID: current.ExternalID})
}
