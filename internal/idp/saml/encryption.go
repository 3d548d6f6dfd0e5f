/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // #nosec G505 -- what rsa-oaep-mgf1p is defined with; the only form that every service provider reads
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
)

// The pieces of saml:EncryptedAssertion (SAML core section 2.3.4, XML
// Encryption sections 3 and 5) around its variable parts.
const (
	encryptedOpen = `<saml:EncryptedAssertion xmlns:saml="` + namespaceAssertion + `">` +
		`<xenc:EncryptedData xmlns:xenc="` + xmlEncryption + `" Type="` + xmlEncryption + `Element"><xenc:EncryptionMethod Algorithm="`
	encryptedKey = `"></xenc:EncryptionMethod><ds:KeyInfo` + declareDS + `><xenc:EncryptedKey>` +
		`<xenc:EncryptionMethod Algorithm="` + xmlEncryption + `rsa-oaep-mgf1p"><ds:DigestMethod Algorithm="` + algorithmSHA1 + `"></ds:DigestMethod></xenc:EncryptionMethod>` +
		`<ds:KeyInfo><ds:X509Data><ds:X509Certificate>`
	encryptedKeyValue = `</ds:X509Certificate></ds:X509Data></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>`
	encryptedData     = `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>`
	encryptedClose    = `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>`
)

// contentCiphers are those of XML Encryption 1.1 section 5.2.
var contentCiphers = map[directory.Encryption]struct {
	algorithm string
	keyBytes  int
	seal      func(block cipher.Block, plain []byte) ([]byte, error)
}{
	directory.AES256GCM: {"http://www.w3.org/2009/xmlenc11#aes256-gcm", 32, sealGCM},
	directory.AES128GCM: {"http://www.w3.org/2009/xmlenc11#aes128-gcm", 16, sealGCM},
	directory.AES256CBC: {xmlEncryption + "aes256-cbc", 32, sealCBC},
	directory.AES128CBC: {xmlEncryption + "aes128-cbc", 16, sealCBC},
}

// encryption encrypts assertions to one service provider; immutable, safe for
// concurrent use.
type encryption struct {
	key      *rsa.PublicKey
	keyBytes int
	seal     func(block cipher.Block, plain []byte) ([]byte, error)
	// beforeKey is everything before the wrapped key.
	beforeKey string
}

// newEncryption is nil where the app's assertions are not encrypted.
func newEncryption(settings *directory.SAMLSettings) (*encryption, error) {
	if settings.Encryption == "" {
		return nil, nil
	}
	chosen, known := contentCiphers[settings.Encryption]
	if !known {
		return nil, fmt.Errorf("unknown encryption %q", settings.Encryption)
	}
	certificate, key, err := keypair.EncryptionCertificate(settings.Certificates)
	if err != nil {
		return nil, err
	}
	return &encryption{
		key: key, keyBytes: chosen.keyBytes, seal: chosen.seal,
		beforeKey: encryptedOpen + chosen.algorithm + encryptedKey + base64.StdEncoding.EncodeToString(certificate.Raw) + encryptedKeyValue,
	}, nil
}

// write encrypts an element by a key of its own and renders it.
func (e *encryption) write(w *canonicalWriter, element []byte, random io.Reader) error {
	contentKey := make([]byte, e.keyBytes)
	if _, err := io.ReadFull(random, contentKey); err != nil {
		return fmt.Errorf("reading random bytes for a content key: %w", err)
	}
	// #nosec G401 -- the hash of rsa-oaep-mgf1p; nothing rests on its collision resistance
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, e.key, contentKey, nil)
	if err != nil {
		return fmt.Errorf("encrypting the content key: %w", err)
	}
	block, err := aes.NewCipher(contentKey)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	sealed, err := e.seal(block, element)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	w.WriteString(e.beforeKey)
	w.base64(wrapped)
	w.WriteString(encryptedData)
	w.base64(sealed)
	w.WriteString(encryptedClose)
	return nil
}

// sealGCM puts a random nonce of 12 bytes in front and the tag at the end (XML
// Encryption 1.1 section 5.2.4).
func sealGCM(block cipher.Block, plain []byte) ([]byte, error) {
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, nil), nil // #nosec G407 -- it draws the nonce itself
}

// sealCBC puts a random block in front and pads to whole blocks; the last byte
// tells how many were added (XML Encryption section 5.2.1).
func sealCBC(block cipher.Block, plain []byte) ([]byte, error) {
	size := block.BlockSize()
	padding := size - len(plain)%size
	sealed := make([]byte, size+len(plain)+padding)
	if _, err := io.ReadFull(rand.Reader, sealed[:size]); err != nil {
		return nil, errors.New("no random bytes for an initialisation vector")
	}
	copy(sealed[size:], plain)
	sealed[len(sealed)-1] = byte(padding)                                                  // #nosec G115 -- at most a block
	cipher.NewCBCEncrypter(block, sealed[:size]).CryptBlocks(sealed[size:], sealed[size:]) // #nosec G407 -- the vector was just drawn
	return sealed, nil
}
