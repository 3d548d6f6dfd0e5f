/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/provision"
)

const (
	readDomains      = "Domain.Read.All"
	writeFederations = "Domain-InternalFederation.ReadWrite.All"
	// globalAdministrator is the template ID of the role that can undo everything.
	globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
)

// Domain is one of the tenant.
type Domain struct {
	Name string
	// Federated: an identity provider of the tenant's own logs its users in.
	Federated bool
	Verified  bool
	// Initial: it is the first one, which ends in onmicrosoft.com (in China
	// partner.onmschina.cn) and cannot be federated.
	Initial bool
	// Default: new users are in it where nothing else is said. It cannot be federated.
	Default bool
	// Follows: a domain above it is in the tenant, whose log-in is its own too.
	Follows bool
}

func domain(fields user) *Domain {
	return &Domain{
		Name: fields.text("id"), Federated: fields.text("authenticationType") == "Federated",
		Verified: fields.flag("isVerified"), Initial: fields.flag("isInitial"), Default: fields.flag("isDefault"),
		Follows: string(fields["isRoot"]) == "false",
	}
}

// Domain reads one; cause NotFound where the tenant has none of that name.
func (t *Target) Domain(ctx context.Context, name string) (*Domain, error) {
	body, err := t.call(ctx, request{method: http.MethodGet, path: domainPath(name), permission: readDomains})
	if err != nil {
		return nil, err
	}
	found := domain(object(body))
	if found.Name == "" {
		return nil, nonsense("a domain without a name")
	}
	return found, nil
}

// InitialDomain is the tenant's first one. It never changes, so it is asked for once.
func (t *Target) InitialDomain(ctx context.Context) (string, error) {
	t.mu.Lock()
	initial := t.initial
	t.mu.Unlock()
	if initial != "" {
		return initial, nil
	}
	err := t.pages(ctx, request{method: http.MethodGet, path: "/domains", permission: readDomains}, func(item user) error {
		if found := domain(item); found.Initial {
			initial = found.Name
		}
		return nil
	})
	if err == nil && initial == "" {
		err = nonsense("no first domain of the tenant")
	}
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.initial = initial
	return initial, nil
}

// Federation is how a domain's users log in at an identity provider of the
// tenant's own (internalDomainFederation of Graph). Certificates are DER in base64.
type Federation struct {
	// ID is Microsoft's; empty in one that is to be made.
	ID          string
	DisplayName string
	// Issuer is of our responses, and unique among all domains of Microsoft.
	Issuer string
	// PassiveSignIn and SignOut are our addresses for browsers.
	PassiveSignIn, SignOut string
	// ActiveSignIn and MetadataExchange are for clients without a browser; may be empty.
	ActiveSignIn, MetadataExchange string
	// SigningCertificate verifies responses, and so does NextSigningCertificate,
	// which may be empty.
	SigningCertificate, NextSigningCertificate string
	// Protocol is saml or wsFed.
	Protocol string
	// MFA is acceptIfMfaDoneByFederatedIdp, enforceMfaByFederatedIdp or
	// rejectMfaByFederatedIdp; empty is Microsoft's default.
	MFA string
	// SignedRequests: Microsoft signs its requests.
	SignedRequests bool
}

// Properties are what Tegata sets, by Graph's names; certificates are fingerprints.
// A nil one has none.
func (f *Federation) Properties() provision.Properties {
	if f == nil {
		return nil
	}
	return provision.Properties{
		"displayName": f.DisplayName, "issuerUri": f.Issuer, "passiveSignInUri": f.PassiveSignIn, "signOutUri": f.SignOut,
		"signingCertificate": fingerprint(f.SigningCertificate), "nextSigningCertificate": fingerprint(f.NextSigningCertificate),
		"preferredAuthenticationProtocol": f.Protocol, "federatedIdpMfaBehavior": f.MFA,
	}
}

func fingerprint(certificate string) string {
	if certificate == "" {
		return ""
	}
	der, err := base64.StdEncoding.DecodeString(certificate)
	if err != nil {
		return "(unreadable)"
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return "(unreadable)"
	}
	return keypair.Fingerprint(parsed)
}

