/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlmetadata

import (
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
	"tegata.dev/tegata/internal/samlxml"
)

const namespaceSignature = "http://www.w3.org/2000/09/xmldsig#"

// readCertificates takes the certificate of each KeyDescriptor. A key without
// one is refused: to leave it out would mean to encrypt to nobody, or to verify
// by too few keys, without anyone knowing.
func (p *ServiceProvider) readCertificates(role *samlxml.Element) error {
	for _, descriptor := range role.All(namespace, "KeyDescriptor") {
		use := directory.CertificateUse(strings.Trim(descriptor.Attribute("use"), samlxml.Space))
		if use != "" && use != directory.CertificateSigning && use != directory.CertificateEncryption {
			return refuse("the metadata has a KeyDescriptor whose use is neither signing nor encryption; ask for corrected metadata")
		}
		text, err := certificateOf(descriptor)
		if err != nil {
			return err
		}
		certificate := directory.ServiceProviderCertificate{PEM: text, Use: use}
		if !slices.Contains(p.Certificates, certificate) {
			p.Certificates = append(p.Certificates, certificate)
		}
	}
	if len(p.Certificates) > maxCertificates {
		return refuse("the metadata has more than %d certificates; ask for metadata of this service provider alone", maxCertificates)
	}
	return nil
}

// certificateOf is the first certificate of a KeyDescriptor, as PEM: further
// ones can only be its chain (XML Signature section 4.5.4), and nobody's key
// here is trusted for who issued it.
func certificateOf(descriptor *samlxml.Element) (string, error) {
	var found []*samlxml.Element
	for _, info := range descriptor.All(namespaceSignature, "KeyInfo") {
		for _, data := range info.All(namespaceSignature, "X509Data") {
			found = append(found, data.All(namespaceSignature, "X509Certificate")...)
		}
	}
	if len(found) == 0 {
		return "", refuse("the metadata has a KeyDescriptor without an X509Certificate; ask for metadata with certificates")
	}
	text, err := found[0].Text()
	if err != nil {
		return "", refuse("the metadata has an X509Certificate that is not plain text; ask for corrected metadata")
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(der) == 0 {
		return "", refuse("the metadata has an X509Certificate that is not base64; ask for corrected metadata")
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if _, err := keypair.ParsePeerCertificate(encoded); err != nil {
		return "", refuse("the metadata has a certificate that cannot be used: %v", err)
	}
	return string(encoded), nil
}
