/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	. "github.com/onsi/gomega"
)

// buildSelf packs the test program, which is a Go program with modules in it like ours.
func buildSelf(t *testing.T, directory string, arguments ...string) {
	t.Helper()
	self, err := os.Executable()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	all := append([]string{"build", "--name", "tegata-idp", "--version", "v1.2.3", "--revision", "abc", "--created", "1700000000", "--directory", directory}, arguments...)
	NewWithT(t).Expect(run(t.Context(), append(all, "amd64="+self, "arm64="+self), io.Discard)).To(Succeed())
}

func TestSameInputGivesTheSameBytes(t *testing.T) {
	g := NewWithT(t)
	first, second, other := t.TempDir(), t.TempDir(), t.TempDir()
	buildSelf(t, first)
	buildSelf(t, second)
	buildSelf(t, other, "--created", "1700000001")
	read := func(directory, name string) string {
		content, err := os.ReadFile(filepath.Join(directory, name))
		g.Expect(err).NotTo(HaveOccurred())
		return string(content)
	}
	for _, name := range []string{"tegata-idp.digest", "tegata-idp.reference", "tegata-idp.amd64.spdx.json", "tegata-idp.arm64.spdx.json", "tegata-idp.tar"} {
		g.Expect(read(first, name) == read(second, name)).To(BeTrue(), name)
	}
	g.Expect(read(other, "tegata-idp.digest")).NotTo(Equal(read(first, "tegata-idp.digest")))
	g.Expect(read(first, "tegata-idp.reference")).To(Equal("localhost/tegata-idp:v1.2.3\n"))
}

func TestImageIsMinimalAndNotRoot(t *testing.T) {
	g := NewWithT(t)
	directory := t.TempDir()
	buildSelf(t, directory)
	index, err := openArchive(filepath.Join(directory, "tegata-idp.tar"), t.TempDir())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(validate.Index(index)).To(Succeed())
	manifest, err := index.IndexManifest()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(manifest.Manifests).To(HaveLen(2))
	g.Expect(manifest.Annotations).To(HaveKeyWithValue("org.opencontainers.image.version", "v1.2.3"))

	image, err := index.Image(manifest.Manifests[0].Digest)
	g.Expect(err).NotTo(HaveOccurred())
	config, err := image.ConfigFile()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(config.Platform().String()).To(Equal("linux/amd64"))
	g.Expect(config.Config.User).To(Equal("65532:65532"))
	g.Expect(config.Config.Entrypoint).To(Equal([]string{"/tegata-idp"}))
	g.Expect(config.Config.Labels).To(HaveKeyWithValue("org.opencontainers.image.revision", "abc"))

	files := readFiles(t, image)
	g.Expect(files).To(HaveLen(4))
	g.Expect(files).To(HaveKey("tegata-idp"))
	g.Expect(string(files["etc/passwd"])).To(HavePrefix("nonroot:x:65532:65532:"))
	g.Expect(x509.NewCertPool().AppendCertsFromPEM(files["etc/ssl/certs/ca-certificates.crt"])).To(BeTrue())
}

// readFiles are the regular files of the image, by path.
func readFiles(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	g := NewWithT(t)
	content := mutate.Extract(image)
	t.Cleanup(func() { g.Expect(content.Close()).To(Succeed()) })
	files := make(map[string][]byte)
	archive := tar.NewReader(content)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		g.Expect(err).NotTo(HaveOccurred())
		if header.Typeflag == tar.TypeReg {
			files[header.Name], err = io.ReadAll(archive)
			g.Expect(err).NotTo(HaveOccurred())
		}
	}
}

func TestBillOfMaterialsNamesModulesAndGo(t *testing.T) {
	g := NewWithT(t)
	directory := t.TempDir()
	buildSelf(t, directory)
	content, err := os.ReadFile(filepath.Join(directory, "tegata-idp.amd64.spdx.json"))
	g.Expect(err).NotTo(HaveOccurred())
	var document spdxDocument
	g.Expect(json.Unmarshal(content, &document)).To(Succeed())
	g.Expect(document.SPDXVersion).To(Equal("SPDX-2.3"))
	var locators []string
	for _, p := range document.Packages {
		locators = append(locators, p.ExternalRefs[0].Locator)
	}
	g.Expect(locators).To(ContainElements(HavePrefix("pkg:golang/stdlib@1."), HavePrefix("pkg:golang/github.com/google/go-containerregistry@v0.")))
	g.Expect(document.Relationships).To(HaveLen(len(document.Packages)))
}

func TestPushWithBillOfMaterials(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	directory := t.TempDir()
	buildSelf(t, directory)
	digest, err := os.ReadFile(filepath.Join(directory, "tegata-idp.digest"))
	g.Expect(err).NotTo(HaveOccurred())

	var out bytes.Buffer
	arguments := []string{"push", "--registry", host + "/team/", "--version", "v1.2.3", "--directory", directory, "tegata-idp"}
	g.Expect(run(t.Context(), arguments, &out)).To(Succeed())
	pushed := strings.TrimSpace(out.String())
	g.Expect(pushed).To(Equal(host + "/team/tegata-idp@" + strings.TrimSpace(string(digest))))

	tag, err := ggcr.NewTag(host + "/team/tegata-idp:v1.2.3")
	g.Expect(err).NotTo(HaveOccurred())
	index, err := remote.Index(tag)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(validate.Index(index)).To(Succeed())
	manifest, err := index.IndexManifest()
	g.Expect(err).NotTo(HaveOccurred())
	for _, image := range manifest.Manifests {
		referrers, err := remote.Referrers(tag.Digest(image.Digest.String()))
		g.Expect(err).NotTo(HaveOccurred())
		list, err := referrers.IndexManifest()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(list.Manifests).To(HaveLen(1))
		g.Expect(list.Manifests[0].ArtifactType).To(Equal(spdxMediaType))
	}
	g.Expect(run(t.Context(), arguments, io.Discard)).To(Succeed(), "pushing again")
}

func TestBadInput(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "program")
	NewWithT(t).Expect(os.WriteFile(broken, []byte("not a program"), 0o600)).To(Succeed())
	for _, c := range []struct {
		name      string
		arguments []string
		message   string
	}{
		{"no command", nil, "usage:"},
		{"unknown command", []string{"pull"}, `unknown command "pull"`},
		{"no program", []string{"build", "--name", "a", "--version", "v1"}, "no program given"},
		{"no architecture", []string{"build", "--name", "a", "--version", "v1", "program"}, `"program" is not ARCHITECTURE=PROGRAM`},
		{"no name", []string{"build", "--version", "v1", "amd64=program"}, "--name and --version are required"},
		{"absent program", []string{"build", "--name", "a", "--version", "v1", "--directory", t.TempDir(), "amd64=" + broken + "x"}, "no such file"},
		{"not a program", []string{"build", "--name", "a", "--version", "v1", "--directory", t.TempDir(), "amd64=" + broken}, "bill of materials of a"},
		{"no registry", []string{"push", "--version", "v1", "a"}, "--registry"},
		{"nothing built", []string{"push", "--registry", "localhost:1", "--version", "v1", "--directory", t.TempDir(), "a"}, "no such file"},
		{"bad tag", []string{"push", "--registry", "localhost:1", "--version", "v 1", "--directory", t.TempDir(), "a"}, "tag"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(run(context.Background(), c.arguments, io.Discard)).To(MatchError(ContainSubstring(c.message)))
		})
	}
}
