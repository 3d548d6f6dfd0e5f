/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/status"
)

const (
	// encryptionKey is the key within the encryption Secret, and its length in bytes.
	encryptionKey      = "key"
	encryptionKeyBytes = 32
)

// encryptionSecretName holds the key that seals secrets at rest. Back it up
// with the database: neither is of use without the other.
func encryptionSecretName(server string) string { return derivedName(server, "-encryption") }

// serverSecretNames are the Secrets that configure a server.
func serverSecretNames(server *v1alpha1.IdentityServer) []string {
	names := []string{encryptionSecretName(server.Name)}
	if storage := server.Spec.Storage; storage != nil && storage.Postgres != nil {
		names = append(names, storage.Postgres.ConnectionSecretRef.Name)
	}
	if mail := server.Spec.Mail; mail != nil && mail.SMTP.CredentialsSecretRef != nil {
		names = append(names, mail.SMTP.CredentialsSecretRef.Name)
	}
	return names
}

// gather reads everything the server's configuration names; false where
// something is missing, which the report then says.
func (k *identityServers) gather(ctx context.Context, server *v1alpha1.IdentityServer, report *status.Report) (ServerConfig, bool) {
	config := ServerConfig{ExternalURL: server.Spec.ExternalURL}
	if server.Spec.Embedded != nil {
		config.Listen = server.Spec.Embedded.Listen
	} else {
		config.Deployment = deploymentConfig(server)
	}
	for _, network := range server.Spec.TrustedProxies {
		prefix, err := netip.ParsePrefix(string(network))
		if err != nil {
			report.Add(mustAct(v1alpha1.AcceptedCondition, v1alpha1.InvalidSpecReason, fmt.Sprintf("trustedProxies: %q is not a network in CIDR form.", network)))
			return config, false
		}
		config.TrustedProxies = append(config.TrustedProxies, prefix.Masked())
	}
	if storage := server.Spec.Storage; storage != nil && storage.Postgres != nil {
		ref := storage.Postgres.ConnectionSecretRef
		dsn, ok := k.read(ctx, server.Namespace, ref.Name, "spec.storage.postgres.connectionSecretRef", report, ref.Key)
		if !ok {
			return config, false
		}
		config.PostgresDSN = string(dsn[ref.Key])
	}
	if !k.gatherMail(ctx, server, &config, report) {
		return config, false
	}
	key, err := k.ensureEncryptionKey(ctx, server)
	switch {
	case apierrors.IsNotFound(err):
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
			fmt.Sprintf("Secret %q is gone; restore it from your backup, for without it what the database seals cannot be read.", encryptionSecretName(server.Name))))
		return config, false
	case err != nil:
		report.Add(readFailed("The encryption Secret", err))
		return config, false
	}
	if len(key) != encryptionKeyBytes {
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
			fmt.Sprintf("Secret %q must hold %d bytes in %q; restore it from your backup, for without it what the database seals cannot be read.",
				encryptionSecretName(server.Name), encryptionKeyBytes, encryptionKey)))
		return config, false
	}
	config.Key = key
	return config, true
}

// deploymentConfig is what the spec says of the pods.
func deploymentConfig(server *v1alpha1.IdentityServer) *DeploymentConfig {
	spec := server.Spec
	config := &DeploymentConfig{
		Owner:      *metav1.NewControllerRef(server, v1alpha1.GroupVersion.WithKind("IdentityServer")),
		Replicas:   max(spec.Deployment.Replicas, 1),
		Image:      spec.Deployment.Image,
		Version:    spec.Deployment.Version,
		KeySecret:  SecretKey{encryptionSecretName(server.Name), encryptionKey},
		VolumeSize: resource.MustParse("1Gi"),
	}
	if template := spec.Deployment.PodTemplate; template != nil {
		config.PodTemplate = template.Raw
	}
	if storage := spec.Storage; storage != nil && storage.Postgres != nil {
		config.PostgresSecret = SecretKey(storage.Postgres.ConnectionSecretRef)
	} else if storage != nil && storage.SQLite != nil {
		config.StorageClassName = storage.SQLite.StorageClassName
		if size := storage.SQLite.Size; size != nil {
			config.VolumeSize = *size
		}
	}
	if mail := spec.Mail; mail != nil && mail.SMTP.CredentialsSecretRef != nil {
		config.MailSecret = mail.SMTP.CredentialsSecretRef.Name
	}
	if ingress := spec.Deployment.Ingress; ingress != nil {
		config.Ingress = &IngressConfig{
			ClassName: ingress.ClassName, TLSSecretName: ingress.TLSSecretName,
			Annotations: texts(ingress.Annotations), Labels: texts(ingress.Labels),
		}
	}
	if route := spec.Deployment.HTTPRoute; route != nil {
		config.HTTPRoute = &HTTPRouteConfig{Annotations: texts(route.Annotations), Labels: texts(route.Labels)}
		for _, parent := range route.ParentRefs {
			config.HTTPRoute.Parents = append(config.HTTPRoute.Parents, RouteParent(parent))
		}
	}
	return config
}

