/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package plan says what manifests would change before they are applied, as
// text, Markdown and JSON. It decides nothing: package controllers finds it out
// with the functions that act.
package plan

import (
	"cmp"
	"slices"
	"strings"

	"tegata.dev/tegata/internal/provision"
)

// Plan is everything that manifests would change. Lists are sorted.
type Plan struct {
	// Objects are the declared ones that differ.
	Objects []Object `json:"objects"`
	// Effects are what people gain and lose.
	Effects []Effect `json:"effects"`
	// Problems are what the operator would say of objects that would not be as declared.
	Problems []Problem `json:"problems"`
	// Held are deletions that the deletion guard would hold.
	Held []Held `json:"held"`
	// Targets are what would happen in other services.
	Targets []Target `json:"targets"`
	// Remarks are sentences on what could not be found out.
	Remarks []string `json:"remarks"`
	// Ignored is how many manifests are of kinds that are not Tegata's.
	Ignored int `json:"ignored"`
}

// Reference names an object.
type Reference struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String is "Kind namespace/name".
func (r Reference) String() string { return r.Kind + " " + r.Namespace + "/" + r.Name }

// Operation is what happens to an object.
type Operation string

// The operations.
const (
	Create Operation = "Create"
	Update Operation = "Update"
	Delete Operation = "Delete"
	// Reject: the API server refuses the manifest.
	Reject Operation = "Reject"
)

// Object is a declared object that differs.
type Object struct {
	Reference
	Operation Operation `json:"operation"`
	// Fields are what differs, for Update.
	Fields []Field `json:"fields,omitempty"`
	// Error is why the API server refuses it, for Reject.
	Error string `json:"error,omitempty"`
}

