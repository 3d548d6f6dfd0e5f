/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"crypto/x509"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
)

// federationProperties are those of an internalDomainFederation.
var federationProperties = map[string]property{
	"id":                                    {kind: text, byDefault: true, readOnly: true},
	"displayName":                           field(0).shown(),
	"issuerUri":                             field(0).shown().never(),
	"metadataExchangeUri":                   address().shown(),
	"passiveSignInUri":                      address().shown().never(),
	"activeSignInUri":                       address().shown(),
	"signOutUri":                            address().shown(),
	"passwordResetUri":                      address().shown(),
	"signingCertificate":                    certificate().shown().never(),
	"nextSigningCertificate":                certificate().shown(),
	"isSignedAuthenticationRequestRequired": {kind: flag, byDefault: true},
	"preferredAuthenticationProtocol":       {kind: text, byDefault: true, values: []string{"wsFed", "saml"}, kept: true},
	"promptLoginBehavior":                   {kind: text, byDefault: true, values: []string{"translateToFreshPasswordAuthentication", "nativeSupport", "disabled"}},
	"federatedIdpMfaBehavior":               {kind: text, byDefault: true, values: []string{"acceptIfMfaDoneByFederatedIdp", "enforceMfaByFederatedIdp", "rejectMfaByFederatedIdp"}},
	"signingCertificateUpdateStatus":        {kind: other, byDefault: true, readOnly: true},
}

func address() property {
	p := field(0)
	p.fits = func(value string) bool {
		parsed, err := url.Parse(value)
		return err == nil && parsed.Scheme == "https" && parsed.Host != ""
	}
	return p
}

// certificate is base64 of DER, without the lines of PEM.
func certificate() property {
	p := field(0)
	p.fits = func(value string) bool {
		der, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return false
		}
		_, err = x509.ParseCertificate(der)
		return err == nil
	}
	return p
}

func (s *Server) federationList(c *call, p params) answer {
	d := s.domain(p["domain"])
	if d == nil {
		return notFound(p["domain"])
	}
	if d.broken {
		return refuse(http.StatusInternalServerError, "Service_InternalServerError", "Encountered an internal server error.")
	}
	if d.federation == nil {
		return s.listAll(c, federationProperties, "domains('"+d.Name+"')/federationConfiguration", nil)
	}
	return s.listAll(c, federationProperties, "domains('"+d.Name+"')/federationConfiguration", []map[string]any{d.federation})
}

// federationCreate is POST /domains/{domain}/federationConfiguration. Without a
// certificate it fails and federates all the same, as the real service does
// (microsoft-graph-docs-contrib issue 1389): then nothing mends it by Graph.
func (s *Server) federationCreate(c *call, p params) answer {
	d := s.domain(p["domain"])
	if d == nil {
		return notFound(p["domain"])
	}
	fields, refused := c.fields()
	if refused == nil {
		refused = checkAll(federationProperties, fields)
	}
	if refused != nil {
		return *refused
	}
	switch {
	case d.Unverified:
		return invalid("Domain %s is not verified.", d.Name)
	case d.Initial || strings.HasSuffix(strings.ToLower(d.Name), ".onmicrosoft.com"):
		return invalid("The initial domain %s cannot be federated.", d.Name)
	case d.Default:
		return invalid("The default domain %s cannot be federated; make another domain the default one first.", d.Name)
	case d.Subdomain:
		return invalid("The authentication of %s follows that of its root domain.", d.Name)
	case d.federated():
		return invalid("Domain %s is federated already.", d.Name)
	}
	for _, name := range []string{"issuerUri", "passiveSignInUri", "preferredAuthenticationProtocol"} {
		if fields[name] == nil {
			return invalid("A value is required for property '%s'.", name)
		}
	}
	if s.issuerTaken(d, fields["issuerUri"]) {
		return sameIssuer()
	}
	if fields["signingCertificate"] == nil {
		d.broken = true
		return refuse(http.StatusInternalServerError, "Service_InternalServerError", "Encountered an internal server error.")
	}
	created := map[string]any{"id": uuid.NewString(), "isSignedAuthenticationRequestRequired": false}
	maps.Copy(created, fields)
	d.federation = created
	return s.federationAnswer(c, http.StatusCreated, d)
}

func (s *Server) federationAnswer(c *call, status int, d *domain) answer {
	body := picked(d.federation, defaults(federationProperties))
	body["@odata.context"] = c.origin + version + "/$metadata#domains('" + d.Name + "')/federationConfiguration/$entity"
	return ok(status, body)
}

func (s *Server) issuerTaken(d *domain, issuer any) bool {
	for _, another := range s.domains {
		if another != d && another.federation != nil && another.federation["issuerUri"] == issuer {
			return true
		}
	}
	return false
}

func sameIssuer() answer {
	return refuse(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "Another object with the same value for property issuerUri already exists.",
		detail{"ObjectConflict", "Another object with the same value for property issuerUri already exists.", "issuerUri"})
}

// configured is the domain whose federation has the ID.
func (s *Server) configured(p params) (*domain, *answer) {
	d := s.domain(p["domain"])
	if d == nil || d.federation == nil || d.federation["id"] != p["id"] {
		a := notFound(p["id"])
		return nil, &a
	}
	return d, nil
}

func (s *Server) federationRead(c *call, p params) answer {
	d, refused := s.configured(p)
	if refused != nil {
		return *refused
	}
	return s.single(c, federationProperties, "domains('"+d.Name+"')/federationConfiguration", d.federation)
}

func (s *Server) federationUpdate(c *call, p params) answer {
	d, refused := s.configured(p)
	if refused != nil {
		return *refused
	}
	fields, refused := c.fields()
	if refused == nil {
		refused = checkAll(federationProperties, fields)
	}
	if refused != nil {
		return *refused
	}
	if value, there := fields["federatedIdpMfaBehavior"]; there && value == nil && d.federation["federatedIdpMfaBehavior"] != nil {
		return invalidValue("federatedIdpMfaBehavior", "The behaviour cannot be unset once it was set.")
	}
	if issuer, there := fields["issuerUri"]; there && s.issuerTaken(d, issuer) {
		return sameIssuer()
	}
	next := maps.Clone(d.federation)
	maps.Copy(next, fields)
	d.federation = next
	return s.federationAnswer(c, http.StatusOK, d)
}

func (s *Server) federationDelete(_ *call, p params) answer {
	d, refused := s.configured(p)
	if refused != nil {
		return *refused
	}
	d.federation = nil
	return noContent
}
