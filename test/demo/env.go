/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"fmt"
	"os"
	"strings"
)

// writeEnv tells scripts that everything is ready: the file appears whole.
func (d *demo) writeEnv() error {
	content := assignments([][2]string{
		{"KUBECONFIG", d.kubeconfig},
		{"TEGATA_URL", portalURL},
		{"TEGATA_NAMESPACE", namespace},
		{"TEGATA_TENANT", tenantName},
		{"TEGATA_METADATA_URL", metadataURL},
		{"TEGATA_INBOX_URL", inboxURL},
		{"TEGATA_MAIL", readyMail},
		{"TEGATA_PASSWORD", d.password},
	})
	temporary := d.env + ".new"
	if err := os.WriteFile(temporary, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, d.env)
}

// assignments are lines that a POSIX shell reads back literally.
func assignments(variables [][2]string) string {
	var out strings.Builder
	for _, v := range variables {
		fmt.Fprintf(&out, "%s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`))
	}
	return out.String()
}
