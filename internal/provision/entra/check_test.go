/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"crypto/x509"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/graph"
)

func app(secret graph.Secret, permissions ...string) []graph.App {
	return []graph.App{{ClientID: graph.DefaultClientID, Secrets: []graph.Secret{secret}, Permissions: permissions}}
}

func without(permission string) []string {
	return slices.DeleteFunc(graph.AllPermissions(), func(p string) bool { return p == permission })
}

func TestCheck(t *testing.T) {
	ends := time.Now().Add(20 * 24 * time.Hour).UTC().Truncate(time.Second)
	good := graph.Secret{Value: "secret", Ends: ends}
	for name, test := range map[string]struct {
		tenant  graph.Options
		options func(*Options)
		fault   *graph.Fault
		cause   provision.Cause
		// says is in the error, or in one remark.
		says    string
		expires time.Time
	}{
		"all is well":         {tenant: graph.Options{Apps: app(good, graph.AllPermissions()...)}, expires: ends},
		"secret is wrong":     {options: func(o *Options) { o.ClientSecret = "other" }, cause: provision.Unauthorized, says: "AADSTS7000215"},
		"secret has expired":  {tenant: graph.Options{Apps: app(graph.Secret{Value: "secret", Ends: time.Now().Add(-time.Hour)})}, cause: provision.Unauthorized, says: "AADSTS7000222"},
		"client is not known": {options: func(o *Options) { o.ClientID = graph.DefaultTenantID }, cause: provision.Unauthorized, says: "AADSTS700016"},
		"no such tenant":      {options: func(o *Options) { o.TenantID = graph.DefaultClientID }, cause: provision.Unauthorized, says: "AADSTS90002"},
		"app is disabled": {tenant: graph.Options{Apps: []graph.App{{ClientID: graph.DefaultClientID, Secrets: []graph.Secret{good}, Disabled: true}}},
			cause: provision.Unauthorized, says: "AADSTS7000112"},
		"another resource":         {tenant: graph.Options{Resource: "https://graph.microsoft.us"}, cause: provision.Unauthorized, says: "AADSTS500011"},
		"busy":                     {fault: new(graph.TokenError(400, 90033)), cause: provision.Unavailable, says: "AADSTS90033"},
		"may not write":            {tenant: graph.Options{Apps: app(good, "User.Read.All")}, cause: provision.Forbidden, says: "User.ReadWrite.All"},
		"may nothing":              {tenant: graph.Options{Apps: app(good)}, cause: provision.Forbidden, says: "User.ReadWrite.All"},
		"may not read domains":     {tenant: graph.Options{Apps: app(good, without("Domain.Read.All")...)}, says: "Domain.Read.All (application permission of Microsoft Graph), to check the domains;", expires: ends},
		"may not read the app":     {tenant: graph.Options{Apps: app(good, without("Application.Read.All")...)}, says: "clientSecretExpires"},
		"may not, but is told":     {tenant: graph.Options{Apps: app(good, without("Application.Read.All")...)}, options: func(o *Options) { o.SecretExpires = ends.Add(time.Hour) }, expires: ends.Add(time.Hour)},
		"may not give roles":       {tenant: graph.Options{Apps: app(good, without("RoleManagement.ReadWrite.Directory")...)}, options: func(o *Options) { o.Roles = []RoleMapping{{directory.RoleSuperAdmin, userAdmin}} }, says: "RoleManagement.ReadWrite.Directory", expires: ends},
		"may not federate":         {tenant: graph.Options{Apps: app(good, without("Domain-InternalFederation.ReadWrite.All")...)}, options: func(o *Options) { o.Federates = true }, says: "Domain-InternalFederation", expires: ends},
		"may not read devices":     {tenant: graph.Options{Apps: app(good, without("DeviceManagementManagedDevices.Read.All")...)}, options: func(o *Options) { o.ReadsDevices, o.Domain = true, "" }, cause: provision.Forbidden, says: "DeviceManagementManagedDevices.Read.All"},
		"reads devices alone":      {tenant: graph.Options{Apps: app(good, "DeviceManagementManagedDevices.Read.All", "Application.Read.All")}, options: func(o *Options) { o.ReadsDevices, o.Domain = true, "" }, expires: ends},
		"domain is not there":      {options: func(o *Options) { o.Domain = "other.example" }, cause: provision.Invalid, says: "no domain other.example"},
		"another is not there":     {options: func(o *Options) { o.OtherDomains = []string{"other.example"} }, cause: provision.Invalid, says: "correct spec.entraID.otherDomains"},
		"domain is not verified":   {tenant: graph.Options{Domains: []graph.Domain{{Name: "acme.onmicrosoft.com", Initial: true}, {Name: "acme.example", Unverified: true}}}, cause: provision.Invalid, says: "not verified"},
		"Graph is somebody else":   {fault: new(graph.HTML()), cause: provision.Unavailable, says: "JSON"},
		"Graph answers in riddles": {fault: &graph.Fault{Path: "/users", Status: 200, Text: `{"status":"ok"}`, ContentType: "application/json"}, cause: provision.Unavailable, says: "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, test.tenant, test.options)
			if test.fault != nil {
				defer s.tenant.Inject(*test.fault)()
			}
			findings, err := s.Check(t.Context())
			for call, count := range s.tenant.Counts() {
				s.Expect(call).To(Or(HavePrefix("GET "), Equal("POST /token")), "%d", count)
			}
			if test.cause != "" {
				e := s.failure(err)
				s.Expect(e.Cause).To(Equal(test.cause), e.Message)
				s.Expect(e.Message).To(ContainSubstring(test.says))
				return
			}
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(findings.CredentialExpires).To(BeTemporally("==", test.expires))
			if test.says == "" {
				s.Expect(findings.Remarks).To(BeEmpty())
			} else {
				s.Expect(findings.Remarks).To(ConsistOf(ContainSubstring(test.says)))
			}
		})
	}
}