// Field is a value that becomes another; a list shows what enters and leaves it.
type Field struct {
	// Path is for example spec.mail, or spec.members[] of something in a list.
	Path string `json:"path"`
	// From and To are empty where there is nothing.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// Effect is what a person gains and loses in the directory.
type Effect struct {
	Namespace string `json:"namespace"`
	Member    string `json:"member"`
	// Gains and Loses are for example "app SAMLApp/wiki", sorted.
	Gains []string `json:"gains,omitempty"`
	Loses []string `json:"loses,omitempty"`
}

// Problem is what stands against an object being as declared.
type Problem struct {
	Reference
	// Reason and Message are those of the condition Ready.
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// New tells that the object does not say so today.
	New bool `json:"new"`
}

// Held is a deletion that waits for approval.
type Held struct {
	Reference
	Message string `json:"message"`
}

// Target is what would happen in one service.
type Target struct {
	Reference
	// Accounts are those that something happens to.
	Accounts []Account `json:"accounts"`
	// Unchanged is how many accounts stay as they are.
	Unchanged int `json:"unchanged"`
	// Groups are the groups in the service that something happens to.
	Groups []Group `json:"groups"`
	// Federation is nil where nothing happens to the log-in of the target's domain.
	Federation *Federation `json:"federation,omitempty"`
	// FromStatus tells that the service was not asked: what is said comes from what
	// Tegata last knew of the accounts.
	FromStatus bool `json:"fromStatus,omitempty"`
	// Remarks are sentences on what could not be found out.
	Remarks []string `json:"remarks,omitempty"`
}

// Account is what would happen to an account.
type Account struct {
	// Member is whose it is, by object name.
	Member string `json:"member"`
	// UserName is what the service calls it; may be empty.
	UserName string           `json:"userName,omitempty"`
	Action   provision.Action `json:"action"`
	// Held tells that the deletion guard would hold it.
	Held    bool     `json:"held,omitempty"`
	Changes []Change `json:"changes,omitempty"`
	// Cause and Message tell why, where Action is Refuse.
	Cause   string `json:"cause,omitempty"`
	Message string `json:"message,omitempty"`
}

// Group is what would happen to a group in a service.
type Group struct {
	// Group is the name of the object.
	Group string `json:"group"`
	// DisplayName is what the service calls it, or would.
	DisplayName string `json:"displayName"`
	// Action is Create, Update or Delete.
	Action provision.Action `json:"action"`
	// Formerly is the display name until now; empty where it stays.
	Formerly string `json:"formerly,omitempty"`
	// Joins and Leaves are Members by object name, sorted; who is none has the name
	// or the ID of the account there.
	Joins  []string `json:"joins,omitempty"`
	Leaves []string `json:"leaves,omitempty"`
}

// Federation is what would happen to the log-in of a Microsoft 365 domain.
type Federation struct {
	Domain string `json:"domain"`
	// State and Message are those that status.federation would have in the end.
	State   string `json:"state"`
	Message string `json:"message"`
	// Risk is who cannot log in although the domain is federated, or why nobody could
	// undo it; empty where all is well.
	Risk string `json:"risk,omitempty"`
	// ImmutableIDs are user names in the domain that get the ID of their member
	// before, sorted.
	ImmutableIDs []string `json:"immutableIDs,omitempty"`
	// Steps are in the order in which they are made.
	Steps []FederationStep `json:"steps,omitempty"`
}

// FederationStep is one change of a domain's federation.
type FederationStep struct {
	// Step is Create, Update, ClearNext or Delete.
	Step string `json:"step"`
	// Changes are by Microsoft's names of the properties; certificates are
	// fingerprints.
	Changes []Change `json:"changes,omitempty"`
}

// Change is one property that becomes another.
type Change struct {
	Property string `json:"property"`
	From     string `json:"from"`
	To       string `json:"to"`
}

// Empty tells that nothing would change.
func (p Plan) Empty() bool {
	return len(p.Objects) == 0 && len(p.Effects) == 0 && len(p.Held) == 0 &&
		!slices.ContainsFunc(p.Problems, func(problem Problem) bool { return problem.New }) &&
		!slices.ContainsFunc(p.Targets, Target.Changes)
}

// Changes tells that something would happen in the service.
func (t Target) Changes() bool {
	return len(t.Accounts)+len(t.Groups) > 0 || t.Federation != nil
}

// Rejected counts the manifests that the API server refuses.
func (p Plan) Rejected() int { return p.count(Reject) }

func (p Plan) count(operation Operation) int {
	number := 0
	for _, object := range p.Objects {
		if object.Operation == operation {
			number++
		}
	}
	return number
}

// Sort brings everything into a stable order, and makes empty lists of absent ones.
func (p *Plan) Sort() {
	byReference := func(a, b Reference) int {
		return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	}
	p.Objects, p.Effects, p.Problems = orEmpty(p.Objects), orEmpty(p.Effects), orEmpty(p.Problems)
	p.Held, p.Targets, p.Remarks = orEmpty(p.Held), orEmpty(p.Targets), orEmpty(p.Remarks)
	slices.SortStableFunc(p.Objects, func(a, b Object) int { return byReference(a.Reference, b.Reference) })
	slices.SortStableFunc(p.Problems, func(a, b Problem) int { return byReference(a.Reference, b.Reference) })
	slices.SortStableFunc(p.Held, func(a, b Held) int { return byReference(a.Reference, b.Reference) })
	slices.SortStableFunc(p.Targets, func(a, b Target) int { return byReference(a.Reference, b.Reference) })
	slices.SortStableFunc(p.Effects, func(a, b Effect) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Member, b.Member))
	})
	slices.Sort(p.Remarks)
	p.Remarks = slices.Compact(p.Remarks)
	for i := range p.Targets {
		target := &p.Targets[i]
		target.Accounts = orEmpty(target.Accounts)
		slices.SortStableFunc(target.Accounts, func(a, b Account) int { return strings.Compare(a.Member, b.Member) })
		target.Groups = orEmpty(target.Groups)
		slices.SortStableFunc(target.Groups, func(a, b Group) int { return strings.Compare(a.Group, b.Group) })
		slices.Sort(target.Remarks)
		target.Remarks = slices.Compact(target.Remarks)
	}
}

// rank orders kinds from the whole to its parts.
func rank(kind string) int {
	order := []string{"IdentityServer", "Tenant", "Member", "Group", "SAMLApp", "LinkApp", "ProvisioningTarget"}
	if i := slices.Index(order, kind); i >= 0 {
		return i
	}
	return len(order)
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
