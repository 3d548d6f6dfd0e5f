/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package graph

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const tokenPath = "/oauth2/v2.0/token"

// token is one that was given.
type token struct {
	clientID string
	until    time.Time
	granted  map[string]bool
}

// tokenTenant is the tenant of a token endpoint's path.
func tokenTenant(path string) (string, bool) {
	tenant, is := strings.CutSuffix(path, tokenPath)
	return strings.Trim(tenant, "/"), is
}

// tokenRefusal is an error of the log-in service (RFC 6749 section 5.2).
func tokenRefusal(status int, word string, code int, text string) answer {
	trace, correlation := uuid.NewString(), uuid.NewString()
	return answer{status: status, body: map[string]any{
		"error": word, "error_codes": []int{code}, "trace_id": trace, "correlation_id": correlation,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s", code, text, trace, correlation),
		"timestamp":         time.Now().UTC().Format("2006-01-02 15:04:05Z"), "error_uri": fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", code),
	}}
}

func invalidClient(code int, text string) *answer {
	a := tokenRefusal(http.StatusUnauthorized, "invalid_client", code, text)
	return &a
}

// giveToken is POST /{tenant}/oauth2/v2.0/token with client credentials.
func (s *Server) giveToken(c *call, tenant string) answer {
	if c.method != http.MethodPost {
		return tokenRefusal(http.StatusMethodNotAllowed, "invalid_request", 900561, "The endpoint only accepts POST requests.")
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil || !strings.HasPrefix(c.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return tokenRefusal(http.StatusBadRequest, "invalid_request", 900144, "The request body must be a form.")
	}
	for _, name := range []string{"grant_type", "client_id", "scope"} {
		if form.Get(name) == "" {
			return tokenRefusal(http.StatusBadRequest, "invalid_request", 900144, fmt.Sprintf("The request body must contain the following parameter: '%s'.", name))
		}
	}
	if form.Get("grant_type") != "client_credentials" {
		return tokenRefusal(http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
	}
	if slices.Contains(s.options.Elsewhere, tenant) {
		return tokenRefusal(http.StatusBadRequest, "invalid_request", 90038, fmt.Sprintf("Tenant '%s' request is being redirected to the National Cloud.", tenant))
	}
	if !strings.EqualFold(tenant, s.options.TenantID) {
		return tokenRefusal(http.StatusBadRequest, "invalid_request", 90002, fmt.Sprintf("Tenant '%s' not found.", tenant))
	}
	app, known := s.apps[form.Get("client_id")]
	if !known {
		return tokenRefusal(http.StatusBadRequest, "unauthorized_client", 700016, fmt.Sprintf("Application with identifier '%s' was not found in the directory.", form.Get("client_id")))
	}
	if app.Disabled {
		return tokenRefusal(http.StatusBadRequest, "unauthorized_client", 7000112, "Application is disabled.")
	}
	if refused := s.authenticate(c, app, form); refused != nil {
		return *refused
	}
	resource, isDefault := strings.CutSuffix(form.Get("scope"), "/.default")
	switch {
	case !isDefault:
		return tokenRefusal(http.StatusBadRequest, "invalid_scope", 1002012, "Client credential flows must have a scope value with /.default suffixed to the resource identifier.")
	case !s.isResource(c, resource):
		return tokenRefusal(http.StatusBadRequest, "invalid_resource", 500011, fmt.Sprintf("The resource principal named %s was not found in the tenant.", resource))
	case s.loops(c.now, app):
		return tokenRefusal(http.StatusBadRequest, "invalid_request", 50196, "The server terminated an operation because it encountered a client request loop.")
	}
	return s.issue(c, app, resource)
}

func (s *Server) isResource(c *call, resource string) bool {
	if s.options.Resource != "" {
		return resource == s.options.Resource
	}
	return resource == c.origin
}

// loops counts a token.
func (s *Server) loops(now time.Time, app *App) bool {
	recent := slices.DeleteFunc(s.issued[app.ClientID], func(at time.Time) bool { return now.Sub(at) >= tokensWindow })
	s.issued[app.ClientID] = append(recent, now)
	return s.options.Limits.Tokens > 0 && len(recent) >= s.options.Limits.Tokens
}

// authenticate proves who the app is by its secret or an assertion.
func (s *Server) authenticate(c *call, app *App, form url.Values) *answer {
	secret, proof := form.Get("client_secret"), form.Get("client_assertion")
	switch {
	case secret != "" && proof != "":
		return invalidClient(7000216, "Only one of client_secret and client_assertion may be sent.")
	case proof != "":
		if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			return invalidClient(7000216, "The client_assertion_type is not supported.")
		}
		return app.verify(proof, c)
	case secret == "":
		return invalidClient(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	for _, candidate := range app.Secrets {
		if candidate.Value != secret {
			continue
		}
		if !c.now.Before(candidate.Ends) {
			return invalidClient(7000222, fmt.Sprintf("The provided client secret keys for app '%s' are expired.", app.ClientID))
		}
		return nil
	}
	return invalidClient(7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.")
}

func (s *Server) issue(c *call, app *App, resource string) answer {
	lifetime := s.options.TokenLifetime
	granted := map[string]bool{}
	for _, permission := range app.Permissions {
		granted[permission] = true
	}
	claims, _ := json.Marshal(map[string]any{
		"aud": resource, "iss": "https://sts.windows.net/" + s.options.TenantID + "/", "tid": s.options.TenantID, "appid": app.ClientID, "idtyp": "app",
		"roles": append([]string{}, app.Permissions...), "iat": c.now.Unix(), "nbf": c.now.Unix(), "exp": c.now.Add(lifetime).Unix(), "uti": uuid.NewString(),
	})
	part := base64.RawURLEncoding.EncodeToString
	// Nobody but Graph may look into the token, so its signature is no real one.
	value := part([]byte(`{"typ":"JWT","alg":"RS256"}`)) + "." + part(claims) + "." + part([]byte(uuid.NewString()))
	s.tokens[value] = token{clientID: app.ClientID, until: c.now.Add(lifetime), granted: granted}
	return ok(http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": int(lifetime.Seconds()), "ext_expires_in": int(lifetime.Seconds()), "access_token": value})
}