// What is granted counts at the next check, although a former token is good for an hour.
func TestGrantedPermissionCounts(t *testing.T) {
	secret := graph.Secret{Value: "secret"}
	s := newSite(t, graph.Options{Apps: app(secret, "User.Read.All")}, nil)
	for range 2 {
		_, err := s.Check(t.Context())
		s.Expect(s.failure(err).Cause).To(Equal(provision.Forbidden))
	}
	s.Expect(s.tenant.Counts()["POST /token"]).To(Equal(3), "not more often than each check")
	s.tenant.SetApp(app(secret, without("Application.Read.All")...)[0])
	_, err := s.Check(t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	before := s.tenant.Counts()["POST /token"]
	_, err = s.Check(t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.tenant.Counts()["POST /token"]).To(Equal(before), "all that is needed is there")
}

func TestCheckByCertificate(t *testing.T) {
	certificate, other := testCertificate(t), testCertificate(t)
	tenant := graph.Options{Apps: []graph.App{{ClientID: graph.DefaultClientID, Certificates: []*x509.Certificate{certificate.Leaf}, Permissions: graph.AllPermissions()}}}
	s := newSite(t, tenant, func(o *Options) { o.ClientSecret, o.Certificate = "", certificate })
	findings, err := s.Check(t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(findings.CredentialExpires).To(Equal(certificate.Leaf.NotAfter))

	// Theirs is an hour ahead: the proof is made again by their clock, and it is told.
	s = newSite(t, tenant, func(o *Options) { o.ClientSecret, o.Certificate = "", certificate })
	s.tenant.Advance(30 * time.Minute)
	findings, err = s.Check(t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(findings.Remarks).To(ConsistOf(ContainSubstring("clock")))

	s = newSite(t, tenant, func(o *Options) { o.ClientSecret, o.Certificate = "", other })
	_, err = s.Check(t.Context())
	s.Expect(s.failure(err).Message).To(ContainSubstring("AADSTS700027"))
}

func TestRevokedToken(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	made := s.create(taro())
	s.tenant.Revoke()
	s.Expect(s.find(provision.Reference{ExternalID: made.ExternalID}).ExternalID).To(Equal(made.ExternalID))
	s.tenant.SetApp(graph.App{ClientID: graph.DefaultClientID, Secrets: []graph.Secret{{Value: "another"}}, Permissions: graph.AllPermissions()})
	s.tenant.Revoke()
	_, err := s.Find(t.Context(), provision.Reference{ExternalID: made.ExternalID})
	s.Expect(s.failure(err).Cause).To(Equal(provision.Unauthorized))
	s.Expect(s.failure(err).Message).To(ContainSubstring("7000215"))
}
