/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tegata.dev/tegata/internal/provision"
)

const readApplications = "Application.Read.All"

// need is a permission, and what for.
type need struct {
	// any of them serves; the first is what is advised.
	any     []string
	purpose string
	// fatal: nothing works without it.
	fatal bool
}

// needs are the permissions that the target uses.
func (t *Target) needs() []need {
	var needs []need
	if t.options.Domain != "" {
		needs = append(needs,
			need{[]string{writeUsers, writeDirectory}, "to make and change accounts", true},
			need{[]string{readDomains, "Domain.ReadWrite.All", "Directory.Read.All", writeDirectory}, "to check the domains", false})
	}
	if len(t.options.Roles) > 0 {
		needs = append(needs, need{[]string{manageRoles}, "to give and take the directory roles of spec.entraID.roles", false})
	}
	if t.options.Federates {
		needs = append(needs, need{[]string{writeFederations, "Domain.ReadWrite.All"}, "to manage the federation of the domain", false},
			need{[]string{readRoles, manageRoles, "Directory.Read.All", writeDirectory}, "to see that an administrator remains who logs in without federation", false})
	}
	if t.options.ReadsDevices {
		needs = append(needs, need{[]string{readDevices, "DeviceManagementManagedDevices.ReadWrite.All"}, "to read the devices of Intune", t.options.Domain == ""})
	}
	return needs
}

// Check implements provision.Target.
func (t *Target) Check(ctx context.Context) (provision.Findings, error) {
	var findings provision.Findings
	remark := func(format string, arguments ...any) {
		findings.Remarks = append(findings.Remarks, fmt.Sprintf(format, arguments...))
	}
	token, err := t.freshToken(ctx)
	if err != nil {
		return findings, err
	}
	if skew := t.tokens.clockSkew(); skew != 0 {
		remark("The clock of this machine differs from Microsoft's by %s; set it by NTP.", skew.Abs())
	}
	if granted, known := grantedRoles(token); known {
		for _, n := range t.needs() {
			if n.met(granted) {
				continue
			}
			message := fmt.Sprintf("The app lacks the permission %s (application permission of Microsoft Graph), %s; grant it, with admin consent. Microsoft may take some minutes to know of it; it counts from the next check on.", n.any[0], n.purpose)
			if n.fatal {
				return findings, &provision.Error{Cause: provision.Forbidden, Message: message}
			}
			remark("%s", message)
		}
	}
	for _, probe := range []func(context.Context, *provision.Findings) error{t.checkUsers, t.checkDomains, t.checkDevices, t.checkCredential} {
		if err := probe(ctx, &findings); err != nil {
			return findings, err
		}
	}
	return findings, nil
}

// freshToken is a token that has what the target needs, or a new one that shows that
// it is not granted: a token does not learn of what is granted after it.
func (t *Target) freshToken(ctx context.Context) (string, error) {
	token, err := t.tokens.get(ctx)
	if err != nil {
		return "", err
	}
	granted, known := grantedRoles(token)
	if !known || !slices.ContainsFunc(t.needs(), func(n need) bool { return !n.met(granted) }) {
		return token, nil
	}
	t.tokens.forget(token)
	return t.tokens.get(ctx)
}

func (n need) met(granted map[string]bool) bool {
	for _, permission := range n.any {
		if granted[permission] {
			return true
		}
	}
	return false
}

// checkUsers finds out whether users can be read as it is done later.
func (t *Target) checkUsers(ctx context.Context, _ *provision.Findings) error {
	if t.options.Domain == "" {
		return nil
	}
	query := url.Values{"$select": {t.fields}, "$top": {"1"}}
	body, err := t.call(ctx, request{method: http.MethodGet, path: "/users?" + encode(query), permission: readUsers})
	if err != nil {
		return err
	}
	_, _, err = parsePage(body)
	return err
}

// checkDomains finds out whether users can be made in the domains.
func (t *Target) checkDomains(ctx context.Context, findings *provision.Findings) error {
	if t.options.Domain == "" {
		return nil
	}
	err := t.checkDomain(ctx, "domain", t.options.Domain)
	for _, other := range t.options.OtherDomains {
		if err == nil {
			err = t.checkDomain(ctx, "otherDomains", other)
		}
	}
	if provision.CauseOf(err) != provision.Forbidden {
		return err
	}
	if _, known := grantedRoles(t.tokens.current()); !known {
		findings.Remarks = append(findings.Remarks, "Whether the domains are verified could not be checked: grant the app Domain.Read.All.")
	}
	return nil
}

// checkDomain finds out whether users can be made in a domain that the field of
// spec.entraID names.
func (t *Target) checkDomain(ctx context.Context, field, domain string) error {
	found, err := t.Domain(ctx, domain)
	refusal := func(format string, arguments ...any) error {
		return &provision.Error{Cause: provision.Invalid, Property: field, Message: fmt.Sprintf(format, arguments...)}
	}
	switch {
	case provision.IsNotFound(err):
		return refusal("The Entra ID tenant has no domain %s; add and verify it under Custom domain names there, or correct spec.entraID.%s.", domain, field)
	case err != nil:
		return err
	case !found.Verified:
		return refusal("The domain %s is not verified in the Entra ID tenant; add the DNS record that Custom domain names shows there.", domain)
	}
	return nil
}

// checkDevices finds out whether devices can be read, where nothing else is.
func (t *Target) checkDevices(ctx context.Context, _ *provision.Findings) error {
	if t.options.Domain != "" || !t.options.ReadsDevices {
		return nil
	}
	_, err := t.call(ctx, request{method: http.MethodGet, path: "/deviceManagement/managedDevices?$top=1&$select=id", permission: readDevices})
	return err
}

// checkCredential finds out when the secret or certificate ends.
func (t *Target) checkCredential(ctx context.Context, findings *provision.Findings) error {
	if t.options.Certificate != nil {
		findings.CredentialExpires = t.options.Certificate.Leaf.NotAfter
		return nil
	}
	findings.CredentialExpires = t.options.SecretExpires
	path := "/applications(appId='" + url.PathEscape(t.options.ClientID) + "')?$select=passwordCredentials"
	body, err := t.call(ctx, request{method: http.MethodGet, path: path, permission: readApplications})
	cause := provision.CauseOf(err)
	switch {
	case err != nil && (cause == provision.Forbidden || cause == provision.NotFound):
		if t.options.SecretExpires.IsZero() {
			findings.Remarks = append(findings.Remarks, "When the client secret expires is not known: grant the app Application.Read.All, or set spec.entraID.clientSecretExpires.")
		}
		return nil
	case err != nil:
		return err
	}
	if expires, known := secretExpiry(body, string(t.options.ClientSecret), t.options.Now()); known {
		findings.CredentialExpires = expires
	}
	return nil
}

// secretExpiry is when the client secret ends: Graph shows the first three
// characters of each. Where several are alike, the one that ends first counts,
// so that the warning is rather early than late.
func secretExpiry(body []byte, secret string, now time.Time) (time.Time, bool) {
	var application struct {
		Credentials []struct {
			Hint    string    `json:"hint"`
			Expires time.Time `json:"endDateTime"`
		} `json:"passwordCredentials"`
	}
	if json.Unmarshal(body, &application) != nil {
		return time.Time{}, false
	}
	var first time.Time
	for _, credential := range application.Credentials {
		if credential.Hint == "" || !strings.HasPrefix(secret, credential.Hint) || !credential.Expires.After(now) {
			continue
		}
		if first.IsZero() || credential.Expires.Before(first) {
			first = credential.Expires
		}
	}
	return first, !first.IsZero()
}
