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
		rows = append(rows, target.rows()...)
	}
	return rows
}

// Summary is the plan in one line.
func (p Plan) Summary() string {
	if p.Empty() && len(p.Problems) == 0 {
		return "Nothing would change."
	}
	accounts, groups, domains, newProblems, refused := 0, 0, 0, 0, ""
	for _, target := range p.Targets {
		accounts += len(target.Accounts)
		groups += len(target.Groups)
		if target.Federation != nil {
			domains++
		}
	}
	for _, problem := range p.Problems {
		if problem.New {
			newProblems++
		}
	}
	if n := p.refused(); n > 0 {
		refused = fmt.Sprintf(" (%d refused)", n)
	}
	return fmt.Sprintf("Plan: %d to create, %d to update, %d to delete, %d rejected; %d people affected; %d accounts%s, %d groups and %d domains in services; %d new problems; %d deletions held.",
		p.count(Create), p.count(Update), p.count(Delete), p.count(Reject), len(p.Effects), accounts, refused, groups, domains, newProblems, len(p.Held))
}

// refused counts the accounts that will not be as declared.
func (p Plan) refused() int {
	number := 0
	for _, target := range p.Targets {
		for _, account := range target.Accounts {
			if account.Action == provision.Refuse {
				number++
			}
		}
	}
	return number
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
		all = append(all, target.sections()...)
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
	var messages []string
	names := map[string][]string{}
	for _, held := range p.Held {
		if names[held.Message] == nil {
			messages = append(messages, held.Message)
		}
		names[held.Message] = append(names[held.Message], held.String())
	}
	for _, message := range messages {
		s.add("! %s", line(message))
		for _, name := range names[message] {
			s.add("    %s", name)
		}
	}
	return s
}
