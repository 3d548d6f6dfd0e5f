/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/admin"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/status"
)

const (
	// temporaryPasswordLifetime is O3.3's seven days.
	temporaryPasswordLifetime = 168 * time.Hour
	// temporarySecretSuffix follows the member's name.
	temporarySecretSuffix = "-temporary-password" // #nosec G101 -- a part of an object's name
	// resetTokenAnnotation marks which reset a temporary-password Secret answers.
	resetTokenAnnotation = "identity.tegata.dev/reset" // #nosec G101 -- an annotation's name
)

// surroundings are the groups that may hold a member and the tenant's apps.
type surroundings struct {
	groups []directory.Group
	apps   []directory.App
}

func (s surroundings) findApp(ref directory.AppReference) (directory.App, bool) {
	for _, app := range s.apps {
		if app.Reference() == ref {
			return app, true
		}
	}
	return directory.App{}, false
}

// gather reads, from the caches, the groups that name the member or select by
// label, and the tenant's apps.
func (k *members) gather(ctx context.Context, member *v1alpha1.Member, in *scope) (surroundings, error) {
	var found surroundings
	var err error
	if found.groups, err = groupsAround(ctx, k.Client, in.tenant.Slug, member); err != nil {
		return found, err
	}
	found.apps, err = tenantApps(ctx, k.Client, in, member.Namespace)
	return found, err
}

// tenantApps are the apps of a tenant, without icons, from the caches.
func tenantApps(ctx context.Context, c client.Client, in *scope, namespace string) ([]directory.App, error) {
	options := []client.ListOption{
		client.InNamespace(namespace), client.MatchingFields{byTenant: in.resource.Name}, client.UnsafeDisableDeepCopy,
	}
	var apps []directory.App
	samlApps, linkApps := &v1alpha1.SAMLAppList{}, &v1alpha1.LinkAppList{}
	if err := c.List(ctx, samlApps, options...); err != nil {
		return nil, err
	}
	for i := range samlApps.Items {
		if samlApps.Items[i].DeletionTimestamp.IsZero() {
			apps = append(apps, directorySAMLApp(in.tenant.Slug, &samlApps.Items[i], nil))
		}
	}
	if err := c.List(ctx, linkApps, options...); err != nil {
		return nil, err
	}
	for i := range linkApps.Items {
		if linkApps.Items[i].DeletionTimestamp.IsZero() {
			apps = append(apps, directoryLinkApp(in.tenant.Slug, &linkApps.Items[i], nil))
		}
	}
	return apps, nil
}

// olderClaims reports whether a member that was never live yields to an older
// one with the same mail that may yet become live. One that is live keeps its
// mail: the IdP decides.
func (k *members) olderClaims(ctx context.Context, member *v1alpha1.Member, in *scope, report *status.Report) bool {
	if member.Status.ID != "" {
		return false
	}
	same := &v1alpha1.MemberList{}
	err := k.List(ctx, same, client.MatchingFields{byMail: directory.NormalizeMail(member.Spec.Mail)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		report.Add(readFailed("The other members", err))
		return true
	}
	for i := range same.Items {
		other := &same.Items[i]
		if !older(other, member) || !contends(other) || !k.sameServer(ctx, other, in) {
			continue
		}
		where := "in another tenant"
		if other.Namespace == member.Namespace {
			where = fmt.Sprintf("Member %q", other.Name)
		}
		report.Add(mustAct(v1alpha1.PublishedCondition, v1alpha1.ConflictReason,
			fmt.Sprintf("mail: %s is already used by an older member, %s; a mail address can belong to one member only.", member.Spec.Mail, where)))
		return true
	}
	return false
}

func (k *members) sameServer(ctx context.Context, other *v1alpha1.Member, in *scope) bool {
	tenant := &v1alpha1.Tenant{}
	name := client.ObjectKey{Namespace: other.Namespace, Name: other.Spec.TenantRef.Name}
	return k.Get(ctx, name, tenant) == nil && serverName(tenant) == serverName(in.resource)
}

// settlePassword makes a temporary password where the IdP asks for one, drops
// its Secret once it is of no use, and writes what is known of the password.
func (k *members) settlePassword(ctx context.Context, member *v1alpha1.Member, in *scope, state admin.MemberState, report *status.Report) {
	if state.NeedsTemporaryPassword {
		issued, err := k.issueTemporaryPassword(ctx, member, in)
		switch {
		case apierrors.IsAlreadyExists(err):
			// The IdP took the spec: what services are told of goes on.
			report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ConflictReason,
				fmt.Sprintf("Secret %q exists and is not this member's; delete or rename it, so that the temporary password can be written there.", temporarySecretName(member))))
		case err != nil:
			report.Add(unavailable(v1alpha1.UnavailableReason, "The temporary password could not be issued; it is tried again.", err))
		default:
			state = *issued
		}
	}
	if state.Password != admin.PasswordTemporary && !state.NeedsTemporaryPassword {
		if err := k.deleteTemporarySecret(ctx, member); err != nil {
			report.Add(unavailable(v1alpha1.UnavailableReason, "The Secret of a used temporary password could not be deleted; it is tried again.", err))
		}
	}
	secret, err := k.temporarySecret(ctx, member)
	if err != nil {
		report.Add(readFailed("The temporary-password Secret", err))
	}
	observeMember(member, state, secret != nil, k.clock())
	if state.PasswordExpiresAt != nil {
		report.RequeueAfter(state.PasswordExpiresAt.Sub(k.clock()) + time.Second)
	}
	if state.LockedUntil != nil {
		report.RequeueAfter(state.LockedUntil.Sub(k.clock()) + time.Second)
	}
}

