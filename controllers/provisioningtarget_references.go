/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

package controllers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"tegata.dev/tegata/api/v1alpha1"
	"tegata.dev/tegata/internal/directory"
	"tegata.dev/tegata/internal/status"
)

// secretUse is a Secret that a target names, with the keys that it needs.
type secretUse struct {
	field, name string
	keys        []string
}

// secretUses are the Secrets of a target of its own.
func secretUses(spec v1alpha1.ProvisioningTargetSpec) []secretUse {
	key := func(field string, ref v1alpha1.SecretKeyReference) secretUse {
		return secretUse{"spec." + field, ref.Name, []string{ref.Key}}
	}
	ofSCIM := func(path string, scim *v1alpha1.SCIM) []secretUse {
		switch a := scim.Authentication; {
		case a.BearerTokenSecretRef != nil:
			return []secretUse{key(path+".authentication.bearerTokenSecretRef", *a.BearerTokenSecretRef)}
		case a.BasicSecretRef != nil:
			return []secretUse{{"spec." + path + ".authentication.basicSecretRef", a.BasicSecretRef.Name, []string{corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey}}}
		case a.OAuth != nil:
			return []secretUse{key(path+".authentication.oauth.clientSecretRef", a.OAuth.ClientSecretRef)}
		}
		return nil
	}
	switch {
	case spec.EntraID != nil:
		return entraSecrets(spec.EntraID)
	case spec.SCIM != nil:
		return ofSCIM("scim", spec.SCIM)
	case spec.MDM != nil && spec.MDM.SCIM != nil:
		return ofSCIM("mdm.scim", spec.MDM.SCIM)
	case spec.MDM != nil && spec.MDM.REST != nil:
		return []secretUse{key("mdm.rest.tokenSecretRef", spec.MDM.REST.TokenSecretRef)}
	}
	return nil
}

func entraSecrets(entra *v1alpha1.EntraID) []secretUse {
	if ref := entra.ClientSecretRef; ref != nil {
		return []secretUse{{"spec.entraID.clientSecretRef", ref.Name, []string{ref.Key}}}
	}
	if ref := entra.ClientCertificateRef; ref != nil {
		return []secretUse{{"spec.entraID.clientCertificateRef", ref.Name, []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey}}}
	}
	return nil
}

// caBundle is the ConfigMap key that verifies a target's service; nil for none.
func caBundle(spec v1alpha1.ProvisioningTargetSpec) *v1alpha1.ConfigMapKeyReference {
	switch {
	case spec.SCIM != nil:
		return spec.SCIM.CABundleRef
	case spec.MDM != nil && spec.MDM.SCIM != nil:
		return spec.MDM.SCIM.CABundleRef
	case spec.MDM != nil && spec.MDM.REST != nil:
		return spec.MDM.REST.CABundleRef
	}
	return nil
}

// intuneTarget names the target whose app registration reads Intune; empty for others.
func intuneTarget(spec v1alpha1.ProvisioningTargetSpec) string {
	if spec.MDM == nil || spec.MDM.Intune == nil {
		return ""
	}
	return spec.MDM.Intune.TargetRef.Name
}

// ingredients are what a target's service is made from.
type ingredients struct {
	options ServiceOptions
	// connection is a hash of what the service is reached by, whole one of
	// everything that it is made from. A hash of a secret leaves this process never.
	connection, whole string
}

// gather reads everything that the spec names; false where something is missing
// or unusable, which the report then says.
func (k *provisioningTargets) gather(ctx context.Context, target *v1alpha1.ProvisioningTarget, in *scope, report *status.Report) (ingredients, bool) {
	spec := target.Spec
	options := ServiceOptions{Spec: spec, Now: k.clock, OfMember: k.ofMember(target.Namespace)}
	uses := secretUses(spec)
	if name := intuneTarget(spec); name != "" {
		entra, ok := k.entraOf(ctx, target, name, report)
		if !ok {
			return ingredients{}, false
		}
		options.Entra, uses = entra, entraSecrets(entra)
		for i := range uses {
			uses[i].field += fmt.Sprintf(" of ProvisioningTarget %q", name)
		}
	}
	values, ok := k.readSecrets(ctx, target.Namespace, uses, report)
	if !ok || !k.groupsExist(ctx, target, report) {
		return ingredients{}, false
	}
	options.Secret = func(name, key string) []byte { return values[name+"/"+key] }
	var bundle []byte
	if ref := caBundle(spec); ref != nil {
		if bundle, ok = readConfigMapKey(ctx, k.uncached, target.Namespace, *ref, "caBundleRef", report); !ok {
			return ingredients{}, false
		}
		options.RootCAs = x509.NewCertPool()
		if !options.RootCAs.AppendCertsFromPEM(bundle) {
			report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
				fmt.Sprintf("ConfigMap %q, key %q: there is no certificate in it; put the certificates that verify the service there, in PEM.", ref.Name, ref.Key)))
			return ingredients{}, false
		}
	}
	var err error
	if options.Allowed, err = k.allowedNetworks(ctx, in); err != nil {
		report.Add(readFailed("The IdentityServer", err))
		return ingredients{}, false
	}
	found := ingredients{options: options}
	found.connection = hashOf(spec.EntraID, spec.MDM, spec.SCIM, options.Entra, values, bundle, options.Allowed)
	found.whole = hashOf(found.connection, spec.Attributes, spec.WritesPerSecond)
	return found, true
}

