/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package formclient

import (
	"context"
	"fmt"
)

// maxPosts bounds how many self-submitting pages follow one another.
const maxPosts = 5

// Relay submits the pages that a browser's JavaScript would submit by itself,
// SAML messages on their way, until it reaches one for a person.
func (c *Client) Relay(ctx context.Context, page *Page) (*Page, error) {
	for range maxPosts {
		form, err := page.FormWith("SAMLResponse")
		if err != nil {
			if form, err = page.FormWith("SAMLRequest"); err != nil {
				return page, nil
			}
		}
		if page, err = c.Submit(ctx, form, nil); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("still relaying at %s after %d posts", page.URL, maxPosts)
}

// Visit is Get with Relay.
func (c *Client) Visit(ctx context.Context, address string) (*Page, error) {
	page, err := c.Get(ctx, address)
	if err != nil {
		return nil, err
	}
	return c.Relay(ctx, page)
}

// LogIn fills in the log-in form of page and goes on to where it leads.
func (c *Client) LogIn(ctx context.Context, page *Page, mail, password string) (*Page, error) {
	form, err := page.FormWith("mail", "password")
	if err != nil {
		return nil, err
	}
	if page, err = c.Submit(ctx, form, map[string]string{"mail": mail, "password": password}); err != nil {
		return nil, err
	}
	return c.Relay(ctx, page)
}

// SetPassword fills in the form of page that asks for a new password twice and
// goes on to where it leads.
func (c *Client) SetPassword(ctx context.Context, page *Page, password string) (*Page, error) {
	form, err := page.FormWith("password", "confirmation")
	if err != nil {
		return nil, err
	}
	if page, err = c.Submit(ctx, form, map[string]string{"password": password, "confirmation": password}); err != nil {
		return nil, err
	}
	return c.Relay(ctx, page)
}
