/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package directory

import (
	"fmt"
	"slices"
	"strings"
)

// GroupRole is a participant's role in a group (O13.2).
type GroupRole string

// The group roles: 管理ユーザー and 一般ユーザー.
const (
	GroupAdministrator GroupRole = "Administrator"
	GroupUser          GroupRole = "User"
)

// Group gathers members of a tenant and gives them application permissions (O13).
type Group struct {
	// Tenant and Name are the key: tenant slug and object name.
	Tenant      string        `json:"tenant"`
	Name        string        `json:"name"`
	DisplayName string        `json:"displayName"`
	Members     []Participant `json:"members,omitempty"`
	// Selector adds every member of the tenant whose labels match, as User; nil adds nobody.
	Selector *Selector `json:"selector,omitempty"`
	// Permissions are application permissions given to every participant.
	Permissions []PermissionGrant `json:"permissions,omitempty"`
}

// Participant is a member named in a group.
type Participant struct {
	Member string    `json:"member"`
	Role   GroupRole `json:"role"`
}

// Selector matches labels as a Kubernetes label selector does. An empty one
// matches everybody.
type Selector struct {
	MatchLabels      map[string]string     `json:"matchLabels,omitempty"`
	MatchExpressions []SelectorRequirement `json:"matchExpressions,omitempty"`
}

// SelectorRequirement is one expression of a selector.
type SelectorRequirement struct {
	Key string `json:"key"`
	// Operator is In, NotIn, Exists or DoesNotExist.
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

// Matches reports whether labels satisfy every part of the selector.
func (s Selector) Matches(labels map[string]string) bool {
	for key, want := range s.MatchLabels {
		if got, ok := labels[key]; !ok || got != want {
			return false
		}
	}
	for _, requirement := range s.MatchExpressions {
		if !requirement.matches(labels) {
			return false
		}
	}
	return true
}

func (r SelectorRequirement) matches(labels map[string]string) bool {
	value, present := labels[r.Key]
	switch r.Operator {
	case "In":
		return present && slices.Contains(r.Values, value)
	case "NotIn":
		return !present || !slices.Contains(r.Values, value)
	case "Exists":
		return present
	case "DoesNotExist":
		return !present
	default:
		return false
	}
}

// checkSelector tells what the API server lets pass and no label can satisfy.
func checkSelector(selector *Selector) Problems {
	if selector == nil {
		return nil
	}
	var problems Problems
	for i, requirement := range selector.MatchExpressions {
		message := ""
		switch requirement.Operator {
		case "In", "NotIn":
			if len(requirement.Values) == 0 {
				message = fmt.Sprintf("operator %s needs values", requirement.Operator)
			}
		case "Exists", "DoesNotExist":
			if len(requirement.Values) > 0 {
				message = fmt.Sprintf("operator %s takes no values", requirement.Operator)
			}
		default:
			message = fmt.Sprintf("operator %q does not exist; use In, NotIn, Exists or DoesNotExist", requirement.Operator)
		}
		if message != "" {
			problems = append(problems, Problem{Field: fmt.Sprintf("selector.matchExpressions[%d]", i), Message: message})
		}
	}
	return problems
}

// RoleOf is the member's role in the group, and whether the member is in it at
// all. Being named wins over being selected.
func (g Group) RoleOf(m Member) (GroupRole, bool) {
	if g.Tenant != m.Tenant {
		return "", false
	}
	for _, participant := range g.Members {
		if participant.Member == m.Name {
			return participant.Role, true
		}
	}
	if g.Selector != nil && g.Selector.Matches(m.Labels) {
		return GroupUser, true
	}
	return "", false
}

// GroupsOf are the groups the member is in, by name, so that status and
// assertions do not change with the order of a cache.
func GroupsOf(m Member, groups []Group) []Group {
	var in []Group
	for _, group := range groups {
		if _, ok := group.RoleOf(m); ok {
			in = append(in, group)
		}
	}
	slices.SortFunc(in, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	return in
}

// CheckGroup tells what is wrong with a group that the schema cannot tell.
func CheckGroup(g Group) Problems {
	problems := checkSelector(g.Selector)
	named := map[string]bool{}
	for i, participant := range g.Members {
		if named[participant.Member] {
			problems = append(problems, Problem{
				Field:   fmt.Sprintf("members[%d].memberRef", i),
				Message: fmt.Sprintf("member %q is named twice; keep one entry", participant.Member),
			})
		}
		named[participant.Member] = true
	}
	return problems
}

// CheckParticipants tells which members a group names in vain. exists reports
// whether a member of that object name is in the tenant. A group always keeps
// at least one administrator who exists (O13.2).
func CheckParticipants(g Group, exists func(member string) bool) Problems {
	var problems Problems
	administrators := 0
	for i, participant := range g.Members {
		switch {
		case !exists(participant.Member):
			problems = append(problems, Problem{
				Field:   fmt.Sprintf("members[%d].memberRef", i),
				Message: fmt.Sprintf("member %q does not exist in this tenant; create it or remove it from the group", participant.Member),
			})
		case participant.Role == GroupAdministrator:
			administrators++
		}
	}
	if administrators == 0 {
		problems = append(problems, Problem{
			Field:   "members",
			Message: "no administrator of this group exists; give role Administrator to at least one existing member",
		})
	}
	return problems
}

// Participants are the roles of everybody in the group, by member name. people
// are the tenant's members by name.
func (g Group) Participants(people map[string]Member) map[string]GroupRole {
	roles := map[string]GroupRole{}
	if g.Selector != nil {
		for name, member := range people {
			if g.Selector.Matches(member.Labels) {
				roles[name] = GroupUser
			}
		}
	}
	// Of several entries for one member the first counts, as in RoleOf.
	for _, participant := range slices.Backward(g.Members) {
		if _, exists := people[participant.Member]; exists {
			roles[participant.Member] = participant.Role
		}
	}
	return roles
}
