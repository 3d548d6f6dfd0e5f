/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/google/uuid"
)

// App is an app registration with its service principal.
type App struct {
	ClientID string
	Secrets  []Secret
	// Certificates prove assertions; their keys must be RSA.
	Certificates []*x509.Certificate
	// Permissions are application permissions with admin consent. Tokens that were
	// given before keep what was granted then.
	Permissions []string
	// Roles are templates of directory roles that the service principal holds.
	Roles    []string
	Disabled bool
}

// Secret is a client secret.
type Secret struct {
	Value, KeyID string
	// Ends is zero for two years from the start.
	Ends time.Time
}

// AllPermissions are those that provisioning and federation can use.
func AllPermissions() []string {
	return []string{
		"User.ReadWrite.All", "Application.Read.All", "Organization.Read.All", "Domain.Read.All", "Domain-InternalFederation.ReadWrite.All",
		"RoleManagement.ReadWrite.Directory", "DeviceManagementManagedDevices.Read.All",
	}
}

func (a App) withDefaults(now time.Time) *App {
	a.Secrets = slices.Clone(a.Secrets)
	for i := range a.Secrets {
		if a.Secrets[i].KeyID == "" {
			a.Secrets[i].KeyID = uuid.NewString()
		}
		if a.Secrets[i].Ends.IsZero() {
			a.Secrets[i].Ends = now.AddDate(2, 0, 0)
		}
	}
	return &a
}

// SetApp makes or replaces a registration. Tokens of an app that is disabled
// hold no longer.
func (s *Server) SetApp(a App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[a.ClientID] = a.withDefaults(s.now())
}

// Revoke ends all tokens at once.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = map[string]token{}
}

// applicationRead is GET /applications(appId='…').
func (s *Server) applicationRead(c *call, p params) answer {
	app, known := s.apps[p["appId"]]
	if !known {
		return notFound(p["appId"])
	}
	credentials := []any{}
	for _, secret := range app.Secrets {
		credentials = append(credentials, map[string]any{
			"customKeyIdentifier": nil, "displayName": nil, "endDateTime": moment(secret.Ends), "keyId": secret.KeyID,
			"hint": secret.Value[:min(3, len(secret.Value))], "secretText": nil, "startDateTime": moment(secret.Ends.AddDate(-2, 0, 0)),
		})
	}
	keys := []any{}
	for _, certificate := range app.Certificates {
		keys = append(keys, map[string]any{
			"endDateTime": moment(certificate.NotAfter), "startDateTime": moment(certificate.NotBefore), "keyId": uuid.NewString(),
			"type": "AsymmetricX509Cert", "usage": "Verify", "displayName": certificate.Subject.String(), "key": nil,
		})
	}
	return s.single(c, applicationProperties, "applications", map[string]any{
		"id": app.ClientID, "appId": app.ClientID, "displayName": "Tegata", "passwordCredentials": credentials, "keyCredentials": keys,
	})
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

var applicationProperties = map[string]property{
	"id": {kind: text, byDefault: true}, "appId": {kind: text, byDefault: true}, "displayName": {kind: text, byDefault: true},
	"passwordCredentials": {kind: other, byDefault: true}, "keyCredentials": {kind: other, byDefault: true},
}
