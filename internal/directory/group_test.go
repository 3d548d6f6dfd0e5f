/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestSelectorMatches(t *testing.T) {
	sales := map[string]string{"department": "sales", "site": "tokyo", "empty": ""}
	requirement := func(key, operator string, values ...string) Selector {
		return Selector{MatchExpressions: []SelectorRequirement{{Key: key, Operator: operator, Values: values}}}
	}
	for name, test := range map[string]struct {
		selector Selector
		labels   map[string]string
		want     bool
	}{
		"empty matches everybody":             {Selector{}, sales, true},
		"empty matches without labels":        {Selector{}, nil, true},
		"label equals":                        {Selector{MatchLabels: map[string]string{"department": "sales"}}, sales, true},
		"label differs":                       {Selector{MatchLabels: map[string]string{"department": "hr"}}, sales, false},
		"label differs in case":               {Selector{MatchLabels: map[string]string{"department": "Sales"}}, sales, false},
		"label absent":                        {Selector{MatchLabels: map[string]string{"floor": "3"}}, sales, false},
		"absent is not empty":                 {Selector{MatchLabels: map[string]string{"floor": ""}}, sales, false},
		"empty value equals":                  {Selector{MatchLabels: map[string]string{"empty": ""}}, sales, true},
		"every label must match":              {Selector{MatchLabels: map[string]string{"department": "sales", "site": "osaka"}}, sales, false},
		"In one of":                           {requirement("site", "In", "osaka", "tokyo"), sales, true},
		"In none of":                          {requirement("site", "In", "osaka"), sales, false},
		"In absent":                           {requirement("floor", "In", "3"), sales, false},
		"In absent with an empty value":       {requirement("floor", "In", ""), sales, false},
		"In without values":                   {requirement("site", "In"), sales, false},
		"NotIn other":                         {requirement("site", "NotIn", "osaka"), sales, true},
		"NotIn same":                          {requirement("site", "NotIn", "osaka", "tokyo"), sales, false},
		"NotIn absent matches":                {requirement("floor", "NotIn", "3"), sales, true},
		"Exists present":                      {requirement("site", "Exists"), sales, true},
		"Exists with an empty value":          {requirement("empty", "Exists"), sales, true},
		"Exists absent":                       {requirement("floor", "Exists"), sales, false},
		"DoesNotExist present":                {requirement("site", "DoesNotExist"), sales, false},
		"DoesNotExist absent":                 {requirement("floor", "DoesNotExist"), sales, true},
		"DoesNotExist without labels":         {requirement("floor", "DoesNotExist"), nil, true},
		"unknown operator matches nobody":     {requirement("site", "Gt", "a"), sales, false},
		"operators are spelled exactly":       {requirement("site", "exists"), sales, false},
		"labels and expressions both hold":    {Selector{map[string]string{"department": "sales"}, []SelectorRequirement{{"site", "Exists", nil}}}, sales, true},
		"labels hold and expressions do not":  {Selector{map[string]string{"department": "sales"}, []SelectorRequirement{{"site", "DoesNotExist", nil}}}, sales, false},
		"expressions of one key are all held": {Selector{MatchExpressions: []SelectorRequirement{{"site", "Exists", nil}, {"site", "NotIn", []string{"tokyo"}}}}, sales, false},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(test.selector.Matches(test.labels)).To(Equal(test.want))
		})
	}
}

