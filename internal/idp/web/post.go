/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"tegata.dev/tegata/internal/idp/saml"
)

// postBody is what differs between the pages that post a Response.
type postBody struct {
	// ACSURL is registered for the app; Host is its host, for the person.
	ACSURL, Host, SAMLResponse, RelayState, Nonce string
}

// postMarks stand for the values while the page is rendered at the start.
var postMarks = postBody{
	ACSURL: "https://acs.invalid/mark", Host: "host.mark", SAMLResponse: "response-mark", RelayState: "relay-state-mark", Nonce: "nonce-mark",
}

// values are in the order of the page. An empty RelayState has no field.
func (b postBody) values() []string {
	if b.RelayState == "" {
		return []string{b.Host, b.ACSURL, b.SAMLResponse, b.Nonce}
	}
	return []string{b.Host, b.ACSURL, b.SAMLResponse, b.RelayState, b.Nonce}
}

// postPage is the page for one language, with or without RelayState, in the
// pieces around the values: every log-in ends with it, and its template
// took longer than all else that makes a page.
type postPage []string

// newPostPage takes apart what the template renders of postMarks.
func newPostPage(page *template.Template, data layout, relayState bool) (postPage, error) {
	marks := postMarks
	if !relayState {
		marks.RelayState = ""
	}
	data.Body = marks
	var rendered strings.Builder
	if err := page.Execute(&rendered, data); err != nil {
		return nil, err
	}
	var pieces postPage
	rest := rendered.String()
	for _, mark := range marks.values() {
		before, after, found := strings.Cut(rest, mark)
		if !found || strings.Contains(after, mark) {
			return nil, fmt.Errorf("the template must hold %s once, in its turn", mark)
		}
		pieces, rest = append(pieces, before), after
	}
	return append(pieces, rest), nil
}

// responsePlace is that of SAMLResponse among the values.
const responsePlace = 2

// append renders the page after what is in page. It escapes the values for text
// and for attributes in double quotes alike, and refuses an address that is not
// one of the web, as the template would. The response goes straight from its
// bytes into the page.
func (p postPage) append(page []byte, body postBody, response []byte) ([]byte, error) {
	if !strings.HasPrefix(body.ACSURL, "https://") && !strings.HasPrefix(body.ACSURL, "http://") {
		return nil, errors.New("the app's address is not one of the web")
	}
	values := body.values()
	for i, value := range values {
		page = append(append(page, p[i]...), html.EscapeString(value)...)
		if i == responsePlace {
			page = base64.StdEncoding.AppendEncode(page, response)
		}
	}
	return append(page, p[len(values)]...), nil
}

// postBuffers hold a page each while it is sent: half of what an answer would
// leave to the garbage collector.
var postBuffers = sync.Pool{New: func() any { return new([]byte) }}

// maximumKept is the largest page whose memory is used again; most have 10 kB.
const maximumKept = 128 << 10

// post answers with a page that posts a Response to the app by itself (SAML
// bindings section 3.5).
func (v *visit) post(pending *saml.Pending, response []byte) error {
	nonce, err := v.site.randomToken()
	if err != nil {
		return err
	}
	body := postBody{ACSURL: pending.ACSURL, RelayState: pending.RelayState, Nonce: nonce}
	if u, err := url.Parse(pending.ACSURL); err == nil {
		body.Host = u.Host
	}
	buffer := postBuffers.Get().(*[]byte)
	page, err := v.site.pages.posts[v.language()][body.RelayState != ""].append((*buffer)[:0], body, response)
	if err != nil {
		return fmt.Errorf("render page post: %w", err)
	}
	header := v.w.Header()
	header.Set("Content-Security-Policy", postPolicy(nonce, pending.ACSURL))
	// The app may check the origin of a post; it learns no more than that.
	header.Set("Referrer-Policy", "strict-origin")
	// Where a write fails, HTTP/2 may read the page still, and must not find the
	// next member's there.
	if v.sendPage(http.StatusOK, page) == nil && cap(page) <= maximumKept {
		*buffer = page
		postBuffers.Put(buffer)
	}
	return nil
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
