/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"errors"
	"net/http"
	"time"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/endpoints"
	"tegata.dev/tegata/internal/idp/saml"
)

// documents answers SAML with SAML: a request in a URL with a signed document,
// without session, page, audit and disk. The tenants and apps are the site's.
type documents struct {
	providers map[string]*saml.Provider
	services  map[string]*saml.ServiceProvider
	subject   directory.Subject
}

func (s *site) documents() (*documents, error) {
	d := &documents{providers: map[string]*saml.Provider{}, services: map[string]*saml.ServiceProvider{}}
	for i := range s.tenants {
		for _, change := range s.tenant(i) {
			if err := d.prepare(s, change.Key.Tenant, change.App); err != nil {
				return nil, err
			}
			if change.Member != nil {
				d.subject = directory.Subject{Member: change.Member.Member, ID: "5f0c3a52-58a5-4d0b-a7a9-0c5c9a4a1f11"}
			}
		}
	}
	return d, nil
}

// prepare is what the IdP does once for each tenant and app.
func (d *documents) prepare(s *site, tenant string, app *directory.App) (err error) {
	path := endpoints.SingleSignOn("", tenant)
	if d.providers[path] == nil {
		d.providers[path], err = saml.NewProvider(saml.ProviderOptions{
			EntityID: endpoints.Metadata(s.url, tenant), SingleSignOnURL: endpoints.SingleSignOn(s.url, tenant),
			SingleLogoutURL: endpoints.SingleLogout(s.url, tenant), KeyPair: s.key,
		})
	}
	if err == nil && app != nil {
		d.services[path+app.SAML.EntityID], err = saml.NewServiceProvider(*app)
	}
	return err
}

func (d *documents) answer(requests []*http.Request) error {
	for _, request := range requests {
		message, err := saml.DecodeRedirect(request.URL.RawQuery)
		if err != nil {
			return err
		}
		provider := d.providers[request.URL.Path]
		service := d.services[request.URL.Path+message.Request.Issuer]
		pending, err := provider.Validate(message, service)
		if err != nil {
			return err
		}
		now := time.Now()
		response, err := provider.Respond(pending, service, d.subject, saml.Authentication{
			At: now, SessionIndex: "_bench", SessionNotOnOrAfter: now.Add(time.Hour),
		})
		if err != nil {
			return err
		}
		if len(response.Document) < 2<<10 {
			return errors.New("no response")
		}
	}
	return nil
}
