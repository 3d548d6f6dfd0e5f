/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// nameAnnotation is what containerd and Docker name an imported image by.
const nameAnnotation = "io.containerd.image.name"

// writeArchive writes index as an OCI image layout in a tar, which ctr, docker, podman and skopeo read.
func writeArchive(path, reference string, index v1.ImageIndex) (err error) {
	directory, err := os.MkdirTemp("", "tegata-image-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	written, err := layout.Write(directory, empty.Index)
	if err != nil {
		return err
	}
	if err := written.AppendIndex(index, layout.WithAnnotations(map[string]string{nameAnnotation: reference})); err != nil {
		return err
	}
	temporary := path + ".tmp"
	if err := tarDirectory(temporary, directory); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return os.Rename(temporary, path)
}

// tarDirectory packs files in the order of their names, without times and owners.
func tarDirectory(path, directory string) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	archive := tar.NewWriter(out)
	err = fs.WalkDir(os.DirFS(directory), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = archive.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	return archive.Close()
}

// openArchive unpacks what writeArchive wrote into directory; the index reads from there.
func openArchive(path, directory string) (v1.ImageIndex, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if err := untar(in, directory); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	outer, err := layout.ImageIndexFromPath(directory)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	manifest, err := outer.IndexManifest()
	if err != nil {
		return nil, err
	}
	found := slices.IndexFunc(manifest.Manifests, func(d v1.Descriptor) bool { return d.MediaType.IsIndex() })
	if found < 0 {
		return nil, fmt.Errorf("%s holds no image index", path)
	}
	return outer.ImageIndex(manifest.Manifests[found].Digest)
}

func untar(in io.Reader, directory string) error {
	root, err := os.OpenRoot(directory) // no entry gets out of it
	if err != nil {
		return err
	}
	defer root.Close()
	archive := tar.NewReader(in)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := root.MkdirAll(filepath.Dir(header.Name), 0o755); err != nil {
			return err
		}
		out, err := root.Create(header.Name)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, archive)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
}
