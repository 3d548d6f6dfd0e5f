/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package samlxml

import (
	"crypto"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
)

const (
	exclusiveC14N      = "http://www.w3.org/2001/10/xml-exc-c14n#"
	envelopedTransform = xmlDigital + "enveloped-signature"

	// maximumPrefixes bounds a PrefixList: every element is looked through for
	// each prefix, before anything is proven. Real ones have a few.
	maximumPrefixes = 32

	// maximumDeclarations bounds the namespace declarations of a signed document,
	// as the canonical form looks through those in force at each element. Real
	// ones have a few dozen.
	maximumDeclarations = 256
)

// Signed reports whether there is a ds:Signature anywhere in the element.
func (e *Element) Signed() bool { return len(e.signatures()) > 0 }

// VerifyEnveloped verifies that one of the keys signed the document whose root
// e is, whole: by exactly one ds:Signature, a child of the root, with one
// reference to the root, enveloped and in canonical form (SAML core section
// 5.4). Nothing outside of what is signed can be read from the tree
// afterwards but the signature itself; certificates in the message count for
// nothing. It fails with an *Error.
func (e *Element) VerifyEnveloped(keys []crypto.PublicKey, policy Policy) error {
	s, err := e.onlySignature()
	if err != nil {
		return err
	}
	parts, err := readSignature(s)
	if err != nil {
		return err
	}
	whole, err := e.readReference(parts, policy)
	if err != nil {
		return err
	}
	if _, err := chooseAlgorithm(parts.algorithm, keys, policy); err != nil {
		return err
	}
	// The reference before what it refers to: a stranger's document costs no more
	// than its ds:SignedInfo, which has a dozen elements.
	if err := VerifyDetached(parts.signedInfo.canonical(nil, parts.form), parts.algorithm, parts.value, keys, policy); err != nil {
		return err
	}
	sum := whole.hash.New()
	sum.Write(e.canonical(s, whole.form)) // a hash never fails
	if subtle.ConstantTimeCompare(sum.Sum(nil), whole.digest) != 1 {
		return refuse("was changed after it was signed")
	}
	return nil
}

// onlySignature finds the signature, where it stands as SAML demands.
func (e *Element) onlySignature() (*Element, error) {
	all := e.signatures()
	switch {
	case e.parent != nil:
		return nil, refuse("is signed in part only")
	case len(all) == 0:
		return nil, refuse("is not signed")
	case len(all) > 1:
		return nil, refuse("has more than one signature")
	case all[0].parent != e:
		return nil, refuse("has its signature in the wrong place")
	case e.anyComment():
		// Comments are not signed in this canonical form, so anybody could add them.
		return nil, refuse("is signed and contains a comment")
	case e.countDeclarations() > maximumDeclarations:
		return nil, refuse("is signed and has more than %d namespace declarations", maximumDeclarations)
	}
	return all[0], nil
}

func (e *Element) signatures() []*Element {
	var found []*Element
	if e.Is(xmlDigital, "Signature") {
		found = append(found, e)
	}
	for _, child := range e.children {
		found = append(found, child.signatures()...)
	}
	return found
}

func (e *Element) countDeclarations() int {
	count := len(e.declarations)
	for _, child := range e.children {
		count += child.countDeclarations()
	}
	return count
}

func (e *Element) anyComment() bool {
	return e.commented || slices.ContainsFunc(e.children, (*Element).anyComment)
}

// signatureParts is what a ds:Signature says.
type signatureParts struct {
	signedInfo, reference *Element
	algorithm             string
	form                  form // of ds:SignedInfo
	value                 []byte
}

// readSignature reads the schema's shape strictly (XML Signature section 4);
// ds:Object, which the signature does not cover, is refused.
func readSignature(s *Element) (signatureParts, error) {
	var parts signatureParts
	names := childNames(s)
	if !slices.Equal(names, []string{"SignedInfo", "SignatureValue"}) && !slices.Equal(names, []string{"SignedInfo", "SignatureValue", "KeyInfo"}) {
		return parts, refuse("has a signature of an unknown form")
	}
	parts.signedInfo = s.children[0]
	if !slices.Equal(childNames(parts.signedInfo), []string{"CanonicalizationMethod", "SignatureMethod", "Reference"}) {
		return parts, refuse("has a signature of an unknown form")
	}
	canonicalization, method := parts.signedInfo.children[0], parts.signedInfo.children[1]
	parts.reference = parts.signedInfo.children[2]
	parts.algorithm = method.Attribute("Algorithm")
	var err error
	if parts.form, err = canonicalForm(canonicalization); err != nil {
		return parts, err
	}
	if parts.form.inclusive && parts.signedInfo.belowXMLAttribute() {
		return parts, refuse("has a signature over the inclusive canonical form, and an attribute of the xml prefix; use the exclusive canonical form")
	}
	if len(method.children) > 0 {
		return parts, refuse("has a signature of an unknown form") // HMACOutputLength and the like
	}
	parts.value, err = octets(s.children[1])
	return parts, err
}

