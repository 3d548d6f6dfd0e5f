/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"tegata.dev/tegata/internal/provision"
)

const (
	readUsers    = "User.Read.All or User.ReadWrite.All"
	deletedUsers = "/directory/deletedItems/microsoft.graph.user"
)

// Find implements provision.Target. Deleted accounts are found by external and by
// correlation ID: a deleted one that is not ours is not ours to restore.
func (t *Target) Find(ctx context.Context, reference provision.Reference) (*provision.Account, error) {
	var live, deleted request
	switch {
	case reference.ExternalID != "":
		live = t.read("/users/"+url.PathEscape(reference.ExternalID), "")
		deleted = t.read(deletedUsers, "id eq "+quoted(reference.ExternalID))
	case reference.CorrelationID != "":
		filter := immutableIDProperty + " eq " + quoted(reference.CorrelationID)
		live, deleted = t.read("/users", filter), t.read(deletedUsers, filter)
	case reference.UserName != "":
		found, err := t.one(t.call(ctx, t.read("/users", upnProperty+" eq "+quoted(reference.UserName))))
		return t.withRoles(ctx, found, err)
	default:
		return nil, notFound()
	}
	results, err := t.batch(ctx, []request{live, deleted}, nil)
	if err != nil {
		return nil, err
	}
	found, err := t.one(results[0].body, results[0].err)
	if !provision.IsNotFound(err) {
		return t.withRoles(ctx, found, err)
	}
	if found, err = t.one(results[1].body, results[1].err); err != nil {
		return nil, err
	}
	found.Deleted = true
	// The user name of a deleted account begins with its ID, so that the name is free.
	found.UserName = strings.TrimPrefix(found.UserName, strings.ReplaceAll(found.ExternalID, "-", ""))
	return found, nil
}

// read is a call that reads users.
func (t *Target) read(path, filter string) request {
	query := url.Values{"$select": {t.fields}}
	if filter != "" {
		query.Set("$filter", filter)
	}
	return request{method: http.MethodGet, path: path + "?" + encode(query), permission: readUsers}
}

// encode is a query as Graph reads it: names keep their $, spaces are %20.
func encode(query url.Values) string {
	return strings.NewReplacer("%24", "$", "+", "%20", "%2C", ",").Replace(query.Encode())
}

// quoted is a string of OData.
func quoted(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

func notFound() *provision.Error {
	return &provision.Error{Cause: provision.NotFound, Message: "Entra ID has no such account, or does not show it yet."}
}

// one is the account of an answer, which is a user or a list of at most one.
func (t *Target) one(body []byte, err error) (*provision.Account, error) {
	if err != nil {
		return nil, err
	}
	fields := user(object(body))
	if _, list := fields["value"]; list {
		users, _, err := parsePage(body)
		switch {
		case err != nil:
			return nil, err
		case len(users) == 0:
			return nil, notFound()
		case len(users) > 1:
			return nil, &provision.Error{Cause: provision.Conflict, Property: immutableIDProperty,
				Message: "Several accounts in the Entra ID tenant carry the member's immutable ID; remove it from all but one."}
		}
		fields = users[0]
	}
	found := t.account(fields)
	if found == nil {
		return nil, nonsense("a user without an ID")
	}
	return found, nil
}

// List implements provision.Target. Guests and synchronised accounts are visited too.
func (t *Target) List(ctx context.Context, visit func(provision.Account) error) error {
	holders, err := t.roleHolders(ctx)
	if err != nil {
		return err
	}
	return t.users(ctx, t.fields, func(u user) error {
		found := t.account(u)
		if found == nil {
			return nonsense("a user without an ID")
		}
		if len(t.options.Roles) > 0 {
			found.Properties[rolesProperty] = joinRoles(holders[found.ExternalID])
		}
		return visit(*found)
	})
}

// users visits every user of the tenant.
func (t *Target) users(ctx context.Context, fields string, visit func(user) error) error {
	query := url.Values{"$select": {fields}, "$top": {"999"}}
	return t.pages(ctx, request{method: http.MethodGet, path: "/users?" + encode(query), priority: low, permission: readUsers}, visit)
}

// maxListed bounds a list, in entries and pages: more cannot be compared in memory.
const maxListed = 1_000_000

// pages visits everything in a list, and returns nil only after its last page.
func (t *Target) pages(ctx context.Context, r request, visit func(user) error) error {
	seen, read := map[string]bool{}, 0
	var page []user
	var next string
	r.large, r.parse = true, func(body []byte) (err error) {
		page, next, err = parsePage(body)
		return err
	}
	for {
		if _, err := t.call(ctx, r); err != nil {
			return err
		}
		if read += len(page) + 1; read > maxListed {
			return nonsense("a list that does not end")
		}
		for _, item := range page {
			if err := visit(item); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		if !t.ours(next) || seen[next] {
			return nonsense("a list whose next page is elsewhere, or was read already")
		}
		seen[next] = true
		r.path = next
	}
}

// ours tells whether an address is of Graph, so that the token may be sent there.
func (t *Target) ours(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && parsed.User == nil && origin(parsed) == t.graphOrigin
}

// origin is the scheme, host and port of an address, without the port that the
// scheme has by itself.
func origin(address *url.URL) string {
	host := strings.ToLower(address.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[address.Scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return address.Scheme + "://" + host
}

// parsePage reads a page of a list: its items, and where the next one is, empty
// on the last. A page without a list is an error, never an empty one.
func parsePage(body []byte) ([]user, string, error) {
	var page struct {
		Value *[]user          `json:"value"`
		Next  *json.RawMessage `json:"@odata.nextLink"`
	}
	if err := json.Unmarshal(body, &page); err != nil || page.Value == nil {
		return nil, "", nonsense("a list that cannot be read")
	}
	if page.Next == nil {
		return *page.Value, "", nil
	}
	var next string
	if json.Unmarshal(*page.Next, &next) != nil || next == "" {
		return nil, "", nonsense("a list that does not say where it goes on")
	}
	return *page.Value, next, nil
}
