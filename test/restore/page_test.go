/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package restore

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/gomega"
)

// page is the document whose commands run here.
const page = root + "/docs/backup.md"

// command is the sh block of a section that contains a word, as somebody would copy it.
func (w *world) command(section, word string) string {
	w.t.Helper()
	content, err := os.ReadFile(page)
	w.Expect(err).NotTo(HaveOccurred())
	_, text, found := strings.Cut(string(content), "\n"+section+"\n")
	w.Expect(found).To(BeTrue(), "%s has no section %q", page, section)
	text, _, _ = strings.Cut(text, "\n#")
	for i, part := range strings.Split(text, "```") {
		block, isShell := strings.CutPrefix(part, "sh\n")
		if i%2 == 1 && isShell && strings.Contains(block, word) {
			return block
		}
	}
	w.Expect(word).To(BeEmpty(), "section %q of %s has no such command", section, page)
	return ""
}

// document runs a command of the page in the world's folder.
func (w *world) document(c *cluster, section, word string) string {
	w.t.Helper()
	return w.shell(c, w.command(section, word))
}

// shell runs commands as the page's reader would: with kubectl, PostgreSQL's
// and our programs at hand, and the page's folder for data where this world has it.
func (w *world) shell(c *cluster, commands string) string {
	w.t.Helper()
	output, err := w.try(c, commands)
	w.Expect(err).NotTo(HaveOccurred(), "%s\n%s", commands, output)
	return output
}

func (w *world) try(c *cluster, commands string) (string, error) {
	w.t.Helper()
	commands = strings.ReplaceAll(commands, "/var/lib/tegata", w.data)
	shell := exec.CommandContext(w.t.Context(), "bash", "-euo", "pipefail", "-c", commands) // #nosec G204 -- the page's own commands
	shell.Dir = w.folder
	shell.Env = []string{
		"PATH=" + strings.Join([]string{assets, programs, os.Getenv("PATH")}, string(filepath.ListSeparator)),
		"HOME=" + w.folder, "KUBECONFIG=" + c.kubeconfig, "DATABASE_URL=" + w.dsn,
	}
	output, err := shell.CombinedOutput()
	return string(output), err
}
