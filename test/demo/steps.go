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
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/formclient"
)

func (j *journey) readyMemberLogsIn(ctx context.Context) error {
	page, err := logIn(ctx, formclient.New(), readyMail, j.password)
	if err != nil {
		return err
	}
	return onPortal(page)
}

func (j *journey) portalNeedsLogIn(ctx context.Context) error {
	page, err := formclient.New().Visit(ctx, portalURL)
	if err != nil {
		return err
	}
	return onPage(page, "mail", "password")
}

func (j *journey) wrongPasswordRefused(ctx context.Context) error {
	wrong, err := refused(ctx, pendingMail, newPassword())
	if err != nil {
		return err
	}
	unknown, err := refused(ctx, "nobody@acme.example", newPassword())
	if err != nil {
		return err
	}
	return demand(wrong == unknown, "the answers differ: %q and %q", wrong, unknown)
}

func (j *journey) temporaryPasswordForcesChange(ctx context.Context) (err error) {
	if j.temporary, j.secret, err = j.temporaryPassword(ctx, pendingMember); err != nil {
		return err
	}
	page, err := logIn(ctx, j.taro, pendingMail, j.temporary)
	if err != nil {
		return err
	}
	if err := onPage(page, "password", "confirmation"); err != nil {
		return err
	}
	portal, err := j.taro.Visit(ctx, portalURL)
	if err != nil {
		return err
	}
	return demand(onPortal(portal) != nil, "the portal opened before the password was changed")
}

func (j *journey) changeShowsPortal(ctx context.Context) error {
	page, err := logIn(ctx, j.taro, pendingMail, j.temporary)
	if err != nil {
		return err
	}
	if page, err = j.taro.SetPassword(ctx, page, "password1"); err != nil {
		return err
	}
	if page, err = j.taro.SetPassword(ctx, page, j.chosen); err != nil {
		return fmt.Errorf("after a weak password: %w", err)
	}
	if page.URL.Path != "/" {
		if page, err = j.taro.Visit(ctx, portalURL); err != nil {
			return err
		}
	}
	if err := onPortal(page); err != nil {
		return err
	}
	for _, tile := range []string{"山田", "社内Wiki", "就業規則", "勤怠管理"} {
		if !strings.Contains(page.Text(), tile) {
			return fmt.Errorf("the portal lacks %s: %s", tile, page.Text())
		}
	}
	return nil
}

func (j *journey) singleSignOn(ctx context.Context) error {
	page, err := j.taro.Visit(ctx, providerURL)
	if err != nil {
		return err
	}
	got := page.Table()
	slices.Sort(got["groups"])
	for name, want := range map[string][]string{
		"NameID": {pendingMail}, "mail": {pendingMail}, "displayName": {"山田 太郎"}, "employeeNumber": {"00042"},
		"costCenter": {"120"}, "groups": {"全社員", "営業部"}, "permission": {"editor"}, "environment": {"demo"},
	} {
		slices.Sort(want)
		if !slices.Equal(got[name], want) {
			return fmt.Errorf("%s is %q, not %q, at %s: %s", name, got[name], want, page.URL, page.Text())
		}
	}
	return nil
}

func (j *journey) temporaryPasswordIsGone(ctx context.Context) error {
	err := j.await(ctx, "Secret "+j.secret+" is still there", func() bool {
		return apierrors.IsNotFound(j.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: j.secret}, &corev1.Secret{}))
	})
	if err != nil {
		return err
	}
	_, err = refused(ctx, pendingMail, j.temporary)
	return err
}

var activeLine = regexp.MustCompile(`(?m)^` + pendingMember + ` .* Active +[0-9]+[smh].* True +Published `)

func (j *journey) kubectlShowsActive(ctx context.Context) error {
	table := ""
	err := j.await(ctx, "the table does not show it", func() bool {
		output, err := j.kubectl(ctx, "get", "members")
		table = output
		return err == nil && activeLine.MatchString(output)
	})
	fmt.Print("        " + strings.ReplaceAll(strings.TrimSpace(table), "\n", "\n        ") + "\n")
	return err
}

func (j *journey) suspended(ctx context.Context) error {
	if err := j.suspend(ctx, true, v1alpha1.MemberSuspended); err != nil {
		return err
	}
	page, err := j.taro.Visit(ctx, portalURL)
	if err != nil {
		return err
	}
	if err := onPage(page, "mail", "password"); err != nil {
		return fmt.Errorf("the portal: %w", err)
	}
	if page, err = j.singleSignOnAnew(ctx, j.taro); err != nil {
		return err
	}
	if err := onPage(page, "mail", "password"); err != nil {
		return fmt.Errorf("SSO: %w", err)
	}
	_, err = refused(ctx, pendingMail, j.chosen)
	return err
}

