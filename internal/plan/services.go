/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package plan

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"tegata.dev/tegata/internal/provision"
)

// sections are what happens in a service, each part cut by itself.
func (t Target) sections() []section {
	accounts := section{title: fmt.Sprintf("%s (%d accounts change, %d stay)", t.Reference, len(t.Accounts), t.Unchanged)}
	for _, remark := range t.Remarks {
		accounts.add("! %s", line(remark))
	}
	if t.FromStatus {
		accounts.add("! This comes from what Tegata last knew; the service itself was not asked.")
	}
	held := ""
	for _, account := range t.Accounts {
		if account.Held && account.Message == held {
			account.Message = "" // once is enough
		} else if account.Held {
			held = account.Message
		}
		accounts.lines = append(accounts.lines, account.lines()...)
	}
	groups := section{title: fmt.Sprintf("%s (%d groups change)", t.Reference, len(t.Groups))}
	for _, group := range t.Groups {
		groups.lines = append(groups.lines, group.lines()...)
	}
	all := []section{accounts, groups}
	if t.Federation != nil {
		all = append(all, section{title: fmt.Sprintf("%s (log-in of %s)", t.Reference, t.Federation.Domain), lines: t.Federation.lines()})
	}
	return all
}

// rows sum up what happens in a service.
func (t Target) rows() []row {
	accounts := row{where: t.String()}
	for _, account := range t.Accounts {
		switch {
		case account.Held || account.Action == provision.Refuse:
			accounts.refused++
		case account.Action == provision.Create:
			accounts.created++
		case account.Action.Removes() || account.Action == provision.Retain:
			accounts.removed++
		default:
			accounts.updated++
		}
	}
	rows := []row{accounts}
	if len(t.Groups) > 0 {
		groups := row{where: t.String() + ", groups"}
		for _, group := range t.Groups {
			switch group.Action {
			case provision.Create:
				groups.created++
			case provision.Delete:
				groups.removed++
			default:
				groups.updated++
			}
		}
		rows = append(rows, groups)
	}
	if t.Federation != nil {
		rows = append(rows, t.Federation.row(t.String()+", log-in of "+t.Federation.Domain))
	}
	return rows
}

func (a Account) lines() []string {
	sign := "!"
	switch {
	case a.Action == provision.Create || a.Action == provision.Restore:
		sign = "+"
	case a.Action.Removes() && !a.Held:
		sign = "-"
	}
	first := fmt.Sprintf("%s %s %s", sign, a.Action, a.Member)
	if a.UserName != "" {
		first += " (" + line(a.UserName) + ")"
	}
	switch {
	case a.Held && a.Message == "":
		first += " HELD"
	case a.Held:
		first += " HELD: " + line(a.Message)
	case a.Action == provision.Refuse:
		first += fmt.Sprintf(": %s: %s", a.Cause, line(a.Message))
	}
	return append([]string{first}, described(a.Changes, a.Action == provision.Create)...)
}

func (g Group) lines() []string {
	sign := "!"
	switch g.Action {
	case provision.Create:
		sign = "+"
	case provision.Delete:
		sign = "-"
	}
	lines := []string{fmt.Sprintf("%s %s group %s (%s)", sign, g.Action, line(g.Group), line(g.DisplayName))}
	if g.Formerly != "" {
		lines = append(lines, fmt.Sprintf("    displayName: %s -> %s", value(g.Formerly), value(g.DisplayName)))
	}
	for _, member := range g.Leaves {
		lines = append(lines, "    members: - "+line(member))
	}
	for _, member := range g.Joins {
		lines = append(lines, "    members: + "+line(member))
	}
	return lines
}

// stepWords say what the steps of a federation do.
var stepWords = map[string]string{
	"Create": "the domain is federated", "Update": "the federation is changed", "ClearNext": "the next certificate is taken away", "Delete": "the federation is ended",
}

func (f Federation) made(step string) bool {
	return slices.ContainsFunc(f.Steps, func(s FederationStep) bool { return s.Step == step })
}

// row counts a domain where its first step does, and one without any as refused.
func (f Federation) row(where string) row {
	r := row{where: where}
	switch {
	case f.made("Delete"):
		r.removed++
	case f.made("Create"):
		r.created++
	case len(f.Steps)+len(f.ImmutableIDs) > 0:
		r.updated++
	default:
		r.refused++
	}
	return r
}

func (f Federation) lines() []string {
	sign := "!"
	switch {
	case f.made("Delete"):
		sign = "-"
	case f.made("Create"):
		sign = "+"
	}
	lines := []string{fmt.Sprintf("%s %s: %s", sign, f.State, line(f.Message))}
	if f.Risk != "" {
		lines = append(lines, "! "+line(f.Risk))
	}
	for _, name := range f.ImmutableIDs {
		lines = append(lines, "    first, the immutable ID of "+line(name))
	}
	for _, step := range f.Steps {
		lines = append(lines, "    "+stepWords[step.Step])
		for _, told := range described(step.Changes, step.Step == "Create") {
			lines = append(lines, "    "+told)
		}
	}
	return lines
}

// described tells of changes; of what is made, only what there is then.
func described(changes []Change, made bool) []string {
	var lines []string
	for _, change := range changes {
		switch {
		case !made:
			lines = append(lines, fmt.Sprintf("    %s: %s -> %s", line(change.Property), value(change.From), value(change.To)))
		case change.To != "":
			lines = append(lines, fmt.Sprintf("    %s: %s", line(change.Property), value(change.To)))
		}
	}
	return lines
}

// value is a value in quotes, cut where it is long.
func value(text string) string {
	if runes := []rune(text); len(runes) > longestValue {
		text = string(runes[:longestValue]) + "…"
	}
	return `"` + line(text) + `"`
}

// line is text without what would end the line or hide in it.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, text)
}
