/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package provision

import (
	"testing"

	. "github.com/onsi/gomega"
)

func wanted() *Desired {
	return &Desired{CorrelationID: "id-1", UserName: "taro", Active: true, Properties: Properties{"phone": "1", "title": ""}}
}

// existing is an account just as wanted, and then changed.
func existing(change ...func(*Account)) *Account {
	account := &Account{ExternalID: "x", CorrelationID: "id-1", UserName: "taro", Active: true, Properties: Properties{"phone": "1", "other": "theirs"}}
	for _, c := range change {
		c(account)
	}
	return account
}

func TestDecide(t *testing.T) {
	deleted := func(a *Account) { a.Deleted = true }
	disabled := func(a *Account) { a.Active = false }
	foreign := func(a *Account) { a.CorrelationID = "" }
	another := func(a *Account) { a.CorrelationID = "id-2" }
	synced := func(a *Account) { a.Unmanageable = "It comes from a local directory." }
	phone := func(a *Account) { a.Properties["phone"] = "2" }
	for name, test := range map[string]struct {
		situation Situation
		action    Action
		changes   []Change
		cause     Cause
	}{
		"none yet": {Situation{Desired: wanted()}, Create, []Change{
			{"(active)", "false", "true"}, {"(correlation ID)", "", "id-1"}, {"(user name)", "", "taro"}, {"phone", "", "1"},
		}, ""},
		"as it should be":                {Situation{Desired: wanted(), Found: existing(), Linked: true}, Nothing, nil, ""},
		"ours by its mark":               {Situation{Desired: wanted(), Found: existing()}, Nothing, nil, ""},
		"changed there":                  {Situation{Desired: wanted(), Found: existing(phone), Linked: true}, Update, []Change{{"phone", "2", "1"}}, ""},
		"to be disabled":                 {Situation{Desired: &Desired{CorrelationID: "id-1", UserName: "taro"}, Found: existing(), Linked: true}, Update, []Change{{"(active)", "true", "false"}}, ""},
		"ours by its mark, changed":      {Situation{Desired: wanted(), Found: existing(phone)}, Update, []Change{{"phone", "2", "1"}}, ""},
		"linked, and its mark is lost":   {Situation{Desired: wanted(), Found: existing(foreign), Linked: true}, Update, []Change{{"(correlation ID)", "", "id-1"}}, ""},
		"deleted":                        {Situation{Desired: wanted(), Found: existing(deleted), Linked: true}, Restore, nil, ""},
		"deleted, by its mark":           {Situation{Desired: wanted(), Found: existing(deleted)}, Restore, nil, ""},
		"there before, not to be taken":  {Situation{Desired: wanted(), Found: existing(foreign)}, Refuse, nil, Conflict},
		"there before, to be taken":      {Situation{Desired: wanted(), Found: existing(foreign), AdoptByUserName: true}, Adopt, []Change{{"(correlation ID)", "", "id-1"}}, ""},
		"there before, and deleted":      {Situation{Desired: wanted(), Found: existing(foreign, deleted), AdoptByUserName: true}, Refuse, nil, Conflict},
		"another member's":               {Situation{Desired: wanted(), Found: existing(another), AdoptByUserName: true}, Refuse, nil, Conflict},
		"another system's":               {Situation{Desired: wanted(), Found: existing(synced), Linked: true}, Refuse, nil, ManagedElsewhere},
		"nobody's, to delete":            {Situation{Found: existing(), Linked: true, Removal: RemovalDelete}, Delete, nil, ""},
		"nobody's and disabled, to go":   {Situation{Found: existing(disabled), Linked: true, Removal: RemovalDelete}, Delete, nil, ""},
		"nobody's, to disable":           {Situation{Found: existing(), Linked: true, Removal: RemovalDisable}, Disable, []Change{{"(active)", "true", "false"}}, ""},
		"nobody's and disabled":          {Situation{Found: existing(disabled), Linked: true, Removal: RemovalDisable}, Nothing, nil, ""},
		"nobody's, to retain":            {Situation{Found: existing(), Linked: true, Removal: RemovalRetain}, Retain, nil, ""},
		"nobody's, and another system's": {Situation{Found: existing(synced), Linked: true, Removal: RemovalDelete}, Retain, nil, ""},
		"nobody's, and gone":             {Situation{Linked: true, Removal: RemovalDelete}, Nothing, nil, ""},
		"nobody's, and deleted":          {Situation{Found: existing(deleted), Linked: true, Removal: RemovalDelete}, Nothing, nil, ""},
		"nobody's, and never ours":       {Situation{Found: existing(foreign), Removal: RemovalDelete}, Nothing, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			decision := Decide(test.situation)
			g.Expect(decision.Action).To(Equal(test.action))
			g.Expect(decision.Changes).To(Equal(test.changes))
			g.Expect(decision.Cause).To(Equal(test.cause))
			g.Expect(decision.Message != "").To(Equal(test.action == Refuse))
			g.Expect(decision.Action.Removes()).To(Equal(test.action == Delete || test.action == Disable))
		})
	}
}

func TestWhoseExternalIDItIs(t *testing.T) {
	for name, test := range map[string]struct {
		found Account
		names []string
		want  bool
	}{
		"as it was":                          {*existing(), []string{"taro"}, true},
		"renamed there":                      {*existing(func(a *Account) { a.UserName = "t" }), []string{"taro"}, true},
		"its mark was taken away":            {*existing(func(a *Account) { a.CorrelationID = "" }), []string{"Taro"}, true},
		"nobody saw the change of its name":  {*existing(func(a *Account) { a.CorrelationID = "" }), []string{"t", "taro"}, true},
		"somebody else's":                    {Account{CorrelationID: "id-2", UserName: "hanako"}, []string{"taro"}, false},
		"somebody's of another directory":    {Account{UserName: "hanako"}, []string{"taro", ""}, false},
		"nothing is known of either of them": {Account{}, []string{""}, false},
	} {
		NewWithT(t).Expect(test.found.Is("id-1", test.names...)).To(Equal(test.want), name)
	}
	NewWithT(t).Expect(Account{}.Is("", "taro")).To(BeFalse())
}

func TestCausesOfErrors(t *testing.T) {
	g := NewWithT(t)
	g.Expect(CauseOf(nil)).To(Equal(Unavailable))
	g.Expect(IsNotFound(nil)).To(BeFalse())
	g.Expect(IsNotFound(&Error{Cause: NotFound})).To(BeTrue())
	g.Expect(CauseOf(&Error{Cause: Conflict, Err: &Error{Cause: NotFound}})).To(Equal(Conflict))
	for _, cause := range []Cause{Unauthorized, Forbidden, Protected, Conflict, Invalid, LicenseLimit, DeviceEnrolled, ManagedElsewhere} {
		g.Expect(cause.Passes()).To(BeFalse(), string(cause))
	}
	for _, cause := range []Cause{Throttled, Unavailable, NotFound} {
		g.Expect(cause.Passes()).To(BeTrue(), string(cause))
	}
}
