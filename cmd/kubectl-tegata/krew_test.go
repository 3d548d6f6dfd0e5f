/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"text/template"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

const (
	root       = "../.."
	testedName = "v1.2.3"
)

// krewPlugin is a plugin's manifest as far as an installation follows it.
type krewPlugin struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Version          string `json:"version"`
		Homepage         string `json:"homepage"`
		ShortDescription string `json:"shortDescription"`
		Platforms        []struct {
			Selector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			URI    string `json:"uri"`
			SHA256 string `json:"sha256"`
			Bin    string `json:"bin"`
			Files  []struct {
				From string `json:"from"`
				To   string `json:"to"`
			} `json:"files"`
		} `json:"platforms"`
	} `json:"spec"`
}

// readKrew fills in the template as krew-release-bot does.
func readKrew(g *WithT) krewPlugin {
	body, err := os.ReadFile(filepath.Join(root, ".krew.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	addURIAndSHA := func(url, tag string) string {
		return fmt.Sprintf("uri: %s\n      sha256: %064d", strings.ReplaceAll(url, "{{ .TagName }}", tag), 0)
	}
	filled, err := template.New("krew").Funcs(template.FuncMap{"addURIAndSha": addURIAndSHA}).Parse(string(body))
	g.Expect(err).NotTo(HaveOccurred())
	var out strings.Builder
	g.Expect(filled.Execute(&out, map[string]string{"TagName": testedName})).To(Succeed())
	var plugin krewPlugin
	g.Expect(yaml.Unmarshal([]byte(out.String()), &plugin)).To(Succeed(), out.String())
	return plugin
}

// TestKrew holds the manifest and what make plugin packs together.
func TestKrew(t *testing.T) {
	g := NewWithT(t)
	plugin := readKrew(g)
	g.Expect(plugin.APIVersion).To(Equal("krew.googlecontainertools.github.com/v1alpha2"))
	g.Expect(plugin.Kind + " " + plugin.Metadata.Name + " " + plugin.Spec.Version).To(Equal("Plugin tegata " + testedName))
	g.Expect(len(plugin.Spec.ShortDescription)).To(BeNumerically("<=", 50))

	out := t.TempDir()
	pack := exec.CommandContext(t.Context(), filepath.Join(root, "hack", "plugin.sh")) // #nosec G204 -- ours
	pack.Env = append(os.Environ(), "VERSION="+testedName, "OUT="+out, "PLATFORMS="+runtime.GOOS+"/"+runtime.GOARCH)
	said, err := pack.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(said))
	packed := false
	for _, platform := range plugin.Spec.Platforms {
		labels := platform.Selector.MatchLabels
		g.Expect(path.Base(platform.URI)).To(Equal(fmt.Sprintf("kubectl-tegata_%s_%s_%s.tar.gz", testedName, labels["os"], labels["arch"])))
		if labels["os"] != runtime.GOOS || labels["arch"] != runtime.GOARCH {
			continue
		}
		packed = true
		folder := unpack(t, filepath.Join(out, path.Base(platform.URI)))
		for _, file := range platform.Files {
			g.Expect(filepath.Join(folder, file.From)).To(BeARegularFile())
		}
		version, err := exec.CommandContext(t.Context(), filepath.Join(folder, platform.Bin), "--version").Output() // #nosec G204 -- ours
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(version)).To(Equal("kubectl tegata version " + testedName + "\n"))
	}
	g.Expect(packed).To(BeTrue(), "krew knows this platform")
}

// unpack unpacks an archive of files without folders.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	g, folder := NewWithT(t), t.TempDir()
	file, err := os.Open(archive) // #nosec G304 -- ours
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = file.Close() }()
	plain, err := gzip.NewReader(file)
	g.Expect(err).NotTo(HaveOccurred())
	for entries := tar.NewReader(plain); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return folder
		}
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(header.Name).NotTo(ContainSubstring("/"))
		body, err := io.ReadAll(entries)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(os.WriteFile(filepath.Join(folder, header.Name), body, header.FileInfo().Mode())).To(Succeed())
	}
}
