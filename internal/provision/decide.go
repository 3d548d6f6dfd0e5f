/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package provision

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Removal says what happens to an account that nobody should have.
type Removal string

// The removals.
const (
	RemovalDelete  Removal = "Delete"
	RemovalDisable Removal = "Disable"
	RemovalRetain  Removal = "Retain"
)

// Action is what is to be done about an account.
type Action string

// The actions.
const (
	// Nothing: it is as it should be.
	Nothing Action = "Nothing"
	Create  Action = "Create"
	// Adopt takes over an account that was there before; it is updated at once.
	Adopt  Action = "Adopt"
	Update Action = "Update"
	// Restore takes a deleted account back, and updates it.
	Restore Action = "Restore"
	Disable Action = "Disable"
	Delete  Action = "Delete"
	// Retain leaves the account as it is and forgets it.
	Retain Action = "Retain"
	// Refuse leaves it alone, as it is somebody else's.
	Refuse Action = "Refuse"
)

// Removes tells that an action takes the account away from its user.
func (a Action) Removes() bool { return a == Disable || a == Delete }

// Situation is everything that decides about one account.
type Situation struct {
	// Desired is nil where nobody should have the account.
	Desired *Desired
	// Found is nil where the service has none.
	Found *Account
	// Linked tells that an earlier run made or adopted the account.
	Linked bool
	// AdoptByUserName allows to take over accounts that were there before.
	AdoptByUserName bool
	Removal         Removal
}

// Change is one property that becomes another.
type Change struct {
	Property, From, To string
}

// Decision is what is to be done, and why.
type Decision struct {
	Action Action
	// Changes are sorted by property; for Create they are all that is set.
	Changes []Change
	// Cause and Message tell why, where Action is Refuse.
	Cause   Cause
	Message string
}

// Decide chooses what happens to an account.
func Decide(s Situation) Decision {
	switch {
	case s.Desired == nil:
		return s.remove()
	case s.Found == nil:
		return Decision{Action: Create, Changes: Differences(Account{}, *s.Desired)}
	case s.Found.Unmanageable != "":
		return Decision{Action: Refuse, Cause: ManagedElsewhere, Message: s.Found.Unmanageable}
	case !s.ours() && s.Found.CorrelationID != "":
		return Decision{Action: Refuse, Cause: Conflict,
			Message: fmt.Sprintf("The account %s there belongs to another member of Tegata; two members cannot share one account. Give one of them another mail address.", s.Found.UserName)}
	case !s.ours() && (!s.AdoptByUserName || s.Found.Deleted):
		return Decision{Action: Refuse, Cause: Conflict,
			Message: fmt.Sprintf("An account %s that Tegata did not make is there already; set spec.adoption of the ProvisioningTarget to ByUserName to take it over, or rename or delete it there.", s.Found.UserName)}
	}
	changes := Differences(*s.Found, *s.Desired)
	switch {
	case s.Found.Deleted:
		return Decision{Action: Restore, Changes: changes}
	case !s.ours():
		return Decision{Action: Adopt, Changes: changes}
	case len(changes) == 0:
		return Decision{Action: Nothing}
	default:
		return Decision{Action: Update, Changes: changes}
	}
}

// ours tells that the account was linked before, or carries the member's mark.
func (s Situation) ours() bool {
	return s.Linked || s.Found.CorrelationID != "" && s.Found.CorrelationID == s.Desired.CorrelationID
}

// Is tells whether an account that was found by a stored external ID is the one
// that the ID was stored of. Where a target leads to another directory, the same
// ID can be somebody else's; the member's mark or the user name tells that it is
// not. Names are those that the account had, or was to get.
func (a Account) Is(correlationID string, names ...string) bool {
	if correlationID != "" && a.CorrelationID == correlationID {
		return true
	}
	return slices.ContainsFunc(names, func(name string) bool { return name != "" && strings.EqualFold(name, a.UserName) })
}

func (s Situation) remove() Decision {
	switch {
	case s.Found == nil || s.Found.Deleted || !s.Linked:
		return Decision{Action: Nothing}
	case s.Removal == RemovalRetain || s.Found.Unmanageable != "":
		return Decision{Action: Retain}
	case s.Removal == RemovalDelete:
		return Decision{Action: Delete}
	case s.Found.Active:
		return Decision{Action: Disable, Changes: []Change{{activeName, "true", "false"}}}
	default:
		return Decision{Action: Nothing}
	}
}

// The names under which changes tell of what is no property.
const (
	activeName        = "(active)"
	correlationIDName = "(correlation ID)"
	userNameName      = "(user name)"
)

// Differences are what an update changes, sorted by property.
func Differences(found Account, desired Desired) []Change {
	var changes []Change
	compare := func(property, from, to string) {
		if from != to {
			changes = append(changes, Change{property, from, to})
		}
	}
	// Parentheses sort before all letters.
	compare(activeName, fmt.Sprint(found.Active), fmt.Sprint(desired.Active))
	compare(correlationIDName, found.CorrelationID, desired.CorrelationID)
	compare(userNameName, found.UserName, desired.UserName)
	for _, property := range slices.Sorted(maps.Keys(desired.Properties)) {
		compare(property, found.Properties[property], desired.Properties[property])
	}
	return changes
}
