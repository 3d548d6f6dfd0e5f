/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	ggcr "github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// push copies the archive to reference, attaches the bills of materials to the images that they describe (OCI referrers) and
// returns the reference by digest. It logs in as docker does (DOCKER_CONFIG).
func push(ctx context.Context, archive, reference string, boms map[string]string) (_ string, err error) {
	tag, err := ggcr.NewTag(reference, ggcr.StrictValidation)
	if err != nil {
		return "", err
	}
	directory, err := os.MkdirTemp("", "tegata-image-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	index, err := openArchive(archive, directory)
	if err != nil {
		return "", err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if err := remote.WriteIndex(tag, index, options...); err != nil {
		return "", fmt.Errorf("push %s: %w", tag, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return "", err
	}
	for _, image := range manifest.Manifests {
		path, ok := boms[image.Platform.Architecture]
		if !ok {
			return "", fmt.Errorf("no bill of materials for %s on %s", tag.Repository, image.Platform.Architecture)
		}
		if err := attach(tag.Repository, image, path, options); err != nil {
			return "", fmt.Errorf("attach bill of materials to %s: %w", tag, err)
		}
	}
	digest, err := index.Digest()
	if err != nil {
		return "", err
	}
	return tag.Digest(digest.String()).String(), nil
}

// attach pushes the file as an artifact that refers to the image (OCI distribution 1.1, "subject").
func attach(repository ggcr.Repository, image v1.Descriptor, path string, options []remote.Option) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	artifact := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), spdxMediaType)
	artifact, err = mutate.AppendLayers(artifact, static.NewLayer(content, spdxMediaType))
	if err != nil {
		return err
	}
	subject := v1.Descriptor{MediaType: image.MediaType, Digest: image.Digest, Size: image.Size}
	referrer, ok := mutate.Subject(artifact, subject).(v1.Image)
	if !ok {
		return errors.New("setting the subject did not give an image")
	}
	digest, err := partial.Descriptor(referrer)
	if err != nil {
		return err
	}
	return remote.Write(repository.Digest(digest.Digest.String()), referrer, options...)
}

// inRegistry is the name of an image below registry: registry.example/team, tegata-idp and v1 give registry.example/team/tegata-idp:v1.
func inRegistry(registry, name, version string) string {
	return strings.TrimSuffix(registry, "/") + "/" + name + ":" + version
}
