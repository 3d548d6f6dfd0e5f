/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"context"
	"errors"
	"fmt"

	"tegata.dev/tegata/internal/formclient"
)

// journey is what the steps of the check hand on to one another.
type journey struct {
	*demo
	taro      *formclient.Client // his browser
	temporary string
	secret    string // name of the Secret with it
	chosen    string
	linked    string // the password set through the mailed link
}

// step is one thing that must hold.
type step struct {
	what string
	run  func(context.Context) error
}

// check makes the journey of issue 2 without a browser, with a line for each step.
func (d *demo) check(ctx context.Context) error {
	j := &journey{demo: d, taro: formclient.New(), chosen: newPassword(), linked: newPassword()}
	steps := []step{
		{"the member of .demo/env logs in as is", j.readyMemberLogsIn},
		{"without a log-in the portal leads to the log-in page", j.portalNeedsLogIn},
		{"a wrong password and an unknown mail are refused with one answer", j.wrongPasswordRefused},
		{"the temporary password from the Secret logs in and must be changed first", j.temporaryPasswordForcesChange},
		{"a weak new password is refused, a good one shows the portal with its tiles", j.changeShowsPortal},
		{"SSO into the sample service provider brings the right attributes", j.singleSignOn},
		{"the Secret with the temporary password is gone, and the password with it", j.temporaryPasswordIsGone},
		{"kubectl get members shows Active and the last log-in", j.kubectlShowsActive},
		{"suspended by kubectl patch, portal, SSO and log-in refuse at the next request", j.suspended},
		{"resumed, the member logs in again, starting at the service provider", j.resumed},
		{"a mailed link is not used up by looking at it, works once and not twice", j.mailedLink},
		{"log-out ends the session", j.loggedOut},
		{"a second demo at the same time says why it cannot start", j.secondDemo},
	}
	for i, s := range steps {
		if err := s.run(ctx); err != nil {
			fmt.Printf("FAILED  %s: %v\n", s.what, err)
			return fmt.Errorf("step %d of %d failed; see the logs in %s\n%s", i+1, len(steps), d.directory, tail(d.directory+"/operator.log", 10))
		}
		fmt.Printf("ok      %s\n", s.what)
	}
	return nil
}

// demand is an error unless it holds.
func demand(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// onPage is an error unless the page has a form with the fields.
func onPage(page *formclient.Page, fields ...string) error {
	_, err := page.FormWith(fields...)
	return err
}

// onPortal is an error unless the page is the portal of somebody logged in.
func onPortal(page *formclient.Page) error {
	if onPage(page, "mail", "password") == nil || page.URL.Path != "/" || page.Status != 200 {
		return fmt.Errorf("this is not the portal: %s (status %d): %s", page.URL, page.Status, page.Text())
	}
	return nil
}

// logIn opens the portal in a browser and fills in the form that comes.
func logIn(ctx context.Context, browser *formclient.Client, mail, password string) (*formclient.Page, error) {
	page, err := browser.Visit(ctx, portalURL)
	if err != nil {
		return nil, err
	}
	return browser.LogIn(ctx, page, mail, password)
}

// refused is an error unless a log-in ends at the log-in form again; it returns what the page says.
func refused(ctx context.Context, mail, password string) (string, error) {
	page, err := logIn(ctx, formclient.New(), mail, password)
	if err != nil {
		return "", err
	}
	if err := onPage(page, "mail", "password"); err != nil {
		return "", errors.New("the log-in was not refused: " + page.URL.String())
	}
	return page.Text(), nil
}
