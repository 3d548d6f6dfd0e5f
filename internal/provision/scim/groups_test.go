/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package scim

import (
	"fmt"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
)

func ids(from, to int) []string {
	var all []string
	for n := from; n < to; n++ {
		all = append(all, fmt.Sprintf("u%04d", n))
	}
	return all
}

func listed(t *testing.T, target *Target) []provision.Group {
	t.Helper()
	var all []provision.Group
	NewWithT(t).Expect(target.ListGroups(t.Context(), func(g provision.Group) error {
		all = append(all, g)
		return nil
	})).To(Succeed())
	return all
}

func TestLargeGroups(t *testing.T) {
	for _, updates := range []string{Patch, Put} {
		t.Run(updates, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			target := newTarget(t, address, func(o *Options) { o.Updates = updates })
			want := provision.Group{CorrelationID: "acme/sales", DisplayName: "営業部", Members: ids(0, 250)}
			_, err := target.CreateGroup(t.Context(), want)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(f.writes()).To(HaveLen(map[string]int{Patch: 3, Put: 1}[updates]))
			current := listed(t, target)[0]
			g.Expect(current.Members).To(Equal(want.Members))

			want.Members, want.DisplayName = ids(150, 400), "営業一部"
			before := len(f.writes())
			g.Expect(target.UpdateGroup(t.Context(), current, want)).To(Succeed())
			// One for the name, two to remove 150, two to add 150.
			g.Expect(f.writes()[before:]).To(HaveLen(map[string]int{Patch: 5, Put: 1}[updates]))
			for _, write := range f.writes()[before:] {
				operations, _ := write.body.get("Operations").([]any)
				g.Expect(len(operations)).To(BeNumerically("<=", membersAtOnce))
			}
			current = listed(t, target)[0]
			g.Expect(current.Members).To(Equal(want.Members))
			g.Expect(current.DisplayName).To(Equal("営業一部"))
			before = len(f.writes())
			g.Expect(target.UpdateGroup(t.Context(), current, want)).To(Succeed())
			g.Expect(f.writes()[before:]).To(BeEmpty())
			_, err = target.CreateGroup(t.Context(), want)
			g.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict))
			g.Expect(err).To(MatchError(ContainSubstring("another group")))
			g.Expect(target.DeleteGroup(t.Context(), current)).To(Succeed())
			g.Expect(target.DeleteGroup(t.Context(), current)).To(Succeed())
		})
	}
}

func TestGroupsOfOthersAndWithin(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.add(groups, resource{"displayName": "theirs", "externalId": "S-1-5", "members": []any{map[string]any{"value": "u1"}}})
	f.add(groups, resource{"displayName": "ours", "externalId": "acme/sales.east", "members": []any{
		map[string]any{"value": "u2"}, map[string]any{"value": "g9", "type": "Group"}, map[string]any{"value": "u1", "type": "User"}, map[string]any{"value": "u1"}, nil}})
	target := newTarget(t, address, func(o *Options) { o.Updates = Put })
	all := listed(t, target)
	g.Expect(all).To(Equal([]provision.Group{
		{ExternalID: "1", DisplayName: "theirs", Members: []string{"u1"}},
		{ExternalID: "2", CorrelationID: "acme/sales.east", DisplayName: "ours", Members: []string{"u1", "u2"}},
	}))
	want := all[1]
	want.Members = []string{"u3"}
	g.Expect(target.UpdateGroup(t.Context(), all[1], want)).To(Succeed())
	g.Expect(f.kept[groups][1]["members"]).To(Equal([]any{map[string]any{"value": "g9", "type": "Group"}, map[string]any{"value": "u3"}}))
}

