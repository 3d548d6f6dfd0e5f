/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package endpoints says at which URLs the IdP answers, so that the operator
// writes the same into status as the IdP serves. An external URL has a scheme
// and a host and no path.
package endpoints

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Origin is an external URL in the one form that all ways of writing its
// address share (RFC 6454, 4): to compare by, as what is served and published
// keeps the writing it was declared in.
func Origin(externalURL string) string {
	u, err := url.Parse(externalURL)
	if err != nil || u.Host == "" {
		return externalURL
	}
	host, port := strings.ToLower(u.Hostname()), strings.TrimLeft(u.Port(), "0")
	if address, err := netip.ParseAddr(host); err == nil {
		host = address.String()
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port)
}

// Issuer is a tenant's SAML entity ID. It is the address of its metadata too,
// as SAML metadata 4.1.1 recommends.
func Issuer(externalURL, tenant string) string { return saml(externalURL, tenant) + "/metadata" }

// Metadata is where a tenant's SAML metadata document is.
func Metadata(externalURL, tenant string) string { return Issuer(externalURL, tenant) }

// SingleSignOn is where service providers send requests, by HTTP-Redirect or HTTP-POST.
func SingleSignOn(externalURL, tenant string) string { return saml(externalURL, tenant) + "/sso" }

// SingleLogout is where service providers send log-out messages, requests and
// responses, by HTTP-Redirect or HTTP-POST.
func SingleLogout(externalURL, tenant string) string { return saml(externalURL, tenant) + "/slo" }

// IdPInitiated is where a log-in to a SAML app begins without a request.
func IdPInitiated(externalURL, tenant, app string) string {
	return saml(externalURL, tenant) + "/apps/" + url.PathEscape(app)
}

// PasswordLink is the mailed address at which a member sets a password.
func PasswordLink(externalURL, token string) string {
	return base(externalURL) + "/password/" + url.PathEscape(token)
}

func saml(externalURL, tenant string) string {
	return base(externalURL) + "/saml/" + url.PathEscape(tenant)
}

func base(externalURL string) string { return strings.TrimSuffix(externalURL, "/") }
