/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/idp/store/storetest"
)

func TestBackupAndRestore(t *testing.T) {
	g := NewWithT(t)
	options := storetest.SQLiteOptions(t)
	storetest.Open(t, options)
	var backup, told bytes.Buffer
	code, found := runCommand(t.Context(), []string{"backup", "--sqlite", options.SQLitePath}, nothing, nil, &backup, &told)
	g.Expect(found).To(BeTrue())
	g.Expect(code).To(BeZero(), told.String())
	g.Expect(told.String()).To(MatchRegexp(`^backup of \d+ bytes done, sha256 [0-9a-f]{64}\n$`))

	options.SQLitePath = filepath.Join(t.TempDir(), "restored.db")
	var toldAgain bytes.Buffer
	fromEnvironment := func(name string) (string, bool) { return options.SQLitePath, name == "TEGATA_SQLITE" }
	code, _ = runCommand(t.Context(), []string{"restore"}, fromEnvironment, bytes.NewReader(backup.Bytes()), nil, &toldAgain)
	g.Expect(code).To(BeZero(), toldAgain.String())
	g.Expect(strings.TrimPrefix(toldAgain.String(), "restore")).To(Equal(strings.TrimPrefix(told.String(), "backup")))
	storetest.Open(t, options)
}

func TestWrongCommands(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "tegata.db")
	for _, c := range []struct {
		arguments []string
		code      int
		want      string
	}{
		{[]string{"backup"}, exitUsage, "--sqlite is required"},
		{[]string{"backup", "--sqlite=x", "more"}, exitUsage, "unexpected argument"},
		{[]string{"restore", "--colour"}, exitUsage, "not defined"},
		{[]string{"backup", "--sqlite", empty}, exitFailure, "no such file"},
		{[]string{"restore", "--sqlite", empty}, exitFailure, "it is empty"},
		{[]string{"restore", "--help"}, 0, "must not exist yet"},
	} {
		var errOut bytes.Buffer
		code, found := runCommand(context.Background(), c.arguments, nothing, strings.NewReader(""), &bytes.Buffer{}, &errOut)
		if !found || code != c.code || !strings.Contains(errOut.String(), c.want) {
			t.Errorf("%v: code %d, %q; want %q", c.arguments, code, errOut.String(), c.want)
		}
	}
	if _, found := runCommand(context.Background(), []string{"--sqlite=x"}, nothing, nil, nil, nil); found {
		t.Error("flags alone are no command")
	}
	if _, err := os.Stat(empty); err == nil {
		t.Error("a refused restore left a file")
	}
}
