/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"encoding/base64"
	"net/http"
	"net/url"

	"tegata.dev/tegata/internal/idp/saml"
)

type postBody struct {
	// ACSURL is registered for the app; Host is its host, for the person.
	ACSURL, Host, SAMLResponse, RelayState, Nonce string
}

// post answers with a page that posts a Response to the app by itself (SAML
// bindings section 3.5).
func (v *visit) post(pending *saml.Pending, response []byte) error {
	nonce, err := v.site.randomToken()
	if err != nil {
		return err
	}
	body := postBody{
		ACSURL: pending.ACSURL, SAMLResponse: base64.StdEncoding.EncodeToString(response),
		RelayState: pending.RelayState, Nonce: nonce,
	}
	if u, err := url.Parse(pending.ACSURL); err == nil {
		body.Host = u.Host
	}
	header := v.w.Header()
	header.Set("Content-Security-Policy", postPolicy(nonce, pending.ACSURL))
	// The app may check the origin of a post; it learns no more than that.
	header.Set("Referrer-Policy", "strict-origin")
	// The page is gone in a blink; a menu would only flicker.
	v.account = nil
	return v.render(http.StatusOK, "post", v.text("post.title"), body)
}

// postPolicy is the page policy for the page that posts itself. Browsers apply
// form-action to redirects after the post as well, and those are the app's own.
func postPolicy(nonce, acsURL string) string {
	targets := "https:"
	if u, err := url.Parse(acsURL); err == nil && u.Scheme == "http" {
		targets = "https: http:"
	}
	return "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'nonce-" + nonce + "'; form-action " + targets +
		"; frame-ancestors 'none'; base-uri 'none'"
}