// hashOf is a hash of values that JSON can tell.
func hashOf(values ...any) string {
	hash := sha256.New()
	// None of the values fails to encode, and a hash takes everything.
	_ = json.NewEncoder(hash).Encode(values)
	return hex.EncodeToString(hash.Sum(nil))
}

// readSecrets reads the keys of Secrets, by "name/key". What stands in a file
// often ends with a line break, which is no part of a secret.
func (k *provisioningTargets) readSecrets(ctx context.Context, namespace string, uses []secretUse, report *status.Report) (map[string][]byte, bool) {
	values := map[string][]byte{}
	for _, use := range uses {
		secret := &corev1.Secret{}
		err := k.uncached.Get(ctx, types.NamespacedName{Namespace: namespace, Name: use.name}, secret)
		switch {
		case apierrors.IsNotFound(err):
			report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
				fmt.Sprintf("Secret %q does not exist in this namespace; create it or correct %s.", use.name, use.field)))
			return nil, false
		case err != nil:
			report.Add(readFailed("A Secret", err))
			return nil, false
		}
		for _, key := range use.keys {
			value := bytes.TrimRight(secret.Data[key], "\r\n")
			if len(value) == 0 {
				report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
					fmt.Sprintf("Secret %q has no value under the key %q; add it or correct %s.", use.name, key, use.field)))
				return nil, false
			}
			values[use.name+"/"+key] = value
		}
	}
	return values, true
}

// undeclaredAttributes tells of attributes that nobody can have, as a slip of the pen
// clears a property of everybody's. The target works on: leavers do not wait for it.
func undeclaredAttributes(spec v1alpha1.ProvisioningTargetSpec, tenant directory.Tenant) []string {
	var remarks []string
	for i, filled := range spec.Attributes {
		if filled.From == nil || filled.From.Attribute == "" {
			continue
		}
		if _, declared := tenant.Attribute(filled.From.Attribute); !declared {
			remarks = append(remarks, fmt.Sprintf("Tenant %s declares no attribute %q, so %s is empty for everybody: add it to the Tenant's spec.attributes, or correct spec.attributes[%d].from.attribute.",
				tenant.Slug, filled.From.Attribute, filled.Name, i))
		}
	}
	return remarks
}

// entraOf is the Entra ID tenant of the target that Intune is read by.
func (k *provisioningTargets) entraOf(ctx context.Context, target *v1alpha1.ProvisioningTarget, name string, report *status.Report) (*v1alpha1.EntraID, bool) {
	other := &v1alpha1.ProvisioningTarget{}
	err := k.Get(ctx, types.NamespacedName{Namespace: target.Namespace, Name: name}, other)
	switch {
	case apierrors.IsNotFound(err), err == nil && !other.DeletionTimestamp.IsZero():
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
			fmt.Sprintf("ProvisioningTarget %q does not exist in this namespace; create it or correct spec.mdm.intune.targetRef.", name)))
	case err != nil:
		report.Add(readFailed("The ProvisioningTarget of Entra ID", err))
	case other.Spec.EntraID == nil || other.Spec.TenantRef != target.Spec.TenantRef:
		report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.InvalidReferenceReason,
			fmt.Sprintf("ProvisioningTarget %q is no entraID target of this tenant; name one in spec.mdm.intune.targetRef.", name)))
	default:
		return other.Spec.EntraID, true
	}
	return nil, false
}

// groupsExist checks the groups that a target names.
func (k *provisioningTargets) groupsExist(ctx context.Context, target *v1alpha1.ProvisioningTarget, report *status.Report) bool {
	if target.Spec.Members == nil {
		return true
	}
	for i, ref := range target.Spec.Members.Groups {
		group := &v1alpha1.Group{}
		err := k.Get(ctx, client.ObjectKey{Namespace: target.Namespace, Name: ref.Name}, group)
		if client.IgnoreNotFound(err) != nil {
			report.Add(readFailed("A Group", err))
			return false
		}
		if err != nil || !group.DeletionTimestamp.IsZero() || group.Spec.TenantRef != target.Spec.TenantRef {
			report.Add(mustAct(v1alpha1.ResolvedRefsCondition, v1alpha1.ReferenceNotFoundReason,
				fmt.Sprintf("Group %q does not exist in this tenant; create it or correct spec.members.groups[%d].", ref.Name, i)))
			return false
		}
	}
	return true
}

// allowedNetworks are those that the tenant's IdentityServer allows targets in,
// where it admits the tenant at all.
func (k *provisioningTargets) allowedNetworks(ctx context.Context, in *scope) ([]netip.Prefix, error) {
	server := &v1alpha1.IdentityServer{}
	if err := k.Get(ctx, serverName(in.resource), server); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if server.Spec.ProvisioningTargets == nil {
		return nil, nil
	}
	admitted, err := k.admits(ctx, server, in.resource.Namespace)
	if err != nil || !admitted {
		return nil, err
	}
	return networks(server.Spec.ProvisioningTargets.AllowedNetworks), nil
}

// ofMember tells whether a public member ID is that of a Member of a namespace,
// now or as an Account of it remembers.
func (k *provisioningTargets) ofMember(namespace string) func(id string) bool {
	return func(id string) bool {
		for field, list := range map[string]client.ObjectList{byMemberID: &v1alpha1.MemberList{}, byCorrelationID: &v1alpha1.AccountList{}} {
			if len(namesOf(k.lifetime, k.Client, list, client.InNamespace(namespace), client.MatchingFields{field: id})) > 0 {
				return true
			}
		}
		return false
	}
}
