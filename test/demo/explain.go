/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// explain prints what there is to try.
func (d *demo) explain(ctx context.Context) error {
	temporary, secret, err := d.temporaryPassword(ctx, pendingMember)
	if err != nil {
		return err
	}
	kubectl := ""
	if _, err := exec.LookPath("kubectl"); err != nil {
		kubectl = fmt.Sprintf("\n  export PATH=%s:$PATH", d.assets)
	}
	fmt.Printf(`
株式会社アクメ is ready.

Open
  %-26s portal: log in here
  %-26s sample SAML service provider (社内Wiki)
  %-26s inbox with every mail of the demo

Log in as
  %s   password %s   SuperAdmin 佐藤 花子, set through her mailed link
  %s   password %s   Staff 山田 太郎, temporary, from Secret %s
  %s    set your own through the link in the inbox (English)

Try
  export KUBECONFIG=%s%s
  kubectl get members
  kubectl get tegata -A
  kubectl describe member %s
  kubectl explain member.spec
  kubectl patch member %s --type merge -p '{"spec":{"suspended":true}}'    # log-in and SSO refuse at the next request
  kubectl patch member %s --type merge -p '{"spec":{"suspended":false}}'
  kubectl annotate member %s --overwrite identity.tegata.dev/reset-password="$(date)"
  kubectl get secret %s -o jsonpath='{.data.password}' | base64 -d; echo

For scripts: set -a; . %s; set +a
Logs:        %s
Ctrl-C stops everything.
`,
		portalURL, providerURL, inboxURL,
		readyMail, d.password, pendingMail, temporary, secret, linkedMail,
		d.kubeconfig, kubectl, pendingMember, pendingMember, pendingMember, pendingMember, secret,
		d.env, filepath.Join(d.directory, "operator.log"))
	return nil
}
