/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// spdxMediaType is the media type of an SPDX document in JSON (IANA).
const spdxMediaType = "application/spdx+json"

// The parts of SPDX 2.3 that a list of Go modules needs.
type (
	spdxDocument struct {
		SPDXVersion       string             `json:"spdxVersion"`
		DataLicense       string             `json:"dataLicense"`
		SPDXID            string             `json:"SPDXID"`
		Name              string             `json:"name"`
		DocumentNamespace string             `json:"documentNamespace"`
		CreationInfo      spdxCreation       `json:"creationInfo"`
		DocumentDescribes []string           `json:"documentDescribes"`
		Packages          []spdxPackage      `json:"packages"`
		Relationships     []spdxRelationship `json:"relationships"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		SPDXID           string          `json:"SPDXID"`
		Name             string          `json:"name"`
		VersionInfo      string          `json:"versionInfo"`
		DownloadLocation string          `json:"downloadLocation"`
		FilesAnalyzed    bool            `json:"filesAnalyzed"`
		LicenseConcluded string          `json:"licenseConcluded"`
		LicenseDeclared  string          `json:"licenseDeclared"`
		CopyrightText    string          `json:"copyrightText"`
		ExternalRefs     []spdxReference `json:"externalRefs"`
	}
	spdxReference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		Element string `json:"spdxElementId"`
		Type    string `json:"relationshipType"`
		Related string `json:"relatedSpdxElement"`
	}
)

// billOfMaterials lists what the linker recorded in a Go program: the program, every module in it and Go itself.
// It says nothing about licences, because the program does not.
func billOfMaterials(name, version, path string, created time.Time) ([]byte, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("bill of materials of %s: %w", name, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	document := spdxDocument{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", Name: name,
		// Unique for what it describes, as SPDX wants it, and the same for the same program.
		DocumentNamespace: "https://tegata.dev/spdx/" + name + "-" + hex.EncodeToString(sum[:]),
		CreationInfo:      spdxCreation{Created: created.UTC().Format(time.RFC3339), Creators: []string{"Tool: tegata-hack-image"}},
	}
	add := func(id, path, version string) {
		document.Packages = append(document.Packages, spdxPackage{
			SPDXID: id, Name: path, VersionInfo: version, DownloadLocation: "NOASSERTION",
			LicenseConcluded: "NOASSERTION", LicenseDeclared: "NOASSERTION", CopyrightText: "NOASSERTION",
			ExternalRefs: []spdxReference{{Category: "PACKAGE-MANAGER", Type: "purl", Locator: packageURL(path, version)}},
		})
	}
	relate := func(from, kind, to string) {
		document.Relationships = append(document.Relationships, spdxRelationship{Element: from, Type: kind, Related: to})
	}
	const main = "SPDXRef-program"
	document.DocumentDescribes = []string{main}
	add(main, info.Main.Path, version)
	relate(document.SPDXID, "DESCRIBES", main)
	modules := append([]*debug.Module{{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}}, info.Deps...)
	for i, module := range modules {
		if module.Replace != nil {
			module = module.Replace
		}
		id := fmt.Sprintf("SPDXRef-module-%d", i)
		add(id, module.Path, module.Version)
		relate(main, "DEPENDS_ON", id)
	}
	out, err := json.MarshalIndent(document, "", "  ")
	return append(out, '\n'), err
}

// packageURL names a Go module as the package-url specification's type golang does.
func packageURL(path, version string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	locator := "pkg:golang/" + strings.Join(segments, "/")
	if version == "" {
		return locator
	}
	return locator + "@" + url.QueryEscape(version)
}