// texts are the values of a map as plain strings.
func texts[M ~map[string]V, V ~string](values M) map[string]string {
	plain := make(map[string]string, len(values))
	for key, value := range values {
		plain[key] = string(value)
	}
	return plain
}

func (k *identityServers) gatherMail(ctx context.Context, server *v1alpha1.IdentityServer, config *ServerConfig, report *status.Report) bool {
	mail := server.Spec.Mail
	if mail == nil {
		return true
	}
	config.Mail = &MailConfig{From: mail.From, Host: mail.SMTP.Host, Port: int(mail.SMTP.Port), TLS: string(mail.SMTP.TLS)}
	if config.Mail.TLS == "" {
		config.Mail.TLS = string(v1alpha1.SMTPStartTLS)
	}
	ref := mail.SMTP.CredentialsSecretRef
	if ref == nil {
		return true
	}
	credentials, ok := k.read(ctx, server.Namespace, ref.Name, "spec.mail.smtp.credentialsSecretRef", report,
		corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey)
	if !ok {
		return false
	}
	config.Mail.Username = string(credentials[corev1.BasicAuthUsernameKey])
	config.Mail.Password = string(credentials[corev1.BasicAuthPasswordKey])
	return true
}

// read reads a Secret that must hold the keys; otherwise the report says what is missing.
func (k *identityServers) read(ctx context.Context, namespace, name, field string, report *status.Report, keys ...string) (map[string][]byte, bool) {
	secret := &corev1.Secret{}
	err := k.secrets.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
			fmt.Sprintf("Secret %q does not exist in this namespace; create it or correct %s.", name, field)))
		return nil, false
	case err != nil:
		report.Add(readFailed("A Secret", err))
		return nil, false
	}
	for _, key := range keys {
		if value, there := secret.Data[key]; len(value) == 0 {
			fault := "has no key %q; add it"
			if there {
				fault = "has nothing in key %q; fill it"
			}
			report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
				fmt.Sprintf("Secret %q "+fault+" or correct %s.", name, key, field)))
			return nil, false
		}
	}
	return secret.Data, true
}

// ensureEncryptionKey reads the sealing key, and makes it before the server
// starts for the first time; after that the database is sealed with the one
// there was, and a new one would lock it. It is not owned by the server, so
// that deleting and re-making the server loses nothing.
func (k *identityServers) ensureEncryptionKey(ctx context.Context, server *v1alpha1.IdentityServer) ([]byte, error) {
	name := types.NamespacedName{Namespace: server.Namespace, Name: encryptionSecretName(server.Name)}
	secret := &corev1.Secret{}
	err := k.secrets.Get(ctx, name, secret)
	if !apierrors.IsNotFound(err) || controllerutil.ContainsFinalizer(server, v1alpha1.Finalizer) {
		return secret.Data[encryptionKey], err
	}
	key := make([]byte, encryptionKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	secret = &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, Labels: backedUp()},
		Data:       map[string][]byte{encryptionKey: key},
	}
	return key, k.Create(ctx, secret)
}

// startFailed tells why the server does not run; the cause is what the person
// has to mend, and the server's errors carry no secrets.
func startFailed(err error) status.Outcome {
	return unavailable(v1alpha1.StartFailedReason, fmt.Sprintf("The server could not be started: %v.", err), err)
}

// retractTenants deletes every tenant that the server holds. The deletion guard
// is none of its business: what is still declared when the server is made again
// is restored as it was.
func retractTenants(ctx context.Context, service admin.Service) error {
	var after admin.Key
	for {
		page, err := service.Digests(ctx, after, admin.MaxPage)
		if err != nil {
			return err
		}
		for _, entry := range page {
			if entry.Key.Kind != admin.KindTenant {
				continue
			}
			if _, err := service.Apply(ctx, []admin.Change{{Key: entry.Key, Owner: entry.Owner, Unguarded: true}}); err != nil {
				return err
			}
		}
		if len(page) < admin.MaxPage {
			return nil
		}
		after = page[len(page)-1].Key
	}
}
