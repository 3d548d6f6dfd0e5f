/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package entra

import (
	"os"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/provision"
	"tegata.dev/tegata/test/doubles/graph"
)

// Every property that attributes may fill is one of Graph's, can be set, is read
// again as it was set, and can be cleared unless it says otherwise.
func TestEveryProperty(t *testing.T) {
	values := map[string]string{
		"mail": "taro@elsewhere.example", "otherMails": "taro@elsewhere.example", languageProperty: "fr-FR", locationProperty: "FR", nicknameProperty: "taro",
	}
	documented, err := os.ReadFile("../../../docs/entra-id.md")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, name := range propertyNames() {
		if name == upnProperty {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := newSite(t, graph.Options{}, func(o *Options) { o.Attributes = []provision.Attribute{{Name: name, Attribute: "value"}} })
			if !strings.HasPrefix(name, "extensionAttribute") {
				s.Expect(string(documented)).To(ContainSubstring("`" + name + "`"))
			}
			subject := taro()
			subject.Member.Attributes["value"] = values[name]
			if values[name] == "" {
				subject.Member.Attributes["value"] = "x"
			}
			made := s.create(subject)
			s.Expect(s.find(provision.Reference{ExternalID: made.ExternalID}).Properties).To(HaveKeyWithValue(name, subject.Member.Attributes["value"]))

			subject.Member.Attributes["value"] = ""
			desired, err := s.Desire(subject)
			if slices.Contains([]string{displayNameProperty, nicknameProperty}, name) {
				s.Expect(s.failure(err).Property).To(Equal(name))
				return
			}
			s.Expect(err).NotTo(HaveOccurred())
			_, err = s.Update(t.Context(), *made, desired)
			s.Expect(err).NotTo(HaveOccurred())
			found := s.find(provision.Reference{ExternalID: made.ExternalID})
			s.Expect(provision.Differences(*found, desired)).To(BeEmpty())
			if name != locationProperty {
				s.Expect(found.Properties).To(HaveKeyWithValue(name, ""))
			}
		})
	}
}
