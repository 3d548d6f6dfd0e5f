//go:build e2e

/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/formclient"
)

// backup is a folder that the commands of docs/backup.md run in.
type backup struct {
	*place
	page, folder string
}

// restoreVolume takes a backup as docs/backup.md says, deletes everything, and restores it.
func (p *place) restoreVolume(l *load, browser *formclient.Client, member *v1alpha1.Member) {
	page, err := os.ReadFile(repository("docs/backup.md"))
	p.Expect(err).NotTo(HaveOccurred())
	b := &backup{place: p, page: p.localize(string(page)), folder: p.t.TempDir()}
	b.run("### Secrets", "secrets.yaml")
	b.run("### SQLite in pods", "backup --sqlite")
	p.awaitReady(member)
	id := member.Status.ID
	p.Expect(id).NotTo(BeEmpty())
	p.remove()

	p.create(p.declared[:1]...) // the namespace
	b.run("## Restoring into an empty cluster", "secrets.yaml")
	p.Expect(os.WriteFile(filepath.Join(b.folder, "restore.yaml"), []byte(b.block("### Database: SQLite in pods", "yaml", "tegata-restore")), 0o600)).To(Succeed())
	b.run("### Database: SQLite in pods", "restore.yaml")
	p.create(p.declared[1:]...)
	p.awaitServing()
	p.awaitReady(member)
	p.Expect(member.Status.ID).To(Equal(id), "the member is another one")
	p.expectSession(l, browser, member)
	again := l.browser(false)
	p.Expect(l.logIn(p.t.Context(), again, member)).To(BeTrue(), l.current.Load().String())
	p.expectSession(l, again, member)
}

// localize writes this place's names into the page's examples.
func (p *place) localize(page string) string {
	image := p.pods(p.namespace, idpPods)[0].Spec.Containers[0].Image
	page = strings.NewReplacer(
		"identity-system", p.namespace,
		"--all-namespaces", "--namespace "+p.namespace, // others are at work in theirs
	).Replace(page)
	before, after, found := strings.Cut(page, "    image: ")
	p.Expect(found).To(BeTrue(), "the page's pod has no image")
	_, after, _ = strings.Cut(after, "\n")
	return before + "    image: " + image + "\n" + after
}

// block is the block of a language in a section that contains the words.
func (b *backup) block(section, language, words string) string {
	b.t.Helper()
	_, text, found := strings.Cut(b.page, "\n"+section+"\n")
	b.Expect(found).To(BeTrue(), "docs/backup.md has no section %q", section)
	text, _, _ = strings.Cut(text, "\n#")
	for i, part := range strings.Split(text, "```") {
		if content, is := strings.CutPrefix(part, language+"\n"); i%2 == 1 && is && strings.Contains(content, words) {
			return content
		}
	}
	b.Expect(words).To(BeEmpty(), "section %q has no such block", section)
	return ""
}

// run runs the commands of a section as somebody would who copies them.
func (b *backup) run(section, words string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	commands := b.block(section, "sh", words)
	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", commands) // #nosec G204 -- the page's own commands
	shell.Dir = b.folder
	shell.Env = append(os.Environ(), "PATH="+repository(".cluster/bin")+string(filepath.ListSeparator)+os.Getenv("PATH"))
	output, err := shell.CombinedOutput()
	b.Expect(err).NotTo(HaveOccurred(), "%s\n%s", commands, output)
}