// federationJSON is Graph's form of it.
type federationJSON struct {
	Type             string `json:"@odata.type,omitempty"`
	ID               string `json:"id,omitempty"`
	DisplayName      string `json:"displayName,omitempty"`
	Issuer           string `json:"issuerUri,omitempty"`
	PassiveSignIn    string `json:"passiveSignInUri,omitempty"`
	SignOut          string `json:"signOutUri,omitempty"`
	ActiveSignIn     string `json:"activeSignInUri,omitempty"`
	MetadataExchange string `json:"metadataExchangeUri,omitempty"`
	Certificate      string `json:"signingCertificate,omitempty"`
	NextCertificate  string `json:"nextSigningCertificate,omitempty"`
	Protocol         string `json:"preferredAuthenticationProtocol,omitempty"`
	MFA              string `json:"federatedIdpMfaBehavior,omitempty"`
	SignedRequests   *bool  `json:"isSignedAuthenticationRequestRequired,omitempty"`
}

func (f Federation) json() federationJSON {
	return federationJSON{
		Type: "#microsoft.graph.internalDomainFederation", DisplayName: f.DisplayName, Issuer: f.Issuer, PassiveSignIn: f.PassiveSignIn, SignOut: f.SignOut,
		ActiveSignIn: f.ActiveSignIn, MetadataExchange: f.MetadataExchange, Certificate: f.SigningCertificate, NextCertificate: f.NextSigningCertificate,
		Protocol: f.Protocol, MFA: f.MFA, SignedRequests: &f.SignedRequests,
	}
}

func parseFederation(body []byte) (*Federation, error) {
	var j federationJSON
	if json.Unmarshal(body, &j) != nil || j.ID == "" {
		return nil, nonsense("a federation without an ID")
	}
	return &Federation{
		ID: j.ID, DisplayName: j.DisplayName, Issuer: j.Issuer, PassiveSignIn: j.PassiveSignIn, SignOut: j.SignOut,
		ActiveSignIn: j.ActiveSignIn, MetadataExchange: j.MetadataExchange, SigningCertificate: j.Certificate, NextSigningCertificate: j.NextCertificate,
		Protocol: j.Protocol, MFA: j.MFA, SignedRequests: j.SignedRequests != nil && *j.SignedRequests,
	}, nil
}

// Federations are those of a domain: none, or one.
func (t *Target) Federations(ctx context.Context, domain string) ([]Federation, error) {
	var all []Federation
	err := t.pages(ctx, request{method: http.MethodGet, path: federationPath(domain), permission: readDomains + " or " + writeFederations}, func(item user) error {
		body, err := json.Marshal(item)
		if err != nil {
			return err
		}
		found, err := parseFederation(body)
		if err == nil {
			all = append(all, *found)
		}
		return err
	})
	return all, err
}

// CreateFederation federates a domain. It refuses one without a certificate:
// Graph fails on it, but leaves the domain federated and out of reach.
func (t *Target) CreateFederation(ctx context.Context, domain string, f Federation) (*Federation, error) {
	if f.SigningCertificate == "" || f.Issuer == "" || f.PassiveSignIn == "" {
		return nil, &provision.Error{Cause: provision.Invalid, Property: "signingCertificate", Message: "A federation needs an issuer, an address and a certificate."}
	}
	f.ID = ""
	body, err := t.write(ctx, request{method: http.MethodPost, path: federationPath(domain), body: f.json(), permission: writeFederations})
	if err != nil {
		return nil, err
	}
	return parseFederation(body)
}

// UpdateFederation changes what is not empty in change. SignedRequests is not changed.
func (t *Target) UpdateFederation(ctx context.Context, domain, id string, change Federation) error {
	body := change.json()
	body.ID, body.SignedRequests = "", nil
	_, err := t.write(ctx, request{method: http.MethodPatch, path: federationPath(domain) + "/" + url.PathEscape(id), body: body, permission: writeFederations})
	return err
}

