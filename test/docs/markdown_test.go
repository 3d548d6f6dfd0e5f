/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

const root = "../.."

// document is a Markdown file, split into its text and its fenced blocks.
type document struct {
	path   string
	text   string
	blocks []block
}

// block is a fenced block.
type block struct {
	language, body string
	// line is the number of its first line.
	line int
}

// documents are the READMEs, the changelog and everything below docs.
func documents(t *testing.T) []document {
	t.Helper()
	paths := []string{filepath.Join(root, "README.md"), filepath.Join(root, "CHANGELOG.md"), filepath.Join(root, "charts", "tegata", "README.md")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []document
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parse(path, string(body)))
	}
	return all
}

func parse(path, body string) document {
	d := document{path: path}
	var open *block
	for i, line := range strings.Split(body, "\n") {
		fence, fenced := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fenced && open == nil:
			open = &block{language: fence, line: i + 2}
		case fenced:
			d.blocks = append(d.blocks, *open)
			open = nil
		case open != nil:
			open.body += line + "\n"
		default:
			d.text += line + "\n"
		}
	}
	if open != nil {
		d.blocks = append(d.blocks, *open)
	}
	return d
}

var (
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code = regexp.MustCompile("`[^`\n]*`")
)

// links are where the document leads to, without code.
func (d document) links() []string {
	var targets []string
	for _, match := range link.FindAllStringSubmatch(code.ReplaceAllString(d.text, ""), -1) {
		targets = append(targets, match[1])
	}
	return targets
}

// headings are the document's headings as links name them: lower case,
// hyphens for spaces, no punctuation.
func (d document) headings() map[string]bool {
	names := map[string]bool{}
	for line := range strings.SplitSeq(d.text, "\n") {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		names[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))] = true
	}
	return names
}

func TestLinksLeadSomewhere(t *testing.T) {
	all := documents(t)
	byPath := map[string]document{}
	for _, d := range all {
		byPath[filepath.Clean(d.path)] = d
	}
	count := 0
	for _, d := range all {
		for _, target := range d.links() {
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			count++
			path, anchor, _ := strings.Cut(target, "#")
			file := filepath.Clean(d.path)
			if path != "" {
				file = filepath.Join(filepath.Dir(d.path), path)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which does not exist", d.path, target)
			} else if anchor != "" && !byPath[file].headings()[anchor] {
				t.Errorf("%s links to %s, and %s has no such heading", d.path, target, file)
			}
		}
	}
	if count == 0 {
		t.Error("no link was found")
	}
}

// Every document can be reached from the README.
func TestEveryDocumentIsReached(t *testing.T) {
	all := documents(t)
	reached := map[string]bool{filepath.Join(root, "README.md"): true}
	for range all {
		for _, d := range all {
			if !reached[filepath.Clean(d.path)] {
				continue
			}
			for _, target := range d.links() {
				path, _, _ := strings.Cut(target, "#")
				reached[filepath.Join(filepath.Dir(d.path), path)] = true
			}
		}
	}
	for _, d := range all {
		if !reached[filepath.Clean(d.path)] {
			t.Errorf("no document links to %s", d.path)
		}
	}
}

// Targets of make that the documents name exist.
func TestMakeTargetsExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("(?m)(?:`|^)make ([a-z][a-z0-9-]*)")
	for _, d := range documents(t) {
		text := d.text
		for _, b := range d.blocks {
			text += b.body
		}
		for _, match := range named.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), fmt.Sprintf("\n%s:", match[1])) {
				t.Errorf("%s names make %s, which does not exist", d.path, match[1])
			}
		}
	}
}
