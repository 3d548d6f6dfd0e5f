/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package web

import "encoding/pem"

// certificatePEM and certificateDER are the tenant's signing certificate as a
// file, for service providers whose forms want one (RFC 7468, RFC 2585 section 4.1).
func (s *Site) certificatePEM(v *visit) error {
	return v.certificate("application/x-pem-file", "certificate.pem", func(der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	})
}

func (s *Site) certificateDER(v *visit) error {
	return v.certificate("application/pkix-cert", "certificate.cer", func(der []byte) []byte { return der })
}

func (v *visit) certificate(contentType, name string, encode func(der []byte) []byte) error {
	_, provider, err := v.tenant()
	if err != nil {
		return err
	}
	header := v.w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	header.Set("Cache-Control", "public, max-age=300")
	_, err = v.w.Write(encode(provider.Certificate()))
	return err
}
