/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlmetadata_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/samlmetadata"
)

// FuzzParse: whatever is read, what is taken can be used.
func FuzzParse(f *testing.F) {
	certificate := certified(f, ecKey(f))
	for _, seed := range []string{
		simple(),
		entity(spID+` validUntil="2030-01-01T00:00:00Z" cacheDuration="PT1H"`, role(`AuthnRequestsSigned="1" WantAssertionsSigned="true"`,
			keyDescriptor("signing", certificate)+keyDescriptor("", certificate)+acs(artifact, spACS, `index="0"`)+acs(post, spACS, `index="1" isDefault="true"`)+
				`<md:SingleLogoutService Binding="`+redirect+`" Location="https://sp.example/slo"/><md:NameIDFormat>urn:x</md:NameIDFormat>`)),
		`<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">` + strings.Replace(simple(), `<?xml version="1.0"?>`, "", 1) + `</EntitiesDescriptor>`,
		"<!DOCTYPE a><a/>", "", "<a",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		provider, err := samlmetadata.Parse(document, samlmetadata.Options{Now: now})
		g := NewWithT(t)
		if err != nil {
			var refused *samlmetadata.Error
			g.Expect(errors.As(err, &refused)).To(BeTrue())
			return
		}
		g.Expect(provider.EntityID).To(MatchRegexp(`^[^\s<>"]+$`))
		defaults := 0
		for _, s := range provider.AssertionConsumerServices {
			checkAddress(g, s.URL)
			if s.Default {
				defaults++
			}
		}
		g.Expect(defaults).To(Equal(1))
		for _, s := range provider.SingleLogoutServices {
			checkAddress(g, s.URL)
			if s.ResponseURL != "" {
				checkAddress(g, s.ResponseURL)
			}
		}
		for _, c := range provider.Certificates {
			_, err := keypair.ParsePeerCertificate([]byte(c.PEM))
			g.Expect(err).NotTo(HaveOccurred())
		}
		g.Expect(provider.Expired(now)).To(BeFalse())
		g.Expect(provider.CacheDuration).To(BeNumerically(">=", 0))
	})
}

func checkAddress(g *WithT, address string) {
	parsed, err := url.Parse(address)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parsed.Scheme).To(BeElementOf("http", "https"))
	g.Expect(parsed.Host).NotTo(BeEmpty())
	g.Expect(parsed.User).To(BeNil())
	g.Expect(parsed.Fragment).To(BeEmpty())
}