func TestListsThatLeaveMembersOut(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.add(groups, resource{"displayName": "ours", "externalId": "acme/sales"})
	f.add(groups, resource{"displayName": "theirs"})
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		single := r.URL.Path == "/scim/Groups/1"
		if single {
			answerWith(w, http.StatusOK, resource{"id": "1", "displayName": "ours", "externalId": "acme/sales", "members": features{}.references([]string{"u1"})})
		}
		return single
	}
	g.Expect(listed(t, newTarget(t, address, nil))[0].Members).To(Equal([]string{"u1"}))
}

func TestServicesWithoutGroups(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.types = `{"totalResults":1,"Resources":[{"id":"User","name":"User","endpoint":"/Users","schema":"` + coreUser + `"}]}`
	err := newTarget(t, address, nil).ListGroups(t.Context(), func(provision.Group) error { return nil })
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
	g.Expect(err).To(MatchError(ContainSubstring("remove spec.groups")))
}

func TestAGroupWhoseIDIsNotTold(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	f.made = func(w http.ResponseWriter, _ resource) { w.WriteHeader(http.StatusCreated) }
	_, err := newTarget(t, address, nil).CreateGroup(t.Context(), provision.Group{CorrelationID: "acme/sales", DisplayName: "x"})
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
}

// TestMembersThatStay: django-scim2 answers a PUT of a group with status 200, and
// leaves its members as they were.
func TestMembersThatStay(t *testing.T) {
	g := NewWithT(t)
	f, address := newFake(t)
	target := newTarget(t, address, func(o *Options) { o.Updates = Put })
	want := provision.Group{CorrelationID: "acme/sales", DisplayName: "営業部", Members: ids(0, 3)}
	made, err := target.CreateGroup(t.Context(), want)
	g.Expect(err).NotTo(HaveOccurred())
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			answerWith(w, http.StatusOK, f.kept[groups][0])
		}
		return r.Method == http.MethodPut
	}
	want.Members = ids(1, 3)
	err = target.UpdateGroup(t.Context(), *made, want)
	g.Expect(provision.CauseOf(err)).To(Equal(provision.Unavailable))
	g.Expect(err).To(MatchError(ContainSubstring("1 of those who were removed are still in the group")))
	f.fault = nil
	g.Expect(target.UpdateGroup(t.Context(), *made, want)).To(Succeed())
}

// TestMembersThatNeedAddresses: as canaille's schema of groups wants them.
func TestMembersThatNeedAddresses(t *testing.T) {
	for _, updates := range []string{Patch, Put} {
		g := NewWithT(t)
		f, address := newFake(t)
		f.schemas = schemasJSON(map[string]string{coreGroup: simple("displayName") + "," + required("$ref", complexOne("members", true, "value", "$ref"))})
		target := newTarget(t, address, func(o *Options) { o.Updates = updates })
		_, err := target.Check(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		want := provision.Group{CorrelationID: "acme/sales", DisplayName: "営業部", Members: []string{"a b"}}
		made, err := target.CreateGroup(t.Context(), want)
		g.Expect(err).NotTo(HaveOccurred())
		want.Members = []string{"a b", "c"}
		g.Expect(target.UpdateGroup(t.Context(), *made, want)).To(Succeed())
		g.Expect(f.kept[groups][0]["members"]).To(ConsistOf(
			HaveKeyWithValue("$ref", address+"/Users/a%20b"), HaveKeyWithValue("$ref", address+"/Users/c")))
	}
}

// TestGroupsThatAreNotKnownAgain: each sync would make all groups once more.
func TestGroupsThatAreNotKnownAgain(t *testing.T) {
	want := provision.Group{CorrelationID: "acme/sales", DisplayName: "営業部", Members: ids(0, 2)}
	for name, test := range map[string]struct {
		keeps bool
		made  func(w http.ResponseWriter, r resource)
		want  string
	}{
		"no mark":                 {false, func(w http.ResponseWriter, r resource) { answerWith(w, http.StatusCreated, r) }, "does not keep the externalId of groups"},
		"an answer without it":    {true, func(w http.ResponseWriter, r resource) { answerWith(w, http.StatusCreated, resource{"id": r["id"]}) }, ""},
		"neither told, nor shown": {false, func(w http.ResponseWriter, r resource) { answerWith(w, http.StatusCreated, resource{"id": "later"}) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			f.made = test.made
			f.fault = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost && !test.keeps {
					delete(f.requests[len(f.requests)-1].body, externalIDAttribute)
				}
				return false
			}
			_, err := newTarget(t, address, nil).CreateGroup(t.Context(), want)
			if test.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
			g.Expect(err).To(MatchError(ContainSubstring(test.want)))
			g.Expect(f.kept[groups]).To(BeEmpty())
		})
	}
}

