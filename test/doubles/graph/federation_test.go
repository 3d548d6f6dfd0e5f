/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"encoding/base64"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
)

func federatedWorld(t *testing.T) (w *world, body func(change map[string]any) map[string]any) {
	w = newWorld(t, Options{Domains: []Domain{
		{Name: "acme.onmicrosoft.com", Initial: true}, {Name: "default.example", Default: true}, {Name: "acme.example"}, {Name: "beta.example"},
		{Name: "new.example", Unverified: true}, {Name: "sub.acme.example", Subdomain: true},
	}})
	certificate, _ := newCertificate(w.WithT, w.clock.AddDate(1, 0, 0))
	return w, func(change map[string]any) map[string]any {
		all := map[string]any{
			"@odata.type": "#microsoft.graph.internalDomainFederation", "issuerUri": "https://login.example/acme", "passiveSignInUri": "https://login.example/sso",
			"signingCertificate": base64.StdEncoding.EncodeToString(certificate.Raw), "preferredAuthenticationProtocol": "saml", "displayName": "Acme",
		}
		for name, value := range change {
			all[name] = value
			if value == absent {
				delete(all, name)
			}
		}
		return all
	}
}

const ofAcme = "/domains/acme.example/federationConfiguration"

func TestFederationRefuses(t *testing.T) {
	w, body := federatedWorld(t)
	for name, test := range map[string]struct {
		path   string
		change map[string]any
	}{
		"initial domain":    {"/domains/acme.onmicrosoft.com/federationConfiguration", nil},
		"default domain":    {"/domains/default.example/federationConfiguration", nil},
		"unverified domain": {"/domains/new.example/federationConfiguration", nil},
		"subdomain":         {"/domains/sub.acme.example/federationConfiguration", nil},
		"no issuer":         {ofAcme, map[string]any{"issuerUri": absent}},
		"empty issuer":      {ofAcme, map[string]any{"issuerUri": ""}},
		"no address":        {ofAcme, map[string]any{"passiveSignInUri": absent}},
		"plain http":        {ofAcme, map[string]any{"passiveSignInUri": "http://login.example"}},
		"empty address":     {ofAcme, map[string]any{"signOutUri": ""}},
		"PEM":               {ofAcme, map[string]any{"signingCertificate": "-----BEGIN CERTIFICATE-----"}},
		"empty certificate": {ofAcme, map[string]any{"signingCertificate": ""}},
		"null certificate":  {ofAcme, map[string]any{"signingCertificate": nil}},
		"unknown protocol":  {ofAcme, map[string]any{"preferredAuthenticationProtocol": "SAML"}},
		"unknown behaviour": {ofAcme, map[string]any{"federatedIdpMfaBehavior": "accept"}},
		"unknown property":  {ofAcme, map[string]any{"certificate": "x"}},
		"flag as text":      {ofAcme, map[string]any{"isSignedAuthenticationRequestRequired": "false"}},
	} {
		t.Run(name, func(*testing.T) { w.fails(http.StatusBadRequest, http.MethodPost, test.path, body(test.change)) })
	}
	w.fails(http.StatusNotFound, http.MethodPost, "/domains/other.example/federationConfiguration", body(nil))
	w.Expect(w.Federation("acme.example")).To(BeNil())
}

// TestFederationWithoutCertificate: it fails and cuts everybody off.
func TestFederationWithoutCertificate(t *testing.T) {
	w, body := federatedWorld(t)
	w.AddUser("hanako@acme.example", map[string]any{"onPremisesImmutableId": "ab"})
	w.fails(http.StatusInternalServerError, http.MethodPost, ofAcme, body(map[string]any{"signingCertificate": absent}))
	w.Expect(w.CutOff()).To(ConsistOf("hanako@acme.example"))
	w.fails(http.StatusBadRequest, http.MethodPost, ofAcme, body(nil))
	w.fails(http.StatusInternalServerError, http.MethodGet, ofAcme, nil)
}

func TestFederationLife(t *testing.T) {
	w, body := federatedWorld(t)
	w.AddUser("hanako@acme.example", nil)
	id := w.expect(http.StatusCreated, http.MethodPost, ofAcme, body(nil))["id"].(string)
	w.Expect(w.CutOff()).To(ConsistOf("hanako@acme.example"))
	w.Expect(w.expect(http.StatusOK, http.MethodGet, "/domains/acme.example", nil)).To(HaveKeyWithValue("authenticationType", "Federated"))
	w.Expect(w.expect(http.StatusOK, http.MethodGet, ofAcme, nil)["value"]).To(ConsistOf(HaveKeyWithValue("id", id)))
	w.fails(http.StatusBadRequest, http.MethodPost, ofAcme, body(map[string]any{"issuerUri": "https://login.example/other"}))
	code, target := w.fails(http.StatusConflict, http.MethodPost, "/domains/beta.example/federationConfiguration", body(nil))
	w.Expect(code + " " + target).To(Equal("Request_MultipleObjectsWithSameKeyValue issuerUri"))

	w.fails(http.StatusBadRequest, http.MethodPost, "/users", person("jiro", nil))
	jiro := w.create("jiro", map[string]any{"onPremisesImmutableId": "ac"})
	w.fails(http.StatusBadRequest, http.MethodPatch, "/users/"+jiro, map[string]any{"onPremisesImmutableId": nil})
	w.expect(http.StatusNoContent, http.MethodPatch, "/users/"+jiro, map[string]any{"userPrincipalName": "jiro2@acme.example"})
	w.expect(http.StatusCreated, http.MethodPost, "/domains/beta.example/federationConfiguration", body(map[string]any{"issuerUri": "https://login.example/beta"}))
	_, target = w.fails(http.StatusBadRequest, http.MethodPatch, "/users/"+jiro, map[string]any{"userPrincipalName": "jiro@beta.example"})
	w.Expect(target).To(Equal("userPrincipalName"))
	w.expect(http.StatusNoContent, http.MethodPatch, "/users/"+jiro, map[string]any{"userPrincipalName": "jiro@acme.onmicrosoft.com"})
	w.expect(http.StatusNoContent, http.MethodPatch, "/users/"+jiro, map[string]any{"userPrincipalName": "jiro@beta.example"})

	w.expect(http.StatusOK, http.MethodPatch, ofAcme+"/"+id, map[string]any{"nextSigningCertificate": body(nil)["signingCertificate"], "federatedIdpMfaBehavior": "enforceMfaByFederatedIdp"})
	w.fails(http.StatusBadRequest, http.MethodPatch, ofAcme+"/"+id, map[string]any{"federatedIdpMfaBehavior": nil})
	w.fails(http.StatusBadRequest, http.MethodPatch, ofAcme+"/"+id, map[string]any{"signingCertificate": nil})
	w.fails(http.StatusBadRequest, http.MethodPatch, ofAcme+"/"+id, map[string]any{"nextSigningCertificate": ""})
	w.expect(http.StatusOK, http.MethodPatch, ofAcme+"/"+id, map[string]any{"nextSigningCertificate": nil})
	w.fails(http.StatusConflict, http.MethodPatch, ofAcme+"/"+id, map[string]any{"issuerUri": "https://login.example/beta"})
	w.fails(http.StatusNotFound, http.MethodDelete, ofAcme+"/x", nil)
	w.expect(http.StatusNoContent, http.MethodDelete, ofAcme+"/"+id, nil)
	w.Expect(w.expect(http.StatusOK, http.MethodGet, ofAcme, nil)["value"]).To(BeEmpty())
	w.Expect(w.CutOff()).To(BeEmpty())
}
