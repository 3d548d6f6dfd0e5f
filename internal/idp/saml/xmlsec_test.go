/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/samlxml/xmlsectest"
)

const (
	responseSignature  = `/*[local-name()='Response']/*[local-name()='Signature']`
	assertionSignature = `/*/*[local-name()='Assertion']/*[local-name()='Signature']`
)

// xmlsec verifies one signature of a document with the xmlsec1 tool, which
// shares no code with us: libxml2's parser and canonicaliser.
func xmlsec(t *testing.T, document []byte, signature string) error {
	t.Helper()
	return xmlsecBy(t, "testdata/idp.crt", document, signature)
}

// xmlsecBy verifies by the certificate in a file.
func xmlsecBy(t *testing.T, certificate string, document []byte, signature string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "response.xml")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	output, err := exec.CommandContext(ctx, "xmlsec1", "--verify",
		"--pubkey-cert-pem", certificate,
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response",
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
		"--node-xpath", signature, file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

func TestXmlsecVerifies(t *testing.T) {
	xmlsectest.Require(t)
	provider := newProvider(t)
	for _, mode := range signingModes {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			for seed := range uint64(8) {
				pending, app, subject := nastyInput(rand.New(rand.NewPCG(seed, 2)))
				app.SAML.Signing = mode
				response := respond(t, provider, pending, app, subject)
				if mode != directory.SignAssertion {
					g.Expect(xmlsec(t, response, responseSignature)).To(Succeed(), string(response))
				}
				if mode != directory.SignResponse {
					g.Expect(xmlsec(t, response, assertionSignature)).To(Succeed(), string(response))
				}
			}
		})
	}
	t.Run("tampered", func(t *testing.T) {
		g := NewWithT(t)
		response := respond(t, provider, testPending(), testApp(), testSubject())
		tampered := []byte(strings.Replace(string(response), "hanako@", "taro@", 1))
		g.Expect(xmlsec(t, tampered, responseSignature)).NotTo(Succeed())
		g.Expect(xmlsec(t, tampered, assertionSignature)).NotTo(Succeed())
	})
}
