/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package interop

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/controllers"
	"tegata.dev/tegata/internal/provision"
)

// TestSCIMExamples: every target that docs/scim.md declares keeps an account and,
// where it declares groups, a group in a service that others wrote.
func TestSCIMExamples(t *testing.T) {
	body, err := os.ReadFile("../../docs/scim.md")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	_, examples, _ := strings.Cut(string(body), "```yaml\n")
	blocks := strings.Split(examples, "```yaml\n")
	NewWithT(t).Expect(len(blocks)).To(BeNumerically(">=", 6))
	address := startSCIM(t, true)
	for n, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		_, name, _ := strings.Cut(text, "  name: ")
		name, _, _ = strings.Cut(name, "\n")
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			target := &v1alpha1.ProvisioningTarget{}
			g.Expect(yaml.UnmarshalStrict([]byte(text), target)).To(Succeed())
			service, err := controllers.NewService(controllers.ServiceOptions{
				Spec: moved(target.Spec, address), Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
				Secret: func(_, key string) []byte {
					if key == "username" {
						return []byte("tegata")
					}
					return []byte(scimToken)
				},
			})
			g.Expect(err).NotTo(HaveOccurred())
			findings, err := service.Check(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(findings.Remarks).To(BeEmpty())
			subject := scimSubject(n)
			subject.Member.Attributes["jobTitle"] = "部長"
			desired, err := service.Desire(subject)
			g.Expect(err).NotTo(HaveOccurred())
			made, err := service.Create(t.Context(), desired)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(provision.Differences(*made, desired)).To(BeEmpty())
			if target.Spec.Groups != nil {
				wanted := provision.Group{CorrelationID: "acme/sales", DisplayName: "営業部", Members: []string{made.ExternalID}}
				_, err = service.(provision.GroupTarget).CreateGroup(t.Context(), wanted)
				g.Expect(err).NotTo(HaveOccurred())
			}
			if target.Spec.MDM != nil {
				g.Expect(desired.Properties).To(HaveKeyWithValue("userType", "user"))
			}
		})
	}
}

// moved is a spec whose service is at another address.
func moved(spec v1alpha1.ProvisioningTargetSpec, address string) v1alpha1.ProvisioningTargetSpec {
	service := spec.SCIM
	if spec.MDM != nil {
		service = spec.MDM.SCIM
	}
	service.URL = v1alpha1.TargetURL(address)
	if oauth := service.Authentication.OAuth; oauth != nil {
		oauth.TokenURL = v1alpha1.TargetURL(strings.TrimSuffix(address, "/scim/v2") + "/oauth2/token")
	}
	return spec
}
