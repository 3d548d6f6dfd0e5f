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
	answer, put, err := t.submit(ctx, endpoint, before, e, t.puts(f))
	if e.mark != "" && e.touches(markPath) && refusesMark(err) {
		rest := e.unmarked(before)
		answer, put, err = t.submitUnmarked(ctx, endpoint, before, rest, put, err)
		if err == nil {
			e = rest
			t.learn(e, before, f, func(p path) bool { return !e.touches(p) })
		}
	}
	if err != nil {
		return nil, explain(err, e.operations)
	}
	if after, err := parseResource(answer.body); err == nil && after.id() == id && after.text("userName")+after.text("displayName") != "" {
		// What a PATCH does not name may be changed by others, or follow what it names.
		t.learn(e, after, f, func(p path) bool { return put || e.touches(p) })
		return after, nil
	}
	return t.get(ctx, endpoint, id)
}

// submit sends what an edit changes, by PUT where the service takes no PATCH, and
// tells whether it was by PUT. What it said to a PATCH stands where it takes no PUT
// either.
func (t *Target) submit(ctx context.Context, endpoint string, before resource, e edit, put bool) (answer, bool, error) {
	q := request{method: http.MethodPatch, path: endpoint, id: before.id(), body: patch(e.operations)}
	if e.features.etag {
		q.version = before.version()
	}
	var refused answer
	var because error
	if !put {
		refused, because = t.call(ctx, q)
		if t.options.Updates != "" || !unimplemented(because) {
			return refused, false, because
		}
	}
	q.method, q.body = http.MethodPut, whole(e.resource, endpoint, e.features)
	byPut, err := t.call(ctx, q)
	switch {
	case !put && unimplemented(err):
		return refused, false, because
	case err == nil && !t.puts(e.features):
		t.patchless.Store(true)
	}
	return byPut, true, err
}

// submitUnmarked sends what is left of an edit when the service may have refused
// the member's mark in it: somebody who is to be suspended is. An account with
// another member's mark stays that member's all the same.
func (t *Target) submitUnmarked(ctx context.Context, endpoint string, before resource, rest edit, put bool, refused error) (a answer, byPut bool, err error) {
	if len(rest.operations) > 0 {
		a, put, err = t.submit(ctx, endpoint, before, rest, put)
	}
	if err == nil && t.isMark(before.text(externalIDAttribute)) {
		err = refused
	}
	return a, put, err
}

// refusesMark tells that a service may have refused a change for the externalId in it.
func refusesMark(err error) bool {
	e, ok := errors.AsType[*provision.Error](err)
	return unmarkable(err) || ok && e.Cause == provision.Invalid && strings.Contains(strings.ToLower(e.Said), "externalid")
}

// learn compares what a member should have at some paths with what the service
// says that the account has, and the member's mark where that could not be sent.
func (t *Target) learn(e edit, account resource, f features, at func(path) bool) {
	if e.mark == "" {
		return
	}
	sent, mark := e.resource, account.text(externalIDAttribute)
	unsent := sent.text(externalIDAttribute) != e.mark
	if unsent {
		sent = sent.clone()
		sent[sent.key(externalIDAttribute)] = e.mark
	}
	others := mark != e.mark && t.isMark(mark)
	t.altered.learn(sent, account, slices.DeleteFunc(t.learnablePaths(f), func(p path) bool {
		if p == markPath {
			return others || !unsent && !at(p)
		}
		return !at(p)
	}))
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
