/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package saml

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/keypair"
)

// ProviderOptions is what a tenant's identity provider is made of.
type ProviderOptions struct {
	// EntityID is the issuer, by convention the URL of the metadata. Required.
	EntityID string
	// SingleSignOnURL takes requests by Redirect and POST. Required.
	SingleSignOnURL string
	// SingleLogoutURL takes log-out messages by Redirect and POST. Required.
	SingleLogoutURL string
	// KeyPair signs; RSA or ECDSA, as keypair.ParseKeyPair takes it.
	KeyPair admin.KeyPair
	// Certificates, each PEM, are published beside KeyPair's: those of keys that
	// will sign next and signed before.
	Certificates [][]byte
	// Scopes are the domains that the tenant speaks for: Shibboleth takes
	// name@domain of no others.
	Scopes []string
	// PairwiseKey makes pairwise name IDs; it may be nil where no app has such.
	PairwiseKey []byte
	// Now defaults to time.Now.
	Now func() time.Time
	// Random defaults to crypto/rand.Reader; it must be safe for concurrent use.
	Random io.Reader
}

// Provider is one tenant's identity provider: prepared once, immutable, safe
// for concurrent use.
type Provider struct {
	own             *issuer
	singleSignOnURL string
	singleLogoutURL string
	signers         map[directory.Hash]*signer
	// certificates are DER; the first one is of the key that signs.
	certificates [][]byte
	scopes       []string
	pairwiseKey  []byte
	metadata     func() ([]byte, error)
	now          func() time.Time
	random       io.Reader
}

// NewProvider parses the keys once. It refuses a key
// pair as keypair.ParseKeyPair does, and takes an expired certificate.
func NewProvider(o ProviderOptions) (*Provider, error) {
	for _, name := range []string{o.EntityID, o.SingleSignOnURL, o.SingleLogoutURL} {
		if name == "" || !isXMLText(name) {
			return nil, errors.New("an identity provider needs an entity ID, a single sign-on URL and a single log-out URL")
		}
	}
	certificate, key, err := keypair.ParseKeyPair(o.KeyPair)
	if err != nil {
		return nil, fmt.Errorf("the signing key pair is unusable: %w", err)
	}
	signers, err := newSigners(key, certificate.Raw)
	if err != nil {
		return nil, err
	}
	published, err := publishedCertificates(certificate.Raw, o.Certificates)
	if err != nil {
		return nil, err
	}
	p := &Provider{
		own:             newIssuer(o.EntityID),
		singleSignOnURL: o.SingleSignOnURL,
		singleLogoutURL: o.SingleLogoutURL,
		signers:         signers,
		certificates:    published,
		scopes:          o.Scopes,
		pairwiseKey:     o.PairwiseKey,
		now:             o.Now,
		random:          o.Random,
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.random == nil {
		p.random = rand.Reader
	}
	p.metadata = sync.OnceValues(p.renderMetadata)
	return p, nil
}

// EntityID is the issuer of every response to an app that has none of its own.
func (p *Provider) EntityID() string { return p.own.id }

// Certificate is the one that belongs to the signing key, in DER.
func (p *Provider) Certificate() []byte { return bytes.Clone(p.certificates[0]) }

// issuer is who speaks to the app.
func (p *Provider) issuer(sp *ServiceProvider) *issuer { return cmp.Or(sp.issuer, p.own) }

// signer signs what is for the app.
func (p *Provider) signer(sp *ServiceProvider) *signer { return p.signers[sp.hash] }

// newID is a fresh xs:ID with 128 random bits (SAML core section 1.3.4).
func (p *Provider) newID() (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(p.random, raw[:]); err != nil {
		return "", fmt.Errorf("reading random bytes for a SAML ID: %w", err)
	}
	return "_" + hex.EncodeToString(raw[:]), nil
}

// publishedCertificates are those of the metadata, DER, each once.
func publishedCertificates(current []byte, others [][]byte) ([][]byte, error) {
	all := [][]byte{current}
	for _, text := range others {
		info, err := keypair.InspectCertificate(text)
		if err != nil {
			return nil, fmt.Errorf("a certificate beside the signing one is unusable: %w", err)
		}
		block, _ := pem.Decode([]byte(info.PEM))
		if !slices.ContainsFunc(all, func(other []byte) bool { return bytes.Equal(other, block.Bytes) }) {
			all = append(all, block.Bytes)
		}
	}
	return all, nil
}
