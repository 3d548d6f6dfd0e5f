/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Package formclient drives web pages as a person without JavaScript would: it
// reads links and forms from a page, fills in what it is told by field name,
// keeps every hidden input, and follows redirects with cookies.
package formclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// maxPage bounds what is read of one page, in bytes.
const maxPage = 4 << 20

// Client is one browser: pages it visits share its cookies.
type Client struct {
	HTTP *http.Client
	// Language is sent as Accept-Language where it is not empty.
	Language string
}

// New is a browser without cookies. It gives up on a request after 30 s.
func New() *Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic("formclient: a cookie jar without options failed: " + err.Error())
	}
	return &Client{HTTP: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
}

// Page is what a request ended at after redirects.
type Page struct {
	// URL is where the page came from.
	URL    *url.URL
	Status int
	Header http.Header
	Body   []byte

	root *html.Node
}

// Get visits an address, which may be relative to nothing but itself.
func (c *Client) Get(ctx context.Context, address string) (*Page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return c.do(request)
}

// Submit sends a form with the given fields changed. A field that the form
// does not have is an error: the page is not the one that was expected.
func (c *Client) Submit(ctx context.Context, form *Form, fields map[string]string) (*Page, error) {
	values := url.Values{}
	for name, all := range form.Fields {
		values[name] = append([]string(nil), all...)
	}
	for name, value := range fields {
		if _, ok := values[name]; !ok {
			return nil, fmt.Errorf("the form at %s has no field %q", form.page.URL, name)
		}
		values.Set(name, value)
	}
	if form.Method == http.MethodGet {
		target := *form.Action
		target.RawQuery = values.Encode()
		return c.Get(ctx, target.String())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, form.Action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// Browsers send these two with every post, and sites may insist on them.
	request.Header.Set("Origin", form.page.URL.Scheme+"://"+form.page.URL.Host)
	request.Header.Set("Referer", form.page.URL.String())
	return c.do(request)
}

func (c *Client) do(request *http.Request) (*Page, error) {
	request.Header.Set("Accept", "text/html,*/*;q=0.8")
	if c.Language != "" {
		request.Header.Set("Accept-Language", c.Language)
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", response.Request.URL, err)
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", response.Request.URL, err)
	}
	return &Page{URL: response.Request.URL, Status: response.StatusCode, Header: response.Header, Body: body, root: root}, nil
}

// ErrNoForm tells that a page has no form with the fields that were asked for.
var ErrNoForm = errors.New("no such form")

// FormWith is the first form that has all the named fields.
func (p *Page) FormWith(names ...string) (*Form, error) {
	for _, form := range p.Forms() {
		if form.has(names) {
			return form, nil
		}
	}
	return nil, fmt.Errorf("%w with fields %s at %s (HTTP status %d, title %q)", ErrNoForm, strings.Join(names, ", "), p.URL, p.Status, p.Title())
}

// Link is an anchor of a page.
type Link struct {
	// URL is absolute.
	URL string
	// Text is what a person reads of it.
	Text string
}

// Links are the anchors of the page, in order.
func (p *Page) Links() []Link {
	var links []Link
	walk(p.root, func(node *html.Node) {
		if node.Data != "a" {
			return
		}
		if target, err := p.URL.Parse(attribute(node, "href")); err == nil {
			links = append(links, Link{URL: target.String(), Text: text(node)})
		}
	})
	return links
}

// Title is the title of the page.
func (p *Page) Title() (title string) {
	walk(p.root, func(node *html.Node) {
		if node.Data == "title" && title == "" {
			title = text(node)
		}
	})
	return title
}

// Text is what a person reads on the page, in one line.
func (p *Page) Text() string { return text(p.root) }

// Table is the page's definition lists (dt, dd) or rows (th, td) as a map from
// the heading to all values below it.
func (p *Page) Table() map[string][]string {
	table := map[string][]string{}
	heading := ""
	walk(p.root, func(node *html.Node) {
		switch node.Data {
		case "dt", "th":
			heading = text(node)
		case "dd", "td":
			table[heading] = append(table[heading], text(node))
		}
	})
	return table
}

// walk calls see for every element below node, in document order.
func walk(node *html.Node, see func(*html.Node)) {
	for child := range node.Descendants() {
		if child.Type == html.ElementNode {
			see(child)
		}
	}
}

func attribute(node *html.Node, name string) string {
	value, _ := optionalAttribute(node, name)
	return value
}

func optionalAttribute(node *html.Node, name string) (string, bool) {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// text is the text below node with white space made single spaces.
func text(node *html.Node) string {
	var all strings.Builder
	for child := range node.Descendants() {
		if child.Type == html.TextNode && child.Parent.Data != "script" && child.Parent.Data != "style" {
			all.WriteString(child.Data)
			all.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(all.String()), " ")
}
