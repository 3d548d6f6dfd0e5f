/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"tegata.dev/tegata/internal/provision"
)

// longestValue is how much of a value is shown, in characters.
const longestValue = 120

// JSON writes the whole plan for programs.
func (p Plan) JSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(p)
}

// Text writes the plan for a terminal, at most so many lines a section; 0 is all.
func (p Plan) Text(out io.Writer, maxLines int) error {
	var b strings.Builder
	for _, section := range p.sections() {
		fmt.Fprintf(&b, "%s\n", section.title)
		for _, line := range section.cut(maxLines) {
			fmt.Fprintf(&b, "  %s\n", line)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%s\n", p.Summary())
	_, err := io.WriteString(out, b.String())
	return err
}

// Markdown writes the plan as a comment on a pull request: a table, and details to unfold.
func (p Plan) Markdown(out io.Writer, maxLines int) error {
	var b strings.Builder
	b.WriteString("### Tegata plan\n\n")
	fmt.Fprintf(&b, "%s\n", escape(p.Summary()))
	if rows := p.rows(); len(rows) > 0 {
		b.WriteString("\n| Where | Create | Update | Remove | Refused or held |\n|---|---|---|---|---|\n")
		for _, row := range rows {
			fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", escape(row.where), row.created, row.updated, row.removed, row.refused)
		}
	}
	for _, section := range p.sections() {
		fmt.Fprintf(&b, "\n<details><summary>%s</summary>\n\n", escape(section.title))
		fence := fenceFor(section.lines)
		fmt.Fprintf(&b, "%s\n%s\n%s\n\n</details>\n", fence+"diff", strings.Join(section.cut(maxLines), "\n"), fence)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// fenceFor is a fence that no line can end.
func fenceFor(lines []string) string {
	fence := "```"
	for strings.Contains(strings.Join(lines, "\n"), fence) {
		fence += "`"
	}
	return fence
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "\\|", "@", "&#64;").Replace(text)
}

// row sums up one place.
type row struct {
	where                              string
	created, updated, removed, refused int
}

func (p Plan) rows() []row {
	var rows []row
	if len(p.Objects)+len(p.Held) > 0 {
		rows = append(rows, row{"Directory", p.count(Create), p.count(Update), p.count(Delete) - len(p.Held), p.count(Reject) + len(p.Held)})
	}
	for _, target := range p.Targets {
		r := row{where: target.String()}
		for _, account := range target.Accounts {
			switch {
			case account.Held || account.Action == provision.Refuse:
				r.refused++
			case account.Action == provision.Create:
				r.created++
			case account.Action.Removes() || account.Action == provision.Retain:
				r.removed++
			default:
				r.updated++
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// Summary is the plan in one line.
func (p Plan) Summary() string {
	if p.Empty() && len(p.Problems) == 0 {
		return "Nothing would change."
	}
	accounts, newProblems := 0, 0
	for _, target := range p.Targets {
		accounts += len(target.Accounts)
	}
	for _, problem := range p.Problems {
		if problem.New {
			newProblems++
		}
	}
	return fmt.Sprintf("Plan: %d to create, %d to update, %d to delete, %d rejected; %d people affected; %d accounts in services; %d new problems; %d deletions held.",
		p.count(Create), p.count(Update), p.count(Delete), p.count(Reject), len(p.Effects), accounts, newProblems, len(p.Held))
}

// section is a part of the plan in lines. A line that is indented belongs to the
// one before.
type section struct {
	title string
	lines []string
}

// cut is at most so many lines, the last of which tells how many are missing.
func (s section) cut(maxLines int) []string {
	if maxLines <= 0 || len(s.lines) <= maxLines {
		return s.lines
	}
	return append(s.lines[:maxLines:maxLines], fmt.Sprintf("… and %d more lines", len(s.lines)-maxLines))
}

func (s *section) add(format string, arguments ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, arguments...))
}

func (p Plan) sections() []section {
	all := []section{p.objectLines(), p.effectLines(), p.problemLines(), p.heldLines()}
	for _, target := range p.Targets {
		all = append(all, target.lines())
	}
	remarks := section{title: "Remarks"}
	for _, remark := range p.Remarks {
		remarks.add("! %s", line(remark))
	}
	if p.Ignored > 0 {
		remarks.add("! %d manifests are of kinds that are not Tegata's, and were ignored.", p.Ignored)
	}
	var filled []section
	for _, s := range append(all, remarks) {
		if len(s.lines) > 0 {
			filled = append(filled, s)
		}
	}
	return filled
}

func (p Plan) objectLines() section {
	s := section{title: fmt.Sprintf("Objects (%d)", len(p.Objects))}
	signs := map[Operation]string{Create: "+", Update: "!", Delete: "-", Reject: "-"}
	for _, object := range p.Objects {
		if object.Operation == Reject {
			s.add("- %s REJECTED: %s", object.Reference, line(object.Error))
			continue
		}
		s.add("%s %s", signs[object.Operation], object.Reference)
		for _, field := range object.Fields {
			s.add("    %s", field.describe())
		}
	}
	return s
}

func (f Field) describe() string {
	switch {
	case f.From == "":
		return fmt.Sprintf("%s: + %s", f.Path, value(f.To))
	case f.To == "":
		return fmt.Sprintf("%s: - %s", f.Path, value(f.From))
	}
	return fmt.Sprintf("%s: %s -> %s", f.Path, value(f.From), value(f.To))
}

func (p Plan) effectLines() section {
	s := section{title: fmt.Sprintf("People (%d)", len(p.Effects))}
	for _, effect := range p.Effects {
		s.add("%s/%s", effect.Namespace, effect.Member)
		for _, gained := range effect.Gains {
			s.add("+   %s", line(gained))
		}
		for _, lost := range effect.Loses {
			s.add("-   %s", line(lost))
		}
	}
	return s
}

func (p Plan) problemLines() section {
	s := section{title: fmt.Sprintf("Problems (%d)", len(p.Problems))}
	for _, problem := range p.Problems {
		age := ""
		if !problem.New {
			age = " (as before)"
		}
		s.add("! %s%s: %s: %s", problem.Reference, age, problem.Reason, line(problem.Message))
	}
	return s
}

func (p Plan) heldLines() section {
	s := section{title: fmt.Sprintf("Held by the deletion guard (%d; which ones pass first is not determined)", len(p.Held))}
	for _, held := range p.Held {
		s.add("! %s: %s", held.Reference, line(held.Message))
	}
	return s
}

func (t Target) lines() section {
	s := section{title: fmt.Sprintf("%s (%d accounts change, %d stay)", t.Reference, len(t.Accounts), t.Unchanged)}
	for _, remark := range t.Remarks {
		s.add("! %s", line(remark))
	}
	if t.FromStatus {
		s.add("! This comes from what Tegata last knew; the service itself was not asked.")
	}
	for _, account := range t.Accounts {
		s.lines = append(s.lines, account.lines()...)
	}
	return s
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
	case a.Held:
		first += " HELD: " + line(a.Message)
	case a.Action == provision.Refuse:
		first += fmt.Sprintf(": %s: %s", a.Cause, line(a.Message))
	}
	lines := []string{first}
	for _, change := range a.Changes {
		if a.Action == provision.Create {
			if change.To != "" {
				lines = append(lines, fmt.Sprintf("    %s: %s", line(change.Property), value(change.To)))
			}
			continue
		}
		lines = append(lines, fmt.Sprintf("    %s: %s -> %s", line(change.Property), value(change.From), value(change.To)))
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
