/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package sampleprovider_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/formclient"
	"tegata.dev/tegata/test/sampleprovider"
)

// metadata of an identity provider that nothing else in this test needs.
const metadata = `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/metadata">
<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/sso"/>
</IDPSSODescriptor></EntityDescriptor>`

func TestAsksTheIdentityProviderAndRefusesWhatItDidNotAskFor(t *testing.T) {
	g := NewWithT(t)
	available := false
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !available {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, metadata)
	}))
	t.Cleanup(idp.Close)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	provider, err := sampleprovider.New(sampleprovider.Options{URL: server.URL, IdPMetadataURL: idp.URL})
	g.Expect(err).NotTo(HaveOccurred())
	mux.Handle("/", provider)

	client := formclient.New()
	client.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	page, err := client.Get(t.Context(), server.URL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page.Status).To(Equal(http.StatusServiceUnavailable))

	available = true
	page, err = client.Get(t.Context(), server.URL)
	g.Expect(err).NotTo(HaveOccurred())
	location, err := url.Parse(page.Header.Get("Location"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(location.Host).To(Equal("idp.example"))
	g.Expect(location.Query()).To(HaveKey("SAMLRequest"))

	page, err = client.Get(t.Context(), server.URL+"/saml/metadata")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(page.Body)).To(ContainSubstring(`entityID="` + server.URL + `/saml/metadata"`))
	g.Expect(string(page.Body)).To(ContainSubstring(`Location="` + server.URL + `/saml/acs"`))

	response, err := http.PostForm(server.URL+"/saml/acs", url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte("<Response/>"))}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(response.Body.Close()).To(Succeed())
	g.Expect(response.StatusCode).To(Equal(http.StatusForbidden))
}
