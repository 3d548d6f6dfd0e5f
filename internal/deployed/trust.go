/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package deployed

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/internal/admin"
)

// The keys within the Secrets beside tls.crt and tls.key.
const (
	authorityCertificate = "ca.crt"
	authorityKey         = "ca.key"
)

// trust is what the operator speaks to one server's admin API with.
type trust struct {
	client  tls.Certificate
	servers *x509.CertPool
}

// same reports whether both are made of the same certificates.
func (t *trust) same(other *trust) bool {
	return slices.EqualFunc(t.client.Certificate, other.client.Certificate, bytes.Equal) && t.servers.Equal(other.servers)
}

// ensureTrust reads the Secrets of the admin contract's mutual TLS, makes them
// where they are missing, renews what runs out and replaces what cannot be used:
// nothing else depends on them. The authority's key stays in the operator's
// Secret, which no pod mounts.
func (l *Launcher) ensureTrust(ctx context.Context, name types.NamespacedName, owner metav1.OwnerReference) (*trust, error) {
	own := l.secret(name, clientSecretName(name.Name), owner)
	if err := l.read(ctx, own); err != nil {
		return nil, err
	}
	now := l.options.Now()
	signer, err := readAuthority(pair{own.Data[authorityCertificate], own.Data[authorityKey]})
	if err != nil || !signer.outlives(now) {
		if signer, err = newAuthority(name.String(), now); err != nil {
			return nil, err
		}
	}
	if err := l.ensureLeaf(ctx, own, signer, "", now, map[string][]byte{authorityKey: signer.pair.key}); err != nil {
		return nil, err
	}
	servers := l.secret(name, serverSecretName(name.Name), owner)
	if err := l.read(ctx, servers); err != nil {
		return nil, err
	}
	if err := l.ensureLeaf(ctx, servers, signer, adminHost(name), now, nil); err != nil {
		return nil, err
	}
	certificate, err := tls.X509KeyPair(own.Data[corev1.TLSCertKey], own.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(signer.pair.certificate) {
		return nil, errors.New("the admin authority is not a certificate")
	}
	return &trust{client: certificate, servers: pool}, nil
}

// ensureLeaf renews the Secret's certificate where it has to be, and writes it.
func (l *Launcher) ensureLeaf(ctx context.Context, secret *corev1.Secret, signer *authority, dnsName string, now time.Time, more map[string][]byte) error {
	current := pair{secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]}
	if signer.good(current, dnsName, now) && bytes.Equal(secret.Data[authorityCertificate], signer.pair.certificate) {
		return nil
	}
	leaf, err := signer.leaf(dnsName, now)
	if err != nil {
		return err
	}
	secret.Data = map[string][]byte{
		corev1.TLSCertKey: leaf.certificate, corev1.TLSPrivateKeyKey: leaf.key, authorityCertificate: signer.pair.certificate,
	}
	maps.Copy(secret.Data, more)
	if secret.ResourceVersion == "" {
		return l.client.Create(ctx, secret)
	}
	return l.client.Update(ctx, secret)
}

func (l *Launcher) secret(name types.NamespacedName, secretName string, owner metav1.OwnerReference) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: name.Namespace, Name: secretName, Labels: labels(name.Name), OwnerReferences: []metav1.OwnerReference{owner},
		},
		Type: corev1.SecretTypeTLS,
	}
}

// read fills in the Secret where it exists.
func (l *Launcher) read(ctx context.Context, secret *corev1.Secret) error {
	found := &corev1.Secret{}
	err := l.uncached.Get(ctx, client.ObjectKeyFromObject(secret), found)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !metav1.IsControlledBy(found, &metav1.ObjectMeta{UID: secret.OwnerReferences[0].UID}) {
		return fmt.Errorf("secret %s exists and belongs to something else; delete or rename it", secret.Name)
	}
	found.DeepCopyInto(secret)
	return nil
}

// tlsConfig is the operator's side of the mutual TLS.
func (t *trust) tlsConfig(serverName string) *tls.Config {
	config := admin.ClientTLSConfig(func() (*tls.Certificate, error) { return &t.client, nil }, t.servers)
	config.ServerName = serverName
	return config
}