// ClearNextCertificate takes the next certificate away.
func (t *Target) ClearNextCertificate(ctx context.Context, domain, id string) error {
	body := map[string]any{"nextSigningCertificate": nil}
	_, err := t.write(ctx, request{method: http.MethodPatch, path: federationPath(domain) + "/" + url.PathEscape(id), body: body, permission: writeFederations})
	return err
}

// DeleteFederation makes Microsoft log the domain's users in again. One that is
// gone already is no error.
func (t *Target) DeleteFederation(ctx context.Context, domain, id string) error {
	_, err := t.write(ctx, request{method: http.MethodDelete, path: federationPath(domain) + "/" + url.PathEscape(id), permission: writeFederations})
	if provision.IsNotFound(err) {
		return nil
	}
	return err
}

func domainPath(name string) string     { return "/domains/" + url.PathEscape(name) }
func federationPath(name string) string { return domainPath(name) + "/federationConfiguration" }

// DomainUser is a user of a domain, as federation needs to know it.
type DomainUser struct {
	ID, UserName, ImmutableID string
	Active                    bool
	// Synced: an on-premises Active Directory owns the account.
	Synced bool
}

// DomainUsers visits every user whose name is in a domain.
func (t *Target) DomainUsers(ctx context.Context, domain string, visit func(DomainUser) error) error {
	fields := strings.Join([]string{"id", upnProperty, enabledProperty, immutableIDProperty, "onPremisesSyncEnabled"}, ",")
	return t.users(ctx, fields, func(u user) error {
		found := domainUser(u)
		if found.ID == "" {
			return nonsense("a user without an ID")
		}
		if !inDomain(found.UserName, domain) {
			return nil
		}
		return visit(found)
	})
}

func inDomain(userName, domain string) bool {
	_, of := provision.MailParts(userName)
	return strings.EqualFold(of, domain)
}

func domainUser(u user) DomainUser {
	return DomainUser{
		ID: u.text("id"), UserName: u.text(upnProperty), ImmutableID: u.text(immutableIDProperty),
		Active: u.flag(enabledProperty), Synced: u.flag("onPremisesSyncEnabled"),
	}
}

// UsersWithoutImmutableID counts the users of a domain that federation would cut
// off. It counts by listing: the index that Graph counts from lags behind.
func (t *Target) UsersWithoutImmutableID(ctx context.Context, domain string) (int, error) {
	count := 0
	err := t.DomainUsers(ctx, domain, func(u DomainUser) error {
		if u.ImmutableID == "" {
			count++
		}
		return nil
	})
	return count, err
}

// CloudAdministrators are the enabled Global Administrators whom no federation
// of the domain, nor of any other one, can cut off: their names are in a domain
// that Microsoft logs in, and no Active Directory owns them.
func (t *Target) CloudAdministrators(ctx context.Context, domain string) ([]DomainUser, error) {
	holders, err := t.assignments(ctx, "roleDefinitionId eq "+quoted(globalAdministrator))
	if err != nil {
		return nil, err
	}
	federated := map[string]bool{strings.ToLower(domain): true}
	var administrators []DomainUser
	for _, holder := range holders {
		path := userPath(holder.principal) + "?$select=id," + upnProperty + "," + enabledProperty + "," + immutableIDProperty + ",onPremisesSyncEnabled"
		body, err := t.call(ctx, request{method: http.MethodGet, path: path, permission: readUsers})
		if provision.IsNotFound(err) {
			// A group or an app holds the role.
			continue
		}
		if err != nil {
			return nil, err
		}
		found := domainUser(object(body))
		_, name := provision.MailParts(strings.ToLower(found.UserName))
		if _, known := federated[name]; !known {
			other, err := t.Domain(ctx, name)
			if err != nil && !provision.IsNotFound(err) {
				return nil, err
			}
			federated[name] = err != nil || other.Federated
		}
		if found.Active && !found.Synced && !federated[name] {
			administrators = append(administrators, found)
		}
	}
	return administrators, nil
}
