/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	corev1 "k8s.io/api/core/v1"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/keypair"
)

// Every way to declare a service makes one, from the Secrets that it names.
func TestServicesAreMade(t *testing.T) {
	pair, err := keypair.Generate(keypair.RSA2048, "app", time.Now().Add(-time.Hour), 24*time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	elliptic, err := keypair.Generate(keypair.ECDSAP256, "app", time.Now().Add(-time.Hour), 24*time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	const guid, secret = "11111111-2222-3333-4444-555555555555", "hush"
	values := map[string]string{
		"s/key": secret, "s/" + corev1.BasicAuthUsernameKey: "tegata", "s/" + corev1.BasicAuthPasswordKey: secret,
		"c/" + corev1.TLSCertKey: string(pair.Certificate), "c/" + corev1.TLSPrivateKeyKey: string(pair.PrivateKey),
		"e/" + corev1.TLSCertKey: string(elliptic.Certificate), "e/" + corev1.TLSPrivateKeyKey: string(elliptic.PrivateKey),
	}
	key := &v1alpha1.SecretKeyReference{Name: "s", Key: "key"}
	scim := func(authentication v1alpha1.SCIMAuthentication) *v1alpha1.SCIM {
		return &v1alpha1.SCIM{URL: "https://chat.example/scim", Authentication: authentication}
	}
	bearer := v1alpha1.SCIMAuthentication{BearerTokenSecretRef: key}
	entra := &v1alpha1.EntraID{TenantID: guid, ClientID: guid, Domain: "acme.example", ClientSecretRef: key}
	for name, test := range map[string]struct {
		spec    v1alpha1.ProvisioningTargetSpec
		entra   *v1alpha1.EntraID
		refused string
	}{
		"Entra ID by secret": {spec: v1alpha1.ProvisioningTargetSpec{EntraID: entra}},
		"Entra ID by certificate": {spec: v1alpha1.ProvisioningTargetSpec{EntraID: &v1alpha1.EntraID{
			TenantID: guid, ClientID: guid, Domain: "acme.example", ClientCertificateRef: &v1alpha1.SecretReference{Name: "c"},
			Endpoints: &v1alpha1.EntraEndpoints{Login: "http://127.0.0.1:1", Graph: "http://127.0.0.1:1"},
			Roles:     []v1alpha1.EntraRoleMapping{{Role: "SuperAdmin", DirectoryRole: guid}},
		}}},
		"a key that Microsoft does not take": {spec: v1alpha1.ProvisioningTargetSpec{EntraID: &v1alpha1.EntraID{
			TenantID: guid, ClientID: guid, Domain: "acme.example", ClientCertificateRef: &v1alpha1.SecretReference{Name: "e"},
		}}, refused: "is not RSA"},
		"a property that Entra ID does not have": {
			spec:    v1alpha1.ProvisioningTargetSpec{EntraID: entra, Attributes: []v1alpha1.TargetAttribute{{Name: "shoeSize", Value: "27"}}},
			refused: "shoeSize",
		},
		"SCIM by token":    {spec: v1alpha1.ProvisioningTargetSpec{SCIM: scim(bearer)}},
		"SCIM by password": {spec: v1alpha1.ProvisioningTargetSpec{SCIM: scim(v1alpha1.SCIMAuthentication{BasicSecretRef: &v1alpha1.SecretReference{Name: "s"}})}},
		"SCIM by OAuth": {spec: v1alpha1.ProvisioningTargetSpec{SCIM: scim(v1alpha1.SCIMAuthentication{OAuth: &v1alpha1.SCIMOAuth{
			TokenURL: "https://chat.example/token", ClientID: "tegata", ClientSecretRef: *key, Scopes: []v1alpha1.OAuthScope{"users"},
		}})}},
		"an MDM by SCIM":         {spec: v1alpha1.ProvisioningTargetSpec{MDM: &v1alpha1.MDM{SCIM: scim(bearer), Roles: []v1alpha1.RoleMapping{{Role: "Staff", Value: "user"}}}}},
		"SCIM at no address":     {spec: v1alpha1.ProvisioningTargetSpec{SCIM: &v1alpha1.SCIM{URL: "x", Authentication: bearer}}, refused: "correct spec.scim.url"},
		"an MDM at no address":   {spec: v1alpha1.ProvisioningTargetSpec{MDM: &v1alpha1.MDM{SCIM: &v1alpha1.SCIM{URL: "x", Authentication: bearer}}}, refused: "correct spec.mdm.scim.url"},
		"an MDM by the contract": {spec: v1alpha1.ProvisioningTargetSpec{MDM: &v1alpha1.MDM{REST: &v1alpha1.MDMREST{URL: "https://mdm.example/api", TokenSecretRef: *key}}}},
		"Intune": {
			spec:  v1alpha1.ProvisioningTargetSpec{MDM: &v1alpha1.MDM{Intune: &v1alpha1.Intune{TargetRef: v1alpha1.ProvisioningTargetReference{Name: "entra"}}}},
			entra: entra,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			service, err := NewService(ServiceOptions{
				Spec: test.spec, Entra: test.entra, Now: time.Now,
				Secret: func(name, key string) []byte { return []byte(values[name+"/"+key]) },
			})
			if test.refused != "" {
				g.Expect(err).To(MatchError(And(ContainSubstring(test.refused), Not(ContainSubstring(secret)))))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(service).NotTo(BeNil())
			for _, use := range secretUses(test.spec) {
				for _, key := range use.keys {
					g.Expect(values).To(HaveKey(use.name+"/"+key), "what is read is what is declared")
				}
			}
		})
	}
}
