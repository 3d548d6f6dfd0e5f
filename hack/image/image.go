/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is the numeric user and group that the program runs as: restricted pod security wants a number, not a name.
const user = "65532:65532"

// binary is a static program for one architecture, such as amd64.
type binary struct {
	architecture, path string
}

// specification says what goes into an image; the same specification always makes the same digest.
type specification struct {
	name     string // such as tegata-idp; also the program's path below /
	binaries []binary
	created  time.Time         // of the commit, never of the build
	labels   map[string]string // org.opencontainers.image.*
}

// buildIndex makes one image per architecture and the index over them.
func buildIndex(s specification) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	base, err := layer(s.created, baseFiles())
	if err != nil {
		return nil, err
	}
	for _, b := range s.binaries {
		image, err := buildImage(s, b, base)
		if err != nil {
			return nil, fmt.Errorf("image of %s for %s: %w", s.name, b.architecture, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: b.architecture}},
		})
	}
	annotated, ok := mutate.Annotations(index, s.labels).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("annotating the index of %s did not give an index", s.name)
	}
	return annotated, nil
}

func buildImage(s specification, b binary, base v1.Layer) (v1.Image, error) {
	content, err := os.ReadFile(b.path)
	if err != nil {
		return nil, err
	}
	program, err := layer(s.created, []file{{path: s.name, mode: 0o755, content: content}})
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: s.created}
	image, err = mutate.Append(image,
		mutate.Addendum{Layer: base, History: v1.History{Created: created, CreatedBy: "CA certificates, user"}},
		mutate.Addendum{Layer: program, History: v1.History{Created: created, CreatedBy: s.name}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", b.architecture, created
	config.Config = v1.Config{User: user, WorkingDir: "/", Entrypoint: []string{"/" + s.name}, Labels: s.labels}
	return mutate.ConfigFile(image, config)
}

// file is an entry of a layer; a path that ends in a slash is a directory.
type file struct {
	path    string
	mode    int64
	content []byte
}

// baseFiles are what a static program needs around it. Time zones are compiled into the programs (time/tzdata).
func baseFiles() []file {
	return []file{
		{path: "etc/", mode: 0o755},
		{path: "etc/group", mode: 0o644, content: []byte("nonroot:x:65532:\n")},
		{path: "etc/passwd", mode: 0o644, content: []byte("nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		{path: "etc/ssl/", mode: 0o755},
		{path: "etc/ssl/certs/", mode: 0o755},
		{path: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: certificateAuthorities()},
	}
}

// certificateAuthorities are Mozilla's, as pinned in go.mod: those of the building machine would change the digest.
// Roots that are trusted only with constraints are left out, because a PEM file cannot express them.
func certificateAuthorities() []byte {
	var blocks []string
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			blocks = append(blocks, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})))
		}
	}
	slices.Sort(blocks)
	return []byte(strings.Join(blocks, ""))
}

// layer is reproducible: owner, order and times come from the arguments alone.
func layer(modified time.Time, files []file) (v1.Layer, error) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, f := range files {
		header := &tar.Header{Name: f.path, Mode: f.mode, Size: int64(len(f.content)), ModTime: modified, Format: tar.FormatPAX, Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.path, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(buffer.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}