func TestGroupRoles(t *testing.T) {
	group := Group{
		Tenant: "acme", Name: "sales",
		Members:  []Participant{{"hanako", GroupAdministrator}, {"taro", GroupUser}, {"twice", GroupAdministrator}, {"twice", GroupUser}, {"gone", GroupUser}},
		Selector: &Selector{MatchLabels: map[string]string{"department": "sales"}},
	}
	selected := map[string]string{"department": "sales"}
	people := map[string]Member{}
	for name, test := range map[string]struct {
		member Member
		role   GroupRole
	}{
		"named":                          {Member{Tenant: "acme", Name: "taro"}, GroupUser},
		"named and selected":             {Member{Tenant: "acme", Name: "hanako", Labels: selected}, GroupAdministrator},
		"selected":                       {Member{Tenant: "acme", Name: "jiro", Labels: selected}, GroupUser},
		"named twice: the first counts":  {Member{Tenant: "acme", Name: "twice"}, GroupAdministrator},
		"neither":                        {Member{Tenant: "acme", Name: "saburo"}, ""},
		"named, but of another tenant":   {Member{Tenant: "other", Name: "hanako"}, ""},
		"selected, but of another":       {Member{Tenant: "other", Name: "jiro", Labels: selected}, ""},
		"suspended is still in":          {Member{Tenant: "acme", Name: "shiro", Labels: selected, Suspended: true}, GroupUser},
		"name differs in case":           {Member{Tenant: "acme", Name: "Taro"}, ""},
		"the group's name is no member":  {Member{Tenant: "acme", Name: "sales"}, ""},
		"a label of another value":       {Member{Tenant: "acme", Name: "goro", Labels: map[string]string{"department": "hr"}}, ""},
		"a label that only begins alike": {Member{Tenant: "acme", Name: "rokuro", Labels: map[string]string{"department": "sales-west"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			role, in := group.RoleOf(test.member)
			g.Expect(role).To(Equal(test.role))
			g.Expect(in).To(Equal(test.role != ""))
		})
		if test.member.Tenant == "acme" {
			people[test.member.Name] = test.member
		}
	}
	t.Run("participants have the same roles", func(t *testing.T) {
		g := NewWithT(t)
		roles := group.Participants(people)
		for name, member := range people {
			role, in := group.RoleOf(member)
			listed, isListed := roles[name]
			g.Expect(isListed).To(Equal(in), name)
			g.Expect(listed).To(Equal(role), name)
		}
		g.Expect(roles).NotTo(HaveKey("gone"), "nobody who does not exist takes part")
	})
	t.Run("without a selector only the named take part", func(t *testing.T) {
		group := group
		group.Selector = nil
		NewWithT(t).Expect(group.Participants(people)).To(HaveLen(3))
	})
}

func TestGroupsOf(t *testing.T) {
	everybody := &Selector{}
	groups := []Group{
		{Tenant: "acme", Name: "z", Selector: everybody},
		{Tenant: "other", Name: "b", Selector: everybody},
		{Tenant: "acme", Name: "a", Members: []Participant{{"taro", GroupUser}}},
		{Tenant: "acme", Name: "m", Members: []Participant{{"hanako", GroupUser}}},
	}
	g := NewWithT(t)
	g.Expect(groupNamesOf(GroupsOf(Member{Tenant: "acme", Name: "taro"}, groups))).To(Equal([]string{"a", "z"}))
	g.Expect(GroupsOf(Member{Tenant: "third", Name: "taro"}, groups)).To(BeEmpty())
	g.Expect(groupNamesOf(groups)).To(Equal([]string{"z", "b", "a", "m"}), "the groups given stay as they are")
}

func groupNamesOf(groups []Group) []string {
	var names []string
	for _, group := range groups {
		names = append(names, group.Name)
	}
	return names
}

func TestCheckGroup(t *testing.T) {
	exists := func(name string) bool { return name != "gone" }
	for name, test := range map[string]struct {
		members  []Participant
		selector *Selector
		want     string
	}{
		"one administrator":          {members: []Participant{{"hanako", GroupAdministrator}}},
		"two administrators":         {members: []Participant{{"hanako", GroupAdministrator}, {"taro", GroupAdministrator}}},
		"nobody":                     {want: "members: no administrator of this group exists; give role Administrator to at least one existing member"},
		"users only":                 {members: []Participant{{"taro", GroupUser}}, want: "members: no administrator of this group exists; give role Administrator to at least one existing member"},
		"last administrator is gone": {members: []Participant{{"gone", GroupAdministrator}, {"taro", GroupUser}}, want: `members[0].memberRef: member "gone" does not exist in this tenant; create it or remove it from the group; members: no administrator of this group exists; give role Administrator to at least one existing member`},
		"one of two is gone":         {members: []Participant{{"gone", GroupAdministrator}, {"taro", GroupAdministrator}}, want: `members[0].memberRef: member "gone" does not exist in this tenant; create it or remove it from the group`},
		"named twice":                {members: []Participant{{"taro", GroupAdministrator}, {"taro", GroupAdministrator}}, want: `members[1].memberRef: member "taro" is named twice; keep one entry`},
		"gone and named twice": {
			members: []Participant{{"hanako", GroupAdministrator}, {"gone", GroupUser}, {"gone", GroupUser}},
			want: `members[2].memberRef: member "gone" is named twice; keep one entry; members[1].memberRef: member "gone" does not exist in this tenant; create it or remove it from the group; ` +
				`members[2].memberRef: member "gone" does not exist in this tenant; create it or remove it from the group`,
		},
		"selector that holds": {
			members:  []Participant{{"hanako", GroupAdministrator}},
			selector: &Selector{MatchExpressions: []SelectorRequirement{{"a", "In", []string{"b"}}, {"a", "NotIn", []string{"b"}}, {"a", "Exists", nil}, {"a", "DoesNotExist", nil}}},
		},
		"selector that cannot hold": {
			members:  []Participant{{"hanako", GroupAdministrator}},
			selector: &Selector{MatchExpressions: []SelectorRequirement{{"a", "Equals", []string{"b"}}, {"a", "In", nil}, {"a", "NotIn", nil}, {"a", "Exists", []string{"b"}}, {"a", "DoesNotExist", []string{"b"}}}},
			want: `selector.matchExpressions[0]: operator "Equals" does not exist; use In, NotIn, Exists or DoesNotExist; selector.matchExpressions[1]: operator In needs values; ` +
				`selector.matchExpressions[2]: operator NotIn needs values; selector.matchExpressions[3]: operator Exists takes no values; selector.matchExpressions[4]: operator DoesNotExist takes no values`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			group := Group{Tenant: "acme", Name: "sales", Members: test.members, Selector: test.selector}
			problems := append(CheckGroup(group), CheckParticipants(group, exists)...)
			NewWithT(t).Expect(problems.String()).To(Equal(test.want))
		})
	}
}
