/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateLifetime is longer than anybody keeps such a cluster.
const certificateLifetime = 365 * 24 * time.Hour

// authority signs every certificate of one cluster. Its key is not kept.
type authority struct {
	directory   string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	now         time.Time
}

// newAuthority makes a certificate authority and writes ca.crt into directory.
func newAuthority(directory string, now time.Time) (*authority, error) {
	a := &authority{directory: directory, now: now}
	template := a.template(pkix.Name{CommonName: "tegata-cluster"})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, a.write("ca.crt", "CERTIFICATE", der, 0o644)
}

func (a *authority) template(subject pkix.Name) *x509.Certificate {
	serial := make([]byte, 16)
	rand.Read(serial) // never fails
	return &x509.Certificate{
		Subject: subject, SerialNumber: new(big.Int).SetBytes(serial),
		NotBefore: a.now.Add(-time.Hour), NotAfter: a.now.Add(certificateLifetime),
	}
}

// server writes NAME.crt and NAME.key for a server of the addresses and names.
func (a *authority) server(name string, addresses, names []string) error {
	template := a.template(pkix.Name{CommonName: name})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = names
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	_, _, err := a.issue(name, template)
	return err
}

// client writes NAME.crt and NAME.key for a user and its group as Kubernetes reads them from a certificate, and returns both.
func (a *authority) client(name, user, group string) (certificate, key []byte, err error) {
	subject := pkix.Name{CommonName: user}
	if group != "" {
		subject.Organization = []string{group}
	}
	template := a.template(subject)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(name, template)
}

func (a *authority) issue(name string, template *x509.Certificate) (certificate, key []byte, err error) {
	template.KeyUsage = x509.KeyUsageDigitalSignature
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, private.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	err = errors.Join(a.write(name+".crt", "CERTIFICATE", der, 0o644), a.write(name+".key", "EC PRIVATE KEY", keyDER, 0o600))
	return encode("CERTIFICATE", der), encode("EC PRIVATE KEY", keyDER), err
}

func (a *authority) write(name, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(filepath.Join(a.directory, name), encode(kind, der), mode)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
