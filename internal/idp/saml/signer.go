/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // #nosec G505 -- for apps that are set to it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"

	"tegata.dev/tegata/internal/directory"
)

// The pieces of ds:Signature (XML Signature section 4) around its variable
// parts. In the document ds:SignedInfo inherits the prefix; as the apex of what
// is signed it declares it itself, as exclusive canonicalisation demands.
const (
	declareDS        = ` xmlns:ds="` + namespaceSignature + `"`
	algorithmExcC14n = "http://www.w3.org/2001/10/xml-exc-c14n#"
	algorithmSHA1    = namespaceSignature + "sha1"
	moreAlgorithms   = "http://www.w3.org/2001/04/xmldsig-more#"
	xmlEncryption    = "http://www.w3.org/2001/04/xmlenc#"

	signatureOpen  = `<ds:Signature` + declareDS + `>`
	signedInfoName = `<ds:SignedInfo`
	// signedInfoApex is how the signed octets begin.
	signedInfoApex       = signedInfoName + declareDS
	signedInfoMethods    = `><ds:CanonicalizationMethod Algorithm="` + algorithmExcC14n + `"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="`
	signedInfoReference  = `"></ds:SignatureMethod><ds:Reference URI="#`
	signedInfoTransforms = `"><ds:Transforms>` +
		`<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>` +
		`<ds:Transform Algorithm="` + algorithmExcC14n + `"></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="`
	signedInfoDigest = `"></ds:DigestMethod><ds:DigestValue>`
	signedInfoClose  = `</ds:DigestValue></ds:Reference></ds:SignedInfo>`
	signatureValue   = `<ds:SignatureValue>`
	signatureKey     = `</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>`
	signatureClose   = `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>`
)

// hashes are those of RFC 9231 sections 2.1 and 2.3, and XML Signature section 6.
var hashes = map[directory.Hash]struct {
	hash crypto.Hash
	// digest identifies it alone; name and its vocabulary with a key.
	digest, vocabulary, name string
}{
	directory.SHA256: {crypto.SHA256, xmlEncryption + "sha256", moreAlgorithms, "sha256"},
	directory.SHA384: {crypto.SHA384, moreAlgorithms + "sha384", moreAlgorithms, "sha384"},
	directory.SHA512: {crypto.SHA512, xmlEncryption + "sha512", moreAlgorithms, "sha512"},
	directory.SHA1:   {crypto.SHA1, algorithmSHA1, namespaceSignature, "sha1"},
}

// signer makes enveloped signatures over canonical bytes by one key and one
// hash; immutable, safe for concurrent use.
type signer struct {
	key  crypto.Signer
	hash crypto.Hash
	// algorithm is the signature method's identifier.
	algorithm string
	// half is the length of r and of s of an ECDSA signature; 0 is RSA.
	half int
	// What surrounds the ID that is signed, the digest and the value.
	beforeID, afterID, afterValue string
	// blankDigest and blankValue are as long as those are in base64.
	blankDigest, blankValue string
}

// newSigners prepares the key for every hash.
func newSigners(key crypto.Signer, certificate []byte) (map[directory.Hash]*signer, error) {
	signers := map[directory.Hash]*signer{}
	for name, h := range hashes {
		s := &signer{key: key, hash: h.hash}
		size := 0
		switch public := key.Public().(type) {
		case *rsa.PublicKey:
			s.algorithm, size = h.vocabulary+"rsa-"+h.name, public.Size()
		case *ecdsa.PublicKey:
			s.half = (public.Params().N.BitLen() + 7) / 8
			s.algorithm, size = moreAlgorithms+"ecdsa-"+h.name, 2*s.half
		default:
			return nil, fmt.Errorf("a key of type %T cannot sign SAML messages", public)
		}
		s.beforeID = signatureOpen + signedInfoName + signedInfoMethods + s.algorithm + signedInfoReference
		s.afterID = signedInfoTransforms + h.digest + signedInfoDigest
		s.afterValue = signatureKey + base64.StdEncoding.EncodeToString(certificate) + signatureClose
		s.blankDigest = strings.Repeat("=", base64.StdEncoding.EncodedLen(h.hash.Size()))
		s.blankValue = strings.Repeat("=", base64.StdEncoding.EncodedLen(size))
		signers[name] = s
	}
	return signers, nil
}

// envelop renders an element: what head writes, the signature of the whole, and
// what tail writes. id is the element's, an xs:ID, so it needs no escaping. A
// nil signer leaves the signature out.
func (s *signer) envelop(w *canonicalWriter, id string, head func(), tail func() error) error {
	from := w.Len()
	head()
	if s == nil {
		return tail()
	}
	signature := s.leaveRoom(w, id)
	if err := tail(); err != nil {
		return err
	}
	return s.fill(w.Bytes(), from, signature)
}

// room is where in a document a signature stands whose digest and value are
// still missing, as offsets.
type room struct{ start, signedInfo, digest, signed, value, end int }

func (s *signer) leaveRoom(w *canonicalWriter, id string) room {
	r := room{start: w.Len()}
	r.signedInfo = r.start + len(signatureOpen) + len(signedInfoName)
	w.WriteString(s.beforeID)
	w.WriteString(id)
	w.WriteString(s.afterID)
	r.digest = w.Len()
	w.WriteString(s.blankDigest)
	w.WriteString(signedInfoClose)
	r.signed = w.Len()
	w.WriteString(signatureValue)
	r.value = w.Len()
	w.WriteString(s.blankValue)
	w.WriteString(s.afterValue)
	r.end = w.Len()
	return r
}

// fill signs the element that begins at from and ends with the document.
func (s *signer) fill(document []byte, from int, r room) error {
	hash := s.hash.New()
	hash.Write(document[from:r.start]) // a hash never fails
	hash.Write(document[r.end:])
	digest := hash.Sum(nil)
	base64.StdEncoding.Encode(document[r.digest:], digest)
	hash.Reset()
	hash.Write([]byte(signedInfoApex))
	hash.Write(document[r.signedInfo:r.signed])
	signature, err := s.sign(hash.Sum(digest[:0]))
	if err != nil {
		return err
	}
	base64.StdEncoding.Encode(document[r.value:], signature)
	return nil
}

// sign makes the value of a signature over a digest: PKCS #1 v1.5, or r and s
// of ECDSA, each as long as the curve's order (RFC 9231 section 2.3.6).
func (s *signer) sign(digest []byte) ([]byte, error) {
	signature, err := s.key.Sign(rand.Reader, digest, s.hash)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if s.half == 0 {
		return signature, nil
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &pair); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	value := make([]byte, 2*s.half)
	pair.R.FillBytes(value[:s.half])
	pair.S.FillBytes(value[s.half:])
	return value, nil
}
