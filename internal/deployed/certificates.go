/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"time"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 90 * 24 * time.Hour
	// renewBefore leaves time for a rollout, and for an operator that was away.
	renewBefore = 30 * 24 * time.Hour
	backdate    = time.Hour
)

// pair is a certificate with its key, both PEM.
type pair struct {
	certificate, key []byte
}

// authority signs the certificates of one server's admin contract.
type authority struct {
	pair
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority makes a certificate authority of its own for one server, so that
// no server's certificate opens another one.
func newAuthority(name string, now time.Time) (*authority, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Tegata admin " + name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-backdate), NotAfter: now.Add(authorityLifetime),
	}
	made, err := issue(template, nil)
	if err != nil {
		return nil, err
	}
	return readAuthority(made)
}

func readAuthority(from pair) (*authority, error) {
	loaded, err := tls.X509KeyPair(from.certificate, from.key)
	if err != nil {
		return nil, err
	}
	key, ok := loaded.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !loaded.Leaf.IsCA {
		return nil, errors.New("it is not an ECDSA certificate authority")
	}
	return &authority{pair: from, certificate: loaded.Leaf, key: key}, nil
}

// leaf makes a certificate for a server with that DNS name, or for a client where it is empty.
func (a *authority) leaf(dnsName string, now time.Time) (pair, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "tegata-operator"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotBefore:   now.Add(-backdate), NotAfter: now.Add(leafLifetime),
	}
	if dnsName != "" {
		template.Subject.CommonName, template.DNSNames = "tegata-idp", []string{dnsName}
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	return issue(template, a)
}

// outlives reports whether the authority is valid now, and for longer than a
// leaf made now. One of the future was made by a clock that has been set back since.
func (a *authority) outlives(now time.Time) bool {
	return !now.Before(a.certificate.NotBefore) && a.certificate.NotAfter.After(now.Add(leafLifetime))
}

// good reports whether the leaf is what leaf would make for that DNS name, can
// be used now and need not be renewed yet.
func (a *authority) good(leaf pair, dnsName string, now time.Time) bool {
	loaded, err := tls.X509KeyPair(leaf.certificate, leaf.key)
	if err != nil || loaded.Leaf.NotAfter.Sub(now) <= renewBefore {
		return false
	}
	usage, roots := x509.ExtKeyUsageClientAuth, x509.NewCertPool()
	if dnsName != "" {
		usage = x509.ExtKeyUsageServerAuth
	}
	roots.AddCert(a.certificate)
	_, err = loaded.Leaf.Verify(x509.VerifyOptions{DNSName: dnsName, Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err == nil
}

// issue signs the template with the authority, or with itself where that is nil.
func issue(template *x509.Certificate, by *authority) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return pair{}, err
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return pair{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair{}, err
	}
	return pair{
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}
