/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"encoding/base64"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/graph"
)

func TestFederationCalls(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	found, err := s.Domain(t.Context(), "acme.example")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(*found).To(Equal(Domain{Name: "acme.example", Verified: true}))
	_, err = s.Domain(t.Context(), "other.example")
	s.Expect(provision.IsNotFound(err)).To(BeTrue())
	for range 2 {
		initial, err := s.InitialDomain(t.Context())
		s.Expect(err).NotTo(HaveOccurred())
		s.Expect(initial).To(Equal("acme.onmicrosoft.com"))
	}
	s.Expect(s.tenant.Counts()).To(HaveKeyWithValue("GET /domains", 1))
	none, err := s.Federations(t.Context(), "acme.example")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(none).To(BeEmpty())

	now, next := base64.StdEncoding.EncodeToString(testCertificate(t).Leaf.Raw), base64.StdEncoding.EncodeToString(testCertificate(t).Leaf.Raw)
	wanted := Federation{
		DisplayName: "Tegata", Issuer: "https://id.acme.example/saml/acme/acme.example", PassiveSignIn: "https://id.acme.example/saml/acme/sso",
		SignOut: "https://id.acme.example/saml/acme/slo", SigningCertificate: now, Protocol: "saml", MFA: "rejectMfaByFederatedIdp",
	}
	bare := wanted
	bare.SigningCertificate = ""
	_, err = s.CreateFederation(t.Context(), "acme.example", bare)
	s.Expect(provision.CauseOf(err)).To(Equal(provision.Invalid))
	s.Expect(s.tenant.CutOff()).To(BeEmpty(), "Graph was not even asked")

	made, err := s.CreateFederation(t.Context(), "acme.example", wanted)
	s.Expect(err).NotTo(HaveOccurred())
	wanted.ID = made.ID
	s.Expect(*made).To(Equal(wanted))
	s.Expect(s.UpdateFederation(t.Context(), "acme.example", made.ID, Federation{NextSigningCertificate: next})).To(Succeed())
	wanted.NextSigningCertificate = next
	all, err := s.Federations(t.Context(), "acme.example")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(all).To(Equal([]Federation{wanted}))
	s.Expect(s.ClearNextCertificate(t.Context(), "acme.example", made.ID)).To(Succeed())
	all, err = s.Federations(t.Context(), "acme.example")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(all[0].NextSigningCertificate).To(BeEmpty())
	found, err = s.Domain(t.Context(), "acme.example")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(found.Federated).To(BeTrue())

	s.tenant.SetDomain(graph.Domain{Name: "second.example"})
	_, err = s.CreateFederation(t.Context(), "second.example", wanted)
	s.Expect(provision.CauseOf(err)).To(Equal(provision.Conflict), "an issuer is of one domain")
	for range 2 {
		s.Expect(s.DeleteFederation(t.Context(), "acme.example", made.ID)).To(Succeed())
	}
	s.Expect(s.tenant.Federation("acme.example")).To(BeNil())
}

func TestUsersOfADomain(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	s.create(taro())
	s.tenant.AddUser("sato@ACME.example", nil)
	s.tenant.AddUser("suzuki@acme.onmicrosoft.com", nil)
	count, err := s.UsersWithoutImmutableID(t.Context(), "acme.example")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(count).To(Equal(1))
	defer s.tenant.Inject(graph.Fault{Path: "/users", Half: true})()
	_, err = s.UsersWithoutImmutableID(t.Context(), "acme.example")
	s.Expect(err).To(HaveOccurred(), "half a list is no count")
}

func TestCloudAdministrators(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	s.tenant.SetDomain(graph.Domain{Name: "federated.example"})
	s.tenant.SetFederation("federated.example", map[string]any{"issuerUri": "https://x"})
	add := func(name, role string, fields map[string]any) string {
		id := s.tenant.AddUser(name, fields)
		s.tenant.AssignRole(id, role)
		return id
	}
	add("inside@acme.example", graph.GlobalAdministrator, nil)
	add("elsewhere@federated.example", graph.GlobalAdministrator, nil)
	add("disabled@acme.onmicrosoft.com", graph.GlobalAdministrator, map[string]any{"accountEnabled": false})
	add("lesser@acme.onmicrosoft.com", graph.UserAdministrator, nil)
	s.tenant.SyncFromActiveDirectory(add("synced@acme.onmicrosoft.com", graph.GlobalAdministrator, nil))
	s.tenant.AssignRole("99999999-2222-3333-4444-555555555555", graph.GlobalAdministrator) // an app
	found, err := s.CloudAdministrators(t.Context(), "acme.example")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(found).To(BeEmpty())
	add("admin@acme.onmicrosoft.com", graph.GlobalAdministrator, nil)
	found, err = s.CloudAdministrators(t.Context(), "acme.example")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(found).To(ConsistOf(HaveField("UserName", "admin@acme.onmicrosoft.com")))
}

func TestDevices(t *testing.T) {
	s := newSite(t, graph.Options{}, nil)
	for _, state := range []string{"compliant", "inGracePeriod", "noncompliant", "unknown"} {
		s.tenant.AddDevice(map[string]any{
			"deviceName": state, "operatingSystem": "iOS", "osVersion": "26.1", "serialNumber": "C02" + state, "complianceState": state, "userId": "11111111-2222-3333-4444-555555555555", "userPrincipalName": "taro@acme.example",
		})
	}
	var devices []provision.Device
	collect := func(d provision.Device) error {
		devices = append(devices, d)
		return nil
	}
	s.Expect(s.Devices(t.Context(), collect)).To(Succeed())
	s.Expect(devices).To(HaveLen(4))
	yes, no := true, false
	for i, want := range []*bool{&yes, &yes, &no, nil} {
		s.Expect(devices[i].Compliant).To(Equal(want))
		s.Expect(devices[i].Platform).To(Equal("iOS 26.1"))
		s.Expect(devices[i].Owner).To(Equal(provision.Reference{ExternalID: "11111111-2222-3333-4444-555555555555", UserName: "taro@acme.example"}))
	}
	defer s.tenant.Inject(graph.Denied("GET", "/deviceManagement/managedDevices"))()
	s.Expect(s.Devices(t.Context(), collect)).To(MatchError(ContainSubstring("DeviceManagementManagedDevices.Read.All")))
}
