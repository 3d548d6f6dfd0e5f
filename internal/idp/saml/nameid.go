/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"

	"tegata.dev/tegata/internal/directory"
)

// ErrNameIDCharacters is returned for a NameID that XML cannot carry.
var ErrNameIDCharacters = errors.New("the value that identifies the member contains characters that SAML cannot carry")

// NameID is how an assertion names a member (SAML core section 2.2.3).
type NameID struct {
	Value string `json:"value"`
	// Format is the URI.
	Format string `json:"format"`
	// NameQualifier and SPNameQualifier are empty where they are left out.
	NameQualifier   string `json:"nameQualifier,omitempty"`
	SPNameQualifier string `json:"spNameQualifier,omitempty"`
}

// nameID names the subject to the app. It fails with directory.ErrNoNameID or
// ErrNameIDCharacters.
func (p *Provider) nameID(sp *ServiceProvider, subject directory.Subject) (NameID, error) {
	settings := sp.app.SAML
	name := NameID{
		Format:        settings.NameIDFormat.URI(),
		NameQualifier: settings.NameQualifier, SPNameQualifier: settings.SPNameQualifier,
	}
	var err error
	switch {
	case settings.Pairwise():
		name.NameQualifier = cmp.Or(name.NameQualifier, p.issuer(sp).id)
		name.SPNameQualifier = cmp.Or(name.SPNameQualifier, settings.EntityID)
		name.Value, err = p.pairwise(settings.EntityID, subject.ID)
	case settings.NameIDFormat == directory.NameIDTransient && settings.NameIDAttribute == "":
		name.Value, err = p.newID()
	default:
		name.Value, err = subject.NameID(sp.app)
	}
	if err == nil && (name.Value == "" || !isXMLText(name.Value)) {
		err = ErrNameIDCharacters
	}
	return name, err
}

// pairwiseAlphabet survives services that ignore case or take few characters.
var pairwiseAlphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// pairwise is a persistent identifier (SAML core section 8.3.7) of 52 letters
// and digits: the same for ever, another one at every service provider, and
// without the tenant's key it tells nothing of the member.
func (p *Provider) pairwise(entityID, memberID string) (string, error) {
	if len(p.pairwiseKey) == 0 {
		return "", errors.New("the tenant has no key for pairwise name IDs")
	}
	mac := hmac.New(sha256.New, p.pairwiseKey)
	mac.Write([]byte(entityID + "\x00" + memberID))
	return pairwiseAlphabet.EncodeToString(mac.Sum(nil)), nil
}

// names reports whether the member named so is whom the request asked for; a
// request that names nobody asks for whoever logs in (SAML core section 3.4.1).
func (pending *Pending) names(nameID string, format directory.NameIDFormat) bool {
	switch {
	case pending.SubjectNameID == "":
		return true
	case format == directory.NameIDEmailAddress:
		return directory.NormalizeMail(pending.SubjectNameID) == directory.NormalizeMail(nameID)
	default:
		return strings.TrimSpace(pending.SubjectNameID) == nameID
	}
}