func (j *journey) resumed(ctx context.Context) error {
	if err := j.suspend(ctx, false, v1alpha1.MemberActive); err != nil {
		return err
	}
	page, err := j.singleSignOnAnew(ctx, j.taro)
	if err != nil {
		return err
	}
	if page, err = j.taro.LogIn(ctx, page, pendingMail, j.chosen); err != nil {
		return err
	}
	return demand(slices.Equal(page.Table()["NameID"], []string{pendingMail}), "%s: %s", page.URL, page.Text())
}

// suspend patches the member as kubectl patch would, and waits until its status tells of it.
func (j *journey) suspend(ctx context.Context, suspended bool, want v1alpha1.MemberState) error {
	patch := fmt.Sprintf(`{"spec":{"suspended":%t}}`, suspended)
	if _, err := j.kubectl(ctx, "patch", "member", pendingMember, "--type", "merge", "--patch", patch); err != nil {
		return err
	}
	return j.await(ctx, fmt.Sprintf("member %s did not become %s", pendingMember, want), func() bool {
		member, err := j.member(ctx, pendingMember)
		return err == nil && member.Status.State == want
	})
}

// singleSignOnAnew ends the session at the sample service provider and opens it again.
func (j *journey) singleSignOnAnew(ctx context.Context, browser *formclient.Client) (*formclient.Page, error) {
	if _, err := browser.Get(ctx, providerURL+"/logout"); err != nil {
		return nil, err
	}
	return browser.Visit(ctx, providerURL)
}

func (j *journey) mailedLink(ctx context.Context) error {
	link, err := j.demo.mailedLink(ctx, linkedMail)
	if err != nil {
		return err
	}
	scanner := formclient.New() // mail scanners follow links
	if _, err := scanner.Get(ctx, link); err != nil {
		return err
	}
	john := formclient.New()
	page, err := john.Get(ctx, link)
	if err != nil {
		return err
	}
	if _, err = john.SetPassword(ctx, page, j.linked); err != nil {
		return err
	}
	if page, err = logIn(ctx, formclient.New(), linkedMail, j.linked); err != nil {
		return err
	}
	if err := onPortal(page); err != nil {
		return err
	}
	if page, err = formclient.New().Get(ctx, link); err != nil {
		return err
	}
	return demand(onPage(page, "password", "confirmation") != nil && page.Status >= 400, "the link works twice (status %d)", page.Status)
}

func (j *journey) loggedOut(ctx context.Context) error {
	browser := formclient.New()
	page, err := logIn(ctx, browser, readyMail, j.password)
	if err != nil {
		return err
	}
	for _, form := range page.Forms() {
		if form.Action.Path == "/logout" {
			if _, err := browser.Submit(ctx, form, nil); err != nil {
				return err
			}
			if page, err = browser.Visit(ctx, portalURL); err != nil {
				return err
			}
			return onPage(page, "mail", "password")
		}
	}
	return errors.New("the portal has no form that logs out")
}

func (j *journey) secondDemo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if err := refusesToStart(ctx, "another demo already runs", program, os.Args[1:]...); err != nil {
		return err
	}
	elsewhere, err := os.MkdirTemp("", "tegata-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(elsewhere)
	return refusesToStart(ctx, "another program already listens on "+idpAddress, program, append(os.Args[1:], "--directory", elsewhere)...)
}

// refusesToStart is an error unless the program fails with the message.
func refusesToStart(ctx context.Context, message, program string, args ...string) error {
	command := exec.CommandContext(ctx, program, args...)
	output, err := command.CombinedOutput()
	return demand(err != nil && strings.Contains(string(output), message), "it ended with %s and said: %s", command.ProcessState, output)
}

// kubectl runs the kubectl of the control plane, or that of the PATH.
func (d *demo) kubectl(ctx context.Context, args ...string) (string, error) {
	program := filepath.Join(d.assets, "kubectl")
	if !exists(program) {
		program = "kubectl"
	}
	command := exec.CommandContext(ctx, program, append([]string{"--kubeconfig", d.kubeconfig}, args...)...)
	command.Env = append(os.Environ(), "KUBECACHEDIR="+filepath.Join(d.directory, "kubectl-cache"))
	output, err := command.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, output)
	}
	return string(output), err
}