// TestGroupsThatAreNotSurelyOurs: what is not known again is deleted only where it
// is what was sent; a service may answer with a group that it had before.
func TestGroupsThatAreNotSurelyOurs(t *testing.T) {
	sent := provision.Group{CorrelationID: "acme/sales", DisplayName: "営業部", Members: ids(0, 2)}
	members := features{}.references(sent.Members)
	for name, test := range map[string]struct {
		status int
		there  resource
		left   int
	}{
		"ours":                  {http.StatusCreated, resource{"displayName": "営業部", "members": members}, 0},
		"ours, marked by it":    {http.StatusCreated, resource{"displayName": "営業部", "members": members, "externalId": "g-1"}, 0},
		"another tenant's":      {http.StatusCreated, resource{"displayName": "営業部", "members": members, "externalId": "other/sales"}, 1},
		"there before":          {http.StatusOK, resource{"displayName": "営業部", "members": members}, 1},
		"of another name":       {http.StatusCreated, resource{"displayName": "営業", "members": members}, 1},
		"with fewer":            {http.StatusCreated, resource{"displayName": "営業部", "members": members[:1]}, 1},
		"with others":           {http.StatusCreated, resource{"displayName": "営業部", "members": features{}.references(ids(1, 3))}, 1},
		"with a group within":   {http.StatusCreated, resource{"displayName": "営業部", "members": append([]any{map[string]any{"value": "g", "type": "Group"}}, members...)}, 1},
		"whose members are not": {http.StatusCreated, resource{"displayName": "営業部"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f, address := newFake(t)
			id := f.add(groups, test.there)
			f.fault = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost {
					answerWith(w, test.status, resource{"id": id})
				}
				return r.Method == http.MethodPost
			}
			_, err := newTarget(t, address, nil).CreateGroup(t.Context(), sent)
			g.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
			g.Expect(err).To(MatchError(And(ContainSubstring("remove spec.groups"), Not(ContainSubstring("deleted")))))
			g.Expect(f.kept[groups]).To(HaveLen(test.left))
		})
	}
}

// TestServicesThatKeepNoMarkOfGroups are asked once, until they are asked anew what
// they take: what cannot be deleted there is not made again.
func TestServicesThatKeepNoMarkOfGroups(t *testing.T) {
	for _, deletes := range []bool{true, false} {
		g := NewWithT(t)
		f, address := newFake(t)
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				delete(f.requests[len(f.requests)-1].body, externalIDAttribute)
			}
			return !deletes && refusing(http.StatusMethodNotAllowed, http.MethodDelete)(w, r)
		}
		target := newTarget(t, address, nil)
		create := func(name string) error {
			_, err := target.CreateGroup(t.Context(), provision.Group{CorrelationID: "acme/" + name, DisplayName: name})
			g.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
			return err
		}
		first := create("sales")
		asked := len(f.requests)
		for _, name := range []string{"sales", "works"} {
			err := create(name)
			g.Expect(err).To(MatchError(ContainSubstring("remove spec.groups")))
			if deletes {
				g.Expect(err).To(Equal(first))
			}
		}
		g.Expect(f.requests).To(HaveLen(asked))
		_, err := target.Check(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		_ = create("works")
		g.Expect(methods(f.writes())).To(Equal([]string{"POST", "DELETE", "POST", "DELETE"}))
	}
}