func temporarySecretName(member *v1alpha1.Member) string {
	return derivedName(member.Name, temporarySecretSuffix)
}

// issueTemporaryPassword writes the Secret first and then tells the IdP. After
// a crash in between, the password in the Secret is used again. The error is
// AlreadyExists where somebody else's Secret has the name.
func (k *members) issueTemporaryPassword(ctx context.Context, member *v1alpha1.Member, in *scope) (*admin.MemberState, error) {
	token := member.Annotations[v1alpha1.ResetPasswordAnnotation]
	name := client.ObjectKey{Namespace: member.Namespace, Name: temporarySecretName(member)}
	secret := &corev1.Secret{}
	err := k.uncached.Get(ctx, name, secret)
	switch {
	case apierrors.IsNotFound(err):
		secret, err = k.newTemporarySecret(member, in, token)
		if err == nil {
			err = k.Create(ctx, secret)
		}
	case err != nil:
	case !metav1.IsControlledBy(secret, member) && !restored(secret):
		err = apierrors.NewAlreadyExists(corev1.Resource("secrets"), name.Name)
	case restored(secret) || secret.Annotations[resetTokenAnnotation] != token:
		var fresh *corev1.Secret
		fresh, err = k.newTemporarySecret(member, in, token)
		if err == nil {
			secret.Annotations, secret.OwnerReferences, secret.Data = fresh.Annotations, fresh.OwnerReferences, fresh.Data
			err = k.Update(ctx, secret)
		}
	}
	if err != nil {
		return nil, err
	}
	return in.server.SetTemporaryPassword(ctx, admin.TemporaryPassword{
		Member:    admin.Key{Kind: admin.KindMember, Tenant: in.tenant.Slug, Name: member.Name},
		Password:  string(secret.Data[corev1.BasicAuthPasswordKey]),
		Reset:     token,
		ExpiresAt: k.clock().Add(temporaryPasswordLifetime),
	})
}

// newTemporarySecret holds what an administrator hands over.
func (k *members) newTemporarySecret(member *v1alpha1.Member, in *scope, token string) (*corev1.Secret, error) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: member.Namespace, Name: temporarySecretName(member), Labels: backedUp(),
			Annotations: map[string]string{resetTokenAnnotation: token},
		},
		Type: corev1.SecretTypeBasicAuth,
		Data: map[string][]byte{
			corev1.BasicAuthUsernameKey: []byte(member.Spec.Mail),
			corev1.BasicAuthPasswordKey: []byte(temporaryPassword()),
			"url":                       []byte(in.server.externalURL + "/login"),
		},
	}
	return secret, controllerutil.SetControllerReference(member, secret, k.Scheme())
}

// temporaryPassword is random with over 120 bits, in groups that can be read
// out on the telephone.
func temporaryPassword() string {
	text := strings.ToLower(rand.Text())
	var groups []string
	for len(text) > 5 {
		groups, text = append(groups, text[:5]), text[5:]
	}
	return strings.Join(append(groups, text), "-")
}

// restored tells whether a Secret of a member's name may have come out of a
// backup, which leaves away whose it was.
func restored(secret metav1.Object) bool {
	full, known := secret.(*corev1.Secret)
	return secret.GetLabels()[v1alpha1.BackupLabel] == v1alpha1.BackupRequired && metav1.GetControllerOf(secret) == nil &&
		(!known || full.Type == corev1.SecretTypeBasicAuth)
}

// temporarySecret is the metadata of the member's Secret in the cache, or nil.
// One out of a backup becomes the member's again.
func (k *members) temporarySecret(ctx context.Context, member *v1alpha1.Member) (*metav1.PartialObjectMetadata, error) {
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := k.Get(ctx, client.ObjectKey{Namespace: member.Namespace, Name: temporarySecretName(member)}, secret)
	switch {
	case err != nil:
		return nil, client.IgnoreNotFound(err)
	case metav1.IsControlledBy(secret, member):
		return secret, nil
	case restored(secret):
		if adopted, err := k.adopt(ctx, member); err != nil || !adopted {
			return nil, err
		}
		return secret, nil
	}
	return nil, nil
}

// adopt makes a Secret out of a backup the member's own, and tells whether it is.
func (k *members) adopt(ctx context.Context, member *v1alpha1.Member) (bool, error) {
	secret := &corev1.Secret{}
	err := k.uncached.Get(ctx, client.ObjectKey{Namespace: member.Namespace, Name: temporarySecretName(member)}, secret)
	if err != nil || !restored(secret) {
		return false, client.IgnoreNotFound(err)
	}
	if err := controllerutil.SetControllerReference(member, secret, k.Scheme()); err != nil {
		return false, err
	}
	return true, k.Update(ctx, secret)
}

// deleteTemporarySecret deletes the member's Secret where there is one.
func (k *members) deleteTemporarySecret(ctx context.Context, member *v1alpha1.Member) error {
	secret, err := k.temporarySecret(ctx, member)
	if secret == nil || err != nil {
		return err
	}
	return client.IgnoreNotFound(k.Delete(ctx, secret, client.Preconditions{UID: &secret.UID}))
}