// childNames are the local names of children in the signature's namespace;
// others are marked, so that no list matches them.
func childNames(e *Element) []string {
	names := make([]string, len(e.children))
	for i, child := range e.children {
		names[i] = child.name.Local
		if child.name.Space != xmlDigital {
			names[i] = "?"
		}
	}
	return names
}

// belowXMLAttribute: Canonical XML 1.0 and 1.1 take over such attributes, each
// in its own way.
func (e *Element) belowXMLAttribute() bool {
	for at := e.parent; at != nil; at = at.parent {
		if slices.ContainsFunc(at.attributes, func(a attribute) bool { return a.space == namespaceXML }) {
			return true
		}
	}
	return false
}

// canonicalForm reads a CanonicalizationMethod or Transform, and the exclusive
// form's InclusiveNamespaces PrefixList. SAML recommends the exclusive form;
// goxmldsig signs over the inclusive one unless told otherwise.
func canonicalForm(method *Element) (form, error) {
	inclusive := false
	switch method.Attribute("Algorithm") {
	case exclusiveC14N, exclusiveC14N + "WithComments":
	case "http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
		"http://www.w3.org/2006/12/xml-c14n11", "http://www.w3.org/2006/12/xml-c14n11#WithComments":
		inclusive = true
	default:
		return form{}, refuse("has a signature over an unknown canonical form; use the exclusive one")
	}
	switch {
	case len(method.children) == 0:
		return form{inclusive: inclusive}, nil
	case inclusive || len(method.children) > 1 || !method.children[0].Is(exclusiveC14N, "InclusiveNamespaces") || len(method.children[0].children) > 0:
		return form{}, refuse("has a signature of an unknown form")
	}
	prefixes := strings.Fields(method.children[0].Attribute("PrefixList"))
	if len(prefixes) > maximumPrefixes {
		return form{}, refuse("has a signature with more than %d prefixes in a PrefixList", maximumPrefixes)
	}
	for i, prefix := range prefixes {
		if prefix == "#default" {
			prefixes[i] = ""
		}
	}
	return form{prefixes: prefixes}, nil
}

// reference is what a ds:Reference to the whole document says.
type reference struct {
	form   form
	hash   crypto.Hash
	digest []byte
}

// readReference checks that the reference is to the whole document.
func (e *Element) readReference(parts signatureParts, policy Policy) (reference, error) {
	if !slices.Equal(childNames(parts.reference), []string{"Transforms", "DigestMethod", "DigestValue"}) {
		return reference{}, refuse("has a signature of an unknown form")
	}
	transforms, method := parts.reference.children[0], parts.reference.children[1]
	if err := e.checkURI(parts.reference); err != nil {
		return reference{}, err
	}
	if !slices.Equal(childNames(transforms), []string{"Transform", "Transform"}) || transforms.children[0].Attribute("Algorithm") != envelopedTransform ||
		len(transforms.children[0].children) > 0 {
		return reference{}, refuse("has a signature with other transforms than enveloped and a canonical form")
	}
	whole, err := canonicalForm(transforms.children[1])
	if err != nil {
		return reference{}, err
	}
	hash, known := digestAlgorithms[method.Attribute("Algorithm")]
	if !known || len(method.children) > 0 {
		return reference{}, refuse("has a digest by an algorithm that is not accepted; use SHA-256")
	}
	if !policy.allows(hash) {
		return reference{}, refuse("has a digest with SHA-1, which is not accepted; use SHA-256")
	}
	digest, err := octets(parts.reference.children[2])
	return reference{whole, hash, digest}, err
}

// checkURI: the reference names the root by its ID, or is empty, which is the
// whole document. An ID that occurs twice names nothing.
func (e *Element) checkURI(reference *Element) error {
	uri, present := reference.Lookup("URI")
	id := e.Attribute("ID")
	switch {
	case !present || uri != "" && (id == "" || uri != "#"+id):
		return refuse("has a signature over something else")
	case e.countID(id) > 1:
		return refuse("has the same ID twice")
	}
	return nil
}

func (e *Element) countID(id string) int {
	count := 0
	for _, a := range e.attributes {
		if strings.EqualFold(a.local, "ID") && a.value == id {
			count++
		}
	}
	for _, child := range e.children {
		count += child.countID(id)
	}
	return count
}

// octets reads base64 that may be broken into lines.
func octets(e *Element) ([]byte, error) {
	text, err := e.Text()
	if err != nil {
		return nil, err
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(decoded) == 0 {
		return nil, refuse("has a signature that is not base64")
	}
	return decoded, nil
}
