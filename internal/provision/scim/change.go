/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"tegata.dev/tegata/internal/provision"
)

// change edits a resource by what the target sends changes by, once more where it
// was changed meanwhile, and returns it as it is then.
func (t *Target) change(ctx context.Context, endpoint, id string, change func(*edit) error) (resource, error) {
	after, err := t.changeOnce(ctx, endpoint, id, change)
	if e, ok := errors.AsType[*provision.Error](err); ok && e.Code == outdated {
		return t.changeOnce(ctx, endpoint, id, change)
	}
	return after, err
}

func (t *Target) changeOnce(ctx context.Context, endpoint, id string, change func(*edit) error) (resource, error) {
	f, err := t.features(ctx)
	if err != nil {
		return nil, err
	}
	before, err := t.get(ctx, endpoint, id)
	if err != nil {
		return nil, err
	}
	e := edit{resource: before.clone(), features: f}
	if err := change(&e); err != nil {
		return nil, err
	}
	// Where nothing is to be sent, the account has what it should by itself.
	t.learn(e, before, f, func(p path) bool { return !e.touches(p) })
	if len(e.operations) == 0 {
		return before, nil
	}
	q := request{method: http.MethodPatch, path: endpoint, id: id, body: patch(e.operations)}
	if t.puts(f) {
		q.method, q.body = http.MethodPut, whole(e.resource, endpoint, f)
	}
	if f.etag {
		q.version = before.version()
	}
	answer, err := t.call(ctx, q)
	if q.method == http.MethodPatch && t.options.Updates == "" && unimplemented(err) {
		answer, err = t.insteadOfPatch(ctx, q, whole(e.resource, endpoint, f), answer, err)
	}
	if rest, marks := e.unmarked(); marks && unmarkable(err) {
		t.altered.learn(resource{externalIDAttribute: e.resource.text(externalIDAttribute)}, resource{"id": id}, []path{{attribute: externalIDAttribute}})
		if len(rest) == 0 {
			return before, nil
		}
		delete(e.resource, e.resource.key(externalIDAttribute))
		q.body = patch(rest)
		if q.method == http.MethodPut {
			q.body = whole(e.resource, endpoint, f)
		}
		answer, err = t.call(ctx, q)
	}
	if err != nil {
		return nil, explain(err, e.operations)
	}
	if after, err := parseResource(answer.body); err == nil && after.id() == id && after.text("userName")+after.text("displayName") != "" {
		// What a PATCH does not name may be changed by others, or follow what it names.
		t.learn(e, after, f, func(p path) bool { return q.method == http.MethodPut || t.patchless.Load() || e.touches(p) })
		return after, nil
	}
	return t.get(ctx, endpoint, id)
}

// learn compares what a member should have at some paths with what the service
// says that the account has.
func (t *Target) learn(e edit, account resource, f features, at func(path) bool) {
	if !e.member {
		return
	}
	paths := slices.DeleteFunc(t.learnablePaths(f), func(p path) bool { return !at(p) })
	t.altered.learn(e.resource, account, paths)
}

// insteadOfPatch sends a resource whole to a service that took no PATCH; what it
// said to that stands where it takes no PUT either.
func (t *Target) insteadOfPatch(ctx context.Context, q request, body resource, refused answer, because error) (answer, error) {
	q.method, q.body = http.MethodPut, body
	byPut, err := t.call(ctx, q)
	switch {
	case unimplemented(err):
		return refused, because
	case err == nil:
		t.patchless.Store(true)
	}
	return byPut, err
}

// puts tells that changes are sent whole.
func (t *Target) puts(f features) bool {
	return t.options.Updates == Put || t.options.Updates == "" && (!f.patch || t.patchless.Load())
}

func patch(operations []operation) map[string]any {
	return map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": operations}
}

// whole is a resource as a PUT sends it: with everything that the service keeps
// there and we do not manage, but what only the service may set.
func whole(r resource, endpoint string, f features) resource {
	sent := r.clone()
	if declared, _ := sent.get("schemas").([]any); len(declared) == 0 {
		sent[sent.key("schemas")] = []any{map[string]string{users: coreUser, groups: coreGroup}[endpoint]}
	}
	for name := range sent {
		readOnly := f.attributes[strings.ToLower(name)].Mutability == "readOnly"
		if strings.EqualFold(name, "meta") || strings.EqualFold(name, "groups") || readOnly && !strings.EqualFold(name, "id") {
			delete(sent, name)
		}
	}
	return sent
}

// explain names what was refused where that is certain, and says where it is the
// member's mark, which some services let nobody change once the account is made.
func explain(err error, operations []operation) error {
	e, ok := errors.AsType[*provision.Error](err)
	if !ok || e.Cause != provision.Invalid && e.Cause != provision.Conflict {
		return err
	}
	told := *e
	if len(operations) == 1 {
		told.Property = operations[0].Path
	}
	named := told.Property == "externalId" || strings.Contains(strings.ToLower(e.Message), "externalid")
	if e.Cause == provision.Invalid && named && slices.ContainsFunc(operations, func(o operation) bool { return o.Path == "externalId" }) {
		told.Property = "externalId"
		told.Message = "The service does not let the externalId of an account be changed after it was made, so that the account cannot be taken over; delete it there, so that it is made anew. " + e.Message
	}
	return &told
}
