/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package scimmy runs a SCIM 2.0 service that others wrote: npm's scimmy, with
// test/interop/scimservice.mjs around it. It refuses whatever the standard does
// not allow. Lagging puts a gateway before it that finds new users only after a
// while, as services do that search in an index.
package scimmy

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Service is a running service with users and groups in memory.
type Service struct {
	// URL is where its paths begin.
	URL   string
	token string
}

// Options say what a service is like.
type Options struct {
	// Folder is test/interop, where the Node packages are.
	Folder string
	// Token is the bearer token, the password of the user tegata, and the secret of
	// the OAuth client tegata.
	Token string
	// NoPatch: PATCH is not taken.
	NoPatch bool
}

// Start runs a service until the test ends.
func Start(t testing.TB, o Options) *Service {
	t.Helper()
	if _, err := os.Stat(filepath.Join(o.Folder, "node_modules", "scimmy")); err != nil {
		t.Fatal("the Node packages are missing; run npm ci in test/interop, or make interop: ", err)
	}
	argument, err := json.Marshal(map[string]any{"token": o.Token, "patch": !o.NoPatch})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("node", "scimservice.mjs", string(argument)) // #nosec G204 -- our own program
	command.Dir, command.Stderr = o.Folder, os.Stderr
	input, inputErr := command.StdinPipe()
	output, outputErr := command.StdoutPipe()
	if err := errors.Join(inputErr, outputErr); err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// It ends when its input does.
		if err := errors.Join(input.Close(), command.Wait()); err != nil {
			t.Error("scimservice.mjs: ", err)
		}
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal("scimservice.mjs told no address: ", err)
	}
	return &Service{URL: strings.TrimSpace(line), token: o.Token}
}

// User is a user as the service keeps it.
type User struct {
	ID         string `json:"id"`
	ExternalID string `json:"externalId"`
	UserName   string `json:"userName"`
	Active     bool   `json:"active"`
}

// Users are all that there are, whatever a gateway finds.
func (s *Service) Users(t testing.TB) []User {
	t.Helper()
	var users []User
	for {
		var page struct {
			TotalResults int    `json:"totalResults"`
			Resources    []User `json:"Resources"`
		}
		if err := s.get(t, fmt.Sprintf("/Users?count=50&startIndex=%d", len(users)+1), &page); err != nil {
			t.Fatal("the service does not list its users: ", err)
		}
		users = append(users, page.Resources...)
		if len(page.Resources) == 0 || len(users) >= page.TotalResults {
			return users
		}
	}
}

func (s *Service) get(t testing.TB, path string, into any) error {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("Accept", "application/scim+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
